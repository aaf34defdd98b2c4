//! The long-term key of an IAM user: killed first, then deleted if that was asked for, its owner contained as far as the
//! configuration says, and looked at again.

use chrono::{DateTime, Utc};

use super::sessions::{self, Denied};
use super::{Applied, Cause, Step, StepError, Subject};
use crate::aws::iam::{Change, Iam, KeyList, KeyStatus};
use crate::config::Containment;
use crate::decision::{KeyPlan, OwnerRule};
use crate::finding::{AccountId, Operation, Principal, UserName};
use crate::report::{Finished, KeyState, Outcome, SiblingKey, undo_key};

/// Gives the key the status that the plan asks for: one call when the plan names the user. When the user has no such
/// key, or none is named, IAM is asked whose key it is.
///
/// # Errors
/// When IAM confirmed neither the change nor that there is nothing to change.
pub async fn apply(plan: &KeyPlan<'_>, account: &AccountId, dry_run: bool, iam: &Iam) -> Result<Applied, StepError> {
    let failed = |step: Step, user: Option<&UserName>, cause: Cause| failed(plan, account, step, user, cause);
    let step = Step::from(plan.operation);
    let status = match plan.operation {
        Operation::Deactivate | Operation::Delete => KeyStatus::Inactive,
        Operation::Restore => KeyStatus::Active,
    };
    let change = async |user: &UserName| {
        iam.set_status(user, plan.key, status).await.map_err(|error| failed(step, Some(user), error.into()))
    };

    if let Some(user) = plan.user.filter(|_| !dry_run)
        && change(user).await? == Change::Done
    {
        return Ok(applied(plan, user.clone()));
    }
    let owner = iam.owner(plan.key).await.map_err(|error| failed(Step::FindOwner, plan.user, error.into()))?;
    let Some(owner) = owner else {
        return Ok(not_found(plan, account));
    };
    if let Some(reason) = refused(plan, &owner) {
        return Ok(reason);
    }
    if dry_run {
        return Ok(planned(plan, &owner));
    }
    if change(&owner).await? == Change::Done {
        return Ok(applied(plan, owner));
    }
    // IAM names an owner and then does not know the key: it was deleted in between, or IAM is not of one mind yet.
    let listed = iam.keys(&owner).await.map_err(|error| failed(step, Some(&owner), error.into()))?;
    match status_of(plan, &listed) {
        None if !listed.truncated => Ok(not_found(plan, account)),
        _ => {
            let cause = Cause::Contradiction("IAM lists the key but says that it does not exist");
            Err(failed(step, Some(&owner), cause))
        }
    }
}

