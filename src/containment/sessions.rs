//! Sessions that outlive their key, and whole users: denied by policy, and the deny taken away again.
//!
//! Credentials from `GetSessionToken` and `GetFederationToken` live on when the key is dead:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html>.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::{Applied, Cause, Step};
use crate::aws::iam::Iam;
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

/// What is denied, in words.
const EVERYTHING: &str = "everything";
const SESSIONS: &str = "every session that was issued before now";

/// What became of the attempt to deny a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It is denied; the text says how.
    Yes(String),
    /// It is not; the text says why and what a person should do.
    No(String),
}

impl Denied {
    /// What IAM's answer to a policy that denies `what` means.
    fn by(put: Put, on: &Principal, what: &str, account: &AccountId) -> Self {
        match put {
            Put::Done => Self::Yes(format!("{on} was denied {what}")),
            Put::QuotaFull => Self::No(format!(
                "the policies of {on} leave no room for a deny: remove one of them, or attach AWSDenyAll by hand, and \
                 send the event again"
            )),
            Put::Unmodifiable => Self::No(format!(
                "only AWS may change {on}, so its sessions were not ended: deny it by a service control policy"
            )),
            Put::NoSuchEntity => Self::No(format!(
                "there is no {on} in account {account}: find the account of the session's principal in CloudTrail"
            )),
        }
    }
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

/// Denies every session that was issued until now. It never touches a long-term key: they have no time of issue.
async fn deny_sessions(on: &Principal, account: &AccountId, iam: &Iam, now: DateTime<Utc>) -> Result<Denied, Cause> {
    let put = iam.put_policy(on, DENY_SESSIONS, &sessions_document(now)).await?;
    Ok(Denied::by(put, on, SESSIONS, account))
}

/// Denies a user everything, first by an inline policy, which one call puts there, then by AWS's own, which takes no
/// space. Where a user has no room for one of them the other holds alone.
async fn deny_all(user: &UserName, account: &AccountId, iam: &Iam) -> Result<Denied, Cause> {
    let on = Principal::User(user.clone());
    let by = |put: Put| Denied::by(put, &on, EVERYTHING, account);
    let inline = iam.put_policy(&on, DENY_ALL, &deny_all_document()).await?;
    // It may have been attached by a person, and then restore has to leave it. So the mark that this function attached it
    // stands before the attachment: whenever a try breaks off, the next one finds what is true.
    if iam.is_denied_all(user).await? {
        return Ok(match inline {
            Put::Done => by(inline),
            _ => Denied::Yes(format!("{on} had been denied {EVERYTHING} before")),
        });
    }
    let mark = iam.put_policy(&on, ATTACHED, &deny_all_document()).await?;
    if inline == Put::Done && mark != Put::Done {
        return Ok(by(inline));
    }
    let attached = iam.attach_deny_all(user).await?;
    match (attached, mark) {
        (Put::Done, Put::Done) => Ok(by(attached)),
        (Put::Done, _) => Ok(Denied::Yes(format!(
            "{on} was denied everything by AWSDenyAll alone, which a restore will leave, as the user's policies have no \
             room for a mark: detach it by hand then"
        ))),
        _ => {
            iam.delete_policy(&on, ATTACHED).await?;
            Ok(by(inline))
        }
    }
}

/// Contains the owner of a key or of a session as far as `containment` says.
///
/// # Errors
/// When IAM neither confirmed the deny nor said why it takes none.
pub async fn deny(
    on: &Principal,
    account: &AccountId,
    containment: Containment,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Result<Denied, (Step, Cause)> {
    match (on, containment) {
        (Principal::User(user), Containment::Principal) => {
            deny_all(user, account, iam).await.map_err(|cause| (Step::DenyAll, cause))
        }
        _ => deny_sessions(on, account, iam, now).await.map_err(|cause| (Step::DenySessions, cause)),
    }
}

/// Takes away what this function put on a principal, and nothing else. What was done in words, or `None` when there is
/// no such principal.
///
/// # Errors
/// When IAM did not confirm that it is gone.
pub async fn lift(from: &Principal, containment: Containment, iam: &Iam) -> Result<Option<String>, Cause> {
    let Some(policies) = iam.policies(from).await? else {
        return Ok(None);
    };
    let mut done = format!("what was put on {from} was taken away");
    if let Principal::User(user) = from {
        if policies.iter().any(|name| name == ATTACHED) {
            // The mark goes last: as long as it stands, a second try detaches what a first one left.
            iam.detach_deny_all(user).await?;
        } else if containment == Containment::Principal && iam.is_denied_all(user).await? {
            done.push_str(
                ", but AWSDenyAll is attached without this function's mark: detach it by hand unless somebody wants it \
                 there",
            );
        }
    }
    for name in policies.iter().filter(|name| name.starts_with(OURS)) {
        iam.delete_policy(from, name).await?;
    }
    Ok(Some(done))
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
) -> Result<Applied, (Step, Cause)> {
    let on = &plan.on;
    if let (Principal::Role(role), Some(id)) = (on, &plan.role_id) {
        let checked = check_role(role, id.as_str(), iam).await;
        if let Some(reason) = checked.map_err(|cause| (Step::CheckRole, cause))? {
            return Ok(Applied::Left(Outcome::NeedsAttention, reason));
        }
    }
    if dry_run {
        let would = match (on, plan.containment) {
            _ if plan.restores => "let work again".to_owned(),
            (Principal::User(_), Containment::Principal) => format!("denied {EVERYTHING}"),
            _ => format!("denied {SESSIONS}"),
        };
        return Ok(Applied::Left(Outcome::Planned, format!("DRY_RUN: {on} would have been {would}")));
    }
    if plan.restores {
        let lifted = lift(on, plan.containment, iam).await.map_err(|cause| (Step::Lift, cause))?;
        return Ok(match lifted {
            Some(done) => Applied::Done(on.clone(), done),
            None => Applied::Left(Outcome::NotFound, format!("there is no {on} in account {account}")),
        });
    }
    Ok(match deny(on, account, plan.containment, iam, now).await? {
        Denied::Yes(what) => Applied::Done(on.clone(), what),
        Denied::No(reason) => Applied::Left(Outcome::NeedsAttention, reason),
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
