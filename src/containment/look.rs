//! The look at a contained credential, a while later: what came back is contained again.
//!
//! IAM forgets a key only after seconds, in which its holder can undo what was done:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency>.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep_until};

use super::{CATCHING_UP, Reach, answer_in_time, at, in_time, keep, key, principal};
use crate::aws::iam::Iam;
use crate::credential::{Identified, Principal};
use crate::failure::{AwsError, Cause, Failed};
use crate::names::{AccessKeyId, AccountId};
use crate::plan::{First, IfGone, Measure, Plan, Step};
use crate::record::{Done, Means, NewPrincipals, Record, Sight};

/// How long the look at a part of a credential may take.
const LOOKING: Duration = Duration::from_secs(10);

/// How long the reading of all users and roles of an account may take.
const LISTING: Duration = Duration::from_millis(1_800);

/// The time of a look.
#[derive(Debug)]
pub struct Times {
    /// Which look it is.
    pub number: usize,
    /// When it is made.
    pub now: DateTime<Utc>,
    /// When what only reads is given up.
    pub soon: Instant,
    /// When the invocation has to end.
    pub deadline: Instant,
}

impl Times {
    /// A look that begins now.
    pub fn begin(number: usize, now: DateTime<Utc>, deadline: Instant) -> Self {
        Self { number, now, soon: deadline.min(Instant::now() + LOOKING), deadline }
    }

    /// What cannot be read is told.
    pub(super) async fn read<T>(
        &self,
        read: impl Future<Output = Result<T, AwsError>>,
        record: &mut Record,
    ) -> Option<T> {
        let read = answer_in_time(self.soon, read).await;
        read.map_err(|cause| record.failed.push(Failed { step: Step::Look, cause })).ok()
    }

    /// Reads once more what may be late, a moment later, if there is time for it.
    pub(super) async fn read_again<T>(&self, read: impl Future<Output = Result<T, AwsError>>) -> Option<T> {
        let then = Instant::now() + CATCHING_UP;
        if then + CATCHING_UP > self.soon {
            return None;
        }
        sleep_until(then).await;
        in_time(self.soon, read).await.and_then(Result::ok)
    }

    /// What contains something again has all the time that there is.
    pub(super) async fn change<T>(&self, change: impl Future<Output = T>) -> Option<T> {
        in_time(self.deadline, change).await
    }
}

/// Looks at the key and at each deny, whatever becomes of the others. What cannot be seen is told, and the result stands;
/// what came back and cannot be contained again is a step that failed.
pub async fn look<F, O>(plan: &Plan<'_>, record: &mut Record, reach: &Reach<'_, F>, times: &Times) -> Sight
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    record.begin(Step::Look);
    let account = record.account_of(plan).clone();
    let key = match &plan.first {
        First::SetStatus { key, .. } | First::DeleteRootKey { key, .. } => Some(*key),
        First::Deny { .. } | First::Lift { .. } => None,
    };
    if let Some(key) = key.filter(|_| record.has(|done| *done == Done::RootKeyDeleted)) {
        return at_the_root_key(key, &account, record, reach, times).await;
    }
    let Some(iam) = times.read((reach.open)(&account), record).await else { return Sight::Unknown };
    // Where the key was gone before, its user alone was contained.
    let key = key.filter(|_| record.has(|done| matches!(done, Done::StatusSet(_))));
    let mut sight = match (key, &plan.look) {
        (Some(key), Some(may)) => key::look(key, may, &reach.named, record, &iam, times).await,
        _ => Sight::InPlace,
    };
    for (on, measure, by) in denied(record) {
        record.begin(Step::Look);
        let identified = identified(plan, record, &on);
        let denied = principal::Denied { on, measure, by, identified: identified.as_ref() };
        sight = sight.max(principal::look(denied, record, &iam, &reach.turns, times).await);
    }
    sight
}

/// What has to be denied: what is, and what could not be put back before.
fn denied(record: &Record) -> Vec<(Principal, Measure, Means)> {
    let denied = record.done.iter().filter_map(Done::denied).map(|(on, measure, by)| (on.clone(), measure, by));
    denied.chain(record.looks.lost.iter().cloned()).collect()
}

