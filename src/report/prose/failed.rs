//! What did not work.

use super::super::command::{by_hand, undo};
use super::by_hand::{end_sessions_of, lift_by_hand_of, operation, restore_by_hand, run_by_hand, without_schedules};
use super::done::sentence_of;
use super::left::why_left;
use super::{SEND_AGAIN, Words, account, denied, given, key, key_of_user, principal};
use crate::case::Case;
use crate::credential::{KeyStatus, Principal};
use crate::failure::{AwsErrorKind, Cause, Disagreement, Failed, Missing};
use crate::finding::{Basis, Operation};
use crate::names::AccessKeyId;
use crate::plan::{First, Measure, Step};
use crate::record::Done;
use serde_json::Value;

/// Why a step failed and what a person should do; of the first failure of a credential also what was done all the same.
pub fn failure(case: &Case<'_>, failed: &Failed, is_first: bool) -> Words {
    let what = did_not_work(case, failed);
    if failed.step.only_informs() {
        return Words::nothing_to_do(format!("{what}; the result stands without it"));
    }
    let is_kill = failed.step == Step::SetStatus(KeyStatus::Inactive);
    let again =
        if is_kill && case.record.looks.reactivated { "; it was dead, and somebody made it active again" } else { "" };
    let also = if is_first { also_done(case, failed.step) } else { String::new() };
    Words::new(format!("{what}{again}{also}"), advice(case, failed))
}

/// What was done, and left, beside a failure, and how to take it back.
pub(super) fn also_done(case: &Case<'_>, failed: Step) -> String {
    let record = &case.record;
    let done = sentence_of(case, |done| !matches!((failed, done), (Step::SetStatus(_), Done::StatusSet(_))));
    let done = if done.is_empty() { done } else { format!("; {done}") };
    let left = record.left.as_ref().map(|left| format!(", but {}", why_left(case, left).what));
    let undo = undo(case).map(|undo| format!("; this command to the function {}: {undo}", undoes(&undo)));
    format!("{done}{}{}", left.unwrap_or_default(), undo.unwrap_or_default())
}

pub(super) fn undoes(undo: &Value) -> &'static str {
    if undo.get("RestoreSessions").is_some() { "lifts the deny" } else { "makes the key active again" }
}

/// What did not work, and why. That IAM refused is known; whether it did what it did not confirm is not.
pub(super) fn did_not_work(case: &Case<'_>, failed: &Failed) -> String {
    let key = format!("{} (account {})", key_of_user(case), account(case));
    match &failed.cause {
        Cause::Disagreement(disagreement) => disagrees(case, &key, *disagreement),
        Cause::Aws(error) if failed.is_not_permitted() => {
            format!("could not {}, because {error}", attempted(case, &key, failed.step))
        }
        Cause::Aws(error) => format!("{}, because {error}", not_confirmed(case, &key, failed.step)),
        Cause::NotDeployed(missing) => format!(
            "could not {}, because account {} has no {}",
            attempted(case, &key, failed.step),
            account(case),
            match missing {
                Missing::Policy(name) => format!("policy {name}"),
                Missing::Group(name) => format!("group {name}"),
            }
        ),
        Cause::OutOfTime => {
            let time = if failed.step.only_informs() { "the time for it" } else { "the time of the invocation" };
            format!("{}, because {time} ran out", not_confirmed(case, &key, failed.step))
        }
    }
}

pub(super) fn disagrees(case: &Case<'_>, key: &str, disagreement: Disagreement) -> String {
    match disagreement {
        Disagreement::DeniesTheOwner => format!("IAM says whose {key} is, and then that this user has no such key"),
        Disagreement::DeniesTheKey => format!("IAM says that there is no {key}, and at the same time that there is"),
        Disagreement::DeniesTheUser => {
            format!("IAM says that there is no {}, whose key it has just changed", principal(case))
        }
        Disagreement::DeniesThePrincipal => {
            format!("IAM says that there is no {}, and at the same time that there is", principal(case))
        }
        Disagreement::NotListed => format!("IAM confirmed that {key} was made active again, but does not list it"),
        Disagreement::StillActive => format!(
            "IAM confirmed that {key} was deactivated, but lists it as active (somebody has activated it again, or IAM \
             is not yet consistent)"
        ),
        Disagreement::StillInactive => {
            format!("IAM confirmed that {key} was made active again, but lists it as inactive")
        }
        Disagreement::StillThere => format!("IAM confirmed that {key} was deleted, but lists it"),
    }
}

