//! Carries a plan out, step by step, into a record. The first step kills the credential; whatever else there is to do
//! comes after it.

mod key;
mod principal;
mod root_key;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout_at};

use crate::aws::accounts::Accounts;
use crate::aws::iam::Iam;
use crate::credential::{Identified, KeyStatus, Principal};
use crate::failure::{AwsError, Cause, Disagreement, Failed};
use crate::names::{AccessKeyId, AccountId, UserName};
use crate::plan::{First, IfGone, Plan, Step, Then};
use crate::record::{Done, Left, Record};

/// How a step ends that did not fail: with its changes in the record, or with the reason why the credential, or a part
/// of what it can do, was left alone.
type Attempt = Result<Option<Left>, Failed>;

/// The step that kills the credential, in the account where it is. `open` gives IAM of an account. A step that is not over
/// at `deadline` is given up.
pub async fn kill<O>(
    plan: &Plan<'_>,
    record: &mut Record,
    accounts: &Accounts,
    open: impl Fn(&AccountId) -> O,
    now: DateTime<Utc>,
    deadline: Instant,
) where
    O: Future<Output = Result<Iam, AwsError>>,
{
    record.begin(plan.first.step());
    let attempt = in_time(deadline, wherever_it_is(plan, record, accounts, open, now)).await;
    keep(attempt, record);
}

/// Gives a step up at the deadline, and does not begin one after it.
async fn in_time(deadline: Instant, attempt: impl Future<Output = Attempt>) -> Option<Attempt> {
    if Instant::now() < deadline { timeout_at(deadline, attempt).await.ok() } else { None }
}

/// Tries one account after the other until the credential is found. An account that cannot be asked does not keep a
/// credential alive that is in another.
async fn wherever_it_is<O>(
    plan: &Plan<'_>,
    record: &mut Record,
    accounts: &Accounts,
    open: impl Fn(&AccountId) -> O,
    now: DateTime<Utc>,
) -> Attempt
where
    O: Future<Output = Result<Iam, AwsError>>,
{
    let mut failed = None;
    let mut absent = None;
    for account in plan.accounts() {
        record.account = Some(account.clone());
        match first(plan, account, record, accounts, open(account), now).await {
            Ok(Some(left)) if left.is_absence() => {
                absent.get_or_insert(left);
            }
            Err(error) if record.done.is_empty() => {
                failed.get_or_insert((error, account));
            }
            found => return found,
        }
    }
    if let Some((error, account)) = failed {
        record.account = Some(account.clone());
        return Err(error);
    }
    record.account = Some(plan.account.clone());
    nowhere(plan, absent, record, accounts, open, now).await
}

/// What is done where the credential is in none of the accounts that can be asked.
async fn nowhere<O>(
    plan: &Plan<'_>,
    absent: Option<Left>,
    record: &mut Record,
    accounts: &Accounts,
    open: impl Fn(&AccountId) -> O,
    now: DateTime<Utc>,
) -> Attempt
where
    O: Future<Output = Result<Iam, AwsError>>,
{
    let is_about_a_key = matches!(plan.first, First::SetStatus { .. } | First::DeleteRootKey { .. });
    if let Some(beyond) = plan.beyond.as_ref().filter(|_| is_about_a_key) {
        return Ok(Some(Left::NotEverywhere(beyond.clone())));
    }
    let First::SetStatus { key, status, .. } = &plan.first else {
        return Ok(absent);
    };
    match &plan.if_gone {
        IfGone::RootKey { delete: true } if *status == KeyStatus::Inactive => {
            if plan.dry_run {
                return Ok(Some(Left::DryRunGone));
            }
            root_key::delete(key, &plan.account, record, accounts).await
        }
        IfGone::RootKey { .. } => {
            let deletable = &plan.account != accounts.own();
            Ok(Some(Left::RootKey { account: plan.account.clone(), deletable }))
        }
        IfGone::Nothing | IfGone::ContainOwner { .. } if let Some(issuer) = issued_elsewhere(key, plan) => {
            Ok(Some(Left::IssuedElsewhere(issuer)))
        }
        IfGone::Nothing => Ok(absent),
        IfGone::ContainOwner { user, id: None, .. } => Ok(Some(Left::GoneWithoutOwner((*user).clone()))),
        IfGone::ContainOwner { user, id: Some(id), measure } => {
            let iam = open(&plan.account).await.map_err(at(Step::Deny(*measure)))?;
            let on = Identified::User((*user).clone(), (*id).clone());
            let left = principal::deny_identified(&on, *measure, plan.dry_run, record, &iam, now).await?;
            Ok(left.map(|left| if left == Left::DryRun { Left::DryRunGone } else { left }))
        }
    }
}

