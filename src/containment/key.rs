//! The long-term key of an IAM user.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::timeout;

use super::look::{Times, note};
use super::{Attempt, CATCHING_UP, FOR_A_READ, at};
use crate::aws::iam::{Change, Iam, KeyList};
use crate::credential::{KeyStatus, Principal};
use crate::failure::{Cause, Disagreement, Failed};
use crate::names::{AccessKeyId, UserName};
use crate::plan::{Look, NameIs, Step};
use crate::record::{Done, Entry, KeysSeen, Left, ListedKey, Record, Sight};

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
///
/// With looks ahead it is read before when the key was made: later nobody can tell which keys are newer.
pub async fn delete(
    key: &AccessKeyId,
    owner: &UserName,
    looks_are_ahead: bool,
    record: &mut Record,
    iam: &Iam,
) -> Attempt {
    if looks_are_ahead && let Ok(Ok(Some(listed))) = timeout(FOR_A_READ, iam.keys(owner)).await {
        record.created = listed.keys.iter().find(|listed| listed.id == *key).and_then(|listed| listed.created);
    }
    match iam.delete(owner, key).await.map_err(at(Step::DeleteKey))? {
        Change::Done => {
            record.done.push(Done::KeyDeleted);
            Ok(None)
        }
        Change::NoSuchEntity => Err(disagreement(Step::DeleteKey, Disagreement::DeniesTheKey)),
    }
}

