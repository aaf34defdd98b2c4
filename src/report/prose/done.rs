//! What was done, and what it does not end.

use super::{account, denied, given, key_of_user};
use crate::case::Case;
use crate::credential::{Credential, KeyStatus, Principal};
use crate::plan::Then;
use crate::record::{Done, Means, Outcome};

/// What AWS confirmed, in order.
pub(super) fn done(case: &Case<'_>) -> String {
    sentence_of(case, |_| true)
}

/// The same of some of it.
pub(super) fn sentence_of(case: &Case<'_>, is_told: impl Fn(&Done) -> bool) -> String {
    let told = case.record.done.iter().filter(|done| is_told(done));
    let clauses: Vec<_> = told.map(|done| done_clause(case, done)).collect();
    match clauses.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{}, and {last}", before.join(", ")),
        None => String::new(),
    }
}

pub(super) fn done_clause(case: &Case<'_>, done: &Done) -> String {
    let key = key_of_user(case);
    let is_restored = case.record.has(|done| *done == Done::StatusSet(KeyStatus::Active));
    let has_other_keys = case.record.seen.as_ref().is_none_or(|seen| !seen.complete || !seen.siblings.is_empty());
    match done {
        Done::StatusSet(status) if case.record.status_is_doubtful() => {
            format!("IAM confirmed that {key} was {}", given(*status))
        }
        Done::StatusSet(KeyStatus::Active) if !lifts(case) => format!(
            "{key} was made active again (denies that this function put on the user under another CONTAINMENT stay)"
        ),
        Done::StatusSet(KeyStatus::Active) => format!("{key} was made active again"),
        Done::StatusSet(KeyStatus::Inactive | KeyStatus::Expired) => {
            format!("{key} was deactivated (it may have been inactive before)")
        }
        Done::KeyDeleted => "the key was deleted".to_owned(),
        Done::RootKeyDeleted => format!("{key} was deleted"),
        Done::Denied { on, measure, by: Means::Policy | Means::Document } => {
            format!("{on} was denied {}", denied(*measure))
        }
        Done::Denied { on, measure, by: Means::Group } => {
            format!("{on} was denied {} by a group, as no more policies can be attached to it", denied(*measure))
        }
        Done::Lifted { from } if is_restored && has_other_keys => {
            format!("what was put on {from} was taken away, which protected the user's other keys, too")
        }
        Done::Lifted { from } => format!("what was put on {from} was taken away"),
        Done::LiftedInPart { from } => format!("a part of what was put on {from} was taken away"),
        Done::NothingToLift { from } => format!("there was nothing of this function on {from}"),
    }
}

/// Whether denies on the key's user are lifted with the key.
pub(super) fn lifts(case: &Case<'_>) -> bool {
    let plan = case.plan.as_ref();
    plan.is_some_and(|plan| plan.then.contains(&Then::LiftFromOwner))
}

/// A key that nobody had to deactivate, before what was done to its user.
pub(super) fn what_is_gone(case: &Case<'_>) -> String {
    let is_key = matches!(case.finding.credential, Credential::UserKey { .. });
    let on_the_key = |done: &Done| matches!(done, Done::StatusSet(_) | Done::KeyDeleted | Done::RootKeyDeleted);
    if !is_key || case.record.has(on_the_key) {
        return String::new();
    }
    format!("IAM knows no {} in account {}, where it was deleted or never was; ", key_of_user(case), account(case))
}

/// What a kill does not end.
pub(super) fn what_goes_on(case: &Case<'_>) -> String {
    let record = &case.record;
    let on_a_user = |done: &Done| matches!(done, Done::Denied { on: Principal::User(_), .. });
    let was_killed = record.has(|done| matches!(done, Done::StatusSet(KeyStatus::Inactive | KeyStatus::Expired)));
    let of_root = record.has(|done| *done == Done::RootKeyDeleted);
    if record.outcome() == Outcome::Failed || !(was_killed || of_root || record.has(on_a_user)) {
        return String::new();
    }
    if !was_killed && !of_root {
        return "; sessions of roles that it opened before go on for up to 12 hours".to_owned();
    }
    let vanished = if record.key_is_gone() && !record.has(|done| *done == Done::KeyDeleted) {
        "; IAM does not list the key any more"
    } else {
        ""
    };
    let user_is_denied = record.has(|done| matches!(done, Done::Denied { .. }));
    let sessions = if user_is_denied {
        "sessions of roles that it opened before go on for up to 12 hours"
    } else if of_root {
        "sessions that were made with it before go on for up to an hour"
    } else {
        "sessions that were made with it before go on for up to 36 hours"
    };
    let siblings = record.seen.as_ref().filter(|seen| seen.complete).map(|seen| {
        let active = seen.siblings.iter().filter(|key| key.status == KeyStatus::Active);
        active.map(|key| key.id.as_str()).collect::<Vec<_>>()
    });
    let whose = if of_root { "the root user" } else { "the user" };
    match siblings.as_deref() {
        None => format!("{vanished}; {sessions}, and whether {whose} has other active keys could not be read"),
        Some([]) => format!("{vanished}; {sessions}, and {whose} has no other active key"),
        Some([key]) => format!("{vanished}; {sessions}, and {whose}'s access key {key} is still active"),
        Some(keys) => {
            format!("{vanished}; {sessions}, and {whose}'s access keys {} are still active", keys.join(", "))
        }
    }
}