/// The account that issued the key by its identifier, where that was not asked.
fn issued_elsewhere(key: &AccessKeyId, plan: &Plan<'_>) -> Option<AccountId> {
    key.issuer().filter(|issuer| plan.accounts().all(|account| account != issuer))
}

async fn first(
    plan: &Plan<'_>,
    account: &AccountId,
    record: &mut Record,
    accounts: &Accounts,
    iam: impl Future<Output = Result<Iam, AwsError>>,
    now: DateTime<Utc>,
) -> Attempt {
    let iam = async { iam.await.map_err(at(plan.first.step())) };
    match &plan.first {
        First::SetStatus { key, user, name, status } => {
            let named = key::Named { user: *user, name: *name };
            key::set_status(key, &named, *status, plan.dry_run, record, &iam.await?).await
        }
        First::Deny { on, measure } => {
            principal::deny_identified(on, *measure, plan.dry_run, record, &iam.await?, now).await
        }
        First::Lift { .. } if plan.dry_run => iam.await.map(|_| Some(Left::DryRun)),
        First::Lift { from, measure } => principal::restore(from, *measure, record, &iam.await?).await,
        First::DeleteRootKey { .. } if plan.dry_run => Ok(Some(Left::DryRun)),
        First::DeleteRootKey { key } => root_key::delete(key, account, record, accounts).await,
    }
}

/// Everything that comes after the key has its status: each step, whatever becomes of the others.
pub async fn finish(
    plan: &Plan<'_>,
    record: &mut Record,
    iam: impl Future<Output = Result<Iam, AwsError>>,
    now: DateTime<Utc>,
    deadline: Instant,
) {
    let (First::SetStatus { key, .. }, Some(owner), None) = (&plan.first, record.owner.clone(), &record.left) else {
        return;
    };
    let has_its_status = record.has(|done| matches!(done, Done::StatusSet(_)));
    let iam = match iam.await {
        Ok(iam) => iam,
        Err(error) => {
            let failed = plan.then.iter().map(|then| at(then.step())(error.clone()));
            return record.failed.extend(failed);
        }
    };
    // A user whose key cannot be killed can be denied all the same.
    for then in plan.then.iter().filter(|then| has_its_status || matches!(then, Then::DenyOwner(_))) {
        if *then == Then::DeleteKey && is_the_only_way_to_the_owner(plan, record) {
            continue;
        }
        record.begin(then.step());
        let attempt = in_time(deadline, next(*then, key, &owner, record, &iam, now)).await;
        keep(attempt, record);
    }
}

/// Whether a retry could not find the user any more who is still to be denied, if the key were deleted.
fn is_the_only_way_to_the_owner(plan: &Plan<'_>, record: &Record) -> bool {
    let owner_is_not_denied = record.failed.iter().any(|failed| matches!(failed.step, Step::Deny(_)));
    owner_is_not_denied && matches!(plan.first, First::SetStatus { user: None, .. })
}

async fn next(
    then: Then,
    key: &AccessKeyId,
    owner: &UserName,
    record: &mut Record,
    iam: &Iam,
    now: DateTime<Utc>,
) -> Attempt {
    let user = || Principal::User(owner.clone());
    match then {
        Then::DenyOwner(measure) => match principal::deny(&user(), measure, record, iam, now).await? {
            Some(Left::PrincipalNotHere(_)) => denies_the_user(then),
            left => Ok(left),
        },
        Then::LiftFromOwner(measure) => {
            if principal::lift(&user(), measure, record, iam).await? {
                Ok(None)
            } else {
                denies_the_user(then)
            }
        }
        Then::DeleteKey => key::delete(key, owner, record, iam).await,
        Then::ListCredentials => {
            key::list_credentials(owner, record, iam).await;
            Ok(None)
        }
        Then::Confirm => key::confirm(key, owner, record, iam, now).await,
    }
}

/// IAM does not know the user whose key it has just changed.
fn denies_the_user(then: Then) -> Attempt {
    Err(Failed { step: then.step(), cause: Cause::Disagreement(Disagreement::DeniesTheUser) })
}

fn keep(attempt: Option<Attempt>, record: &mut Record) {
    match attempt {
        Some(Ok(None)) => {}
        Some(Ok(left)) => record.left = left,
        Some(Err(failed)) => record.failed.push(failed),
        None => {
            let step = record.begun.unwrap_or(Step::Confirm);
            record.failed.push(Failed { step, cause: Cause::OutOfTime });
        }
    }
}

fn at(step: Step) -> impl Fn(AwsError) -> Failed {
    move |error| Failed { step, cause: error.into() }
}
