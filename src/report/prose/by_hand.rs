//! What a person does instead of this function.

use super::super::command::by_hand;
use super::account;
use super::done::lifts;
use crate::case::Case;
use crate::credential::{Credential, Holder, Principal};
use crate::finding::{Basis, Operation};
use crate::plan::First;
use crate::schedule::{Task, name_of_key};

/// How a person finds what was stolen.
pub(super) fn look_at(holder: &Holder) -> String {
    match holder {
        Holder::User { name: Some(user), .. } => {
            format!("look at the keys of user {user} and at its console password, and deactivate what was stolen")
        }
        Holder::Role { name: Some(role), .. } => {
            format!("look at the sessions of role {role} and revoke them if they were stolen")
        }
        Holder::Root => "look at the root user's keys and password".to_owned(),
        Holder::Other(Some(name)) | Holder::Unknown(Some(name)) => {
            format!("look at what {name} holds and revoke what was stolen")
        }
        Holder::User { name: None, .. }
        | Holder::Role { name: None, .. }
        | Holder::Other(None)
        | Holder::Unknown(None) => "read the finding and deactivate by hand what was stolen".to_owned(),
    }
}

/// How a person contains the credential, or does what the command would have done.
pub(super) fn by_a_person(case: &Case<'_>) -> String {
    match &case.finding.credential {
        Credential::UserKey { or_root: true, .. } => format!("in account {} {}", account(case), root_or_user(case)),
        Credential::UserKey { .. } => run_by_hand(case, operation(case)),
        Credential::RootKey { .. } => "sign in as the root user and delete the key".to_owned(),
        Credential::Contradictory { id, .. } => format!("find out whose key {id} is and deactivate it"),
        Credential::Sessions { of } => lift_by_hand(of),
        credential => end_sessions(credential),
    }
}

/// How a person makes a key active again, and takes away what would still deny its user.
pub(super) fn restore_by_hand(case: &Case<'_>) -> String {
    let run = format!("{}{}", without_schedules(case), run_by_hand(case, Operation::Restore));
    match case.user().filter(|_| lifts(case)) {
        Some(user) => format!("{run}; and {}", lift_by_hand(&Principal::User(user.clone()))),
        None => run,
    }
}

/// What is scheduled would kill or delete the key once more, if it were not taken away.
pub(super) fn without_schedules(case: &Case<'_>) -> String {
    let (Some(key), Some(account), true) = (case.key(), case.account(), case.schedules()) else { return String::new() };
    let delete =
        |task| format!("aws scheduler delete-schedule --group-name GROUP --name {}", name_of_key(task, account, key));
    format!("delete its schedules first ({}; {}), then ", delete(Task::Look), delete(Task::Delete))
}

/// The same, in an account that the sentence has named, and that need not be the one where the function looked.
pub(super) fn there(case: &Case<'_>) -> String {
    match &case.finding.credential {
        Credential::UserKey { or_root: true, .. } => format!("there {}", root_or_user(case)),
        Credential::UserKey { .. } => format!("there run: {}", by_hand(operation(case), case.user(), case.key())),
        _ => format!("there {}", by_a_person(case)),
    }
}

/// An event that names `root` does not tell whether that is a user's name.
fn root_or_user(case: &Case<'_>) -> String {
    let run = by_hand(operation(case), case.user(), case.key());
    format!("sign in as the root user and delete the key; if it is the key of a user, run: {run}")
}

pub(super) fn operation(case: &Case<'_>) -> Operation {
    match case.finding.basis {
        Basis::Command(operation) => operation,
        Basis::Detection { .. } | Basis::Report | Basis::Notice | Basis::Custom | Basis::FollowUp(_) => {
            Operation::Deactivate
        }
    }
}

/// How a person ends temporary credentials.
pub(super) fn end_sessions(credential: &Credential) -> String {
    let (Credential::Session { holder, .. } | Credential::Unidentified { holder, .. }) = credential else {
        return "find in CloudTrail who issued them, and deny the issuer".to_owned();
    };
    match holder {
        Holder::User { name: Some(user), .. } => end_sessions_of(&Principal::User(user.clone())),
        Holder::User { name: None, .. } => {
            "find the user in CloudTrail and deny it everything until the sessions have expired, at most 36 hours after \
             they began"
                .to_owned()
        }
        Holder::Role { name: Some(role), .. } => end_sessions_of(&Principal::Role(role.clone())),
        Holder::Role { name: None, .. } => {
            "find the role in CloudTrail and revoke its active sessions in the IAM console".to_owned()
        }
        Holder::Root => "it is a session of the root user, which no policy of the account can end: change the root \
                         user's password, delete its keys, and wait an hour"
            .to_owned(),
        Holder::Other(Some(name)) | Holder::Unknown(Some(name)) => format!("find in CloudTrail who issued them to {name}, and deny the issuer"),
        Holder::Other(None) | Holder::Unknown(None) => "find in CloudTrail who issued them, and deny the issuer".to_owned(),
    }
}

/// How a person ends the sessions of a principal.
pub(super) fn end_sessions_of(on: &Principal) -> String {
    match on {
        Principal::User(user) => {
            format!("deny user {user} everything until the sessions have expired, at most 36 hours after they began")
        }
        Principal::Role(role) => format!("revoke the active sessions of role {role} in the IAM console"),
    }
}

pub(super) fn lift_by_hand(from: &Principal) -> String {
    match from {
        Principal::User(_) => format!(
            "detach the policies key-remediator-deny-all and key-remediator-deny-temporary from {from}, and remove it from \
             the groups of these names"
        ),
        Principal::Role(_) => format!(
            "detach the policy key-remediator-deny-all from {from}, and remove its inline policy \
             key-remediator-deny-sessions"
        ),
    }
}

/// A command for somebody with credentials of the key's account.
pub(super) fn run_by_hand(case: &Case<'_>, operation: Operation) -> String {
    format!("run in account {}: {}", account(case), by_hand(operation, case.user(), case.key()))
}

pub(super) fn lift_by_hand_of(case: &Case<'_>) -> String {
    let by_hand = match (case.plan.as_ref().map(|plan| &plan.first), case.user()) {
        (Some(First::Lift { from, .. }), _) => lift_by_hand(from),
        (_, Some(user)) => lift_by_hand(&Principal::User(user.clone())),
        (_, None) => "look at the policies of the user".to_owned(),
    };
    format!("in account {} {by_hand}", account(case))
}