/// A deleted key does not come back. That the root user has got another is told: it could only be deleted.
async fn at_the_root_key<F>(
    key: &AccessKeyId,
    account: &AccountId,
    record: &mut Record,
    reach: &Reach<'_, F>,
    times: &Times,
) -> Sight {
    let Some(root) = times.read(reach.accounts.root_of(account), record).await else { return Sight::Unknown };
    let Some(listed) = times.read(root.keys(), record).await else { return Sight::Unknown };
    let seen = key::seen(key, listed, times.now);
    let is_whole = seen.complete && seen.key.is_none();
    record.seen = Some(seen);
    key::tell_newer(record, &reach.named);
    if is_whole { Sight::InPlace } else { Sight::Unknown }
}

/// A principal that was denied, as the event identifies it.
fn identified(plan: &Plan<'_>, record: &Record, on: &Principal) -> Option<Identified> {
    let Principal::User(name) = on else {
        return match &plan.first {
            First::Deny { on, .. } => Some(on.clone()),
            First::SetStatus { .. } | First::Lift { .. } | First::DeleteRootKey { .. } => None,
        };
    };
    match (&plan.first, &plan.if_gone) {
        (First::Deny { on, .. }, _) => Some(on.clone()),
        // While the key is listed as the user's, that is the one.
        _ if record.seen.as_ref().is_some_and(|seen| seen.key.is_some()) => None,
        (_, IfGone::ContainOwner { user: Some(user), id: Some(id), .. }) if user.is(name) => {
            Some(Identified::User(name.clone(), (*id).clone()))
        }
        _ => None,
    }
}

/// Tells what failed.
pub(super) fn note(seen: Option<Result<Sight, Failed>>, record: &mut Record) -> Sight {
    let failed = match seen {
        Some(Ok(sight)) => return sight,
        Some(Err(failed)) => failed,
        None => Failed { step: record.begun.unwrap_or(Step::Look), cause: Cause::OutOfTime },
    };
    record.failed.push(failed);
    Sight::Unknown
}

/// Deactivates the keys of the same user that the credential has made, by CloudTrail.
pub async fn take_made_keys<F, O>(
    made: &[AccessKeyId],
    plan: &Plan<'_>,
    record: &mut Record,
    reach: &Reach<'_, F>,
    times: &Times,
) -> Sight
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let (Some(may), Some(owner), false) = (&plan.look, record.owner.clone(), made.is_empty()) else {
        return Sight::InPlace;
    };
    let account = record.account_of(plan).clone();
    let Some(iam) = times.read((reach.open)(&account), record).await else { return Sight::Unknown };
    key::take_made(made, &owner, may, record, &iam, times).await
}

/// Deletes a key that has been inactive since it was contained.
pub async fn delete_if_inactive<F, O>(plan: &Plan<'_>, record: &mut Record, reach: &Reach<'_, F>, times: &Times)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let (First::SetStatus { key, .. }, Some(owner)) = (&plan.first, record.owner.clone()) else { return };
    let account = record.account_of(plan).clone();
    record.begin(Step::DeleteKey);
    let attempt = in_time(times.deadline, async {
        let iam = (reach.open)(&account).await.map_err(at(Step::DeleteKey))?;
        key::delete_if_inactive(key, &owner, record, &iam, times.now).await
    });
    let attempt = attempt.await;
    keep(attempt, record);
}

/// The users and roles that were made in an account since then, read once for all of its credentials.
pub async fn new_principals<F, O>(
    account: &AccountId,
    since: DateTime<Utc>,
    reach: &Reach<'_, F>,
    deadline: Instant,
) -> (NewPrincipals, Vec<Failed>)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let unknown = || NewPrincipals { partial: true, ..NewPrincipals::default() };
    if !reach.accounts.has_a_way_into(account) {
        return (unknown(), Vec::new());
    }
    let deadline = deadline.min(Instant::now() + LISTING);
    let mut errors = Vec::new();
    let new = match in_time(deadline, (reach.open)(account)).await {
        Some(Ok(iam)) => iam.new_principals(since, deadline, &mut errors).await,
        Some(Err(error)) => {
            errors.push(error);
            unknown()
        }
        None => unknown(),
    };
    (new, errors.into_iter().map(at(Step::ListPrincipals)).collect())
}
