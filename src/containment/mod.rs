//! Carries a plan out, step by step. The first step kills the credential; whatever else there is to do comes after it.

mod error;
pub mod root_key;
pub mod sessions;
pub mod user_key;

use chrono::{DateTime, Utc};

pub use self::error::{Cause, Step, StepError, Subject};
use crate::aws::AwsError;
use crate::aws::accounts::Accounts;
use crate::aws::iam::Iam;
use crate::decision::{Plan, Target};
use crate::finding::Principal;
use crate::report::{Finished, Outcome};

/// How far the first step came.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// IAM confirmed the change on this principal, or on its key; the text says what it was.
    Done(Principal, String),
    /// IAM confirmed that the root user's key is gone.
    RootKeyDeleted,
    /// The credential was left alone, with the reason.
    Left(Outcome, String),
}

/// The step that kills the credential. `iam` is IAM of the plan's account, opened when it is needed.
///
/// # Errors
/// When AWS confirmed neither the change nor that there is nothing to change.
pub async fn apply(
    plan: &Plan<'_>,
    accounts: &Accounts,
    iam: impl Future<Output = Result<Iam, AwsError>>,
    now: DateTime<Utc>,
) -> Result<Applied, StepError> {
    let iam = async { iam.await.map_err(|error| plan.failed(error.into())) };
    match &plan.target {
        Target::Key(key) => user_key::apply(key, &plan.account, plan.dry_run, &iam.await?).await,
        Target::Sessions(sessions) => {
            let applied = sessions::apply(sessions, &plan.account, plan.dry_run, &iam.await?, now).await;
            applied.map_err(|(step, cause)| plan.failed_at(step, cause))
        }
        Target::RootKey(root) => {
            let applied = root_key::apply(root, &plan.account, plan.dry_run, accounts).await;
            applied.map_err(|cause| plan.failed(cause))
        }
    }
}

/// Everything that comes after.
///
/// # Errors
/// When a step failed, or when a read shows that the first one had no effect.
pub async fn finish(
    plan: &Plan<'_>,
    applied: &Applied,
    iam: impl Future<Output = Result<Iam, AwsError>>,
    now: DateTime<Utc>,
) -> Result<Finished, StepError> {
    match (&plan.target, applied) {
        (_, Applied::Left(outcome, reason)) => Ok(Finished::new(*outcome, reason.clone())),
        (Target::Key(key), Applied::Done(Principal::User(user), what)) => {
            let iam = iam.await.map_err(|error| plan.failed(error.into()))?;
            user_key::finish(key, &plan.account, user, what, &iam, now).await
        }
        (Target::Sessions(sessions), Applied::Done(on, what)) => {
            Ok(sessions::finished(sessions, &plan.account, on, what))
        }
        (_, Applied::RootKeyDeleted | Applied::Done(..)) => Ok(root_key::finished()),
    }
}

/// What is left to say when the time ran out after the first step. A deactivated key is contained without the read that
/// confirms it; whatever else was to be done was not.
///
/// # Errors
/// When there was more to be done than to confirm the first step.
pub fn unfinished(plan: &Plan<'_>, applied: &Applied) -> Result<Finished, StepError> {
    match (&plan.target, applied) {
        (Target::Key(key), Applied::Done(Principal::User(user), what)) => {
            user_key::unfinished(key, &plan.account, user, what)
        }
        _ => Err(plan.failed(Cause::OutOfTime)),
    }
}
