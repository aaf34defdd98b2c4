//! All sentences, made at the very end, from what is known then.

use std::fmt;

use serde_json::Value;

use super::command::{by_hand, undo};
use crate::case::Case;
use crate::credential::{Contradiction, Credential, Holder, KeyStatus, Principal, ReservedRole};
use crate::event::{EventError, Unreadable};
use crate::failure::{AwsErrorKind, Cause, Disagreement, Failed};
use crate::finding::{Basis, NotInForce, Operation};
use crate::names::AccountId;
use crate::plan::{First, IfGone, Measure, Plan, Step, Then};
use crate::record::{DeniedBy, Done, Left, Outcome};

/// How an event gets here once more. Lambda wraps what it puts into the failure queue.
const SEND_AGAIN: &str = "send the event again (in the failure queue it stands under requestPayload)";

/// What happened, and what a person should do about it, which may be nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    pub what: String,
    pub to_do: String,
}

impl Words {
    fn new(what: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { what: what.into(), to_do: to_do.into() }
    }

    fn nothing_to_do(what: impl Into<String>) -> Self {
        Self::new(what, "")
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.to_do.is_empty() { Ok(()) } else { write!(f, ": {}", self.to_do) }
    }
}

/// What became of a credential, and why.
pub fn result(case: &Case<'_>) -> Words {
    let record = &case.record;
    let mut words = match (&record.left, record.done.is_empty()) {
        (Some(left), true) => why_left(case, left),
        (Some(left), false) => {
            let why = why_left(case, left);
            Words::new(format!("{}, but {}", done(case), why.what), why.to_do)
        }
        (None, _) => Words::nothing_to_do(format!("{}{}{}", what_is_gone(case), done(case), what_goes_on(case))),
    };
    words.what.extend(record.failures().map(|failed| format!("; {} failed", named(failed.step))));
    words.what.extend(issuer(case));
    words
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
    sentence_of(case, |_| true)
}

/// The same of some of it.
fn sentence_of(case: &Case<'_>, is_told: impl Fn(&Done) -> bool) -> String {
    let told = case.record.done.iter().filter(|done| is_told(done));
    let clauses: Vec<_> = told.map(|done| done_clause(case, done)).collect();
    match clauses.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{}, and {last}", before.join(", ")),
        None => String::new(),
    }
}

fn done_clause(case: &Case<'_>, done: &Done) -> String {
    let key = key_of_user(case);
    let is_restored = case.record.has(|done| *done == Done::StatusSet(KeyStatus::Active));
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
        Done::Denied { on, measure, by: DeniedBy::OwnPolicy } => format!("{on} was denied {}", denied(*measure)),
        Done::Denied { on, measure, by: DeniedBy::Others } => {
            format!("{on} had been denied {} before", denied(*measure))
        }
        Done::Denied { on, measure, by: DeniedBy::UnmarkedDenyAll } => format!(
            "{on} was denied {} by AWSDenyAll alone, which a restore will leave, as the user's policies have no space \
             for a mark: detach it by hand then",
            denied(*measure)
        ),
        Done::Lifted { from, deny_all_stays: false } if is_restored => {
            format!("what was put on {from} was taken away, which protected the user's other keys, too")
        }
        Done::Lifted { from, deny_all_stays: false } => format!("what was put on {from} was taken away"),
        Done::Lifted { from, deny_all_stays: true } => format!(
            "what was put on {from} was taken away, but AWSDenyAll is attached without this function's mark: detach it \
             by hand unless somebody wants it there"
        ),
        Done::LiftedInPart { from } => format!("a part of what was put on {from} was taken away"),
        Done::NothingToLift { from } => format!("there was nothing of this function on {from}"),
    }
}

/// Whether denies on the key's user are lifted with the key.
fn lifts(case: &Case<'_>) -> bool {
    let plan = case.plan.as_ref();
    plan.is_some_and(|plan| plan.then.iter().any(|then| matches!(then, Then::LiftFromOwner(_))))
}

/// What a key's status is changed to.
fn given(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "made active again",
        KeyStatus::Inactive | KeyStatus::Expired => "deactivated",
    }
}

fn denied(measure: Measure) -> &'static str {
    match measure {
        Measure::Sessions => "every session that was issued before now",
        Measure::Everything => "everything",
    }
}

