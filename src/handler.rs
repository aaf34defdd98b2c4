//! One event in, one answer out: the pipeline that `lib.rs` describes, for several credentials at a time.

mod looks;
mod schedules;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_lambda_events::sqs::BatchItemFailure;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::future::{LocalBoxFuture, Shared, join};
use futures_util::{FutureExt, StreamExt, stream};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use self::looks::Looks;
use self::schedules::Making;
use crate::aws::accounts::{Accounts, own_account};
use crate::aws::http::sdk_config;
use crate::aws::iam::Iam;
use crate::aws::scheduler::Scheduler;
use crate::case::Case;
use crate::config::Config;
use crate::containment::{self, Asked, Later, Reach, Turns};
use crate::decision::decide;
use crate::event::{self, Item};
use crate::failure::AwsError;
use crate::finding::Basis;
use crate::finding::Finding;
use crate::names::AccountId;
use crate::plan::Plan;
use crate::record::Record;
use crate::report::{Answer, Failure, log};
use crate::schedule::Task;

/// How many credentials of the function's own account are worked on at a time: IAM throttles callers that ask for much more.
const CONCURRENCY: usize = 16;

/// How many of each other account.
const SHARE: usize = 4;

/// How many other accounts are worked in at a time.
const ACCOUNTS: usize = 200;

/// How long what only informs may take in an account, for all its credentials together.
const FOR_READS: Duration = Duration::from_secs(5);

/// What is kept back of an invocation's time to write the answer before Lambda ends it.
const RESERVE: Duration = Duration::from_millis(500);

/// What every invocation needs, made once at start.
#[derive(Debug)]
pub struct App {
    config: Config,
    accounts: Accounts,
    scheduler: Option<Scheduler>,
}

impl App {
    /// Reads the configuration and gets ready to call AWS.
    ///
    /// # Errors
    /// When the configuration has mistakes, or `ACCOUNT_ID` is not set and STS does not answer.
    pub async fn start() -> Result<Self, lambda_runtime::Error> {
        let config = Config::from_env()?;
        let sdk = sdk_config().await?;
        let own = match &config.account_id {
            Some(account) => account.clone(),
            None => own_account(&sdk).await?,
        };
        log::started(&config, &own);
        Ok(Self::new(config, sdk, own))
    }

    /// With everything that is needed to call AWS handed in.
    #[doc(hidden)]
    pub fn new(config: Config, sdk: SdkConfig, own: AccountId) -> Self {
        let scheduler = config.scheduler.clone().map(|kept| Scheduler::new(sdk.clone(), kept));
        Self { accounts: Accounts::new(sdk, own, config.member_role.clone()), scheduler, config }
    }
}

/// Handles one invocation.
///
/// # Errors
/// When a part of the input could not be read or a step failed, after everything else has been done.
pub async fn handle(app: &App, invocation: LambdaEvent<Box<RawValue>>) -> Result<Answer, Failure> {
    let LambdaEvent { payload, context, .. } = invocation;
    let clock = Clock::start(&context);
    let items = event::read(payload.get());
    let items = if app.config.commands { items } else { event::without_commands(items) };
    let items = event::without_stale_follow_ups(items, clock.now(), |task| {
        TimeDelta::hours(24)
            + match task {
                Task::Look => app.config.follow_up_after,
                Task::Delete => app.config.delete_after,
            }
    });
    let mut entries = entries(&items, app);
    let opened = Opened::default();
    let open = |account: &AccountId| opened.iam(app, account);
    let named = entries.iter().filter(|entry| entry.case.plan.is_some()).filter_map(|entry| entry.case.key().cloned());
    let reach = Reach { accounts: &app.accounts, open, turns: Turns::default(), named: named.collect() };
    let looks = Looks::new(&app.config.verify_after, &clock);
    if let [entry] = &mut entries[..]
        && matches!(entry.case.finding.basis, Basis::FollowUp(_))
    {
        schedules::follow_up(entry, app, &reach, &clock).boxed_local().await;
    } else {
        let scheduler = app.scheduler.as_ref();
        schedules::remove_for_restores(&mut entries, scheduler, &reach, &clock).boxed_local().await;
        let making = Making::new(scheduler, &context.invoked_function_arn);
        contain(&mut entries, &reach, &making, &looks, &clock).await;
    }
    tell(&items, &entries, &context.env_config.function_name);
    answer(&items, &entries)
}

/// A case, and the SQS messages that name its credential; `None` where it was named outside of a message.
struct Entry<'f> {
    case: Case<'f>,
    /// What is left for later where the key could not be killed.
    later: Option<Later>,
    messages: Vec<Option<&'f str>>,
}

impl<'f> Entry<'f> {
    fn new(finding: &'f Finding, message: Option<&'f str>, app: &'f App, today: NaiveDate) -> Self {
        let (plan, left) = match decide(finding, &app.config, app.accounts.own(), today) {
            Ok(plan) => (Some(plan), None),
            Err(left) => (None, Some(left)),
        };
        let record = Record { left, ..Record::default() };
        Self { case: Case::new(finding, plan, record), later: None, messages: vec![message] }
    }

