//! The look at a contained credential, a while later: what came back is contained again.
//!
//! IAM forgets a key only after seconds, in which its holder can undo what was done:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency>.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{Reach, at, in_time, key, principal};
use crate::aws::iam::Iam;
use crate::credential::Identified;
use crate::failure::{AwsError, Cause, Failed};
use crate::names::{AccessKeyId, AccountId};
use crate::plan::{First, IfGone, Plan, Step};
use crate::record::{Done, NewPrincipals, Record, Sight};

/// How long the look at a part of a credential may take.
const LOOKING: Duration = Duration::from_secs(10);

/// How long the reading of all users and roles of an account may take.
const LISTING: Duration = Duration::from_millis(1_800);

/// Looks at the key and at each deny, whatever becomes of the others. What cannot be seen is told, and the result stands;
/// what came back and cannot be contained again is a step that failed.
pub async fn look<F, O>(
    plan: &Plan<'_>,
    record: &mut Record,
    reach: &Reach<'_, F>,
    now: DateTime<Utc>,
    deadline: Instant,
) -> Sight
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    record.begin(Step::Look);
    let account = record.account.clone().unwrap_or_else(|| plan.account.clone());
    let deadline = deadline.min(Instant::now() + LOOKING);
    let opened = in_time(deadline, (reach.open)(&account)).await;
    let iam = match opened {
        Some(Ok(iam)) => iam,
        Some(Err(error)) => return note(Some(Err(at(Step::Look)(error))), record),
        None => return note(None, record),
    };
    let key = in_time(deadline, at_the_key(plan, &account, record, reach, &iam, now)).await;
    let mut sight = note(key, record);
    let denied = record.done.iter().filter_map(|done| match done {
        Done::Denied { on, measure, by } => Some((on.clone(), *measure, *by)),
        Done::StatusSet(_)
        | Done::KeyDeleted
        | Done::RootKeyDeleted
        | Done::Lifted { .. }
        | Done::LiftedInPart { .. }
        | Done::NothingToLift { .. } => None,
    });
    let denied: Vec<_> = denied.collect();
    for (on, measure, by) in denied {
        record.begin(Step::Look);
        let identified = identified(plan, record).filter(|identified| identified.principal() == on);
        let looking = principal::look((&on, measure, by), identified.as_ref(), record, &iam, &reach.turns);
        let seen = in_time(deadline, looking).await;
        sight = sight.max(note(seen, record));
    }
    sight
}

async fn at_the_key<F, O>(
    plan: &Plan<'_>,
    account: &AccountId,
    record: &mut Record,
    reach: &Reach<'_, F>,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Result<Sight, Failed>
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let (First::SetStatus { key, .. } | First::DeleteRootKey { key, .. }) = &plan.first else {
        return Ok(Sight::InPlace);
    };
    if record.has(|done| *done == Done::RootKeyDeleted) {
        return at_the_root_key(key, account, record, reach, now).await;
    }
    let (Some(may), Some(owner)) = (&plan.look, record.owner.clone()) else { return Ok(Sight::InPlace) };
    // Where the key was gone before, its user alone was contained.
    if !record.has(|done| matches!(done, Done::StatusSet(_))) {
        return Ok(Sight::InPlace);
    }
    key::look(key, &owner, may, record, iam, now).await
}

/// A deleted key does not come back. That the root user has got another is told: it could only be deleted.
async fn at_the_root_key<F>(
    key: &AccessKeyId,
    account: &AccountId,
    record: &mut Record,
    reach: &Reach<'_, F>,
    now: DateTime<Utc>,
) -> Result<Sight, Failed> {
    let root = reach.accounts.root_of(account).await.map_err(at(Step::Look))?;
    let listed = root.keys().await.map_err(at(Step::Look))?;
    let seen = key::seen(key, listed, now);
    let is_whole = seen.complete && seen.key.is_none();
    record.seen = Some(seen);
    key::tell_newer(record);
    Ok(if is_whole { Sight::InPlace } else { Sight::Unknown })
}

/// The principal that was denied, as the event identifies it.
fn identified(plan: &Plan<'_>, record: &Record) -> Option<Identified> {
    match (&plan.first, &plan.if_gone) {
        (First::Deny { on, .. }, _) => Some(on.clone()),
        // The owner of a key that is there is known by the key.
        (_, IfGone::ContainOwner { user: Some(user), id: Some(id), .. }) if record.owner.is_none() => {
            Some(Identified::User((*user).clone(), (*id).clone()))
        }
        _ => None,
    }
}

fn note(seen: Option<Result<Sight, Failed>>, record: &mut Record) -> Sight {
    let failed = match seen {
        Some(Ok(sight)) => return sight,
        Some(Err(failed)) => failed,
        None => Failed { step: record.begun.unwrap_or(Step::Look), cause: Cause::OutOfTime },
    };
    record.failed.push(failed);
    Sight::Unknown
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
    let deadline = deadline.min(Instant::now() + LISTING);
    let mut errors = Vec::new();
    let new = match in_time(deadline, (reach.open)(account)).await {
        Some(Ok(iam)) => iam.new_principals(since, deadline, &mut errors).await,
        Some(Err(error)) => {
            errors.push(error);
            NewPrincipals { partial: true, ..NewPrincipals::default() }
        }
        None => NewPrincipals { partial: true, ..NewPrincipals::default() },
    };
    (new, errors.into_iter().map(at(Step::ListPrincipals)).collect())
}
