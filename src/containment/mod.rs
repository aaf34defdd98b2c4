//! Carries a plan out, step by step, into a record. The first step kills the credential; whatever else there is to do
//! comes after it.

mod gathering;
mod key;
mod look;
mod principal;
mod root_key;

pub use self::gathering::{Asked, Gathering, gather};
pub use self::look::{Times, delete_if_inactive, look, new_principals, take_made_keys};

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout_at};

use crate::aws::accounts::Accounts;
use crate::aws::iam::Iam;
use crate::credential::{Identified, KeyStatus, Principal};
use crate::failure::{AwsError, Cause, Disagreement, Failed};
use crate::names::{AccessKeyId, AccountId, UserId, UserName};
use crate::plan::{First, IfGone, Measure, Plan, Step, Then};
use crate::record::{Done, Left, Means, Record, Sight};

/// How a step ends that did not fail: with its changes in the record, or with the reason why the credential, or a part
/// of what it can do, was left alone.
type Attempt = Result<Option<Left>, Failed>;

/// How long IAM may need to show a change.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// How long a read that only informs may hold what comes after it.
const FOR_A_READ: Duration = Duration::from_secs(2);

/// How the accounts of a plan are reached.
pub struct Reach<'a, F> {
    /// For sessions of a member account's root user.
    pub accounts: &'a Accounts,
    /// Gives IAM of an account.
    pub open: F,
    /// Who writes a user or a role at a time.
    pub turns: Turns,
    /// The keys that the event names: each is dealt with for itself.
    pub named: HashSet<AccessKeyId>,
}

/// The step that kills a key, in the likeliest account. Where it could not be killed, it is left for later to look in the
/// others, and to deal with its user: no other kill waits for that. A step that is not over at `deadline` is given up.
pub async fn kill<F, O>(plan: &Plan<'_>, record: &mut Record, reach: &Reach<'_, F>, deadline: Instant) -> Option<Later>
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let later = Later { absent: None, failed: None };
    if plan.first.is_about_a_key() {
        kill_in(std::slice::from_ref(&plan.account), plan, later, record, reach, deadline).await
    } else {
        Some(later)
    }
}

/// The same in the other accounts of a key that is not in the likeliest one.
pub async fn kill_elsewhere<F, O>(
    plan: &Plan<'_>,
    later: Later,
    record: &mut Record,
    reach: &Reach<'_, F>,
    deadline: Instant,
) -> Option<Later>
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    if plan.first.is_about_a_key() {
        kill_in(&plan.elsewhere, plan, later, record, reach, deadline).await
    } else {
        Some(later)
    }
}

async fn kill_in<F, O>(
    accounts: &[AccountId],
    plan: &Plan<'_>,
    later: Later,
    record: &mut Record,
    reach: &Reach<'_, F>,
    deadline: Instant,
) -> Option<Later>
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    record.begin(plan.first.step());
    match in_time(deadline, reach.wherever_it_is(accounts, plan, later, record)).await {
        Some(Ok(found)) => keep(Some(found), record),
        Some(Err(later)) => return Some(later),
        None => keep(None, record),
    }
    None
}

/// What is done about users and roles where there is no key that could be killed.
pub async fn settle<F, O>(plan: &Plan<'_>, later: Later, record: &mut Record, reach: &Reach<'_, F>, deadline: Instant)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    if !plan.first.is_about_a_key() {
        record.begin(plan.first.step());
        let attempt = in_time(deadline, reach.whoever_it_is(plan, record)).await;
        return keep(attempt, record);
    }
    let Some((error, account, owner)) = later.failed else {
        let attempt = in_time(deadline, reach.nowhere(plan, later.absent, record)).await;
        return keep(attempt, record);
    };
    // It is told first, whatever becomes of the user.
    record.failed.push(error);
    record.owner = owner;
    in_time(deadline, reach.contain_the_owner_alone(plan, &account, record)).await;
    record.account = Some(account);
}

/// How the search for a key ended that could not be killed.
#[derive(Debug)]
pub struct Later {
    /// What the accounts said in which it is not.
    absent: Option<Left>,
    /// What failed, in which account, and whose key it is there.
    failed: Option<(Failed, AccountId, Option<UserName>)>,
}