    /// Whether the credential is not dead yet, and other accounts can be asked for it.
    fn may_be_elsewhere(&self) -> bool {
        self.later.is_some() && self.case.plan.as_ref().is_some_and(|plan| !plan.elsewhere.is_empty())
    }

    /// Where CloudTrail is asked about the credential, if it is.
    fn evidence_is_of_use(&self) -> Option<(AccountId, Asked)> {
        let Case { finding, plan, record, .. } = &self.case;
        let contained = record.contained.filter(|_| plan.as_ref().is_some_and(|plan| plan.evidence))?;
        let region = finding.origin.region.as_ref().map(|region| region.as_str().to_owned());
        Some((record.account.clone()?, Asked { key: self.case.key()?.clone(), contained, region }))
    }

    fn merge(&mut self, mut other: Self) {
        self.case.merge(other.case);
        self.messages.append(&mut other.messages);
    }
}

/// One for each distinct credential, in the order of the event.
fn entries<'f>(items: &'f [Item], app: &'f App) -> Vec<Entry<'f>> {
    let today = Utc::now().date_naive();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut of_key: HashMap<&str, usize> = HashMap::new();
    for item in items {
        let Ok(finding) = &item.content else { continue };
        let entry = Entry::new(finding, item.message.as_deref(), app, today);
        // The identifier of a key is unique in all accounts: whatever accounts findings name for it, it is one key.
        let known = finding.credential.key().map(|key| *of_key.entry(key.as_str()).or_insert(entries.len()));
        match known.and_then(|index| entries.get_mut(index)) {
            Some(known) => known.merge(entry),
            None => entries.push(entry),
        }
    }
    entries
}

/// Carries all plans out. Accounts do not wait for each other: one that hangs costs the others nothing. In each account
/// the keys are killed first. Then comes what else changes something, on users and roles, whose turn a kill must not wait
/// for; and at last what only informs, for which there is not much time.
async fn contain<'a, F, O>(
    entries: &mut [Entry<'_>],
    reach: &'a Reach<'a, F>,
    making: &Making<'a>,
    looks: &Looks<'a>,
    clock: &'a Clock,
) where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let mut own = Vec::new();
    let mut others: HashMap<AccountId, Vec<&mut Entry<'_>>> = HashMap::new();
    for entry in entries {
        match entry.case.plan.as_ref().map(|plan| plan.account.clone()) {
            Some(account) if account != *reach.accounts.own() => others.entry(account).or_default().push(entry),
            Some(_) => own.push(entry),
            None => {}
        }
    }
    // Who waits for a look holds no place: the kills of other accounts come first.
    let places = Semaphore::new(ACCOUNTS);
    let others = stream::iter(others.into_values()).for_each_concurrent(None, async |mut entries| {
        if let Ok(_place) = places.acquire().await {
            contain_in_account(&mut entries, SHARE, reach, clock).boxed_local().await;
        }
        making.after(&mut entries, reach, clock).boxed_local().await;
        looks.after(&mut entries, SHARE, reach).boxed_local().await;
    });
    let here = async {
        contain_in_account(&mut own, CONCURRENCY, reach, clock).boxed_local().await;
        making.after(&mut own, reach, clock).boxed_local().await;
        looks.after(&mut own, CONCURRENCY, reach).boxed_local().await;
    };
    join(here, others).await;
}

async fn contain_in_account<F, O>(entries: &mut [&mut Entry<'_>], share: usize, reach: &Reach<'_, F>, clock: &Clock)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    for_each(entries, share, async |entry, plan| {
        let record = &mut entry.case.record;
        entry.later = containment::kill(plan, record, reach, clock.deadline).await;
        clock.note(record);
    })
    .await;
    // What may be in another account waits for that one, and nothing else does.
    let (mut elsewhere, mut here): (Vec<_>, Vec<_>) =
        entries.iter_mut().map(|entry| &mut **entry).partition(|entry| entry.may_be_elsewhere());
    let there = async {
        for_each(&mut elsewhere, share, async |entry, plan| {
            let record = &mut entry.case.record;
            if let Some(later) = entry.later.take() {
                entry.later = containment::kill_elsewhere(plan, later, record, reach, clock.deadline).await;
                clock.note(record);
            }
        })
        .await;
        after_the_kills(&mut elsewhere, share, reach, clock).await;
    };
    join(after_the_kills(&mut here, share, reach, clock), there.boxed_local()).await;
}

async fn after_the_kills<F, O>(entries: &mut [&mut Entry<'_>], share: usize, reach: &Reach<'_, F>, clock: &Clock)
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    for_each(entries, share, async |entry, plan| {
        let record = &mut entry.case.record;
        if let Some(later) = entry.later.take() {
            containment::settle(plan, later, record, reach, clock.deadline).await;
            clock.note(record);
        }
        containment::finish(plan, record, reach, clock.deadline).await;
    })
    .await;
    let deadline = clock.deadline.min(tokio::time::Instant::now() + FOR_READS);
    for_each(entries, share, async |entry, plan| {
        containment::inform(plan, &mut entry.case.record, reach, deadline).await;
    })
    .await;
}

