//! The long-term key of an IAM user.

use chrono::{DateTime, Utc};

use super::{Attempt, at};
use crate::aws::iam::{Change, Iam, KeyList};
use crate::credential::KeyStatus;
use crate::failure::{Cause, Disagreement, Failed};
use crate::names::{AccessKeyId, UserName};
use crate::plan::{NameIs, Step};
use crate::record::{Done, KeysSeen, Left, Record};

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

    if let Some(user) = named.user.filter(|_| !dry_run)
        && change(user).await? == Change::Done
    {
        record.owner = Some(user.clone());
        record.done.push(Done::StatusSet(status));
        return Ok(None);
    }
    let Some(owner) = iam.owner(key).await.map_err(at(Step::FindOwner))? else {
        return Ok(Some(Left::NoSuchKey));
    };
    record.owner = Some(owner.clone());
    if let Some(left) = named.refuses(&owner).or_else(|| dry_run.then_some(Left::DryRun)) {
        return Ok(Some(left));
    }
    if change(&owner).await? == Change::Done {
        record.done.push(Done::StatusSet(status));
        return Ok(None);
    }
    // IAM names an owner and then does not know the key: it was deleted in between, or IAM has not caught up.
    let listed = iam.keys(&owner).await.map_err(at(step))?;
    if listed.truncated || listed.keys.iter().any(|listed| listed.id == *key) {
        return Err(Failed { step, cause: Cause::Disagreement(Disagreement::ListsWhatItDoesNotKnow) });
    }
    Ok(Some(Left::NoSuchKey))
}

impl Named<'_> {
    /// Why the key's real owner must not be touched.
    fn refuses(&self, owner: &UserName) -> Option<Left> {
        match (self.name, self.user) {
            (NameIs::Hint(exempt), _) => {
                exempt.protects(owner.as_str()).map(|entry| Left::OwnerExempt { entry: entry.to_owned() })
            }
            (NameIs::Condition, Some(named)) if !named.is(owner) => Some(Left::OwnerDiffers { named: named.clone() }),
            (NameIs::Condition, _) => None,
        }
    }
}

/// Deletes the key. No such key means that somebody else deleted it, or that an answer to an earlier attempt was lost.
pub async fn delete(key: &AccessKeyId, owner: &UserName, record: &mut Record, iam: &Iam) -> Attempt {
    iam.delete(owner, key).await.map_err(at(Step::DeleteKey))?;
    record.done.push(Done::KeyDeleted);
    Ok(None)
}

/// Lists the user's keys once, to see the end state and what else is active.
pub async fn confirm(
    key: &AccessKeyId,
    owner: &UserName,
    record: &mut Record,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Attempt {
    let listed = iam.keys(owner).await.map_err(at(Step::Confirm))?;
    let truncated = listed.truncated;
    let seen = record.seen.insert(seen(key, listed, now));
    let status = seen.key.as_ref().map(|key| key.status);
    let confirmed = confirms(&record.done, status, truncated).inspect_err(|failed| record.take_back(failed.step))?;
    record.confirmed = confirmed;
    Ok(None)
}

fn seen(key: &AccessKeyId, listed: KeyList, at: DateTime<Utc>) -> KeysSeen {
    let (mut named, siblings): (Vec<_>, Vec<_>) = listed.keys.into_iter().partition(|listed| listed.id == *key);
    KeysSeen { key: named.pop(), siblings, at }
}

/// Whether the key is listed in the state that IAM confirmed before.
fn confirms(done: &[Done], listed: Option<KeyStatus>, truncated: bool) -> Result<bool, Failed> {
    let restored = done.contains(&Done::StatusSet(KeyStatus::Active));
    let deleted = done.contains(&Done::KeyDeleted);
    let (step, disagreement) = match listed {
        None => return Ok(!restored && !truncated),
        Some(KeyStatus::Active) if restored => return Ok(true),
        Some(KeyStatus::Inactive | KeyStatus::Expired) if !restored && !deleted => return Ok(true),
        Some(KeyStatus::Inactive | KeyStatus::Expired) if restored => {
            (Step::SetStatus(KeyStatus::Active), Disagreement::StillInactive)
        }
        Some(KeyStatus::Inactive | KeyStatus::Expired) => (Step::DeleteKey, Disagreement::StillThere),
        Some(KeyStatus::Active) => (Step::SetStatus(KeyStatus::Inactive), Disagreement::StillActive),
    };
    Err(Failed { step, cause: Cause::Disagreement(disagreement) })
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
        let active = [Done::StatusSet(KeyStatus::Active)];
        let inactive = [Done::StatusSet(KeyStatus::Inactive)];
        let deleted = [Done::StatusSet(KeyStatus::Inactive), Done::KeyDeleted];
        let disagreement = |step, disagreement| Err(Failed { step, cause: Cause::Disagreement(disagreement) });
        let still_active = disagreement(Step::SetStatus(KeyStatus::Inactive), Disagreement::StillActive);
        for (done, listed, truncated, expected) in [
            (&inactive[..], Some(KeyStatus::Inactive), false, Ok(true)),
            (&inactive, Some(KeyStatus::Expired), false, Ok(true)),
            (&inactive, Some(KeyStatus::Active), false, still_active.clone()),
            (&inactive, None, false, Ok(true)),
            (&inactive, None, true, Ok(false)),
            (&deleted, None, false, Ok(true)),
            (&deleted, Some(KeyStatus::Inactive), false, disagreement(Step::DeleteKey, Disagreement::StillThere)),
            (&deleted, Some(KeyStatus::Active), false, still_active),
            (&active, Some(KeyStatus::Active), false, Ok(true)),
            (&active, None, false, Ok(false)),
            (
                &active,
                Some(KeyStatus::Inactive),
                false,
                disagreement(Step::SetStatus(KeyStatus::Active), Disagreement::StillInactive),
            ),
        ] {
            assert_eq!(confirms(done, listed, truncated), expected, "{done:?} {listed:?} {truncated}");
        }
    }
}