/// Gives a step up at the deadline, and does not begin one after it.
async fn in_time<T>(deadline: Instant, attempt: impl Future<Output = T>) -> Option<T> {
    if Instant::now() < deadline { timeout_at(deadline, attempt).await.ok() } else { None }
}

/// The same of a call, whose time having run out is a cause like any other.
pub async fn answer_in_time<T>(deadline: Instant, call: impl Future<Output = Result<T, AwsError>>) -> Result<T, Cause> {
    match in_time(deadline, call).await {
        Some(answer) => answer.map_err(Cause::from),
        None => Err(Cause::OutOfTime),
    }
}

impl<F, O> Reach<'_, F>
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    /// Tries one account after the other until the key is found. An account that cannot be asked does not keep a key alive
    /// that is in another.
    async fn wherever_it_is(
        &self,
        accounts: &[AccountId],
        plan: &Plan<'_>,
        mut later: Later,
        record: &mut Record,
    ) -> Result<Attempt, Later> {
        for account in accounts {
            record.account = Some(account.clone());
            match self.first(plan, account, record).await {
                Ok(Some(left)) if left.is_absence() => {
                    later.absent.get_or_insert(left);
                }
                Err(error) if record.done.is_empty() => {
                    // An owner is one in this account alone, and tells that the key is there.
                    let owner = record.owner.take();
                    if later.failed.as_ref().is_none_or(|(_, _, known)| known.is_none() && owner.is_some()) {
                        later.failed = Some((error, account.clone(), owner));
                    }
                }
                found => return Ok(found),
            }
        }
        Err(later)
    }

    /// The same for a user or a role.
    async fn whoever_it_is(&self, plan: &Plan<'_>, record: &mut Record) -> Attempt {
        let accounts: Vec<_> = plan.accounts().cloned().collect();
        match self.wherever_it_is(&accounts, plan, Later { absent: None, failed: None }, record).await {
            Ok(found) => found,
            Err(Later { failed: Some((error, account, _)), .. }) => {
                record.account = Some(account);
                Err(error)
            }
            Err(Later { absent, failed: None }) => {
                record.account = Some(plan.account.clone());
                Ok(absent)
            }
        }
    }

    /// Denies the user of a key that could not be deactivated.
    async fn contain_the_owner_alone(&self, plan: &Plan<'_>, account: &AccountId, record: &mut Record) {
        self.find_the_owner(plan, account, record).await;
        if record.owner.is_none()
            && let Err(failed) = self.contain_the_owner(plan, record).await
        {
            record.failed.push(failed);
        }
    }

    async fn first(&self, plan: &Plan<'_>, account: &AccountId, record: &mut Record) -> Attempt {
        let iam = async { (self.open)(account).await.map_err(at(plan.first.step())) };
        match &plan.first {
            First::SetStatus { key, user, name, status } => {
                let named = key::Named { user: *user, name: *name };
                key::set_status(key, &named, *status, plan.dry_run, record, &iam.await?).await
            }
            First::Deny { on, measure } => {
                principal::deny_identified(on, *measure, plan.dry_run, record, &iam.await?, &self.turns).await
            }
            First::Lift { .. } if plan.dry_run => iam.await.map(|_| Some(Left::DryRun)),
            First::Lift { from } => principal::restore(from, record, &iam.await?).await,
            First::DeleteRootKey { .. } if plan.dry_run => Ok(Some(Left::DryRun)),
            First::DeleteRootKey { key, or_users } => {
                let left = root_key::delete(key, account, record, self.accounts).await?;
                let (Some(Left::NoSuchRootKey), Some(name)) = (&left, or_users) else { return Ok(left) };
                let named = key::Named { user: None, name: *name };
                let iam = (self.open)(account).await.map_err(at(Step::FindOwner))?;
                match key::set_status(key, &named, KeyStatus::Inactive, false, record, &iam).await? {
                    Some(Left::NoSuchKey) => Ok(left),
                    found => Ok(found),
                }
            }
        }
    }

    /// What is done where the credential is in none of the accounts that can be asked.
    async fn nowhere(&self, plan: &Plan<'_>, absent: Option<Left>, record: &mut Record) -> Attempt {
        let (First::SetStatus { key, .. } | First::DeleteRootKey { key, .. }) = &plan.first else { return Ok(absent) };
        let left = match &plan.if_gone {
            IfGone::Nothing => absent,
            IfGone::RootKey { delete_in } => self.delete_as_root(key, delete_in, plan, record).await?,
            IfGone::ContainOwner { .. } => self.contain_the_owner(plan, record).await?,
        };
        if record.has(|done| *done == Done::RootKeyDeleted) {
            return Ok(left);
        }
        // Whatever was done beside it: the key itself was not found.
        let elsewhere = plan.beyond.clone().map(Left::NotEverywhere);
        let elsewhere = elsewhere.or_else(|| issued_elsewhere(key, plan).map(Left::IssuedElsewhere));
        let contradicted = || plan.is_contradicted.then_some(Left::Contradictory);
        Ok(elsewhere.or_else(contradicted).or(left))
    }

    /// Deletes what is not a user's key as the root user's, where that may be done.
    async fn delete_as_root(
        &self,
        key: &AccessKeyId,
        delete_in: &[AccountId],
        plan: &Plan<'_>,
        record: &mut Record,
    ) -> Attempt {
        if plan.dry_run && !delete_in.is_empty() {
            return Ok(Some(Left::DryRunGone));
        }
        let mut failed = None;
        for account in delete_in {
            record.account = Some(account.clone());
            match root_key::delete(key, account, record, self.accounts).await {
                Ok(Some(Left::NoSuchRootKey)) => {}
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
        let is_left = |account: &&AccountId| !delete_in.contains(account);
        Ok(Some(plan.accounts().find(is_left).map_or(Left::NoSuchRootKey, |account| Left::RootKey {
            account: account.clone(),
            deletable: account != self.accounts.own(),
        })))
    }

    /// Whose key it is that could not be deactivated: a user can be denied all the same.
    async fn find_the_owner(&self, plan: &Plan<'_>, account: &AccountId, record: &mut Record) {
        let First::SetStatus { key, name, .. } = &plan.first else { return };
        if plan.dry_run || !plan.denies_the_owner() || record.owner.is_some() {
            return;
        }
        let named = key::Named { user: None, name: *name };
        if let Ok(iam) = (self.open)(account).await
            && let Ok(Some(owner)) = iam.owner(key).await
            && named.refuses(&owner).is_none()
        {
            record.owner = Some(owner);
        }
    }

    /// Denies the user whose key it was, if the event gives the identifier by which IAM can tell that it is the one.
    async fn contain_the_owner(&self, plan: &Plan<'_>, record: &mut Record) -> Attempt {
        let IfGone::ContainOwner { user, id, measure } = &plan.if_gone else { return Ok(None) };
        let (Some(user), Some(id)) = (user, id) else {
            return Ok(Some(Left::GoneWithoutOwner(user.cloned())));
        };
        let on = Identified::User((*user).clone(), (*id).clone());
        let mut failed = None;
        let mut absent = None;
        for account in plan.accounts() {
            record.account = Some(account.clone());
            let denied = match (self.open)(account).await {
                Ok(iam) => principal::deny_identified(&on, *measure, plan.dry_run, record, &iam, &self.turns).await,
                Err(error) => Err(at(Step::Deny(*measure))(error)),
            };
            match denied {
                Ok(Some(Left::DryRun)) => return Ok(Some(Left::DryRunGone)),
                Ok(Some(left)) if left.is_absence() => {
                    absent.get_or_insert(left);
                }
                Err(error) if record.done.is_empty() => {
                    failed.get_or_insert(error);
                }
                found => return found,
            }
        }
        record.account = Some(plan.account.clone());
        failed.map_or(Ok(absent), Err)
    }
}

/// The account that issued the key by its identifier, where that was not asked.
fn issued_elsewhere(key: &AccessKeyId, plan: &Plan<'_>) -> Option<AccountId> {
    key.issuer().filter(|issuer| plan.accounts().all(|account| account != issuer))
}

/// Everything that changes something after the key has its status: each step, whatever becomes of the others.
pub async fn finish<F, O>(plan: &Plan<'_>, record: &mut Record, reach: &Reach<'_, F>, deadline: Instant)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let changes = plan.then.iter().copied().filter(|then| !then.step().only_informs());
    after_the_key(changes, plan, record, reach, deadline).await;
}

