//! The long-term key of an IAM user: killed first, then deleted if that was asked for, then looked at again.

use chrono::{DateTime, Utc};

use super::{Cause, Step, StepError};
use crate::aws::iam::{Change, Iam, KeyList, KeyStatus};
use crate::decision::{OwnerRule, Plan};
use crate::finding::{Operation, UserName};
use crate::report::{KeyState, Outcome, SiblingKey};

/// How far the first step came.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// IAM confirmed the new status of this user's key.
    Done(UserName),
    /// The key was left alone, with the reason.
    Left(Outcome, String),
}

/// Gives the key the status that the plan asks for: one call when the plan names the user. When the user has no such
/// key, or none is named, IAM is asked whose key it is.
///
/// # Errors
/// When IAM confirmed neither the change nor that there is nothing to change.
pub async fn apply(plan: &Plan<'_>, iam: &Iam) -> Result<Applied, StepError> {
    let failed = |step: Step, user: Option<&UserName>, cause: Cause| StepError {
        step,
        key: plan.key.clone(),
        user: user.cloned(),
        account: plan.account.clone(),
        cause,
    };
    let step = Step::from(plan.operation);
    let status = match plan.operation {
        Operation::Deactivate | Operation::Delete => KeyStatus::Inactive,
        Operation::Restore => KeyStatus::Active,
    };
    let change = async |user: &UserName| {
        iam.set_status(user, &plan.key, status).await.map_err(|error| failed(step, Some(user), error.into()))
    };

    if let Some(user) = plan.user.as_ref().filter(|_| !plan.dry_run)
        && change(user).await? == Change::Done
    {
        return Ok(Applied::Done(user.clone()));
    }
    let owner = iam.owner(&plan.key).await;
    let owner = owner.map_err(|error| failed(Step::FindOwner, plan.user.as_ref(), error.into()))?;
    let Some(owner) = owner else {
        return Ok(not_found(plan));
    };
    if let Some(reason) = refused(plan, &owner) {
        return Ok(reason);
    }
    if plan.dry_run {
        return Ok(planned(plan, &owner));
    }
    if change(&owner).await? == Change::Done {
        return Ok(Applied::Done(owner));
    }
    // IAM names an owner and then does not know the key: it was deleted in between, or IAM is not of one mind yet.
    let listed = iam.keys(&owner).await.map_err(|error| failed(step, Some(&owner), error.into()))?;
    match status_of(plan, &listed) {
        None if !listed.truncated => Ok(not_found(plan)),
        _ => {
            let cause = Cause::Contradiction("IAM lists the key but says that it does not exist");
            Err(failed(step, Some(&owner), cause))
        }
    }
}

/// What is known of a key after its status was changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Whether a read showed the state that was asked for.
    pub confirmed: bool,
    /// What that read told; `None` when it failed.
    pub state: Option<KeyState>,
}

impl Finished {
    /// IAM confirmed the change, and no later read is there to add to it.
    pub fn unread() -> Self {
        Self { confirmed: false, state: None }
    }
}

/// Deletes the key if the plan says so, then lists the user's keys once to confirm the end state.
///
/// # Errors
/// When the key was not deleted, or when IAM lists it in a state that is not the one it confirmed.
pub async fn finish(plan: &Plan<'_>, user: &UserName, iam: &Iam, now: DateTime<Utc>) -> Result<Finished, StepError> {
    let failed = |step: Step, cause: Cause| StepError {
        step,
        key: plan.key.clone(),
        user: Some(user.clone()),
        account: plan.account.clone(),
        cause,
    };
    if plan.operation == Operation::Delete {
        // No such key means that somebody else deleted it, or that an answer to an earlier attempt was lost.
        iam.delete(user, &plan.key).await.map_err(|error| failed(Step::Delete, error.into()))?;
    }
    let listed = match iam.keys(user).await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(access_key_id = %plan.key, user_name = %user, "could not confirm the state of the key: {error}");
            return Ok(Finished::unread());
        }
    };
    let status = status_of(plan, &listed);
    let confirmed = match (plan.operation, status.as_deref()) {
        (Operation::Deactivate, Some("Inactive")) | (Operation::Restore, Some("Active")) => true,
        (Operation::Deactivate | Operation::Delete, None) => !listed.truncated,
        (Operation::Deactivate, Some(_)) => {
            let cause = Cause::Contradiction(
                "IAM confirmed the change but lists the key as active: somebody has activated it again, or IAM has \
                 not caught up",
            );
            return Err(failed(Step::Deactivate, cause));
        }
        (Operation::Delete, Some(_)) => {
            return Err(failed(Step::Delete, Cause::Contradiction("IAM confirmed the deletion but lists the key")));
        }
        (Operation::Restore, Some(_)) => {
            let cause = Cause::Contradiction("IAM confirmed the change but does not list the key as active");
            return Err(failed(Step::Restore, cause));
        }
        (Operation::Restore, None) => false,
    };
    Ok(Finished { confirmed, state: Some(state_of(plan, status, &listed, now)) })
}

fn status_of(plan: &Plan<'_>, listed: &KeyList) -> Option<String> {
    listed.keys.iter().find(|key| key.id == plan.key.as_str()).map(|key| key.status.clone())
}

fn state_of(plan: &Plan<'_>, status: Option<String>, listed: &KeyList, now: DateTime<Utc>) -> KeyState {
    let (named, others): (Vec<_>, Vec<_>) = listed.keys.iter().partition(|key| key.id == plan.key.as_str());
    KeyState {
        status,
        created: named.first().and_then(|key| key.created),
        sibling_keys: others
            .into_iter()
            .map(|key| SiblingKey {
                access_key_id: key.id.clone(),
                status: key.status.clone(),
                age_days: key.created.map(|created| (now - created).num_days()),
            })
            .collect(),
    }
}

/// Why the plan must not be carried out on the key's real owner.
fn refused(plan: &Plan<'_>, owner: &UserName) -> Option<Applied> {
    match (plan.owner, &plan.user) {
        (OwnerRule::Follow(exempt), _) if exempt.protects(owner.as_str()) => Some(Applied::Left(
            Outcome::Exempt,
            format!(
                "the key belongs to user {owner}, whom EXEMPT protects, so nothing was changed: a person must decide \
                 whether to deactivate it"
            ),
        )),
        (OwnerRule::Match, Some(named)) if !named.is(owner) => Some(Applied::Left(
            Outcome::NeedsAttention,
            format!(
                "the key belongs to user {owner} and not to {named}, so nothing was changed: repeat the command with the right name"
            ),
        )),
        _ => None,
    }
}

fn not_found(plan: &Plan<'_>) -> Applied {
    Applied::Left(
        Outcome::NotFound,
        format!("IAM knows no access key {} in account {}: it was deleted, or never was there", plan.key, plan.account),
    )
}

fn planned(plan: &Plan<'_>, owner: &UserName) -> Applied {
    let would = match plan.operation {
        Operation::Deactivate => "deactivated",
        Operation::Delete => "deactivated and then deleted",
        Operation::Restore => "made active again",
    };
    Applied::Left(Outcome::Planned, format!("DRY_RUN: access key {} of user {owner} would have been {would}", plan.key))
}
