//! All sentences, and no others: made at the very end, from what is known then.
//!
//! Each says what happened and, after a colon, what a person should do about it.

use super::command::{by_hand, undo};
use crate::case::Case;
use crate::credential::{Contradiction, Credential, Holder, KeyStatus, Principal, ReservedRole};
use crate::event::{EventError, Unreadable};
use crate::failure::{AwsErrorKind, Cause, Disagreement, Failed, Step};
use crate::finding::{Basis, NotInForce, Operation};
use crate::names::{AccessKeyId, AccountId, RoleName};
use crate::plan::{First, Measure, Plan, Then};
use crate::record::{DeniedBy, Done, Left, Outcome};

/// How an event gets here once more. Lambda wraps what it puts into the failure queue.
const SEND_AGAIN: &str = "send the event again (in the failure queue it stands under requestPayload)";

/// What became of a credential, and why.
pub fn reason(case: &Case<'_>) -> String {
    let record = &case.record;
    let what = match (&record.left, record.done.is_empty()) {
        (Some(left), true) => why_left(case, left),
        (Some(left), false) => format!("{}, but {}", done(case), why_left(case, left)),
        (None, _) => format!("{}{}", done(case), what_goes_on(case)),
    };
    let not_done = record.failures().map(|failed| format!("; {} failed", named(failed.step)));
    format!("{what}{}{}", not_done.collect::<String>(), issuer(case).unwrap_or_default())
}

/// Where the key is not, or may be elsewhere than the event says, the account that its identifier carries is a hint for
/// the person who looks for it.
fn issuer(case: &Case<'_>) -> Option<String> {
    let issuer = case.key()?.issuer()?;
    let outcome = case.record.outcome();
    let tells = outcome != Outcome::Ignored && (outcome == Outcome::NotFound || case.account() != Some(&issuer));
    tells.then(|| format!(" (by its identifier the key was issued in account {issuer})"))
}

/// What AWS confirmed, in order.
fn done(case: &Case<'_>) -> String {
    let key = key_of_user(case);
    let clause = |done: &Done| match done {
        Done::StatusSet(KeyStatus::Active) => format!("{key} was made active again"),
        Done::StatusSet(KeyStatus::Inactive | KeyStatus::Expired) => {
            format!("{key} was deactivated (it may have been inactive before)")
        }
        Done::KeyDeleted => "the key was deleted".to_owned(),
        Done::RootKeyDeleted => format!("{key} was deleted"),
        Done::Denied { on, measure, by: DeniedBy::OwnPolicy } => format!("{on} was denied {}", denied(*measure)),
        Done::Denied { on, measure, by: DeniedBy::Others } => {
            format!("{on} had been denied {} before", denied(*measure))
        }
        Done::Denied { on, measure, by: DeniedBy::UnmarkedDenyAll } => format!(
            "{on} was denied {} by AWSDenyAll alone, which a restore will leave, as the user's policies have no space \
             for a mark: detach it by hand then",
            denied(*measure)
        ),
        Done::Lifted { from, deny_all_stays: false } => format!("what was put on {from} was taken away"),
        Done::Lifted { from, deny_all_stays: true } => format!(
            "what was put on {from} was taken away, but AWSDenyAll is attached without this function's mark: detach it \
             by hand unless somebody wants it there"
        ),
    };
    case.record.done.iter().map(clause).collect::<Vec<_>>().join(", and ")
}

fn denied(measure: Measure) -> &'static str {
    match measure {
        Measure::Sessions => "every session that was issued before now",
        Measure::Everything => "everything",
    }
}

/// What a kill does not end.
fn what_goes_on(case: &Case<'_>) -> String {
    let record = &case.record;
    if record.outcome() != Outcome::Contained || !matches!(case.finding.credential, Credential::UserKey { .. }) {
        return String::new();
    }
    let user_is_denied = record.has(|done| matches!(done, Done::Denied { .. }));
    let sessions = if user_is_denied {
        "sessions of roles that it opened before go on for up to 12 hours"
    } else {
        "sessions that were made with it before go on for up to 36 hours"
    };
    let siblings = record.seen.as_ref().map(|seen| {
        let active = seen.siblings.iter().filter(|key| key.status == KeyStatus::Active);
        active.map(|key| key.id.as_str()).collect::<Vec<_>>()
    });
    match siblings.as_deref() {
        None => format!("; {sessions}, and whether the user has other active keys could not be read"),
        Some([]) => format!("; {sessions}, and the user has no other active key"),
        Some([key]) => format!("; {sessions}, and the user's access key {key} is still active"),
        Some(keys) => format!("; {sessions}, and the user's access keys {} are still active", keys.join(", ")),
    }
}

