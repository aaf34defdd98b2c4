//! What this function tells its later self by schedules, and what it does when it is told so.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::{App, Clock, Entry};
use crate::aws::iam::Iam;
use crate::aws::scheduler::{Planned, Scheduler};
use crate::config::Action;
use crate::containment::{self, Asked, Gathering, Reach, Times, answer_in_time};
use crate::credential::{Identified, KeyStatus, Principal};
use crate::failure::{AwsError, Cause, Failed};
use crate::finding::Basis;
use crate::names::{AccessKeyId, AccountId};
use crate::plan::{First, Plan, Step, Then};
use crate::record::{Done, Left, Record, Sight};
use crate::schedule::{FollowUp, Target, Task, name_of_key, name_of_principal};

/// How many schedules are made at a time.
const AT_A_TIME: usize = 4;

/// A schedule cannot be for the past.
const SOONEST: TimeDelta = TimeDelta::seconds(60);

/// How long the schedules of an account may take: what fails is tried again by the next invocation.
const MAKING: Duration = Duration::from_secs(20);

/// How long CloudTrail may be asked by a follow-up.
const ASKING: Duration = Duration::from_mins(1);

/// The schedules of an invocation.
pub(super) struct Making<'a> {
    scheduler: Option<&'a Scheduler>,
    /// What they invoke.
    function: &'a str,
    /// Those that were made: of several credentials of one principal there is one.
    made: RefCell<HashSet<String>>,
}

impl<'a> Making<'a> {
    pub(super) fn new(scheduler: Option<&'a Scheduler>, function: &'a str) -> Self {
        Self { scheduler, function, made: RefCell::default() }
    }

    /// Makes what is to come later of what was contained.
    pub(super) async fn after<F, O>(&self, entries: &mut [&mut Entry<'_>], reach: &Reach<'_, F>, clock: &Clock)
    where
        F: Fn(&AccountId) -> O,
        O: Future<Output = Result<Iam, AwsError>>,
    {
        let Some(scheduler) = self.scheduler else { return };
        let deadline = clock.deadline.min(Instant::now() + MAKING);
        stream::iter(entries)
            .for_each_concurrent(AT_A_TIME, async |entry| {
                let Some(plan) = entry.case.plan.take() else { return };
                let origin = &entry.case.finding.origin;
                let key = entry.case.finding.credential.key().filter(|key| key.is_temporary()).cloned();
                let record = &mut entry.case.record;
                for (mut follow_up, at) in to_come(&plan, key.as_ref(), record, reach, deadline).await {
                    follow_up.region.clone_from(&origin.region);
                    follow_up.is_repeat = plan.look.as_ref().map_or(origin.repeat, |look| look.is_repeat);
                    self.make(scheduler, &follow_up, at, record, clock.now(), deadline).await;
                }
                entry.case.plan = Some(plan);
            })
            .await;
    }

    async fn make(
        &self,
        scheduler: &Scheduler,
        follow_up: &FollowUp,
        at: DateTime<Utc>,
        record: &mut Record,
        now: DateTime<Utc>,
        deadline: Instant,
    ) {
        let (name, input, mut at) = (follow_up.name(), follow_up.input(), at.max(now + SOONEST));
        if self.made.borrow_mut().insert(name.clone()) {
            record.begin(Step::MakeSchedule);
            match answer_in_time(deadline, scheduler.make(&name, at, self.function, &input, now)).await {
                Ok(planned) => at = planned,
                Err(cause) => {
                    self.made.borrow_mut().remove(&name);
                    return record.failed.push(Failed { step: Step::MakeSchedule, cause });
                }
            }
        }
        match follow_up.task {
            Task::Look => record.is_followed_up = true,
            Task::Delete => record.delete_on = Some(at),
        }
    }
}

/// What is to come of a credential, and when.
async fn to_come<F, O>(
    plan: &Plan<'_>,
    session: Option<&AccessKeyId>,
    record: &mut Record,
    reach: &Reach<'_, F>,
    deadline: Instant,
) -> Vec<(FollowUp, DateTime<Utc>)>
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let (Some(contained), Some(account)) = (record.contained, record.account.clone()) else { return Vec::new() };
    let follow_up =
        |task, target| FollowUp { task, account: account.clone(), target, contained, region: None, is_repeat: false };
    let mut to_come = Vec::new();
    let is_deleted = record.has(|done| *done == Done::KeyDeleted);
    let is_dead = record.has(|done| matches!(done, Done::StatusSet(KeyStatus::Inactive)));
    if let (First::SetStatus { key, .. } | First::DeleteRootKey { key, .. }, Some(user), true) =
        (&plan.first, &record.owner, is_dead)
    {
        let created = record.created;
        let target = || Target::Key { id: (*key).clone(), user: user.clone(), created, is_deleted };
        to_come.extend(plan.later.look.map(|after| (follow_up(Task::Look, target()), contained + after)));
        let delete = plan.later.delete.filter(|_| !is_deleted);
        to_come.extend(delete.map(|after| (follow_up(Task::Delete, target()), contained + after)));
    }
    let Some(after) = plan.later.look else { return to_come };
    let denied = record.done.iter().filter_map(Done::denied).map(|(on, measure, by)| (on.clone(), measure, by));
    for (on, measure, by) in denied.collect::<Vec<_>>() {
        match identified(&on, plan, &account, reach, deadline).await {
            Ok(Some(on)) => {
                to_come.push((
                    follow_up(Task::Look, Target::Principal { on, measure, by, session: session.cloned() }),
                    contained + after,
                ));
            }
            Ok(None) => {}
            Err(cause) => record.failed.push(Failed { step: Step::MakeSchedule, cause }),
        }
    }
    to_come
}

