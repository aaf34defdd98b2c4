//! Users and roles whose sessions outlive a key, and whole users: denied by policy, and the deny taken away again.
//!
//! Credentials from `GetSessionToken` and `GetFederationToken` live on when the key is dead:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html>.
//!
//! What is attached are policies of fixed content that the account's stack makes, so that the function's role can grant
//! nothing. The attachment itself is the mark by which a restore knows it: nobody else uses these policies.

use chrono::{DateTime, Utc};
use tokio::time::timeout;

use super::look::Times;
use super::{Attempt, FOR_A_READ, Turns, at};
use crate::aws::iam::{Change, Iam};
use crate::aws::principals::{DenyPolicy, Put};
use crate::credential::{Identified, Principal, ReservedRole};
use crate::failure::{AwsError, AwsErrorKind, Cause, Disagreement, Failed, Missing};
use crate::names::{ForeignText, RoleId, RoleName, UserName};
use crate::plan::{Measure, Step};
use crate::record::{Done, Left, Means, Record, Sight};

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
    turns: &Turns,
) -> Attempt {
    record.begin(Step::CheckPrincipal);
    if let Some(left) = is_another(on, iam).await.map_err(at(Step::CheckPrincipal))? {
        return Ok(Some(left));
    }
    if dry_run {
        return Ok(Some(Left::DryRun));
    }
    deny(&on.principal(), measure, record, iam, turns).await
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

/// Denies a principal what the measure says, once in an invocation.
pub async fn deny(on: &Principal, measure: Measure, record: &mut Record, iam: &Iam, turns: &Turns) -> Attempt {
    record.begin(Step::Deny(measure));
    let mut turn = turns.take(iam.account(), on).await;
    let known = turn.denials.iter().find(|(done, _)| *done == measure).map(|(_, denial)| denial.clone());
    let denial = if let Some(denial) = known {
        denial
    } else {
        let denial = put(on, measure, iam).await.map_err(|cause| Failed { step: Step::Deny(measure), cause });
        turn.denials.push((measure, denial.clone()));
        denial
    };
    drop(turn);
    match denial? {
        Ok(by) => {
            record.done.push(Done::Denied { on: on.clone(), measure, by });
            Ok(None)
        }
        Err(left) => Ok(Some(left)),
    }
}

/// Whether a principal is denied still what it was at that time.
async fn is_denied(
    on: &Principal,
    measure: Measure,
    by: Means,
    since: DateTime<Utc>,
    iam: &Iam,
) -> Result<bool, AwsError> {
    let policy = match measure {
        Measure::Everything => DenyPolicy::All,
        Measure::TemporaryCredentials | Measure::OlderSessions => DenyPolicy::Temporary,
    };
    match (by, on) {
        (Means::Document, Principal::Role(role)) => iam.denies_older_sessions(role, DENY_SESSIONS, since).await,
        (Means::Group, Principal::User(user)) => {
            Ok(iam.groups(user).await?.unwrap_or_default().iter().any(|group| group == policy.name()))
        }
        (Means::Policy | Means::Document | Means::Group, _) => iam.has_attached(policy, on).await,
    }
}

/// A deny that is looked at.
pub struct Denied<'r> {
    pub on: Principal,
    pub measure: Measure,
    pub by: Means,
    /// The principal as the event identifies it, where it does: if the name is another's by now, that one is left alone.
    pub identified: Option<&'r Identified>,
}

/// Looks whether a deny is in place, and puts it back if it is not. Of several credentials of one principal the first looks
/// for all.
pub async fn look(
    Denied { on, measure, by, identified }: Denied<'_>,
    record: &mut Record,
    iam: &Iam,
    turns: &Turns,
    times: &Times,
) -> Sight {
    let mut turn = turns.take(iam.account(), &on).await;
    let known = turn.sights.iter().find(|(of, number, _)| (*of, *number) == (measure, times.number));
    if let Some((_, _, sight)) = known {
        record.looks.deny_removed |= *sight != Sight::InPlace;
        return *sight;
    }
    let since = record.contained.unwrap_or_default();
    let sight = match times.read(is_denied(&on, measure, by, since, iam), record).await {
        None => Sight::Unknown,
        Some(true) => Sight::InPlace,
        Some(false) => match times.read_again(is_denied(&on, measure, by, since, iam)).await {
            Some(true) => Sight::InPlace,
            // What could not be read again counts as it was read.
            Some(false) | None => put_back(&on, measure, by, identified, record, iam, times).await,
        },
    };
    if sight == Sight::CameBack {
        turn.denials.retain(|(done, _)| *done != measure);
    }
    turn.sights.push((measure, times.number, sight));
    sight
}

