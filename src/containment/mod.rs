//! Carries a plan out, step by step, into a record. The first step kills the credential; whatever else there is to do
//! comes after it.

mod key;
mod principal;
mod root_key;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout_at};

use crate::aws::accounts::Accounts;
use crate::aws::iam::Iam;
use crate::credential::Principal;
use crate::failure::{AwsError, Cause, Failed};
use crate::names::{AccessKeyId, UserName};
use crate::plan::{First, Plan, Step, Then};
use crate::record::{Left, Record};

/// How a step ends that did not fail: with its changes in the record, or with the reason why the credential, or a part
/// of what it can do, was left alone.
type Attempt = Result<Option<Left>, Failed>;

/// The step that kills the credential. `iam` is IAM of the plan's account, opened when it is needed. A step that is not
/// over at `deadline` is given up.
pub async fn kill(
    plan: &Plan<'_>,
    record: &mut Record,
    accounts: &Accounts,
    iam: impl Future<Output = Result<Iam, AwsError>>,
    now: DateTime<Utc>,
    deadline: Instant,
) {
    let attempt = timeout_at(deadline, first(plan, record, accounts, iam, now)).await;
    keep(attempt.unwrap_or_else(|_| Err(out_of_time(plan.first.step()))), record);
}

async fn first(
    plan: &Plan<'_>,
    record: &mut Record,
    accounts: &Accounts,
    iam: impl Future<Output = Result<Iam, AwsError>>,
    now: DateTime<Utc>,
) -> Attempt {
    let iam = async { iam.await.map_err(at(plan.first.step())) };
    match &plan.first {
        First::SetStatus { key, user, name, status } => {
            let named = key::Named { user: *user, name: *name };
            key::set_status(key, &named, *status, plan.dry_run, record, &iam.await?).await
        }
        First::Deny { on, role_id, measure } => {
            let iam = iam.await?;
            if let (Principal::Role(role), Some(id)) = (on, role_id)
                && let Some(left) = principal::check_role(role, id, &iam).await.map_err(at(Step::CheckRole))?
            {
                return Ok(Some(left));
            }
            if plan.dry_run {
                return Ok(Some(Left::DryRun));
            }
            principal::deny(on, *measure, record, &iam, now).await
        }
        First::Lift { .. } if plan.dry_run => iam.await.map(|_| Some(Left::DryRun)),
        First::Lift { from, measure } => principal::restore(from, *measure, record, &iam.await?).await,
        First::DeleteRootKey { .. } if plan.dry_run => Ok(Some(Left::DryRun)),
        First::DeleteRootKey { key } => root_key::delete(key, &plan.account, record, accounts).await,
    }
}

/// Everything that comes after the key has its status: each step, whatever becomes of the others.
pub async fn finish(
    plan: &Plan<'_>,
    record: &mut Record,
    iam: impl Future<Output = Result<Iam, AwsError>>,
    now: DateTime<Utc>,
    deadline: Instant,
) {
    let (First::SetStatus { key, .. }, Some(owner), false) =
        (&plan.first, record.owner.clone(), record.done.is_empty())
    else {
        return;
    };
    let iam = match iam.await {
        Ok(iam) => iam,
        Err(error) => {
            let failed = plan.then.iter().map(|then| at(then.step())(error.clone()));
            return record.failed.extend(failed);
        }
    };
    for then in &plan.then {
        let late = || Err(out_of_time(then.step()));
        let attempt = if Instant::now() < deadline {
            timeout_at(deadline, next(*then, key, &owner, record, &iam, now)).await.unwrap_or_else(|_| late())
        } else {
            late()
        };
        keep(attempt, record);
    }
}

async fn next(
    then: Then,
    key: &AccessKeyId,
    owner: &UserName,
    record: &mut Record,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Attempt {
    let user = || Principal::User(owner.clone());
    match then {
        Then::DenyOwner(measure) => principal::deny(&user(), measure, record, iam, now).await,
        Then::LiftFromOwner(measure) => principal::lift(&user(), measure, record, iam).await.map(|_| None),
        Then::DeleteKey => key::delete(key, owner, record, iam).await,
        Then::ListCredentials => {
            key::list_credentials(owner, record, iam).await;
            Ok(None)
        }
        Then::Confirm => key::confirm(key, owner, record, iam, now).await,
    }
}

fn keep(attempt: Attempt, record: &mut Record) {
    match attempt {
        Ok(None) => {}
        Ok(left) => record.left = left,
        Err(failed) => record.failed.push(failed),
    }
}

fn at(step: Step) -> impl Fn(AwsError) -> Failed {
    move |error| Failed { step, cause: error.into() }
}

fn out_of_time(step: Step) -> Failed {
    Failed { step, cause: Cause::OutOfTime }
}