fn key_of_user(case: &Case<'_>) -> String {
    match (case.key(), case.user(), &case.finding.credential) {
        (Some(key), _, Credential::RootKey { .. }) => format!("access key {key} of the root user"),
        (Some(key), Some(user), _) => format!("access key {key} of user {user}"),
        (Some(key), None, _) => format!("access key {key}"),
        (None, ..) => "the credential".to_owned(),
    }
}

/// Why a credential, or a part of what it can do, was left alone, and what a person should do.
fn why_left(case: &Case<'_>, left: &Left) -> String {
    let (finding, credential) = (case.finding, &case.finding.credential);
    match left {
        Left::NoCredential => "the event is not about a credential".to_owned(),
        Left::NotInForce(why) => format!("nothing was changed, as the finding is {}", not_in_force(*why)),
        Left::TypeNotSelected { kind, glob: Some(glob) } => {
            format!("nothing was changed, as {glob} in FINDING_TYPES takes findings of type {kind} away")
        }
        Left::TypeNotSelected { kind, glob: None } => {
            format!("nothing was changed, as nothing in FINDING_TYPES matches type {kind}")
        }
        Left::BelowSeverity { severity, minimum, variable } => {
            format!("nothing was changed, as severity {severity} is below {variable} {minimum}")
        }
        Left::SourceNotListed => {
            format!("nothing was changed, as CUSTOM_SOURCES does not list {}", finding.origin.source)
        }
        Left::Exempt { name, entry } => format!(
            "{}: the entry {entry} of EXEMPT protects {name}, so nothing was changed; decide whether to contain it, and \
             then {}",
            still_works(case),
            contain_by_hand(case)
        ),
        Left::OwnerExempt { entry } => format!(
            "{}: the entry {entry} of EXEMPT protects its user, so nothing was changed; decide whether to contain it, \
             and then {}",
            still_works(case),
            contain_by_hand(case)
        ),
        Left::OnlyReported => only_reported(case),
        Left::RootKey { account, deletable } => {
            let other_way = if *deletable { ", or let ROOT_KEYS=delete do it through sts:AssumeRoot" } else { "" };
            format!(
                "{} of account {account} can be deactivated by nobody but the root user: sign in as root and delete the \
                 key under Security credentials{other_way}",
                key_of_user(case)
            )
        }
        Left::TemporaryCredentials => format!(
            "{} belongs to temporary credentials, which cannot be deactivated: {}",
            case.key().map_or("the session", AccessKeyId::as_str),
            end_sessions(credential)
        ),
        Left::RoleUnknown(role) => format!(
            "the event gives no principal ID, so it is not known which role {role} it means: find it in CloudTrail and \
             revoke its active sessions in the IAM console"
        ),
        Left::Reserved(role, reserved) => reserved_role(role, *reserved),
        Left::Contradictory => contradictory(credential),
        Left::Unidentified => unidentified(credential),
        Left::AccountNotListed(account) => format!(
            "nothing was changed, as ACCOUNTS does not list account {account}: there, {}",
            contain_by_hand(case)
        ),
        Left::AccountOutOfReach { account, own } => format!(
            "nothing was changed, as the credential is in account {account} and this function acts in account {own} \
             only: there, {}",
            contain_by_hand(case)
        ),
        Left::OwnerDiffers { named } => format!(
            "nothing was changed, as {} is not one of {named}'s: give the command again with the right name",
            key_of_user(case)
        ),
        Left::NoSuchKey | Left::NoSuchRootKey => format!(
            "IAM knows no {} in account {}: it was deleted, or never was there",
            key_of_user(case),
            account(case)
        ),
        Left::NoSuchPrincipal => match &case.plan {
            Some(Plan { first: First::Lift { from, .. }, .. }) => {
                format!("there is no {from} in account {}", account(case))
            }
            _ => format!("there is no such principal in account {}", account(case)),
        },
        Left::PrincipalNotHere(on) => format!(
            "there is no {on} in account {}: find the account of the session's principal in CloudTrail and end its \
             sessions there",
            account(case)
        ),
        Left::RoleDiffers(role) => format!(
            "role {role} is not the role of the session: it was made again, or the session belongs to another account; \
             find the principal ID of the finding in CloudTrail and revoke its sessions"
        ),
        Left::OwnRole(role) => format!(
            "role {role} is the one that this function works as, which it must not deny: revoke its sessions by hand"
        ),
        Left::QuotaFull(on) => format!(
            "the policies of {on} have no space for a deny: remove one of them, or attach AWSDenyAll by hand, and \
             {SEND_AGAIN}"
        ),
        Left::Unmodifiable(on) => {
            format!("only AWS may change {on}, so its sessions were not ended: deny it by a service control policy")
        }
        Left::DryRun => case.plan.as_ref().map(|plan| dry_run(case, plan)).unwrap_or_default(),
    }
}

