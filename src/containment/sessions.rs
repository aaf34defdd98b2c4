//! Sessions that outlive their key, and whole users: denied by policy, and the deny taken away again.
//!
//! Credentials from `GetSessionToken` and `GetFederationToken` live on when the key is dead:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html>.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::{Applied, Cause, Step, StepError, Subject};
use crate::aws::iam::{Change, Iam};
use crate::aws::principals::Put;
use crate::config::Containment;
use crate::decision::SessionsPlan;
use crate::finding::{AccountId, Principal, RoleName, UserName};
use crate::report::{Finished, Outcome, undo_sessions};

/// What every policy that this function puts on a principal is called in the beginning, in this version and in others.
const OURS: &str = "key-remediator-deny-";
const DENY_SESSIONS: &str = "key-remediator-deny-sessions";
const DENY_ALL: &str = "key-remediator-deny-all";

/// The mark that this function attached AWS's policy.
const ATTACHED: &str = "key-remediator-deny-all-attached";

/// IAM takes some seconds to make a deny known everywhere, in which a session can renew itself: the console's cutoff is
/// as much ahead. <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>
const AHEAD: TimeDelta = TimeDelta::seconds(30);

/// How a principal came to be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The deny is in place.
    Done,
    /// It was there before, and not put there by this function.
    Before,
    /// The principal has no room for it.
    QuotaFull,
    /// Only AWS may change the principal.
    Unmodifiable,
    /// There is no such principal.
    Gone,
}

impl From<Put> for Denied {
    fn from(put: Put) -> Self {
        match put {
            Put::Done => Self::Done,
            Put::NoSuchEntity => Self::Gone,
            Put::QuotaFull => Self::QuotaFull,
            Put::Unmodifiable => Self::Unmodifiable,
        }
    }
}