/// A principal that was denied with its identifier, by which its schedule is named.
async fn identified<F, O>(
    on: &Principal,
    plan: &Plan<'_>,
    account: &AccountId,
    reach: &Reach<'_, F>,
    deadline: Instant,
) -> Result<Option<Identified>, Cause>
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    match (&plan.first, on) {
        (First::Deny { on, .. }, _) => Ok(Some(on.clone())),
        (_, Principal::Role(_)) => Ok(None),
        (_, Principal::User(user)) => {
            let read = async { (reach.open)(account).await?.user_id(user).await };
            Ok(answer_in_time(deadline, read).await?.map(|id| Identified::User(user.clone(), id)))
        }
    }
}

/// Takes away the schedules that would undo a restore. What cannot be taken away is not restored.
pub(super) async fn remove_for_restores<F, O>(
    entries: &mut [Entry<'_>],
    scheduler: Option<&Scheduler>,
    reach: &Reach<'_, F>,
    clock: &Clock,
) where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let Some(scheduler) = scheduler else { return };
    for entry in entries {
        let Some(plan) = &entry.case.plan else { continue };
        let restores = matches!(plan.first, First::SetStatus { status: KeyStatus::Active, .. } | First::Lift { .. });
        if plan.dry_run || !restores {
            continue;
        }
        let removed = async {
            for name in names(plan, reach).await? {
                scheduler.remove(&name).await?;
            }
            Ok(())
        };
        if let Err(cause) = answer_in_time(clock.deadline, removed).await {
            entry.case.record.failed.push(Failed { step: Step::RemoveSchedule, cause });
            entry.case.plan = None;
        }
    }
}

/// The schedules about a credential that is restored, and about the user of a key if denies are lifted with it.
async fn names<F, O>(plan: &Plan<'_>, reach: &Reach<'_, F>) -> Result<Vec<String>, AwsError>
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let mut names = Vec::new();
    for account in plan.accounts() {
        match &plan.first {
            First::SetStatus { key, user, .. } => {
                names.extend([Task::Look, Task::Delete].map(|task| name_of_key(task, account, key)));
                if plan.then.contains(&Then::LiftFromOwner) {
                    let iam = (reach.open)(account).await?;
                    let owner = match user {
                        Some(user) => Some((*user).clone()),
                        None => iam.owner(key).await?,
                    };
                    if let Some(owner) = owner {
                        names.extend(name_about(&Principal::User(owner), &iam).await?);
                    }
                }
            }
            First::Lift { from } => names.extend(name_about(from, &(reach.open)(account).await?).await?),
            First::Deny { .. } | First::DeleteRootKey { .. } => {}
        }
    }
    Ok(names)
}

/// The schedule about a principal; `None` when there is no such principal.
async fn name_about(principal: &Principal, iam: &Iam) -> Result<Option<String>, AwsError> {
    let of = |id: &str| name_of_principal(iam.account(), id);
    Ok(match principal {
        Principal::User(user) => iam.user_id(user).await?.map(|id| of(id.as_str())),
        Principal::Role(role) => iam.role(role).await?.and_then(|role| role.id).map(|id| of(id.as_str())),
    })
}

