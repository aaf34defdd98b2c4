//! The long-term key of an IAM user.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Attempt, at};
use crate::aws::iam::{Change, Iam, KeyList};
use crate::credential::KeyStatus;
use crate::failure::{Cause, Disagreement, Failed};
use crate::names::{AccessKeyId, UserName};
use crate::plan::{NameIs, Step};
use crate::record::{Done, Entry, KeysSeen, Left, Record};

/// The user that an event names, and what that is worth.
pub struct Named<'c> {
    pub user: Option<&'c UserName>,
    pub name: NameIs<'c>,
}

/// Gives the key its status: one call when the event names the user. When the user has no such key, or none is named,
/// IAM is asked whose key it is.
pub async fn set_status(
    key: &AccessKeyId,
    named: &Named<'_>,
    status: KeyStatus,
    dry_run: bool,
    record: &mut Record,
    iam: &Iam,
) -> Attempt {
    let step = Step::SetStatus(status);
    let change = async |user: &UserName| iam.set_status(user, key, status).await.map_err(at(step));

    record.begin(step);
    if let Some(user) = named.user.filter(|_| !dry_run)
        && change(user).await? == Change::Done
    {
        record.owner = Some(user.clone());
        record.done.push(Done::StatusSet(status));
        return Ok(None);
    }
    record.begin(Step::FindOwner);
    let Some(owner) = iam.owner(key).await.map_err(at(Step::FindOwner))? else {
        return Ok(Some(Left::NoSuchKey));
    };
    record.owner = Some(owner.clone());
    if let Some(left) = named.refuses(&owner).or_else(|| dry_run.then_some(Left::DryRun)) {
        return Ok(Some(left));
    }
    record.begin(step);
    if change(&owner).await? == Change::Done {
        record.done.push(Done::StatusSet(status));
        return Ok(None);
    }
    // The key was deleted in between, or IAM is not yet consistent: another try tells which.
    Err(disagreement(step, Disagreement::DeniesTheOwner))
}

impl Named<'_> {
    /// Why the key's real owner must not be touched.
    pub fn refuses(&self, owner: &UserName) -> Option<Left> {
        match (self.name, self.user) {
            (NameIs::Hint(protection), _) => {
                Entry::protecting(owner.as_str(), protection).map(|by| Left::OwnerExempt { by })
            }
            (NameIs::Condition, Some(named)) if !named.is(owner) => Some(Left::OwnerDiffers { named: named.clone() }),
            (NameIs::Condition, _) => None,
        }
    }
}

/// Deletes the key. That there is no such key, which IAM has just changed, has to be seen in a list.
pub async fn delete(key: &AccessKeyId, owner: &UserName, record: &mut Record, iam: &Iam) -> Attempt {
    match iam.delete(owner, key).await.map_err(at(Step::DeleteKey))? {
        Change::Done => {
            record.done.push(Done::KeyDeleted);
            Ok(None)
        }
        Change::NoSuchEntity => Err(disagreement(Step::DeleteKey, Disagreement::DeniesTheKey)),
    }
}