/// A step that IAM refused, as what could not be done.
pub(super) fn attempted(case: &Case<'_>, key: &str, step: Step) -> String {
    let on = principal(case);
    match step {
        Step::FindOwner => format!("find the owner of {key}"),
        Step::SetStatus(KeyStatus::Active) => format!("make {key} active again"),
        Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) => format!("deactivate {key}"),
        Step::CheckPrincipal => format!("find out whether {on} is the one that the event means"),
        Step::Deny(measure) => format!("deny {on} {}", denied(measure)),
        Step::Lift => format!("take away all that was put on {on}"),
        Step::DeleteKey | Step::DeleteRootKey => format!("delete {key}"),
        Step::ListCredentials => format!("read what else {on} can sign in with"),
        Step::ListLeftovers => format!("read whether an earlier version left inline policies on {on}"),
        Step::Confirm => format!("read the state of {key}"),
        Step::DeactivateNewKey => format!("deactivate {}", new_keys(case)),
        Step::Look => format!("see whether {key} is dead still, and what was denied with it"),
        Step::GatherEvidence => format!("read from CloudTrail what {key} did"),
        Step::MakeSchedule => format!("schedule what comes later for {key}"),
        Step::ReadSchedule => format!("read whether the schedule about {key} is still there"),
        Step::RemoveSchedule => format!("take away the schedules about {key}"),
        Step::ListPrincipals => format!("read which users and roles are new in account {}", account(case)),
    }
}

/// How a person takes the schedules of a credential away.
fn remove_schedules(case: &Case<'_>) -> String {
    match (case.key(), operation(case)) {
        (Some(_), Operation::Restore) => restore_by_hand(case),
        (Some(_), Operation::Deactivate | Operation::Delete) => without_schedules(case),
        (None, _) => format!(
            "delete the schedule whose name begins with f- and ends in the identifier of the user or the role, and {}",
            lift_by_hand_of(case)
        ),
    }
}

/// The newer keys that may be alive.
fn new_keys(case: &Case<'_>) -> String {
    let keys: Vec<_> = case.record.looks.alive.iter().map(AccessKeyId::as_str).collect();
    let user = case.user().map(|user| format!(" of user {user}")).unwrap_or_default();
    format!("the newer access key {}{user}, made when {} was contained", keys.join(", "), key(case))
}

/// A step of which it is not known whether IAM did it.
pub(super) fn not_confirmed(case: &Case<'_>, key: &str, step: Step) -> String {
    let on = principal(case);
    match step {
        Step::SetStatus(status) => format!("IAM did not confirm that {key} was {}", given(status)),
        Step::Deny(measure) => format!("IAM did not confirm that {on} was denied {}", denied(measure)),
        Step::DeactivateNewKey => format!("IAM did not confirm that {} was deactivated", new_keys(case)),
        Step::Lift => format!("IAM did not confirm that all that was put on {on} was taken away"),
        Step::DeleteKey | Step::DeleteRootKey => format!("IAM did not confirm that {key} was deleted"),
        Step::FindOwner
        | Step::CheckPrincipal
        | Step::ListCredentials
        | Step::ListLeftovers
        | Step::Confirm
        | Step::Look
        | Step::ListPrincipals
        | Step::GatherEvidence
        | Step::MakeSchedule
        | Step::ReadSchedule
        | Step::RemoveSchedule => format!("could not {}", attempted(case, key, step)),
    }
}

/// The same, in a result that is valid without it.
pub(super) fn named(step: Step) -> &'static str {
    match step {
        Step::FindOwner => "finding the owner",
        Step::SetStatus(_) => "changing the key's status",
        Step::CheckPrincipal => "checking the principal",
        Step::Deny(Measure::TemporaryCredentials | Measure::OlderSessions) => "denying the sessions",
        Step::Deny(Measure::Everything) => "denying everything",
        Step::Lift => "taking away the denies",
        Step::DeleteKey | Step::DeleteRootKey => "deleting the key",
        Step::ListCredentials => "listing other credentials",
        Step::ListLeftovers => "listing inline policies",
        Step::Confirm => "confirming",
        Step::DeactivateNewKey => "deactivating a newer key",
        Step::Look => "looking again",
        Step::ListPrincipals => "listing new users and roles",
        Step::GatherEvidence => "reading from CloudTrail",
        Step::MakeSchedule => "scheduling what comes later",
        Step::ReadSchedule => "reading the schedule",
        Step::RemoveSchedule => "taking the schedules away",
    }
}