/// What only informs, at last. What is not over at `deadline` is left out.
pub async fn inform<F, O>(plan: &Plan<'_>, record: &mut Record, reach: &Reach<'_, F>, deadline: Instant)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let reads = plan.then.iter().copied().filter(|then| then.step().only_informs());
    after_the_key(reads, plan, record, reach, deadline).await;
}

async fn after_the_key<F, O>(
    steps: impl Iterator<Item = Then>,
    plan: &Plan<'_>,
    record: &mut Record,
    reach: &Reach<'_, F>,
    deadline: Instant,
) where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let (First::SetStatus { key, .. } | First::DeleteRootKey { key, .. }) = &plan.first else { return };
    let Some(owner) = record.owner.clone() else { return };
    if record.left.as_ref().is_some_and(|left| !left.is_about_the_owner()) {
        return;
    }
    let has_its_status = record.has(|done| matches!(done, Done::StatusSet(_)));
    // A user whose key cannot be killed can be denied all the same.
    let mut steps = steps.filter(|then| has_its_status || matches!(then, Then::DenyOwner(_))).peekable();
    if steps.peek().is_none() {
        return;
    }
    let iam = match (reach.open)(record.account_of(plan)).await {
        Ok(iam) => iam,
        Err(error) => {
            let failed = steps.map(|then| at(then.step())(error.clone()));
            return record.failed.extend(failed);
        }
    };
    for then in steps {
        if then == Then::DeleteKey && is_the_only_way_to_the_owner(plan, &owner, record) {
            continue;
        }
        record.begin(then.step());
        let looks_are_ahead = plan.look.is_some();
        let attempt = in_time(deadline, next(then, key, &owner, looks_are_ahead, record, &iam, &reach.turns)).await;
        keep(attempt, record);
    }
}