/// A key that nobody had to deactivate, before what was done to its user.
fn what_is_gone(case: &Case<'_>) -> String {
    let is_key = matches!(case.finding.credential, Credential::UserKey { .. });
    let on_the_key = |done: &Done| matches!(done, Done::StatusSet(_) | Done::KeyDeleted | Done::RootKeyDeleted);
    if !is_key || case.record.has(on_the_key) {
        return String::new();
    }
    format!("IAM knows no {} in account {}, where it was deleted or never was; ", key_of_user(case), account(case))
}

/// What a kill does not end.
fn what_goes_on(case: &Case<'_>) -> String {
    let record = &case.record;
    if record.outcome() != Outcome::Contained || !record.has(|done| matches!(done, Done::StatusSet(_))) {
        return String::new();
    }
    let vanished = if record.key_is_gone() && !record.has(|done| *done == Done::KeyDeleted) {
        "; IAM does not list the key any more"
    } else {
        ""
    };
    let user_is_denied = record.has(|done| matches!(done, Done::Denied { .. }));
    let sessions = if user_is_denied {
        "sessions of roles that it opened before go on for up to 12 hours"
    } else {
        "sessions that were made with it before go on for up to 36 hours"
    };
    let siblings = record.seen.as_ref().filter(|seen| seen.complete).map(|seen| {
        let active = seen.siblings.iter().filter(|key| key.status == KeyStatus::Active);
        active.map(|key| key.id.as_str()).collect::<Vec<_>>()
    });
    match siblings.as_deref() {
        None => format!("{vanished}; {sessions}, and whether the user has other active keys could not be read"),
        Some([]) => format!("{vanished}; {sessions}, and the user has no other active key"),
        Some([key]) => format!("{vanished}; {sessions}, and the user's access key {key} is still active"),
        Some(keys) => {
            format!("{vanished}; {sessions}, and the user's access keys {} are still active", keys.join(", "))
        }
    }
}

fn key(case: &Case<'_>) -> String {
    case.key().map_or("the credential".to_owned(), |key| format!("access key {key}"))
}

fn key_of_user(case: &Case<'_>) -> String {
    match (case.key(), case.user(), &case.finding.credential) {
        (Some(key), _, Credential::RootKey { .. }) => format!("access key {key} of the root user"),
        (Some(key), Some(user), _) => format!("access key {key} of user {user}"),
        _ => key(case),
    }
}

