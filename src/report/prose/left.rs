//! Why a credential was left alone.

use super::by_hand::{by_a_person, end_sessions, end_sessions_of, look_at, there};
use super::{Words, account, denied, key, key_of_user, principal};
use crate::case::Case;
use crate::credential::{Contradiction, Credential, KeyStatus, Principal, ReservedRole};
use crate::finding::{Basis, NotInForce, Operation};
use crate::plan::{Beyond, First, IfGone, Plan, Then};
use crate::record::Left;
use crate::report::looks::seconds;

/// Why a credential, or a part of what it can do, was left alone.
#[expect(clippy::too_many_lines, reason = "one arm for each reason")]
pub(super) fn why_left(case: &Case<'_>, left: &Left) -> Words {
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
        Left::Exempt { name, by } => exempt(case, &by.text, name),
        Left::OwnerExempt { by } => exempt(case, &by.text, "the key's user"),
        Left::OnlyReported => only_reported(case),
        Left::RootKey { account, deletable } => {
            let other_way = if *deletable { ", or let ROOT_KEYS=delete do it through sts:AssumeRoot" } else { "" };
            Words::new(
                format!("only the root user of account {account} can deactivate its {}", key(case)),
                format!("sign in as root and delete the key under Security credentials{other_way}"),
            )
        }
        Left::TemporaryCredentials { .. } if case.finding.basis == Basis::Command(Operation::Restore) => Words::new(
            format!("{} belongs to temporary credentials, which cannot be made active again", key(case)),
            "to lift what was put on their user or role, give the command RestoreSessions",
        ),
        Left::TemporaryCredentials { unless } => {
            let or = unless.map(|setting| format!(", or let {setting} do it")).unwrap_or_default();
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
            format!("find the account, and {}", there(case)),
        ),
        Left::AccountNotListed(account) => {
            Words::new(format!("nothing was changed, as ACCOUNTS does not list account {account}"), there(case))
        }
        Left::AccountOutOfReach { account, own } => Words::new(
            format!(
                "nothing was changed, as the credential is in account {account} and this function acts in account {own} \
                 only"
            ),
            there(case),
        ),
        Left::OwnerDiffers { named } => Words::new(
            format!("nothing was changed, as {} belongs to {} and not to {named}", key(case), principal(case)),
            "give the command again with the right name",
        ),
        Left::NoSuchKey | Left::NoSuchRootKey => Words::nothing_to_do(format!(
            "IAM knows no {} in account {account}, where it was deleted or never was",
            key_of_user(case)
        )),
        Left::NotEverywhere(Beyond::Account(beyond)) => Words::new(
            format!(
                "IAM knows no {} in account {account}, and account {beyond}, which the event names too, cannot be asked \
                 from here",
                key_of_user(case)
            ),
            there(case),
        ),
        Left::NotEverywhere(Beyond::Unreadable(given)) => Words::new(
            format!(
                "IAM knows no {} in account {account}, and the event gives {given}, too, where the account should be",
                key_of_user(case)
            ),
            format!("find the account, and {}", there(case)),
        ),
        Left::IssuedElsewhere(issuer) => Words::new(
            format!(
                "IAM knows no {} in account {account}, and by its identifier it was issued in account {issuer}",
                key_of_user(case)
            ),
            there(case),
        ),
        Left::GoneWithoutOwner(user) => Words::new(
            format!(
                "IAM knows no {} in account {account}, where it was deleted or never was, and the event does not tell \
                 well enough whose it was, so no sessions were ended",
                key_of_user(case)
            ),
            match user {
                Some(user) => {
                    format!("if the key was that user's, {}", end_sessions_of(&Principal::User(user.clone())))
                }
                None => "find in CloudTrail whose it was, and end the sessions of that user".to_owned(),
            },
        ),
        Left::NoSuchPrincipal => Words::nothing_to_do(format!("there is no {} in account {account}", principal(case))),
        Left::PrincipalNotHere(on) => Words::new(
            format!("there is no {on} in account {account}{}", not_asked(case)),
            "find the account of the session's principal in CloudTrail and end its sessions there",
        ),
        Left::PrincipalDiffers(on) => Words::new(
            format!(
                "{on} of account {account} is not the one that the event means, as it was deleted and created again, or \
                 the session belongs to another account{}",
                not_asked(case)
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
        Left::NoSchedule => Words::nothing_to_do(
            "nothing was changed, as there is no schedule for this follow-up: it was done, or the credential was restored",
        ),
        Left::NotDue(time) => Words::nothing_to_do(format!(
            "nothing was changed, as the schedule of this deletion is for {}",
            seconds(*time)
        )),
        Left::NotDeleting => Words::nothing_to_do("nothing was changed, as ACTION is not delete any more"),
        Left::ActiveAgain => Words::new(
            format!("{} was to be deleted, and is active again, so it was left alone", key_of_user(case)),
            format!("if nobody of yours has restored it, contain it: {}", by_a_person(case)),
        ),
        Left::DryRunGone => Words::nothing_to_do(format!(
            "DRY_RUN: IAM knows no {} in account {account}, so {}",
            key_of_user(case),
            case.plan.as_ref().map_or("nothing would have been done".to_owned(), |plan| dry_run_if_gone(&plan.if_gone))
        )),
        Left::DryRun => Words::nothing_to_do(case.plan.as_ref().map(|plan| dry_run(case, plan)).unwrap_or_default()),
    }
}

/// Where a session's principal may be, too.
fn not_asked(case: &Case<'_>) -> String {
    match case.plan.as_ref().and_then(|plan| plan.beyond.as_ref()) {
        Some(Beyond::Account(beyond)) => {
            format!(" (account {beyond}, which the event names too, cannot be asked from here)")
        }
        Some(Beyond::Unreadable(given)) => format!(" (the event gives {given}, too, where the account should be)"),
        None => String::new(),
    }
}

pub(super) fn not_in_force(why: NotInForce) -> &'static str {
    match why {
        NotInForce::Sample => "a sample",
        NotInForce::Archived => "archived",
        NotInForce::Suppressed => "suppressed",
        NotInForce::Resolved => "resolved",
        NotInForce::OtherProduct => "of a product that is not acted on",
    }
}