/// Deletes the key if the plan says so, contains its owner, then lists the user's keys once to confirm the end state.
///
/// # Errors
/// When the key was not deleted, when its owner was not contained for a reason that may pass, or when IAM lists the key
/// in a state that is not the one it confirmed.
pub async fn finish(
    plan: &KeyPlan<'_>,
    account: &AccountId,
    user: &UserName,
    what: &str,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Result<Finished, StepError> {
    let failed = |step, cause| failed(plan, account, step, Some(user), cause);
    if plan.operation == Operation::Delete {
        // No such key means that somebody else deleted it, or that an answer to an earlier attempt was lost.
        iam.delete(user, plan.key).await.map_err(|error| failed(Step::Delete, error.into()))?;
    }
    let mut finished = owner(plan, account, user, what, iam, now).await.map_err(|(step, cause)| failed(step, cause))?;
    match iam.keys(user).await {
        Ok(listed) => {
            let status = status_of(plan, &listed);
            finished.confirmed =
                confirmed(plan.operation, status.as_deref(), &listed).map_err(|(step, cause)| failed(step, cause))?;
            finished.key = Some(state_of(plan, status, &listed, now));
        }
        Err(error) => {
            tracing::warn!(access_key_id = %plan.key, user_name = %user, "could not confirm the state of the key: {error}");
        }
    }
    Ok(finished)
}

/// The report when the time ran out after the key's status was changed.
///
/// # Errors
/// When there was more to be done than to confirm it.
pub fn unfinished(plan: &KeyPlan<'_>, account: &AccountId, user: &UserName, what: &str) -> Result<Finished, StepError> {
    let step = match (plan.operation, plan.containment) {
        (Operation::Delete, _) => Step::Delete,
        (Operation::Restore, Containment::Sessions | Containment::Principal) => Step::Lift,
        (Operation::Deactivate, Containment::Sessions) => Step::DenySessions,
        (Operation::Deactivate, Containment::Principal) => Step::DenyAll,
        (Operation::Deactivate | Operation::Restore, Containment::Key) => {
            return Ok(changed(plan, account, user, what));
        }
    };
    Err(failed(plan, account, step, Some(user), Cause::OutOfTime))
}

fn failed(plan: &KeyPlan<'_>, account: &AccountId, step: Step, user: Option<&UserName>, cause: Cause) -> StepError {
    StepError { step, subject: Subject::key(plan.key, user), account: account.clone(), cause }
}

/// The report on a key whose status was changed, before anything else is known.
fn changed(plan: &KeyPlan<'_>, account: &AccountId, user: &UserName, what: &str) -> Finished {
    let mut finished = Finished::new(plan.outcome(), what.to_owned());
    finished.user = Some(user.clone());
    finished.undo = (plan.operation == Operation::Deactivate).then(|| undo_key(user, plan.key, account));
    finished
}

/// Contains the owner of the key, or takes such a containment away.
async fn owner(
    plan: &KeyPlan<'_>,
    account: &AccountId,
    user: &UserName,
    what: &str,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Result<Finished, (Step, Cause)> {
    let on = Principal::User(user.clone());
    let mut finished = changed(plan, account, user, what);
    if plan.containment == Containment::Key {
        return Ok(finished);
    }
    if plan.operation == Operation::Restore {
        if let Some(done) = sessions::lift(&on, plan.containment, iam).await.map_err(|cause| (Step::Lift, cause))? {
            finished.reason = format!("{what}, and {done}");
        }
        return Ok(finished);
    }
    match sessions::deny(&on, account, plan.containment, iam, now).await? {
        Denied::Yes(how) => finished.reason = format!("{what}, and {how}"),
        Denied::No(reason) => {
            finished.outcome = Outcome::NeedsAttention;
            finished.reason = format!("{what}, but {reason}");
        }
    }
    if plan.containment == Containment::Principal {
        finished.other_credentials = Some(iam.other_credentials(user).await);
    }
    Ok(finished)
}

/// Whether the list shows the state that the operation brought about.
fn confirmed(operation: Operation, status: Option<&str>, listed: &KeyList) -> Result<bool, (Step, Cause)> {
    let (step, contradiction) = match (operation, status) {
        (Operation::Deactivate, Some("Inactive")) | (Operation::Restore, Some("Active")) => return Ok(true),
        (Operation::Deactivate | Operation::Delete, None) => return Ok(!listed.truncated),
        (Operation::Restore, None) => return Ok(false),
        (Operation::Deactivate, Some(_)) => (
            Step::Deactivate,
            "IAM confirmed the change but lists the key as active: somebody has activated it again, or IAM has not \
             caught up",
        ),
        (Operation::Delete, Some(_)) => (Step::Delete, "IAM confirmed the deletion but lists the key"),
        (Operation::Restore, Some(_)) => {
            (Step::Restore, "IAM confirmed the change but does not list the key as active")
        }
    };
    Err((step, Cause::Contradiction(contradiction)))
}

fn status_of(plan: &KeyPlan<'_>, listed: &KeyList) -> Option<String> {
    listed.keys.iter().find(|key| key.id == plan.key.as_str()).map(|key| key.status.clone())
}

fn state_of(plan: &KeyPlan<'_>, status: Option<String>, listed: &KeyList, now: DateTime<Utc>) -> KeyState {
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
fn refused(plan: &KeyPlan<'_>, owner: &UserName) -> Option<Applied> {
    match (plan.owner, plan.user) {
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
                "the key belongs to user {owner} and not to {named}, so nothing was changed: repeat the command with \
                 the right name"
            ),
        )),
        _ => None,
    }
}

fn not_found(plan: &KeyPlan<'_>, account: &AccountId) -> Applied {
    Applied::Left(
        Outcome::NotFound,
        format!("IAM knows no access key {} in account {account}: it was deleted, or never was there", plan.key),
    )
}

impl KeyPlan<'_> {
    fn what(&self) -> &'static str {
        match self.operation {
            Operation::Deactivate => "deactivated",
            Operation::Delete => "deactivated and then deleted",
            Operation::Restore => "made active again",
        }
    }

    fn outcome(&self) -> Outcome {
        match self.operation {
            Operation::Deactivate | Operation::Delete => Outcome::Contained,
            Operation::Restore => Outcome::Restored,
        }
    }
}

fn applied(plan: &KeyPlan<'_>, user: UserName) -> Applied {
    let what = format!("access key {} of user {user} was {}", plan.key, plan.what());
    Applied::Done(Principal::User(user), what)
}

fn planned(plan: &KeyPlan<'_>, owner: &UserName) -> Applied {
    let also = match (plan.operation, plan.containment) {
        (_, Containment::Key) => "",
        (Operation::Restore, _) => ", and what this function put on the user taken away",
        (_, Containment::Sessions) => ", and the user's older sessions denied",
        (_, Containment::Principal) => ", and the user denied everything",
    };
    let reason = format!("DRY_RUN: access key {} of user {owner} would have been {}{also}", plan.key, plan.what());
    Applied::Left(Outcome::Planned, reason)
}
