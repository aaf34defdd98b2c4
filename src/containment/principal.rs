//! Users and roles whose sessions outlive a key, and whole users: denied by policy, and the deny taken away again.
//!
//! Credentials from `GetSessionToken` and `GetFederationToken` live on when the key is dead:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html>.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::{Attempt, at};
use crate::aws::iam::Iam;
use crate::aws::principals::Put;
use crate::credential::{Identified, Principal, ReservedRole};
use crate::failure::{AwsError, Failed};
use crate::names::{RoleId, RoleName, UserName};
use crate::plan::{Measure, Step};
use crate::record::{DeniedBy, Done, Left, Record};

/// The beginning of the names of all policies that this function puts on a principal, in every version.
const OURS: &str = "key-remediator-deny-";
const DENY_SESSIONS: &str = "key-remediator-deny-sessions";
const DENY_ALL: &str = "key-remediator-deny-all";

/// The mark that this function attached AWS's policy.
const ATTACHED: &str = "key-remediator-deny-all-attached";

/// IAM takes some seconds to make a deny known everywhere, in which a session can renew itself: the console's cutoff is
/// as much ahead. <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>
const AHEAD: TimeDelta = TimeDelta::seconds(30);

/// Denies a user or a role of which the event gives the identifier, if it is the one.
pub async fn deny_identified(
    on: &Identified,
    measure: Measure,
    dry_run: bool,
    record: &mut Record,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Attempt {
    record.begin(Step::CheckPrincipal);
    if let Some(left) = is_another(on, iam).await.map_err(at(Step::CheckPrincipal))? {
        return Ok(Some(left));
    }
    if dry_run {
        return Ok(Some(Left::DryRun));
    }
    deny(&on.principal(), measure, record, iam, now).await
}

/// Why a principal must not be touched: it is another one than the event's, AWS's, or this function's own.
async fn is_another(on: &Identified, iam: &Iam) -> Result<Option<Left>, AwsError> {
    match on {
        Identified::User(user, id) => Ok(match iam.user_id(user).await? {
            None => Some(Left::PrincipalNotHere(on.principal())),
            Some(found) => (found != *id).then(|| Left::PrincipalDiffers(on.principal())),
        }),
        Identified::Role(role, id) => is_another_role(role, id, iam).await,
    }
}

async fn is_another_role(role: &RoleName, id: &RoleId, iam: &Iam) -> Result<Option<Left>, AwsError> {
    let principal = || Principal::Role(role.clone());
    let Some(facts) = iam.role(role).await? else {
        return Ok(Some(Left::PrincipalNotHere(principal())));
    };
    if facts.id.as_ref() != Some(id) {
        return Ok(Some(Left::PrincipalDiffers(principal())));
    }
    if let Some(reserved) = ReservedRole::by_path(&facts.path) {
        return Ok(Some(Left::Reserved(role.clone(), reserved)));
    }
    let own = iam.own_role().await?;
    Ok(own.filter(|own| own == id).map(|_| Left::OwnRole(role.clone())))
}

/// Denies a principal what the measure says.
pub async fn deny(on: &Principal, measure: Measure, record: &mut Record, iam: &Iam, now: DateTime<Utc>) -> Attempt {
    record.begin(Step::Deny(measure));
    let left = match (on, measure) {
        (Principal::User(user), Measure::Everything) => deny_everything(user, on, record, iam).await,
        (_, Measure::Sessions) | (Principal::Role(_), Measure::Everything) => deny_sessions(on, record, iam, now).await,
    };
    // Once a deny holds, what failed is only what was to stand beside it.
    let holds = record.has(|done| matches!(done, Done::Denied { .. }));
    left.map_err(at(if holds { Step::BackUpDeny } else { Step::Deny(measure) }))
}

/// Denies every session that was issued until now. It never touches a long-term key: they have no time of issue.
async fn deny_sessions(
    on: &Principal,
    record: &mut Record,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Result<Option<Left>, AwsError> {
    let put = iam.put_policy(on, DENY_SESSIONS, &sessions_document(now)).await?;
    if put == Put::Done {
        let (on, measure) = (on.clone(), Measure::Sessions);
        record.done.push(Done::Denied { on, measure, by: DeniedBy::OwnPolicy });
    }
    Ok(refused(put, on))
}

/// Denies a user everything, first by an inline policy, which one call puts there, then by AWS's own, which takes no
/// space. Where a user has no space for one of them, the other is the only deny.
async fn deny_everything(
    user: &UserName,
    on: &Principal,
    record: &mut Record,
    iam: &Iam,
) -> Result<Option<Left>, AwsError> {
    let denied = |by| Done::Denied { on: on.clone(), measure: Measure::Everything, by };
    let inline = iam.put_policy(on, DENY_ALL, &deny_all_document()).await?;
    if inline == Put::Done {
        record.done.push(denied(DeniedBy::OwnPolicy));
        record.begin(Step::BackUpDeny);
    }
    // It may have been attached by a person, and then restore has to leave it. So the mark that this function attached it
    // is written before the attachment: if a try breaks off, the next one finds what is true.
    if iam.is_denied_all(user).await? {
        if inline != Put::Done {
            record.done.push(denied(DeniedBy::Others));
        }
        return Ok(None);
    }
    let mark = iam.put_policy(on, ATTACHED, &deny_all_document()).await?;
    if inline == Put::Done && mark != Put::Done {
        return Ok(None);
    }
    match (iam.attach_deny_all(user).await?, mark) {
        (Put::Done, Put::Done) if inline == Put::Done => Ok(None),
        (Put::Done, mark) => {
            record.done.push(denied(if mark == Put::Done { DeniedBy::OwnPolicy } else { DeniedBy::UnmarkedDenyAll }));
            Ok(None)
        }
        (Put::NoSuchEntity | Put::QuotaFull | Put::Unmodifiable, _) => {
            iam.delete_policy(on, ATTACHED).await?;
            Ok(refused(inline, on))
        }
    }
}

/// Why IAM did not take a policy.
fn refused(put: Put, on: &Principal) -> Option<Left> {
    match put {
        Put::Done => None,
        Put::QuotaFull => Some(Left::QuotaFull(on.clone())),
        Put::Unmodifiable => Some(Left::Unmodifiable(on.clone())),
        Put::NoSuchEntity => Some(Left::PrincipalNotHere(on.clone())),
    }
}

/// Takes away what this function put on a principal that a command names.
pub async fn restore(from: &Principal, measure: Measure, record: &mut Record, iam: &Iam) -> Attempt {
    Ok((!lift(from, measure, record, iam).await?).then_some(Left::NoSuchPrincipal))
}

/// Takes away what this function put on a principal, and nothing else. Whether there is such a principal.
pub async fn lift(from: &Principal, measure: Measure, record: &mut Record, iam: &Iam) -> Result<bool, Failed> {
    record.begin(Step::Lift);
    let lifted = lift_all(from, measure, record, iam).await.map_err(at(Step::Lift))?;
    let is_there = lifted.is_some();
    record.done.retain(|done| !matches!(done, Done::LiftedInPart { .. }));
    record.done.extend(lifted);
    Ok(is_there)
}

/// What was taken away; `None` when there is no such principal.
async fn lift_all(
    from: &Principal,
    measure: Measure,
    record: &mut Record,
    iam: &Iam,
) -> Result<Option<Done>, AwsError> {
    let Some(policies) = iam.policies(from).await? else {
        return Ok(None);
    };
    let ours: Vec<_> = policies.iter().filter(|name| name.starts_with(OURS)).collect();
    // Whether it is attached without this function's mark.
    let mut deny_all_stays = false;
    if let Principal::User(user) = from {
        if policies.iter().any(|name| name == ATTACHED) {
            // The mark is removed last, so that a second try can still detach what a first one left.
            iam.detach_deny_all(user).await?;
            record.done.push(Done::LiftedInPart { from: from.clone() });
        } else if measure == Measure::Everything {
            deny_all_stays = iam.is_denied_all(user).await?;
        }
    }
    for (index, name) in ours.iter().enumerate() {
        iam.delete_policy(from, name).await?;
        if index + 1 < ours.len() && !record.has(|done| matches!(done, Done::LiftedInPart { .. })) {
            record.done.push(Done::LiftedInPart { from: from.clone() });
        }
    }
    let from = from.clone();
    Ok(Some(if ours.is_empty() && !deny_all_stays {
        Done::NothingToLift { from }
    } else {
        Done::Lifted { from, deny_all_stays }
    }))
}

fn sessions_document(now: DateTime<Utc>) -> String {
    let until = (now + AHEAD).to_rfc3339_opts(SecondsFormat::Secs, true);
    let condition = json!({"DateLessThan": {"aws:TokenIssueTime": until}});
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition},
    ]})
    .to_string()
}

fn deny_all_document() -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_denied_up_to_half_a_minute_from_now_and_long_term_keys_never() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T23:59:45.7Z").expect("a time").to_utc();
        let document: serde_json::Value = serde_json::from_str(&sessions_document(now)).expect("JSON");
        let statement = &document["Statement"][0];
        assert_eq!(statement["Effect"], "Deny");
        // Without IfExists, as a request with a long-term key has no time of issue and must not be denied.
        assert_eq!(statement["Condition"], json!({"DateLessThan": {"aws:TokenIssueTime": "2026-11-23T00:00:15Z"}}));
    }

    #[test]
    fn all_denies_leave_most_of_the_2048_characters_of_a_users_inline_policies() {
        assert!(sessions_document(Utc::now()).len() + 2 * deny_all_document().len() < 512);
    }
}