/// Lists the user's keys, to see the end state and what else is active. A list that still says Active is read once more.
///
/// With looks ahead, what it says of an active key is what a look would say.
pub async fn confirm(
    key: &AccessKeyId,
    owner: &UserName,
    looks_are_ahead: bool,
    record: &mut Record,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Attempt {
    let mut doubt: Option<Failed> = None;
    loop {
        let listed = match (iam.keys(owner).await, &doubt) {
            (Ok(listed), _) => listed,
            (Err(error), None) => return Err(at(Step::Confirm)(error)),
            // What was listed counts until something else is.
            (Err(_), Some(doubt)) => break settled(doubt.clone(), key, owner, looks_are_ahead, record, iam).await?,
        };
        let Some(listed) = listed else { return Err(disagreement(Step::Confirm, Disagreement::DeniesTheUser)) };
        let seen = see(seen(key, listed, now), record);
        let (status, is_whole) = (seen.key.as_ref().map(|key| key.status), seen.complete);
        match (confirms(&record.done, status, is_whole), doubt) {
            (Ok(confirmed), _) => {
                record.confirmed = confirmed;
                break;
            }
            (Err(failed), Some(_)) => break settled(failed, key, owner, looks_are_ahead, record, iam).await?,
            (Err(failed), None) => {
                record.begin(failed.step);
                doubt = Some(failed);
                tokio::time::sleep(CATCHING_UP).await;
            }
        }
    }
    note_a_deletion_that_was_not_confirmed(record);
    Ok(None)
}

/// What IAM lists stays as it is.
async fn settled(
    doubt: Failed,
    key: &AccessKeyId,
    owner: &UserName,
    looks_are_ahead: bool,
    record: &mut Record,
    iam: &Iam,
) -> Result<(), Failed> {
    match doubt.cause {
        // What was deleted does not come back: the list is late, and a look will see.
        _ if looks_are_ahead && record.has(|done| *done == Done::KeyDeleted) => Ok(()),
        Cause::Disagreement(Disagreement::StillActive) if looks_are_ahead => kill_again(key, owner, record, iam).await,
        _ => Err(doubt),
    }
}

/// Keeps what was listed, and when the key was made.
fn see(seen: KeysSeen, record: &mut Record) -> &KeysSeen {
    record.created = seen.key.as_ref().and_then(|key| key.created).or(record.created);
    record.seen.insert(seen)
}

/// Deactivates a key that was activated again.
async fn kill_again(key: &AccessKeyId, owner: &UserName, record: &mut Record, iam: &Iam) -> Result<(), Failed> {
    let step = Step::SetStatus(KeyStatus::Inactive);
    record.begin(step);
    record.looks.reactivated = true;
    match iam.set_status(owner, key, KeyStatus::Inactive).await.map_err(at(step))? {
        Change::Done => {}
        Change::NoSuchEntity => return Err(disagreement(step, Disagreement::DeniesTheKey)),
    }
    if let Some(KeysSeen { key: Some(seen), .. }) = &mut record.seen {
        seen.status = KeyStatus::Inactive;
    }
    Ok(())
}

/// How long before and after containment a newer key was made that is taken for the thief's.
const CLOSE: TimeDelta = TimeDelta::seconds(60);

/// Looks whether the key is dead still, and which keys its user has got since.
pub async fn look(
    key: &AccessKeyId,
    may: &Look<'_>,
    named: &HashSet<AccessKeyId>,
    record: &mut Record,
    iam: &Iam,
    times: &Times,
) -> Sight {
    let is_deleted = record.has(|done| *done == Done::KeyDeleted);
    let mut sight = Sight::InPlace;
    let Some(mut listed) = list(key, is_deleted, &mut sight, record, iam, times).await else { return Sight::Unknown };
    let Some(owner) = record.owner.clone() else { return Sight::Unknown };
    if is_active(key, &listed)
        && let Some(Some(again)) = times.read_again(iam.keys(&owner)).await
    {
        // What could not be read again counts as it was read.
        listed = again;
    }
    let is_alive = is_active(key, &listed);
    if !see(seen(key, listed, times.now), record).complete || is_alive && is_deleted {
        // What was deleted does not come back: the list is late.
        sight = Sight::Unknown;
    }
    if is_alive && !is_deleted {
        let killed = times.change(kill_again(key, &owner, record, iam)).await;
        sight = sight.max(note(killed.map(|killed| killed.map(|()| Sight::CameBack)), record));
    }
    let newer = newer_keys(record, named);
    let is_the_user = newer.is_empty() || is_the_user(&owner, may, record, iam, times).await;
    for newer in newer {
        if is_the_user && may_be_the_thiefs(&newer, &owner, may, record) {
            sight = sight.max(kill_newer(newer.id, &owner, record, iam, times).await);
        } else {
            tell(newer.id, record);
        }
    }
    sight
}

/// The keys of the user, under the name that the user has by now: whose key is not listed any more may have another one.
async fn list(
    key: &AccessKeyId,
    is_deleted: bool,
    sight: &mut Sight,
    record: &mut Record,
    iam: &Iam,
    times: &Times,
) -> Option<KeyList> {
    let owner = record.owner.clone()?;
    let listed = times.read(iam.keys(&owner), record).await?;
    let is_listed = |listed: &KeyList| listed.keys.iter().any(|listed| listed.id == *key);
    if is_deleted || listed.as_ref().is_some_and(is_listed) {
        return Some(listed.unwrap_or_default());
    }
    match times.read(iam.owner(key), record).await? {
        // There is no such key any more.
        None => Some(listed.unwrap_or_default()),
        Some(same) if same.is(&owner) => {
            *sight = Sight::Unknown;
            Some(listed.unwrap_or_default())
        }
        Some(other) => {
            rename(&owner, &other, record);
            times.read(iam.keys(&other), record).await.map(Option::unwrap_or_default)
        }
    }
}

/// Whether the name is still that of the user whose key it was. While the key is listed, it is; when it is gone, the
/// identifier tells.
async fn is_the_user(owner: &UserName, may: &Look<'_>, record: &mut Record, iam: &Iam, times: &Times) -> bool {
    if record.seen.as_ref().is_some_and(|seen| seen.key.is_some()) {
        return true;
    }
    match may.user_id {
        Some(id) => times.read(iam.user_id(owner), record).await.flatten().is_some_and(|found| found == *id),
        // What this function deleted itself was this user's a moment ago.
        None => record.has(|done| *done == Done::KeyDeleted),
    }
}

/// The user has another name, and all that was put on it is there under that one.
fn rename(owner: &UserName, other: &UserName, record: &mut Record) {
    let old = Principal::User(owner.clone());
    for done in &mut record.done {
        if let Done::Denied { on, .. } = done
            && *on == old
        {
            *on = Principal::User(other.clone());
        }
    }
    record.owner = Some(other.clone());
}

/// Deactivates those keys of the user that the credential itself has made.
pub async fn take_made(
    made: &[AccessKeyId],
    owner: &UserName,
    may: &Look<'_>,
    record: &mut Record,
    iam: &Iam,
    times: &Times,
) -> Sight {
    let siblings = record.seen.iter().flat_map(|seen| &seen.siblings);
    let is_free =
        |id: &AccessKeyId| may.protection.of(id.as_str()).or_else(|| may.protection.of(owner.as_str())).is_none();
    let taken = siblings.filter(|key| key.status == KeyStatus::Active && made.contains(&key.id) && is_free(&key.id));
    let taken: Vec<_> = taken.map(|key| key.id.clone()).collect();
    let mut sight = Sight::InPlace;
    for id in taken {
        record.looks.newer_keys.retain(|told| *told != id);
        sight = sight.max(kill_newer(id, owner, record, iam, times).await);
    }
    sight
}

/// Deletes a key, if it is inactive.
pub async fn delete_if_inactive(
    key: &AccessKeyId,
    owner: &UserName,
    record: &mut Record,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Attempt {
    let step = Step::DeleteKey;
    let listed = iam.keys(owner).await.map_err(at(step))?.unwrap_or_default();
    let seen = see(seen(key, listed, now), record);
    match (seen.key.as_ref().map(|key| key.status), seen.complete) {
        (Some(KeyStatus::Active), _) => Ok(Some(Left::ActiveAgain)),
        (Some(KeyStatus::Inactive | KeyStatus::Expired), _) => delete(key, owner, false, record, iam).await,
        // The user may have another name by now; then a person has to delete it.
        (None, true) if iam.owner(key).await.map_err(at(step))?.is_none() => Ok(Some(Left::NoSuchKey)),
        (None, _) => Err(disagreement(step, Disagreement::DeniesTheOwner)),
    }
}

async fn kill_newer(id: AccessKeyId, owner: &UserName, record: &mut Record, iam: &Iam, times: &Times) -> Sight {
    record.begin(Step::DeactivateNewKey);
    let cause = match times.change(iam.set_status(owner, &id, KeyStatus::Inactive)).await {
        Some(Ok(Change::Done)) => {
            note_as_inactive(&id, record);
            record.looks.alive.retain(|alive| *alive != id);
            if !record.looks.new_keys.contains(&id) {
                record.looks.new_keys.push(id);
            }
            return Sight::CameBack;
        }
        Some(Ok(Change::NoSuchEntity)) => Cause::Disagreement(Disagreement::DeniesTheKey),
        Some(Err(error)) => error.into(),
        None => Cause::OutOfTime,
    };
    record.failed.push(Failed { step: Step::DeactivateNewKey, cause });
    if !record.looks.alive.contains(&id) {
        record.looks.alive.push(id);
    }
    Sight::Unknown
}

fn is_active(key: &AccessKeyId, listed: &KeyList) -> bool {
    listed.keys.iter().any(|listed| listed.id == *key && listed.status == KeyStatus::Active)
}

fn note_as_inactive(id: &AccessKeyId, record: &mut Record) {
    let siblings = record.seen.iter_mut().flat_map(|seen| &mut seen.siblings);
    siblings.filter(|key| key.id == *id).for_each(|key| key.status = KeyStatus::Inactive);
}

/// The keys that were made later than the contained one, since a minute before it was contained, but for those that the
/// event names itself.
fn newer_keys(record: &Record, named: &HashSet<AccessKeyId>) -> Vec<ListedKey> {
    let (Some(seen), Some(since)) = (&record.seen, record.new_since()) else { return Vec::new() };
    let is_newer = |created: DateTime<Utc>| created >= since && record.created.is_none_or(|own| created >= own);
    let is_told = |key: &&ListedKey| !named.contains(&key.id) && key.created.is_none_or(is_newer);
    seen.siblings.iter().filter(is_told).cloned().collect()
}

/// Whether a newer key is deactivated. It is not if it may be a person's who was told of the compromise: those come later,
/// or after an earlier finding. Nor if it is not known to be newer.
fn may_be_the_thiefs(newer: &ListedKey, owner: &UserName, may: &Look<'_>, record: &Record) -> bool {
    if newer.status != KeyStatus::Active {
        return false;
    }
    if record.looks.new_keys.contains(&newer.id) {
        return true;
    }
    let is_close = |contained: DateTime<Utc>, created: DateTime<Utc>| {
        (created - contained).abs() <= CLOSE && record.created.is_some_and(|own| created > own)
    };
    let is_protected = may.protection.of(newer.id.as_str()).or_else(|| may.protection.of(owner.as_str())).is_some();
    !may.is_repeat && !is_protected && record.contained.zip(newer.created).is_some_and(|(at, made)| is_close(at, made))
}

/// Tells the newer keys of a user who is not touched.
pub fn tell_newer(record: &mut Record, named: &HashSet<AccessKeyId>) {
    for newer in newer_keys(record, named) {
        tell(newer.id, record);
    }
}

fn tell(newer: AccessKeyId, record: &mut Record) {
    let looks = &mut record.looks;
    let is_known = [&looks.new_keys, &looks.alive, &looks.newer_keys].iter().any(|known| known.contains(&newer));
    if !is_known {
        looks.newer_keys.push(newer);
    }
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
    use crate::config::Config;

    #[test]
    fn of_newer_keys_those_are_the_thiefs_that_were_made_within_a_minute_by_whom_nothing_protects() {
        let contained = DateTime::UNIX_EPOCH + TimeDelta::days(10_000);
        let owner = UserName::new("Bob").expect("valid");
        let id = |id: &str| AccessKeyId::new(id).expect("valid");
        let listed = |name: &str, status, created| ListedKey { id: id(name), status, created: Some(created) };
        let today = contained.date_naive();
        // When it was made, in seconds after containment; its status; EXEMPT; whether the finding came before.
        for (made, status, exempt, is_repeat, is_newer, is_the_thiefs) in [
            (5, KeyStatus::Active, "", false, true, true),
            (60, KeyStatus::Active, "", false, true, true),
            (61, KeyStatus::Active, "", false, true, false),
            (120, KeyStatus::Active, "", false, true, false),
            (-60, KeyStatus::Active, "", false, true, true),
            (-61, KeyStatus::Active, "", false, false, false),
            (5, KeyStatus::Inactive, "", false, true, false),
            (5, KeyStatus::Active, "bob", false, true, false),
            (5, KeyStatus::Active, "AKIAI44Q*", false, true, false),
            (5, KeyStatus::Active, "alice", false, true, true),
            (5, KeyStatus::Active, "", true, true, false),
        ] {
            let lookup = |name: &str| (name == "EXEMPT").then(|| exempt.to_owned());
            let config = Config::from_lookup(lookup).expect("valid");
            let own = listed("AKIAIOSFODNN7EXAMPLE", KeyStatus::Inactive, contained - TimeDelta::days(1));
            let newer = listed("AKIAI44QH8DHBEXAMPLE", status, contained + TimeDelta::seconds(made));
            let seen = KeysSeen { key: Some(own), siblings: vec![newer.clone()], complete: true, at: contained };
            let created = seen.key.as_ref().and_then(|key| key.created);
            let record = Record { seen: Some(seen), created, contained: Some(contained), ..Record::default() };
            let may = Look { protection: config.exempt.on(today), is_repeat, user_id: None };
            let what = format!("made {made} s after, {status}, EXEMPT={exempt}, repeat {is_repeat}");
            assert_eq!(!newer_keys(&record, &HashSet::new()).is_empty(), is_newer, "{what}");
            assert_eq!(is_newer && may_be_the_thiefs(&newer, &owner, &may, &record), is_the_thiefs, "{what}");
        }
    }

    #[test]
    fn a_key_that_is_older_than_the_contained_one_is_not_newer() {
        let contained = DateTime::UNIX_EPOCH + TimeDelta::days(10_000);
        let listed = |name: &str, seconds| ListedKey {
            id: AccessKeyId::new(name).expect("valid"),
            status: KeyStatus::Active,
            created: Some(contained - TimeDelta::seconds(seconds)),
        };
        let siblings = vec![listed("AKIAI44QH8DHBEXAMPLE", 30)];
        let seen = KeysSeen { key: Some(listed("AKIAIOSFODNN7EXAMPLE", 20)), siblings, complete: true, at: contained };
        let created = seen.key.as_ref().and_then(|key| key.created);
        let record = Record { seen: Some(seen), created, contained: Some(contained), ..Record::default() };
        assert_eq!(newer_keys(&record, &HashSet::new()), []);
    }

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