/// An exemption leaves a compromised credential as it is, and says so first.
pub(super) fn exempt(case: &Case<'_>, entry: &str, whom: &str) -> Words {
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

pub(super) fn only_reported(case: &Case<'_>) -> Words {
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

pub(super) fn contradictory(credential: &Credential) -> Words {
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

pub(super) fn unidentified(credential: &Credential) -> Words {
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

/// What would have been done: the steps of the plan.
pub(super) fn dry_run(case: &Case<'_>, plan: &Plan<'_>) -> String {
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
    let is_a_users = matches!(plan.first, First::SetStatus { .. });
    let then = plan.then.iter().filter(|_| is_a_users).filter_map(|then| match then {
        Then::DenyOwner(measure) => Some(format!("the user denied {}", denied(*measure))),
        Then::LiftFromOwner => Some("what this function put on the user taken away".to_owned()),
        Then::DeleteKey => Some("the key deleted".to_owned()),
        Then::ListCredentials | Then::Confirm => None,
    });
    let steps: Vec<_> = std::iter::once(first).chain(then).collect();
    format!("DRY_RUN: {}", steps.join(", and "))
}

pub(super) fn dry_run_if_gone(if_gone: &IfGone<'_>) -> String {
    match if_gone {
        IfGone::Nothing => "nothing would have been done".to_owned(),
        IfGone::RootKey { .. } => "it would have been deleted as the root user's".to_owned(),
        IfGone::ContainOwner { user, measure, .. } => {
            let user = user.map_or("the user".to_owned(), |user| format!("user {user}"));
            format!("{user} would have been denied {}", denied(*measure))
        }
    }
}