/// How long IAM may need to show a change.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// Lists the user's keys, to see the end state and what else is active. A list that still says Active is read once more.
pub async fn confirm(
    key: &AccessKeyId,
    owner: &UserName,
    record: &mut Record,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Attempt {
    for is_last in [false, true] {
        let Some(listed) = iam.keys(owner).await.map_err(at(Step::Confirm))? else {
            return Err(disagreement(Step::Confirm, Disagreement::DeniesTheUser));
        };
        let seen = record.seen.insert(seen(key, listed, now));
        match confirms(&record.done, seen.key.as_ref().map(|key| key.status), seen.complete) {
            Ok(confirmed) => {
                record.confirmed = confirmed;
                break;
            }
            Err(failed) if is_last => return Err(failed),
            Err(_) => tokio::time::sleep(CATCHING_UP).await,
        }
    }
    note_a_deletion_that_was_not_confirmed(record);
    Ok(None)
}

/// An answer to the deletion may have been lost. The key is gone all the same, where the list no longer holds it.
fn note_a_deletion_that_was_not_confirmed(record: &mut Record) {
    let is_deletion = |failed: &Failed| failed.step == Step::DeleteKey;
    if record.key_is_gone() && record.failed.iter().any(is_deletion) {
        record.failed.retain(|failed| !is_deletion(failed));
        record.done.push(Done::KeyDeleted);
    }
}

/// What a list tells of a key and its siblings.
pub fn seen(key: &AccessKeyId, listed: KeyList, at: DateTime<Utc>) -> KeysSeen {
    let (mut named, siblings): (Vec<_>, Vec<_>) = listed.keys.into_iter().partition(|listed| listed.id == *key);
    KeysSeen { key: named.pop(), siblings, complete: !listed.truncated, at }
}

/// Whether the key is listed in the state that IAM confirmed before.
fn confirms(done: &[Done], listed: Option<KeyStatus>, complete: bool) -> Result<bool, Failed> {
    let restored = done.contains(&Done::StatusSet(KeyStatus::Active));
    let deleted = done.contains(&Done::KeyDeleted);
    match (listed, restored) {
        (None, _) if !complete => Ok(false),
        // It was deleted meanwhile, or the list does not show everything.
        (None, false) if !deleted => Ok(false),
        (None, true) => Err(disagreement(Step::SetStatus(KeyStatus::Active), Disagreement::NotListed)),
        (Some(KeyStatus::Inactive | KeyStatus::Expired), true) => {
            Err(disagreement(Step::SetStatus(KeyStatus::Active), Disagreement::StillInactive))
        }
        (Some(KeyStatus::Inactive | KeyStatus::Expired), false) if deleted => {
            Err(disagreement(Step::DeleteKey, Disagreement::StillThere))
        }
        (None | Some(KeyStatus::Inactive | KeyStatus::Expired), false) | (Some(KeyStatus::Active), true) => Ok(true),
        (Some(KeyStatus::Active), false) => {
            Err(disagreement(Step::SetStatus(KeyStatus::Inactive), Disagreement::StillActive))
        }
    }
}

fn disagreement(step: Step, disagreement: Disagreement) -> Failed {
    Failed { step, cause: Cause::Disagreement(disagreement) }
}

/// Reads what else the user can sign in with.
pub async fn list_credentials(owner: &UserName, record: &mut Record, iam: &Iam) {
    let mut errors = Vec::new();
    record.other_credentials = Some(iam.other_credentials(owner, &mut errors).await);
    record.failed.extend(errors.into_iter().map(at(Step::ListCredentials)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_confirms_the_state_that_was_brought_about_and_no_other() {
        const INACTIVE: Option<KeyStatus> = Some(KeyStatus::Inactive);
        const ACTIVE: Option<KeyStatus> = Some(KeyStatus::Active);
        let restored = [Done::StatusSet(KeyStatus::Active)];
        let dead = [Done::StatusSet(KeyStatus::Inactive)];
        let deleted = [Done::StatusSet(KeyStatus::Inactive), Done::KeyDeleted];
        let (kill, restore) = (Step::SetStatus(KeyStatus::Inactive), Step::SetStatus(KeyStatus::Active));
        for (done, listed, complete, expected) in [
            (&dead[..], INACTIVE, true, Ok(true)),
            (&dead, Some(KeyStatus::Expired), true, Ok(true)),
            (&dead, ACTIVE, true, Err((kill, Disagreement::StillActive))),
            (&dead, None, true, Ok(false)),
            (&dead, None, false, Ok(false)),
            (&deleted, None, true, Ok(true)),
            (&deleted, None, false, Ok(false)),
            (&deleted, INACTIVE, true, Err((Step::DeleteKey, Disagreement::StillThere))),
            (&deleted, ACTIVE, true, Err((kill, Disagreement::StillActive))),
            (&restored, ACTIVE, true, Ok(true)),
            (&restored, None, true, Err((restore, Disagreement::NotListed))),
            (&restored, None, false, Ok(false)),
            (&restored, INACTIVE, true, Err((restore, Disagreement::StillInactive))),
        ] {
            let expected = expected.map_err(|(step, which)| disagreement(step, which));
            assert_eq!(confirms(done, listed, complete), expected, "{done:?} {listed:?} {complete}");
        }
    }
}