/// Does what a schedule of this function's asks for, while it is there.
pub(super) async fn follow_up<F, O>(entry: &mut Entry<'_>, app: &App, reach: &Reach<'_, F>, clock: &Clock)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let finding = entry.case.finding;
    let Basis::FollowUp(follow_up) = &finding.basis else { return };
    let Some(plan) = entry.case.plan.take() else { return };
    let record = &mut entry.case.record;
    if plan.dry_run {
        record.left = Some(Left::DryRun);
    } else if let Some(scheduler) = &app.scheduler {
        let name = follow_up.name();
        match answer_in_time(clock.deadline, scheduler.get(&name)).await {
            Ok(planned) => {
                record.left = why_not(follow_up, planned.as_ref(), app, clock);
                if record.left.is_none() {
                    act(follow_up, &plan, record, reach, clock).await;
                }
                let is_over = !matches!(record.left, Some(Left::NoSchedule | Left::NotDue(_)));
                // One that failed stays, so that a retry acts.
                if is_over && record.failures().next().is_none() {
                    let removed = answer_in_time(clock.deadline, scheduler.remove(&name)).await;
                    record.failed.extend(removed.err().map(|cause| Failed { step: Step::RemoveSchedule, cause }));
                }
            }
            Err(cause) => record.failed.push(Failed { step: Step::ReadSchedule, cause }),
        }
    } else {
        record.left = Some(Left::NoSchedule);
    }
    entry.case.plan = Some(plan);
}

/// Whoever may invoke the function may send what looks like a follow-up: it has to be what the schedule sends.
fn why_not(follow_up: &FollowUp, planned: Option<&Planned>, app: &App, clock: &Clock) -> Option<Left> {
    let is_its = |planned: &&Planned| planned.input.as_ref().is_none_or(|input| *input == follow_up.input());
    let Some(Planned { time, .. }) = planned.filter(is_its) else { return Some(Left::NoSchedule) };
    match follow_up.task {
        Task::Look => None,
        Task::Delete if app.config.action != Action::Delete => Some(Left::NotDeleting),
        Task::Delete => (*time > clock.now()).then_some(Left::NotDue(*time)),
    }
}

async fn act<F, O>(follow_up: &FollowUp, plan: &Plan<'_>, record: &mut Record, reach: &Reach<'_, F>, clock: &Clock)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    record.account = Some(follow_up.account.clone());
    record.contained = Some(follow_up.contained);
    match &follow_up.target {
        Target::Key { user, created, is_deleted, .. } => {
            record.owner = Some(user.clone());
            record.created = *created;
            record.done.push(Done::StatusSet(KeyStatus::Inactive));
            record.done.extend(is_deleted.then_some(Done::KeyDeleted));
        }
        Target::Principal { on, measure, by, .. } => {
            record.done.push(Done::Denied { on: on.principal(), measure: *measure, by: *by });
        }
    }
    let times = Times::begin(0, clock.now(), clock.deadline);
    if follow_up.task == Task::Delete {
        return containment::delete_if_inactive(plan, record, reach, &times).await;
    }
    let mut sight = containment::look(plan, record, reach, &times).await;
    let id = match &follow_up.target {
        Target::Key { id, .. } => Some(id),
        Target::Principal { session, .. } => session.as_ref(),
    };
    if let Some(id) = id.filter(|_| plan.evidence) {
        let region = follow_up.region.as_ref().map(|region| region.as_str().to_owned());
        let asked = [Asked { key: id.clone(), contained: follow_up.contained, region }];
        let gathering = RefCell::new(Gathering::about(&asked, clock.now()));
        let end = clock.deadline.min(Instant::now() + ASKING);
        containment::gather(&asked, &follow_up.account, &gathering, reach, end).await;
        let (evidence, failed) = gathering.into_inner().end();
        record.failed.extend(failed);
        for (evidence, last_used) in evidence {
            let made = evidence.made_keys();
            sight = sight.max(containment::take_made_keys(&made, plan, record, reach, &times).await);
            record.add_evidence(id, evidence, last_used);
        }
    }
    let since = record.new_since().unwrap_or(follow_up.contained);
    let (new, failed) = containment::new_principals(&follow_up.account, since, reach, clock.deadline).await;
    record.looks.new_principals.add(new);
    record.failed.extend(failed);
    record.looks.incomplete |= sight == Sight::Unknown || record.looks.new_principals.partial;
    if sight == Sight::InPlace && record.looks.used_after.is_none() && !record.looks.incomplete {
        record.looks.verified = Some(clock.now());
    }
}