/// The state that the credential is left in, and what to do now.
pub(super) fn advice(case: &Case<'_>, failed: &Failed) -> String {
    let state = state_after(case, failed);
    let by_hand = instead(case, failed.step);
    let is_command = matches!(case.finding.basis, Basis::Command(_));
    let again = if is_command { "give the command again" } else { SEND_AGAIN };
    match &failed.cause {
        // What a session of the root user may do is AWS's to say.
        Cause::Aws(_)
            if failed.is_not_permitted() && failed.step == Step::DeleteRootKey && case.is_in_root_session(failed) =>
        {
            format!("{state}: {by_hand}")
        }
        Cause::Aws(error) if error.kind == AwsErrorKind::MissingPermission => {
            format!("{state}: grant {} to {} and {again}, or {by_hand}", error.call, whose_role(case, error.call))
        }
        Cause::Aws(error) if error.kind == AwsErrorKind::ExplicitlyDenied && matches!(failed.step, Step::Deny(_)) => {
            format!(
                "{state}: if it is one of BreakGlassPrincipals or this function's own role, name it in Exempt; if not, lift \
                 the explicit deny of {} for {} and {again}, or {by_hand}",
                error.call,
                whose_role(case, error.call)
            )
        }
        Cause::Aws(error) if error.kind == AwsErrorKind::ExplicitlyDenied => format!(
            "{state}: lift the explicit deny of {} for {} and {again}, or {by_hand}",
            error.call,
            whose_role(case, error.call)
        ),
        Cause::NotDeployed(_) => format!(
            "{state}: deploy this function's stack there, in another account that of member-role.yaml, with the same \
             Containment and RoleSessions, and {again}, or {by_hand}"
        ),
        _ if is_command => format!("{state}: give the command again, or {by_hand}"),
        _ => format!(
            "{state}: what a rule, a topic or a queue delivered is tried again; if that does not succeed, or to be quick, \
             {by_hand}"
        ),
    }
}

/// The role whose permissions count for a call.
pub(super) fn whose_role(case: &Case<'_>, call: &str) -> String {
    if call.starts_with("sts:") {
        "the function's role".to_owned()
    } else {
        format!("the role that the function uses in account {}", account(case))
    }
}

pub(super) fn state_after(case: &Case<'_>, failed: &Failed) -> &'static str {
    match failed.step {
        Step::FindOwner if operation(case) == Operation::Restore => "the key may still be inactive",
        Step::FindOwner | Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) | Step::DeleteRootKey => {
            "the key may still be active"
        }
        Step::SetStatus(KeyStatus::Active) => "the key may still be inactive",
        Step::DeleteKey if failed.is_not_permitted() => "the key is inactive but not deleted",
        Step::DeleteKey => "the key is inactive or deleted",
        Step::CheckPrincipal | Step::Deny(_) if case.record.has(|done| matches!(done, Done::StatusSet(_))) => {
            "the key is dead, but sessions that were made with it may still work"
        }
        Step::CheckPrincipal | Step::Deny(_) => "sessions may still work",
        Step::MakeSchedule => "what is contained stays so, but nobody looks at it later or deletes it",
        Step::ReadSchedule => "nothing was changed",
        Step::RemoveSchedule if operation(case) == Operation::Restore => {
            "nothing was restored, as a schedule would undo it"
        }
        Step::RemoveSchedule => "what was done stays so",
        Step::DeactivateNewKey => "that key may still be active",
        Step::Lift => "denies may still be in place",
        Step::ListCredentials
        | Step::ListLeftovers
        | Step::Confirm
        | Step::Look
        | Step::ListPrincipals
        | Step::GatherEvidence => "the result stands without it",
    }
}

/// How a person does a step.
pub(super) fn instead(case: &Case<'_>, step: Step) -> String {
    let run = |operation| run_by_hand(case, operation);
    match step {
        Step::SetStatus(KeyStatus::Active) => restore_by_hand(case),
        Step::FindOwner | Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) => match operation(case) {
            Operation::Restore => restore_by_hand(case),
            operation => run(operation),
        },
        Step::DeleteKey => run(Operation::Delete),
        Step::MakeSchedule | Step::ReadSchedule => "look at it yourself in 15 minutes".to_owned(),
        Step::RemoveSchedule => remove_schedules(case),
        Step::DeactivateNewKey => {
            let commands = case.record.looks.alive.iter();
            let commands = commands.map(|key| by_hand(Operation::Deactivate, case.user(), Some(key)));
            format!("run in account {}: {}", account(case), commands.collect::<Vec<_>>().join("; "))
        }
        Step::CheckPrincipal => "find the principal ID of the finding in CloudTrail and end its sessions".to_owned(),
        Step::Deny(_) => match case.plan.as_ref().map(|plan| &plan.first) {
            Some(First::Deny { on, .. }) => end_sessions_of(&on.principal()),
            _ => case.user().map_or("deny the user everything by hand".to_owned(), |user| {
                end_sessions_of(&Principal::User(user.clone()))
            }),
        },
        Step::Lift => lift_by_hand_of(case),
        Step::DeleteRootKey => "sign in as the root user and delete it".to_owned(),
        Step::ListCredentials
        | Step::ListLeftovers
        | Step::Confirm
        | Step::Look
        | Step::ListPrincipals
        | Step::GatherEvidence => "look at the user in the IAM console".to_owned(),
    }
}