/// Whether a retry could not find the user any more who is still to be denied, if the key were deleted: the event does not
/// name that user with an identifier.
fn is_the_only_way_to_the_owner(plan: &Plan<'_>, owner: &UserName, record: &Record) -> bool {
    let owner_is_not_denied = record.failed.iter().any(|failed| matches!(failed.step, Step::Deny(_)));
    let is_known = |user: &UserName, id: Option<&UserId>| user.is(owner) && id.is_some();
    let leads_elsewhere =
        matches!(plan.if_gone, IfGone::ContainOwner { user: Some(user), id, .. } if is_known(user, id));
    owner_is_not_denied && !leads_elsewhere
}

async fn next(
    then: Then,
    key: &AccessKeyId,
    owner: &UserName,
    looks_are_ahead: bool,
    record: &mut Record,
    iam: &Iam,
    turns: &Turns,
) -> Attempt {
    let user = Principal::User(owner.clone());
    match then {
        Then::DenyOwner(measure) => match principal::deny(&user, measure, record, iam, turns).await? {
            Some(Left::PrincipalNotHere(_)) => denies_the_user(then),
            left => Ok(left),
        },
        Then::LiftFromOwner => {
            let _turn = turns.take(iam.account(), &user).await;
            if principal::lift(&user, record, iam).await? { Ok(None) } else { denies_the_user(then) }
        }
        Then::DeleteKey => {
            let _turn = turns.take(iam.account(), &user).await;
            key::delete(key, owner, looks_are_ahead, record, iam).await
        }
        Then::ListCredentials => {
            key::list_credentials(owner, record, iam).await;
            Ok(None)
        }
        Then::Confirm => key::confirm(key, owner, looks_are_ahead, record, iam, Utc::now()).await,
    }
}

/// Whose turn it is to write a user or a role. Several credentials of one are dealt with at a time, and IAM refuses
/// changes that meet. A kill waits for none of them.
#[derive(Default)]
pub struct Turns(RefCell<HashMap<(AccountId, String), Turn>>);

/// Held by who writes one user or role of an account. What became of a deny, and what a look at it saw, is known to all who
/// wait to do the same.
type Turn = Arc<Mutex<Known>>;

#[derive(Default)]
struct Known {
    denials: Vec<(Measure, Denial)>,
    /// By the number of the look.
    sights: Vec<(Measure, usize, Sight)>,
}

/// What became of a deny.
type Denial = Result<Result<Means, Left>, Failed>;

impl Turns {
    async fn take(&self, account: &AccountId, principal: &Principal) -> OwnedMutexGuard<Known> {
        // Names are unique without regard to case.
        let whose = (account.clone(), principal.to_string().to_ascii_lowercase());
        let turn = Arc::clone(self.0.borrow_mut().entry(whose).or_default());
        turn.lock_owned().await
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