/// Denies every session that was issued until now. It never touches a long-term key: they have no time of issue.
async fn deny_sessions(on: &Principal, iam: &Iam, now: DateTime<Utc>) -> Result<Denied, Cause> {
    Ok(iam.put_policy(on, DENY_SESSIONS, &sessions_document(now)).await?.into())
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

/// Denies a user everything, first by an inline policy, which one call puts there, then by AWS's own, which takes no
/// space. Where a user has no room for one of them the other holds alone.
async fn deny_all(user: &UserName, iam: &Iam) -> Result<Denied, Cause> {
    let on = Principal::User(user.clone());
    let inline = iam.put_policy(&on, DENY_ALL, &deny_all_document()).await?;
    // It may have been attached by a person, and then restore has to leave it. So the mark that this function attached it
    // stands before the attachment: whenever a try breaks off, the next one finds what is true.
    if iam.is_denied_all(user).await? {
        return Ok(if inline == Put::Done { Denied::Done } else { Denied::Before });
    }
    iam.put_policy(&on, ATTACHED, &deny_all_document()).await?;
    let attached = iam.attach_deny_all(user).await?;
    if attached == Put::Done {
        return Ok(Denied::Done);
    }
    iam.delete_policy(&on, ATTACHED).await?;
    Ok(inline.into())
}

/// Contains the owner of a key or of a session as far as `containment` says.
///
/// # Errors
/// When IAM neither confirmed the deny nor said why it takes none.
pub async fn deny(
    on: &Principal,
    containment: Containment,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Result<Denied, (Step, Cause)> {
    match (on, containment) {
        (Principal::User(user), Containment::Principal) => {
            deny_all(user, iam).await.map_err(|cause| (Step::DenyAll, cause))
        }
        _ => deny_sessions(on, iam, now).await.map_err(|cause| (Step::DenySessions, cause)),
    }
}

/// What [`deny`] denies, in words.
pub fn denied(on: &Principal, containment: Containment) -> &'static str {
    match (on, containment) {
        (Principal::User(_), Containment::Principal) => "everything",
        _ => "every session that was issued before now",
    }
}

/// Takes away what this function put on a principal, and nothing else.
///
/// # Errors
/// When IAM did not confirm that it is gone.
pub async fn lift(from: &Principal, iam: &Iam) -> Result<Change, Cause> {
    let Some(policies) = iam.policies(from).await? else {
        return Ok(Change::NoSuchEntity);
    };
    if let Principal::User(user) = from
        && policies.iter().any(|name| name == ATTACHED)
    {
        // The mark goes last: as long as it stands, a second try detaches what a first one left.
        iam.detach_deny_all(user).await?;
    }
    for name in policies.iter().filter(|name| name.starts_with(OURS)) {
        iam.delete_policy(from, name).await?;
    }
    Ok(Change::Done)
}

/// Ends the sessions of a principal, or lets them work again: the first and only step for temporary credentials.
///
/// # Errors
/// When IAM did not confirm the change.
pub async fn apply(
    plan: &SessionsPlan<'_>,
    account: &AccountId,
    dry_run: bool,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Result<Applied, StepError> {
    let subject = Subject { key: plan.key.cloned(), of: Some(plan.on.clone()) };
    let failed =
        |step: Step, cause: Cause| StepError { step, subject: subject.clone(), account: account.clone(), cause };
    let on = &plan.on;
    if let (Principal::Role(role), Some(id)) = (on, &plan.role_id) {
        let checked = check_role(role, id.as_str(), iam).await;
        if let Some(reason) = checked.map_err(|cause| failed(Step::CheckRole, cause))? {
            return Ok(Applied::Left(Outcome::NeedsAttention, reason));
        }
    }
    let denies = denied(on, plan.containment);
    if dry_run {
        let would = if plan.restores { "let work again".to_owned() } else { format!("denied {denies}") };
        return Ok(Applied::Left(Outcome::Planned, format!("DRY_RUN: {on} would have been {would}")));
    }
    if plan.restores {
        let lifted = lift(on, iam).await.map_err(|cause| failed(Step::Lift, cause))?;
        return Ok(match lifted {
            Change::Done => Applied::Done(on.clone(), format!("what was put on {on} was taken away")),
            Change::NoSuchEntity => Applied::Left(Outcome::NotFound, format!("there is no {on} in account {account}")),
        });
    }
    let ended = deny(on, plan.containment, iam, now).await.map_err(|(step, cause)| failed(step, cause))?;
    Ok(match ended {
        Denied::Done => Applied::Done(on.clone(), format!("{on} was denied {denies}")),
        Denied::Before => Applied::Done(on.clone(), format!("{on} had been denied everything before")),
        other => Applied::Left(Outcome::NeedsAttention, refusal(other, on, account)),
    })
}

/// The report on temporary credentials that were dealt with.
pub fn finished(plan: &SessionsPlan<'_>, account: &AccountId, on: &Principal, what: &str) -> Finished {
    let outcome = if plan.restores { Outcome::Restored } else { Outcome::Contained };
    let mut finished = Finished::new(outcome, what.to_owned());
    finished.undo = (!plan.restores).then(|| undo_sessions(on, account));
    if let Principal::User(user) = on {
        finished.user = Some(user.clone());
    }
    finished
}

/// Why a principal was not denied, and what a person should do.
pub fn refusal(denied: Denied, on: &Principal, account: &AccountId) -> String {
    match denied {
        Denied::QuotaFull => format!(
            "the policies of {on} leave no room for a deny: remove one of them, or attach AWSDenyAll by hand, and send \
             the event again"
        ),
        Denied::Unmodifiable => {
            format!("only AWS may change {on}, so its sessions were not ended: deny it by a service control policy")
        }
        _ => {
            format!("there is no {on} in account {account}: find the account of the session's principal in CloudTrail")
        }
    }
}

/// Why the sessions of a role must not be touched: it is another role than the finding's, AWS's, or this function's own.
async fn check_role(role: &RoleName, id: &str, iam: &Iam) -> Result<Option<String>, Cause> {
    let Some(facts) = iam.role(role).await? else {
        return Ok(Some(format!(
            "there is no role {role} in this account: find the account of the session's principal in CloudTrail and \
             revoke the role's sessions there"
        )));
    };
    if facts.id != id {
        return Ok(Some(format!(
            "role {role} is not the role of the session: it was made again, or the session belongs to another account; \
             find the principal {id} in CloudTrail and revoke its sessions"
        )));
    }
    if let Some(reserved) = role.reserved(&facts.path) {
        return Ok(Some(reserved.advice(role)));
    }
    let own = iam.own_role().await?;
    Ok(own.filter(|own| own.as_str() == id).map(|_| {
        format!(
            "role {role} is the one that this function works as, which it must not deny: revoke its sessions by hand"
        )
    }))
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