/// Why a credential, or a part of what it can do, was left alone.
#[expect(clippy::too_many_lines, reason = "one arm for each reason")]
fn why_left(case: &Case<'_>, left: &Left) -> Words {
    let credential = &case.finding.credential;
    let account = account(case);
    match left {
        Left::NoCredential => Words::nothing_to_do("the event is not about a credential"),
        Left::NotInForce(why) => {
            Words::nothing_to_do(format!("nothing was changed, as the finding is {}", not_in_force(*why)))
        }
        Left::TypeNotSelected { kind, glob: Some(glob) } => Words::nothing_to_do(format!(
            "nothing was changed, as {glob} in FINDING_TYPES takes away findings of type {kind}"
        )),
        Left::TypeNotSelected { kind, glob: None } => Words::nothing_to_do(format!(
            "nothing was changed, as nothing in FINDING_TYPES selects findings of type {kind}"
        )),
        Left::BelowSeverity { severity, minimum, variable } => Words::nothing_to_do(format!(
            "nothing was changed, as severity {severity} is below {variable}, which is {minimum}"
        )),
        Left::SourceNotListed => Words::nothing_to_do(format!(
            "nothing was changed, as CUSTOM_SOURCES does not list {}",
            case.finding.origin.source
        )),
        Left::Exempt { name, entry } => exempt(case, entry, name),
        Left::OwnerExempt { entry } => exempt(case, entry, "the key's user"),
        Left::OnlyReported => only_reported(case),
        Left::RootKey { account, deletable } => {
            let other_way = if *deletable { ", or let ROOT_KEYS=delete do it through sts:AssumeRoot" } else { "" };
            Words::new(
                format!("only the root user of account {account} can deactivate its {}", key(case)),
                format!("sign in as root and delete the key under Security credentials{other_way}"),
            )
        }
        Left::TemporaryCredentials { by_configuration } => {
            let or = if *by_configuration { ", or let CONTAINMENT=sessions do it" } else { "" };
            Words::new(
                format!("{} belongs to temporary credentials, which cannot be deactivated", key(case)),
                format!("{}{or}", end_sessions(credential)),
            )
        }
        Left::PrincipalUnknown(on) => Words::new(
            format!("the event gives no principal ID, so it is not known which {on} it means"),
            format!("find it in CloudTrail, and {}", end_sessions_of(on)),
        ),
        Left::HoldersDiffer => Words::new(
            format!("the event names different holders for {}", key(case)),
            "find in CloudTrail whose it is, and end the sessions of that user or role",
        ),
        Left::Reserved(role, ReservedRole::ServiceLinked) => Words::new(
            format!("role {role} is linked to a service, and its sessions cannot be revoked"),
            "stop the service's use of it",
        ),
        Left::Reserved(role, ReservedRole::IdentityCenter) => Words::new(
            format!("role {role} belongs to a permission set of IAM Identity Center"),
            "in Identity Center disable the user, end its sessions, and deny it in the permission set or by a service \
             control policy on identitystore:userId",
        ),
        Left::Contradictory => contradictory(credential),
        Left::Unidentified => unidentified(credential),
        Left::AccountUnreadable(given) => Words::new(
            format!("nothing was changed, as the event gives {given} where the account should be"),
            format!("find the account, and there {}", by_a_person(case)),
        ),
        Left::AccountNotListed(account) => Words::new(
            format!("nothing was changed, as ACCOUNTS does not list account {account}"),
            format!("there, {}", by_a_person(case)),
        ),
        Left::AccountOutOfReach { account, own } => Words::new(
            format!(
                "nothing was changed, as the credential is in account {account} and this function acts in account {own} \
                 only"
            ),
            format!("there, {}", by_a_person(case)),
        ),
        Left::OwnerDiffers { named } => Words::new(
            format!("nothing was changed, as {} belongs to {} and not to {named}", key(case), principal(case)),
            "give the command again with the right name",
        ),
        Left::NoSuchKey | Left::NoSuchRootKey => Words::nothing_to_do(format!(
            "IAM knows no {} in account {account}, where it was deleted or never was",
            key_of_user(case)
        )),
        Left::NotEverywhere(beyond) => Words::new(
            format!(
                "IAM knows no {} in account {account}, and account {beyond}, which the event names too, cannot be asked \
                 from here",
                key_of_user(case)
            ),
            format!("there, {}", by_a_person(case)),
        ),
        Left::IssuedElsewhere(issuer) => Words::new(
            format!(
                "IAM knows no {} in account {account}, and by its identifier it was issued in account {issuer}",
                key_of_user(case)
            ),
            format!("there, {}", by_a_person(case)),
        ),
        Left::GoneWithoutOwner(user) => Words::new(
            format!(
                "IAM knows no {} in account {account}, where it was deleted or never was, and the event does not give \
                 the identifier of the user, whose sessions were therefore not ended",
                key_of_user(case)
            ),
            format!("if the key was that user's, {}", end_sessions_of(&Principal::User(user.clone()))),
        ),
        Left::NoSuchPrincipal => Words::nothing_to_do(format!("there is no {} in account {account}", principal(case))),
        Left::PrincipalNotHere(on) => Words::new(
            format!("there is no {on} in account {account}"),
            "find the account of the session's principal in CloudTrail and end its sessions there",
        ),
        Left::PrincipalDiffers(on) => Words::new(
            format!(
                "{on} is not the one that the event means, as it was deleted and created again, or the session belongs to \
                 another account"
            ),
            "find the principal ID of the finding in CloudTrail and end its sessions",
        ),
        Left::OwnRole(role) => Words::new(
            format!("role {role} is the one that this function itself uses, which it must not deny"),
            "revoke its sessions by hand",
        ),
        Left::QuotaFull(on) => Words::new(
            format!("the policies of {on} have no space for a deny"),
            format!("remove one of them, and {}", end_sessions_of(on)),
        ),
        Left::Unmodifiable(on) => Words::new(
            format!("only AWS may change {on}, so its sessions were not ended"),
            "deny it by a service control policy",
        ),
        Left::DryRunGone => Words::nothing_to_do(format!(
            "DRY_RUN: IAM knows no {} in account {account}, so {}",
            key_of_user(case),
            case.plan.as_ref().map_or("nothing would have been done".to_owned(), |plan| dry_run_if_gone(plan.if_gone))
        )),
        Left::DryRun => Words::nothing_to_do(case.plan.as_ref().map(|plan| dry_run(case, plan)).unwrap_or_default()),
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

/// An exemption leaves a compromised credential as it is, and says so first.
fn exempt(case: &Case<'_>, entry: &str, whom: &str) -> Words {
    let stands = match &case.finding.credential {
        Credential::UserKey { .. } | Credential::RootKey { .. } | Credential::Contradictory { .. } => {
            format!("{} is still active", key_of_user(case))
        }
        Credential::Session { id, .. } => format!("the temporary credentials {id} still work"),
        Credential::Unidentified { .. } | Credential::Sessions { .. } | Credential::None => {
            "nothing was changed".to_owned()
        }
    };
    Words::new(
        format!("{stands}, because the entry {entry} of EXEMPT protects {whom}"),
        format!("decide whether to contain it, and then {}", by_a_person(case)),
    )
}

fn only_reported(case: &Case<'_>) -> Words {
    match &case.finding.credential {
        Credential::Unidentified { holder, .. } => {
            Words::new("AWS reports a compromise but names no access key", look_at(holder))
        }
        Credential::UserKey { .. }
        | Credential::RootKey { .. }
        | Credential::Session { .. }
        | Credential::Contradictory { .. }
        | Credential::Sessions { .. }
        | Credential::None => Words::new(
            "AWS reports a compromise but not what to contain",
            format!("find out what was done and, if the credential was stolen, {}", by_a_person(case)),
        ),
    }
}

fn contradictory(credential: &Credential) -> Words {
    let Credential::Contradictory { id, contradiction } = credential else {
        return Words::nothing_to_do("the event contradicts itself");
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
    Words::new(
        format!("the event contradicts itself, as {what}"),
        format!("find out whose key {id} is and deactivate it by hand"),
    )
}

fn unidentified(credential: &Credential) -> Words {
    match credential {
        Credential::Unidentified { given: Some(given), holder } => {
            Words::new(format!("the event gives {given} where an access key ID should be"), look_at(holder))
        }
        Credential::Unidentified { given: None, holder } => {
            Words::new("the event gives no access key ID", look_at(holder))
        }
        _ => Words::nothing_to_do("the event gives no access key ID"),
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
fn by_a_person(case: &Case<'_>) -> String {
    match &case.finding.credential {
        Credential::UserKey { .. } => {
            let operation = match case.finding.basis {
                Basis::Command(operation) => operation,
                Basis::Detection { .. } | Basis::Report | Basis::Notice | Basis::Custom => Operation::Deactivate,
            };
            run_by_hand(case, operation)
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
        Holder::Other(Some(name)) => format!("find in CloudTrail who issued them to {name}, and deny the issuer"),
        Holder::Other(None) => "find in CloudTrail who issued them, and deny the issuer".to_owned(),
    }
}

/// How a person ends the sessions of a principal.
fn end_sessions_of(on: &Principal) -> String {
    match on {
        Principal::User(user) => {
            format!("deny user {user} everything until the sessions have expired, at most 36 hours after they began")
        }
        Principal::Role(role) => format!("revoke the active sessions of role {role} in the IAM console"),
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
        First::Deny { on, measure } => format!("{} would have been denied {}", on.principal(), denied(*measure)),
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

fn dry_run_if_gone(if_gone: IfGone<'_>) -> String {
    match if_gone {
        IfGone::Nothing => "nothing would have been done".to_owned(),
        IfGone::RootKey { .. } => "it would have been deleted as the root user's".to_owned(),
        IfGone::ContainOwner { user, measure, .. } => format!("user {user} would have been denied {}", denied(measure)),
    }
}

/// Why a step failed and what a person should do; of the first failure of a credential also what was done all the same.
pub fn failure(case: &Case<'_>, failed: &Failed, is_first: bool) -> Words {
    let what = did_not_work(case, failed);
    if failed.step.only_informs() {
        return Words::nothing_to_do(format!("{what}; the result stands without it"));
    }
    let also = if is_first { also_done(case, failed.step) } else { String::new() };
    Words::new(format!("{what}{also}"), advice(case, failed))
}

/// What was done, and left, beside a failure, and how to take it back.
fn also_done(case: &Case<'_>, failed: Step) -> String {
    let record = &case.record;
    let done = sentence_of(case, |done| !matches!((failed, done), (Step::SetStatus(_), Done::StatusSet(_))));
    let done = if done.is_empty() { done } else { format!("; {done}") };
    let left = record.left.as_ref().map(|left| format!(", but {}", why_left(case, left).what));
    let undo = undo(case).map(|undo| format!("; this command to the function {}: {undo}", undoes(&undo)));
    format!("{done}{}{}", left.unwrap_or_default(), undo.unwrap_or_default())
}

fn undoes(undo: &Value) -> &'static str {
    if undo.get("RestoreSessions").is_some() { "lifts the deny" } else { "makes the key active again" }
}

/// What did not work, and why. That IAM refused is known; whether it did what it did not confirm is not.
fn did_not_work(case: &Case<'_>, failed: &Failed) -> String {
    let key = format!("{} (account {})", key_of_user(case), account(case));
    match &failed.cause {
        Cause::Disagreement(disagreement) => disagrees(case, &key, *disagreement),
        Cause::Aws(error) if failed.is_not_permitted() => {
            format!("could not {}, because {error}", attempted(case, &key, failed.step))
        }
        Cause::Aws(error) => format!("{}, because {error}", not_confirmed(case, &key, failed.step)),
        Cause::OutOfTime => {
            format!("{}, because the time of the invocation ran out", not_confirmed(case, &key, failed.step))
        }
    }
}

fn disagrees(case: &Case<'_>, key: &str, disagreement: Disagreement) -> String {
    match disagreement {
        Disagreement::DeniesTheOwner => format!("IAM says whose {key} is, and then that this user has no such key"),
        Disagreement::DeniesTheKey => format!("IAM says that there is no {key}, and at the same time that there is"),
        Disagreement::DeniesTheUser => {
            format!("IAM says that there is no {}, whose key it has just changed", principal(case))
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
fn attempted(case: &Case<'_>, key: &str, step: Step) -> String {
    let on = principal(case);
    match step {
        Step::FindOwner => format!("find the owner of {key}"),
        Step::SetStatus(KeyStatus::Active) => format!("make {key} active again"),
        Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) => format!("deactivate {key}"),
        Step::CheckPrincipal => format!("find out whether {on} is the one that the event means"),
        Step::Deny(Measure::Sessions) => format!("end the sessions of {on} that were issued before now"),
        Step::Deny(Measure::Everything) => format!("deny {on} everything"),
        Step::BackUpDeny => format!("put AWSDenyAll beside the deny on {on}"),
        Step::Lift => format!("take away all that was put on {on}"),
        Step::DeleteKey | Step::DeleteRootKey => format!("delete {key}"),
        Step::ListCredentials => format!("read what else {on} can sign in with"),
        Step::Confirm => format!("read the state of {key}"),
    }
}

/// A step of which it is not known whether IAM did it.
fn not_confirmed(case: &Case<'_>, key: &str, step: Step) -> String {
    let on = principal(case);
    match step {
        Step::SetStatus(status) => format!("IAM did not confirm that {key} was {}", given(status)),
        Step::Deny(Measure::Sessions) => {
            format!("IAM did not confirm that the sessions of {on} that were issued before now were ended")
        }
        Step::Deny(Measure::Everything) => format!("IAM did not confirm that {on} was denied everything"),
        Step::BackUpDeny => format!("IAM did not confirm that AWSDenyAll was put beside the deny on {on}"),
        Step::Lift => format!("IAM did not confirm that all that was put on {on} was taken away"),
        Step::DeleteKey | Step::DeleteRootKey => format!("IAM did not confirm that {key} was deleted"),
        Step::FindOwner | Step::CheckPrincipal | Step::ListCredentials | Step::Confirm => {
            format!("could not {}", attempted(case, key, step))
        }
    }
}

/// The same, in a result that is valid without it.
fn named(step: Step) -> &'static str {
    match step {
        Step::FindOwner => "finding the owner",
        Step::SetStatus(_) => "changing the key's status",
        Step::CheckPrincipal => "checking the principal",
        Step::Deny(Measure::Sessions) => "denying the sessions",
        Step::Deny(Measure::Everything) => "denying everything",
        Step::BackUpDeny => "putting AWSDenyAll beside it",
        Step::Lift => "taking away the denies",
        Step::DeleteKey | Step::DeleteRootKey => "deleting the key",
        Step::ListCredentials => "listing other credentials",
        Step::Confirm => "confirming",
    }
}

/// The user or the role on which a step is done.
fn principal(case: &Case<'_>) -> String {
    match (case.plan.as_ref().map(|plan| &plan.first), case.user()) {
        (Some(First::Deny { on, .. }), _) => on.principal().to_string(),
        (Some(First::Lift { from, .. }), _) => from.to_string(),
        (_, Some(user)) => format!("user {user}"),
        (_, None) => "the user".to_owned(),
    }
}

/// The state that the credential is left in, and what to do now.
fn advice(case: &Case<'_>, failed: &Failed) -> String {
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
        Cause::Aws(error) if error.kind == AwsErrorKind::ExplicitlyDenied => format!(
            "{state}: lift the explicit deny of {} for {} and {again}, or {by_hand}",
            error.call,
            whose_role(case, error.call)
        ),
        _ if is_command => format!("{state}: give the command again, or {by_hand}"),
        _ => format!(
            "{state}: what a rule, a topic or a queue delivered is tried again; if that does not succeed, or to be quick, \
             {by_hand}"
        ),
    }
}

/// The role whose permissions count for a call.
fn whose_role(case: &Case<'_>, call: &str) -> String {
    if call.starts_with("sts:") {
        "the function's role".to_owned()
    } else {
        format!("the role that the function uses in account {}", account(case))
    }
}

fn state_after(case: &Case<'_>, failed: &Failed) -> &'static str {
    match failed.step {
        Step::FindOwner | Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) | Step::DeleteRootKey => {
            "the key may still be active"
        }
        Step::SetStatus(KeyStatus::Active) => "the key may still be inactive",
        Step::DeleteKey if failed.is_not_permitted() => "the key is inactive but not deleted",
        Step::DeleteKey => "the key is inactive or deleted",
        Step::BackUpDeny => "the deny holds without it",
        Step::CheckPrincipal | Step::Deny(_) if case.record.has(|done| matches!(done, Done::StatusSet(_))) => {
            "the key is dead, but sessions that were made with it may still work"
        }
        Step::CheckPrincipal | Step::Deny(_) => "sessions may still work",
        Step::Lift => "denies may still be in place",
        Step::ListCredentials | Step::Confirm => "the result stands without it",
    }
}

/// How a person does a step.
fn instead(case: &Case<'_>, step: Step) -> String {
    let run = |operation| run_by_hand(case, operation);
    match step {
        Step::FindOwner | Step::SetStatus(KeyStatus::Inactive | KeyStatus::Expired) => run(Operation::Deactivate),
        Step::SetStatus(KeyStatus::Active) => run(Operation::Restore),
        Step::DeleteKey => run(Operation::Delete),
        Step::CheckPrincipal => "find the principal ID of the finding in CloudTrail and end its sessions".to_owned(),
        Step::Deny(_) => match case.plan.as_ref().map(|plan| &plan.first) {
            Some(First::Deny { on, .. }) => end_sessions_of(&on.principal()),
            _ => case.user().map_or("deny the user everything by hand".to_owned(), |user| {
                end_sessions_of(&Principal::User(user.clone()))
            }),
        },
        Step::BackUpDeny => "attach AWSDenyAll by hand".to_owned(),
        Step::Lift => lift_by_hand_of(case),
        Step::DeleteRootKey => "sign in as the root user and delete it".to_owned(),
        Step::ListCredentials | Step::Confirm => "look at the user in the IAM console".to_owned(),
    }
}

/// A command for somebody with credentials of the key's account.
fn run_by_hand(case: &Case<'_>, operation: Operation) -> String {
    format!("run in account {}: {}", account(case), by_hand(operation, case.user(), case.key()))
}

fn lift_by_hand_of(case: &Case<'_>) -> String {
    match (case.plan.as_ref().map(|plan| &plan.first), case.user()) {
        (Some(First::Lift { from, .. }), _) => lift_by_hand(from),
        (_, Some(user)) => lift_by_hand(&Principal::User(user.clone())),
        (_, None) => "look at the policies of the user".to_owned(),
    }
}

/// What could not be read.
pub fn unreadable(error: &EventError) -> Words {
    let EventError { field, problem, kind } = error;
    match kind {
        Unreadable::Command => Words::new(
            format!("could not read the command, and nothing was changed: {field} {problem}"),
            "correct it and give it again",
        ),
        Unreadable::Input => Words::new(
            format!("could not read the input, and nothing was done about it: {field} {problem}"),
            format!("if an input path or transformer of a rule took the envelope off, remove it; then {SEND_AGAIN}"),
        ),
        Unreadable::Envelope => Words::new(
            format!("could not read an envelope, and nothing was done about it: {field} {problem}"),
            format!("correct what fills it, and {SEND_AGAIN}"),
        ),
        Unreadable::Event => Words::new(
            format!("could not read the event, and nothing was done about it: {field} {problem}"),
            format!("correct its source or what stands between, and {SEND_AGAIN}"),
        ),
    }
}