fn account<'c>(case: &'c Case<'_>) -> &'c str {
    case.account().map_or("of the function", AccountId::as_str)
}

fn not_in_force(why: NotInForce) -> &'static str {
    match why {
        NotInForce::Sample => "a sample",
        NotInForce::Archived => "archived",
        NotInForce::Suppressed => "suppressed",
        NotInForce::Resolved => "resolved",
        NotInForce::OtherProduct => "of a product that is not acted on",
    }
}

/// What an exemption leaves standing.
fn still_works(case: &Case<'_>) -> String {
    match &case.finding.credential {
        Credential::UserKey { .. } | Credential::RootKey { .. } | Credential::Contradictory { .. } => {
            format!("{} is still active", key_of_user(case))
        }
        Credential::Session { id, .. } => format!("the temporary credentials {id} still work"),
        Credential::Unidentified { .. } | Credential::Sessions { .. } | Credential::None => {
            "the credential still works".to_owned()
        }
    }
}

fn only_reported(case: &Case<'_>) -> String {
    match &case.finding.credential {
        Credential::Unidentified { holder, .. } => {
            format!("AWS reports a compromise but names no access key: {}", look_at(holder))
        }
        _ => format!(
            "AWS reports a compromise: find out what was done and, if the credential was stolen, {}",
            contain_by_hand(case)
        ),
    }
}

fn reserved_role(role: &RoleName, reserved: ReservedRole) -> String {
    match reserved {
        ReservedRole::ServiceLinked => format!(
            "role {role} is linked to a service, and its sessions cannot be revoked: stop the service's use of it"
        ),
        ReservedRole::IdentityCenter => format!(
            "role {role} belongs to a permission set of IAM Identity Center: in Identity Center disable the user, end \
             its sessions, and deny it in the permission set or by a service control policy on identitystore:userId"
        ),
    }
}

fn contradictory(credential: &Credential) -> String {
    let Credential::Contradictory { id, contradiction } = credential else {
        return "the event contradicts itself".to_owned();
    };
    let what = match contradiction {
        Contradiction::TemporaryHolder { user_type } => {
            format!("it names a long-term key, but {user_type} as its holder, whose credentials are temporary")
        }
        Contradiction::OtherAccount { of_user } => {
            format!("it names a user of account {of_user}, but another account for the key")
        }
        Contradiction::TwoKeys { other } => format!("it gives both {id} and {other} for one key"),
    };
    format!("the event contradicts itself: {what}; find out whose key {id} is and deactivate it by hand")
}

fn unidentified(credential: &Credential) -> String {
    match credential {
        Credential::Unidentified { given: Some(given), holder } => {
            format!("the event gives {given} where an access key ID should be: {}", look_at(holder))
        }
        Credential::Unidentified { given: None, holder } => {
            format!("the event gives no access key ID: {}", look_at(holder))
        }
        _ => "the event gives no access key ID".to_owned(),
    }
}

/// How a person finds what was stolen.
fn look_at(holder: &Holder) -> String {
    match holder {
        Holder::User { name: Some(user), .. } => {
            format!("look at the keys of user {user} and at its console password, and deactivate what was stolen")
        }
        Holder::Role { name: Some(role), .. } => {
            format!("look at the sessions of role {role} and revoke them if they were stolen")
        }
        Holder::Root => "look at the root user's keys and password".to_owned(),
        Holder::Other(Some(name)) => format!("look at what {name} holds and revoke what was stolen"),
        Holder::User { name: None, .. } | Holder::Role { name: None, .. } | Holder::Other(None) => {
            "read the finding and deactivate by hand what was stolen".to_owned()
        }
    }
}

/// How a person contains the credential, or does what the command would have done.
fn contain_by_hand(case: &Case<'_>) -> String {
    match &case.finding.credential {
        Credential::UserKey { id, .. } => {
            let operation = match case.finding.basis {
                Basis::Command(operation) => operation,
                Basis::Detection { .. } | Basis::Report | Basis::Notice | Basis::Custom => Operation::Deactivate,
            };
            format!("run: {}", by_hand(operation, case.user(), Some(id)))
        }
        Credential::RootKey { .. } => "sign in as the root user and delete the key".to_owned(),
        Credential::Contradictory { id, .. } => format!("find out whose key {id} is and deactivate it"),
        Credential::Sessions { of } => lift_by_hand(of),
        credential => end_sessions(credential),
    }
}