/// Runs `step` for every entry that has a plan, a few at a time.
async fn for_each<'f>(entries: &mut [&mut Entry<'f>], share: usize, step: impl AsyncFn(&mut Entry<'f>, &Plan<'f>)) {
    stream::iter(entries)
        .for_each_concurrent(share, async |entry| {
            if let Some(plan) = entry.case.plan.take() {
                step(entry, &plan).await;
                entry.case.plan = Some(plan);
            }
        })
        .await;
}

/// The accounts that this invocation has opened: each once, however many of its credentials come at a time.
#[derive(Default)]
struct Opened<'a>(RefCell<HashMap<AccountId, Opening<'a>>>);

/// IAM of an account that is being opened, for all who wait for it.
type Opening<'a> = Shared<LocalBoxFuture<'a, Result<Iam, AwsError>>>;

impl<'a> Opened<'a> {
    fn iam(&self, app: &'a App, account: &AccountId) -> Opening<'a> {
        let open = || {
            let account = account.clone();
            async move { app.accounts.iam(&account).await }.boxed_local().shared()
        };
        self.0.borrow_mut().entry(account.clone()).or_insert_with(open).clone()
    }
}

/// The time that an invocation has.
struct Clock {
    started: tokio::time::Instant,
    /// The same, as a clock on the wall has it.
    started_at: DateTime<Utc>,
    /// A step that is not over by then is given up, so that the answer can still be written.
    deadline: tokio::time::Instant,
}

impl Clock {
    fn start(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let started = tokio::time::Instant::now();
        Self { started, started_at: Utc::now(), deadline: started + left.saturating_sub(RESERVE) }
    }

    fn now(&self) -> DateTime<Utc> {
        self.started_at + self.started.elapsed()
    }

    fn of(&self, time: DateTime<Utc>) -> tokio::time::Instant {
        self.started + (time - self.started_at).to_std().unwrap_or_default()
    }

    /// Notes how long a step took that may have contained the credential.
    fn note(&self, record: &mut Record) {
        record.duration = self.started.elapsed();
        if record.is_contained() {
            record.contained.get_or_insert_with(|| self.now());
        }
    }
}

/// Writes the log lines, whether the invocation fails or not.
fn tell(items: &[Item], entries: &[Entry<'_>], function: &str) {
    let mut space = log::Space::default();
    let mut cases: Vec<_> = entries.iter().map(|entry| &entry.case).collect();
    if cases.len() > IN_ORDER {
        // Where there is no space for all, what a person has to do comes first.
        cases.sort_by_key(|case| (case.record.failures().next().is_none(), case.record.outcome().priority()));
    }
    for Item { message, content } in items {
        if let Err(error) = content {
            log::unreadable(error, message.as_deref(), &mut space);
        }
    }
    for case in cases {
        log::result(case, function, &mut space);
        log::failures(case, function, &mut space);
    }
    space.close();
}

/// Up to how many cases have their lines in the order of the event.
const IN_ORDER: usize = 200;

/// The answer, or the failure of what SQS cannot be asked to send again. Where SQS would have to send everything again the
/// invocation fails, too: nobody sees the answer, and alarms hang on failed invocations.
fn answer(items: &[Item], entries: &[Entry<'_>]) -> Result<Answer, Failure> {
    let unreadable = || items.iter().filter_map(|item| Some((item.message.as_deref(), item.content.as_ref().err()?)));
    let failed = || entries.iter().filter(|entry| entry.case.record.failures().next().is_some());
    let messages = unreadable().map(|(message, _)| message).chain(failed().flat_map(|entry| entry.messages.clone()));
    let handed_back = hand_back(messages.flatten());
    let all = hand_back(items.iter().filter_map(|item| item.message.as_deref()));
    let everything = handed_back.len() == all.len();

    let errors: Vec<_> =
        unreadable().filter(|(message, _)| everything || message.is_none()).map(|(_, error)| error).collect();
    let cases = failed().filter(|entry| everything || entry.messages.contains(&None)).map(|entry| &entry.case);
    match Failure::new(cases, &errors) {
        Some(failure) => Err(failure),
        None => Ok(Answer::new(entries.iter().map(|entry| &entry.case), (!all.is_empty()).then_some(handed_back))),
    }
}

/// The messages that SQS delivers again, each once.
fn hand_back<'m>(messages: impl Iterator<Item = &'m str>) -> Vec<BatchItemFailure> {
    let mut known = HashSet::new();
    let new = messages.filter(|message| known.insert(*message));
    let item = |message: &str| {
        let mut item = BatchItemFailure::default();
        message.clone_into(&mut item.item_identifier);
        item
    };
    new.map(item).collect()
}