async fn put_back(
    on: &Principal,
    measure: Measure,
    by: Means,
    identified: Option<&Identified>,
    record: &mut Record,
    iam: &Iam,
    times: &Times,
) -> Sight {
    if let Some(identified) = identified {
        match times.read(is_another(identified, iam), record).await {
            None => return Sight::Unknown,
            Some(None) => {}
            Some(Some(_)) => return is_gone(record),
        }
    }
    record.begin(Step::Deny(measure));
    let put = times.change(put(on, measure, iam)).await;
    if let Some(Ok(Err(Left::PrincipalNotHere(_)))) = put {
        return is_gone(record);
    }
    record.looks.deny_removed = true;
    let is_it = |other: &Principal, with: Measure| *other == *on && with == measure;
    record.done.retain(|done| !matches!(done, Done::Denied { on, measure, .. } if is_it(on, *measure)));
    record.looks.lost.retain(|(on, measure, _)| !is_it(on, *measure));
    match put {
        Some(Ok(Ok(by))) => {
            record.done.push(Done::Denied { on: on.clone(), measure, by });
            return Sight::CameBack;
        }
        Some(Ok(Err(left))) => record.left = Some(left),
        Some(Err(cause)) => record.failed.push(Failed { step: Step::Deny(measure), cause }),
        None => record.failed.push(Failed { step: Step::Deny(measure), cause: Cause::OutOfTime }),
    }
    record.looks.lost.push((on.clone(), measure, by));
    Sight::Unknown
}

/// Somebody has deleted it or given it another name: under that one it may not be denied any more.
fn is_gone(record: &mut Record) -> Sight {
    let cause = Cause::Disagreement(Disagreement::DeniesThePrincipal);
    record.failed.push(Failed { step: Step::Look, cause });
    Sight::Unknown
}

async fn put(on: &Principal, measure: Measure, iam: &Iam) -> Result<Result<Means, Left>, Cause> {
    let role = match (on, measure) {
        (_, Measure::Everything) => return attach(DenyPolicy::All, on, iam).await,
        (Principal::User(_), Measure::TemporaryCredentials | Measure::OlderSessions) => {
            return attach(DenyPolicy::Temporary, on, iam).await;
        }
        (Principal::Role(role), Measure::TemporaryCredentials | Measure::OlderSessions) => role,
    };
    match iam.deny_older_sessions(role, DENY_SESSIONS).await? {
        Put::NoSuchEntity if iam.has(on).await? => Err(Cause::Disagreement(Disagreement::DeniesThePrincipal)),
        put => Ok(put.refusal(on).map_or(Ok(Means::Document), Err)),
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
        Principal::User(_) if iam.has_attached(policy, on).await? => Ok(Ok(Means::Policy)),
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
    // IAM does not say whether there was a membership to end.
    let groups = timeout(FOR_A_READ, iam.groups(user)).await.ok().and_then(Result::ok).flatten();
    for policy in [DenyPolicy::All, DenyPolicy::Temporary] {
        lifted(iam.detach(policy, from).await, from, record, &mut failed);
        let removed = iam.remove_from_group(policy, user).await;
        let was_member = groups.as_ref().is_none_or(|groups| groups.iter().any(|group| group == policy.name()));
        lifted(removed.map(|change| if was_member { change } else { Change::NoSuchEntity }), from, record, &mut failed);
    }
    let is_lifted = record.has(|done| matches!(done, Done::LiftedInPart { .. }));
    if let Some(error) = failed {
        return Err(error);
    }
    if !is_lifted {
        let names = iam.policies(from).await?;
        record.leftovers = leftovers(names.as_deref().unwrap_or_default());
        return Ok(names.is_some());
    }
    // Whatever was taken away was a user's, and the rest only informs.
    match timeout(FOR_A_READ, iam.policies(from)).await {
        Ok(Ok(names)) => record.leftovers = leftovers(&names.unwrap_or_default()),
        Ok(Err(error)) => record.failed.push(at(Step::ListLeftovers)(error)),
        Err(_) => record.failed.push(Failed { step: Step::ListLeftovers, cause: Cause::OutOfTime }),
    }
    Ok(true)
}

/// Whether there is such a role.
async fn lift_from_role(role: &RoleName, from: &Principal, record: &mut Record, iam: &Iam) -> Result<bool, AwsError> {
    let mut failed = None;
    lifted(iam.detach(DenyPolicy::All, from).await, from, record, &mut failed);
    let inline = match (iam.policies(from).await, failed) {
        (_, Some(error)) | (Err(error), None) => return Err(error),
        (Ok(None), None) => return Ok(record.has(|done| matches!(done, Done::LiftedInPart { .. }))),
        (Ok(Some(inline)), None) => inline,
    };
    let (own, others): (Vec<_>, Vec<_>) = inline.into_iter().partition(|name| name == DENY_SESSIONS);
    record.leftovers = leftovers(&others);
    if own.is_empty() {
        return Ok(true);
    }
    match iam.delete_policy(role, DENY_SESSIONS).await {
        // Only where ROLE_SESSIONS is revoke may the function take it away.
        Err(error) if error.kind == AwsErrorKind::MissingPermission => {
            record.leftovers.extend(own.iter().map(|name| ForeignText::new(name)));
            Ok(true)
        }
        deleted => {
            let mut failed = None;
            lifted(deleted, from, record, &mut failed);
            failed.map_or(Ok(true), Err)
        }
    }
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