/// How a person ends temporary credentials.
fn end_sessions(credential: &Credential) -> String {
    let (Credential::Session { holder, .. } | Credential::Unidentified { holder, .. }) = credential else {
        return "find in CloudTrail who issued them, and deny the issuer".to_owned();
    };
    match holder {
        Holder::User { name: Some(user), .. } => format!(
            "deny user {user} everything until the sessions have expired, at most 36 hours after they began, or let \
             CONTAINMENT=sessions do it"
        ),
        Holder::User { name: None, .. } => {
            "find the user in CloudTrail and deny it everything until the sessions have expired, at most 36 hours after \
             they began"
                .to_owned()
        }
        Holder::Role { name: Some(role), .. } => {
            format!("revoke the active sessions of role {role} in the IAM console, or let CONTAINMENT=sessions do it")
        }
        Holder::Role { name: None, .. } => {
            "find the role in CloudTrail and revoke its active sessions in the IAM console".to_owned()
        }
        Holder::Root => "it is a session of the root user, which no policy of the account can end: change the root \
                         user's password, delete its keys, and wait an hour"
            .to_owned(),
        Holder::Other(Some(name)) => format!("find in CloudTrail who issued them to {name}, and deny the issuer"),
        Holder::Other(None) => "find in CloudTrail who issued them, and deny the issuer".to_owned(),
    }
}

fn lift_by_hand(from: &Principal) -> String {
    format!(
        "remove the inline policies of {from} whose names begin with key-remediator-deny-, and detach AWSDenyAll if one \
         of them is key-remediator-deny-all-attached"
    )
}

/// What would have been done: the steps of the plan.
fn dry_run(case: &Case<'_>, plan: &Plan<'_>) -> String {
    let key = key_of_user(case);
    let first = match &plan.first {
        First::SetStatus { status: KeyStatus::Active, .. } => format!("{key} would have been made active again"),
        First::SetStatus { status: KeyStatus::Inactive | KeyStatus::Expired, .. } => {
            format!("{key} would have been deactivated")
        }
        First::Deny { on, measure, .. } => format!("{on} would have been denied {}", denied(*measure)),
        First::Lift { from, .. } => format!("what was put on {from} would have been taken away"),
        First::DeleteRootKey { .. } => format!("{key} would have been deleted"),
    };
    let then = plan.then.iter().filter_map(|then| match then {
        Then::DenyOwner(measure) => Some(format!("the user denied {}", denied(*measure))),
        Then::LiftFromOwner(_) => Some("what this function put on the user taken away".to_owned()),
        Then::DeleteKey => Some("the key deleted".to_owned()),
        Then::ListCredentials | Then::Confirm => None,
    });
    let steps: Vec<_> = std::iter::once(first).chain(then).collect();
    format!("DRY_RUN: {}", steps.join(", and "))
}

/// Why a step failed, what stands all the same, and what a person should do.
pub fn failure(case: &Case<'_>, failed: &Failed) -> String {
    let what = attempted(case, failed.step);
    let why = cause(&failed.cause);
    let stands = if case.record.done.is_empty() { String::new() } else { format!("; {}", done(case)) };
    let undo = undo(case).map(|undo| format!(", which this command to the function takes back: {undo}"));
    format!(
        "could not {what} in account {}: {why}{stands}{}; {}",
        account(case),
        undo.unwrap_or_default(),
        advice(case, failed)
    )
}

/// A step, as what could not be done.
fn attempted(case: &Case<'_>, step: Step) -> String {
    let key = key_of_user(case);
    let on = principal(case);
    match step {
        Step::FindOwner => format!("find the owner of {key}"),
        Step::SetStatus(KeyStatus::Active) => format!("make {key} active again"),
        Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) => format!("deactivate {key}"),
        Step::CheckRole => format!("compare {on} with the one that the finding means"),
        Step::Deny(Measure::Sessions) => format!("deny {on} the sessions that were issued before now"),
        Step::Deny(Measure::Everything) => format!("deny {on} everything"),
        Step::Lift => format!("take away what was put on {on}"),
        Step::DeleteKey | Step::DeleteRootKey => format!("delete {key}"),
        Step::ListCredentials => format!("read what else {on} can sign in with"),
        Step::Confirm => format!("read what became of {key}"),
    }
}

