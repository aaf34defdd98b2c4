//! Users and roles whose sessions outlive a key, and whole users: denied by policy, and the deny taken away again.
//!
//! Credentials from `GetSessionToken` and `GetFederationToken` live on when the key is dead:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html>.
//!
//! What is attached are policies of fixed content that the account's stack makes, so that the function's role can grant
//! nothing. The attachment itself is the mark by which a restore knows it: nobody else uses these policies.

use super::{Attempt, at};
use crate::aws::iam::{Change, Iam};
use crate::aws::principals::{DenyPolicy, Put};
use crate::credential::{Identified, Principal, ReservedRole};
use crate::failure::{AwsError, Cause, Failed, Missing};
use crate::names::{ForeignText, RoleId, RoleName, UserName};
use crate::plan::{Measure, Step};
use crate::record::{Done, Left, Means, Record};

/// The beginning of the names of all inline policies that this function puts on a principal, in every version.
const OURS: &str = "key-remediator-deny-";
/// The inline policy that denies a role its older sessions.
const DENY_SESSIONS: &str = "key-remediator-deny-sessions";

/// Denies a user or a role of which the event gives the identifier, if it is the one.
pub async fn deny_identified(
    on: &Identified,
    measure: Measure,
    dry_run: bool,
    record: &mut Record,
    iam: &Iam,
) -> Attempt {
    record.begin(Step::CheckPrincipal);
    if let Some(left) = is_another(on, iam).await.map_err(at(Step::CheckPrincipal))? {
        return Ok(Some(left));
    }
    if dry_run {
        return Ok(Some(Left::DryRun));
    }
    deny(&on.principal(), measure, record, iam).await
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
pub async fn deny(on: &Principal, measure: Measure, record: &mut Record, iam: &Iam) -> Attempt {
    let step = Step::Deny(measure);
    record.begin(step);
    let denied = match (on, measure) {
        (_, Measure::Everything) => attach(DenyPolicy::All, on, iam).await,
        (Principal::User(_), Measure::TemporaryCredentials | Measure::OlderSessions) => {
            attach(DenyPolicy::Temporary, on, iam).await
        }
        (Principal::Role(role), Measure::TemporaryCredentials | Measure::OlderSessions) => {
            let put = iam.deny_older_sessions(role, DENY_SESSIONS).await.map_err(Cause::from);
            put.map(|put| put.refusal(on).map_or(Ok(Means::Document), Err))
        }
    };
    match denied.map_err(|cause| Failed { step, cause })? {
        Ok(by) => {
            record.done.push(Done::Denied { on: on.clone(), measure, by });
            Ok(None)
        }
        Err(left) => Ok(Some(left)),
    }
}

/// Attaches a policy to a principal, or puts a user who has no space for one more into the group that carries it.
async fn attach(policy: DenyPolicy, to: &Principal, iam: &Iam) -> Result<Result<Means, Left>, Cause> {
    match (iam.attach(policy, to).await?, to) {
        (Put::Done, _) => Ok(Ok(Means::Policy)),
        (Put::NoSuchEntity, _) => what_is_missing(Missing::Policy(policy.name()), policy, to, iam).await,
        (Put::QuotaFull, Principal::User(user)) => match iam.add_to_group(policy, user).await? {
            Put::Done => Ok(Ok(Means::Group)),
            Put::NoSuchEntity => what_is_missing(Missing::Group(policy.name()), policy, to, iam).await,
            refused @ (Put::QuotaFull | Put::Unmodifiable) => Ok(refused.refusal(to).map_or(Ok(Means::Group), Err)),
        },
        (refused @ (Put::QuotaFull | Put::Unmodifiable), _) => Ok(refused.refusal(to).map_or(Ok(Means::Policy), Err)),
    }
}

/// IAM does not tell whether it is the principal, or what was to be put on it, that it does not know.
async fn what_is_missing(
    missing: Missing,
    policy: DenyPolicy,
    on: &Principal,
    iam: &Iam,
) -> Result<Result<Means, Left>, Cause> {
    if !iam.has(on).await? {
        return Ok(Err(Left::PrincipalNotHere(on.clone())));
    }
    match on {
        Principal::User(user) if iam.has_attached(policy, user).await? => Ok(Ok(Means::Policy)),
        _ => Err(Cause::NotDeployed(missing)),
    }
}

impl Put {
    /// Why IAM did not do it.
    fn refusal(self, on: &Principal) -> Option<Left> {
        match self {
            Self::Done => None,
            Self::QuotaFull => Some(Left::QuotaFull(on.clone())),
            Self::Unmodifiable => Some(Left::Unmodifiable(on.clone())),
            Self::NoSuchEntity => Some(Left::PrincipalNotHere(on.clone())),
        }
    }
}

/// Takes away what this function put on a principal that a command names.
pub async fn restore(from: &Principal, record: &mut Record, iam: &Iam) -> Attempt {
    Ok((!lift(from, record, iam).await?).then_some(Left::NoSuchPrincipal))
}

/// Takes away what this function put on a principal, and nothing else. Whether there is such a principal.
///
/// Each part is tried, whatever becomes of the others.
pub async fn lift(from: &Principal, record: &mut Record, iam: &Iam) -> Result<bool, Failed> {
    record.begin(Step::Lift);
    let lifted = match from {
        Principal::User(user) => lift_from_user(user, from, record, iam).await,
        Principal::Role(role) => lift_from_role(role, from, record, iam).await,
    };
    let is_there = lifted.map_err(at(Step::Lift))?;
    let is_lifted = record.has(|done| matches!(done, Done::LiftedInPart { .. }));
    record.done.retain(|done| !matches!(done, Done::LiftedInPart { .. }));
    if is_there {
        let from = from.clone();
        record.done.push(if is_lifted { Done::Lifted { from } } else { Done::NothingToLift { from } });
    }
    Ok(is_there)
}

/// Whether there is such a user.
async fn lift_from_user(user: &UserName, from: &Principal, record: &mut Record, iam: &Iam) -> Result<bool, AwsError> {
    let mut failed = None;
    for policy in [DenyPolicy::All, DenyPolicy::Temporary] {
        lifted(iam.detach(policy, from).await, from, record, &mut failed);
        lifted(iam.remove_from_group(policy, user).await, from, record, &mut failed);
    }
    let inline = iam.policies(from).await;
    if let Some(error) = failed {
        return Err(error);
    }
    match inline {
        Ok(names) => {
            let is_there = names.is_some();
            record.leftovers = leftovers(&names.unwrap_or_default());
            Ok(is_there)
        }
        // Whatever was taken away was a user's.
        Err(error) if record.has(|done| matches!(done, Done::LiftedInPart { .. })) => {
            record.failed.push(at(Step::ListLeftovers)(error));
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Whether there is such a role.
async fn lift_from_role(role: &RoleName, from: &Principal, record: &mut Record, iam: &Iam) -> Result<bool, AwsError> {
    let Some(inline) = iam.policies(from).await? else { return Ok(false) };
    let mut failed = None;
    lifted(iam.detach(DenyPolicy::All, from).await, from, record, &mut failed);
    let (own, others): (Vec<_>, Vec<_>) = inline.into_iter().partition(|name| name == DENY_SESSIONS);
    if !own.is_empty() {
        lifted(iam.delete_policy(role, DENY_SESSIONS).await, from, record, &mut failed);
    }
    record.leftovers = leftovers(&others);
    failed.map_or(Ok(true), Err)
}

fn lifted(answer: Result<Change, AwsError>, from: &Principal, record: &mut Record, failed: &mut Option<AwsError>) {
    let is_known = record.has(|done| matches!(done, Done::LiftedInPart { .. }));
    match answer {
        Ok(Change::Done) if !is_known => record.done.push(Done::LiftedInPart { from: from.clone() }),
        Ok(Change::Done | Change::NoSuchEntity) => {}
        Err(error) => *failed = failed.take().or(Some(error)),
    }
}

/// The inline policies that an earlier version of this function left.
fn leftovers(inline: &[String]) -> Vec<ForeignText> {
    inline.iter().filter(|name| name.starts_with(OURS)).map(|name| ForeignText::new(name)).collect()
}