/// The same beside a result that stands.
fn named(step: Step) -> &'static str {
    match step {
        Step::FindOwner => "finding the owner",
        Step::SetStatus(_) => "changing the key's status",
        Step::CheckRole => "checking the role",
        Step::Deny(Measure::Sessions) => "denying the sessions",
        Step::Deny(Measure::Everything) => "denying the user everything",
        Step::Lift => "taking away what was put on the user",
        Step::DeleteKey | Step::DeleteRootKey => "deleting the key",
        Step::ListCredentials => "listing other credentials",
        Step::Confirm => "confirming",
    }
}

/// The user or the role on which a step is done.
fn principal(case: &Case<'_>) -> String {
    match (case.plan.as_ref().map(|plan| &plan.first), case.user()) {
        (Some(First::Deny { on, .. } | First::Lift { from: on, .. }), _) => on.to_string(),
        (_, Some(user)) => format!("user {user}"),
        (_, None) => "the user".to_owned(),
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Aws(error) => error.to_string(),
        Cause::Disagreement(Disagreement::ListsWhatItDoesNotKnow) => {
            "IAM lists the key but says that it does not exist".to_owned()
        }
        Cause::Disagreement(Disagreement::StillActive) => {
            "IAM confirmed the change but lists the key as active: somebody has activated it again, or IAM has not \
             caught up"
                .to_owned()
        }
        Cause::Disagreement(Disagreement::StillInactive) => {
            "IAM confirmed the change but does not list the key as active".to_owned()
        }
        Cause::Disagreement(Disagreement::StillThere) => "IAM confirmed the deletion but lists the key".to_owned(),
        Cause::OutOfTime => "the time of the invocation ran out".to_owned(),
    }
}

/// The state that the credential is left in, and what to do now.
fn advice(case: &Case<'_>, failed: &Failed) -> String {
    let run = |operation| format!("run: {}", by_hand(operation, case.user(), case.key()));
    let (state, by_hand) = match failed.step {
        Step::FindOwner | Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) => {
            ("the key may still be active", run(Operation::Deactivate))
        }
        Step::SetStatus(KeyStatus::Active) => ("the key may still be inactive", run(Operation::Restore)),
        Step::DeleteKey => ("the key is inactive but not deleted", run(Operation::Delete)),
        Step::CheckRole | Step::Deny(_) if case.record.has(|done| matches!(done, Done::Denied { .. })) => (
            "the deny stands, but not all that was to be done for it",
            "look at its policies in the IAM console".to_owned(),
        ),
        Step::CheckRole | Step::Deny(_) => {
            ("sessions may still work", format!("deny {} everything in the IAM console", principal(case)))
        }
        Step::Lift => ("denies may still be in place", lift_by_hand_of(case)),
        Step::DeleteRootKey => ("the key may still be active", "sign in as the root user and delete it".to_owned()),
        Step::ListCredentials | Step::Confirm => return "the result stands without it".to_owned(),
    };
    let is_command = matches!(case.finding.basis, Basis::Command(_));
    let again = if is_command { "give the command again" } else { SEND_AGAIN };
    match &failed.cause {
        Cause::Aws(error) if error.kind == AwsErrorKind::MissingPermission => {
            format!("{state}: grant {} to the function's role and {again}, or {by_hand}", error.call)
        }
        _ if is_command => format!("{state}: give the command again, or {by_hand}"),
        _ => format!(
            "{state}: what a rule, a topic or a queue delivered is tried again; if that does not succeed, or to be quick, \
             {by_hand}"
        ),
    }
}

fn lift_by_hand_of(case: &Case<'_>) -> String {
    match (case.plan.as_ref().map(|plan| &plan.first), case.user()) {
        (Some(First::Lift { from, .. }), _) => lift_by_hand(from),
        (_, Some(user)) => lift_by_hand(&Principal::User(user.clone())),
        (_, None) => "look at the policies of the user".to_owned(),
    }
}

/// What could not be read, and what to do.
pub fn unreadable(error: &EventError) -> String {
    let EventError { field, problem, kind } = error;
    match kind {
        Unreadable::Command => {
            format!("could not read the command: {field} {problem}; nothing was changed: correct it and give it again")
        }
        Unreadable::Input | Unreadable::Envelope | Unreadable::Event => format!(
            "could not read the event: {field} {problem}; nothing was done about it: correct the input and {SEND_AGAIN}"
        ),
    }
}
