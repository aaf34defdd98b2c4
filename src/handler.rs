//! One event in, one answer out: the pipeline that `lib.rs` describes, for several credentials at a time.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_lambda_events::sqs::BatchItemFailure;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::future::{LocalBoxFuture, Shared, join, join_all, select};
use futures_util::{FutureExt, StreamExt, stream};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout_at;

use crate::aws::accounts::{Accounts, own_account};
use crate::aws::http::sdk_config;
use crate::aws::iam::Iam;
use crate::case::Case;
use crate::config::Config;
use crate::containment::{self, Asked, Gathering, Later, Reach, Turns};
use crate::decision::decide;
use crate::event::{self, Item};
use crate::failure::AwsError;
use crate::finding::Finding;
use crate::names::AccountId;
use crate::plan::Plan;
use crate::record::{Record, Sight};
use crate::report::{Answer, Failure, log};

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

/// How long before containment what is new in an account may have been made by who held the credential.
const BEFORE: TimeDelta = TimeDelta::seconds(60);

/// How long after containment a call shows that a key is not dead, and that a deny does not hold: until then IAM may not
/// have told every place.
const KEY_IN_FORCE: TimeDelta = TimeDelta::seconds(10);
const DENY_IN_FORCE: TimeDelta = TimeDelta::seconds(60);

/// What every invocation needs, made once at start.
#[derive(Debug)]
pub struct App {
    config: Config,
    accounts: Accounts,
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
        Self { accounts: Accounts::new(sdk, own, config.member_role.clone()), config }
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
    let mut entries = entries(&items, app);
    let opened = Opened::default();
    let open = |account: &AccountId| opened.iam(app, account);
    let reach = Reach { accounts: &app.accounts, open, turns: Turns::default() };
    let stop = watch::Sender::new(false);
    let looks = Looks { times: &app.config.verify_after, stop: &stop };
    contain(&mut entries, &reach, &looks, &clock).await;
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
        Self {
            case: Case::new(finding, plan, Record { left, ..Record::default() }),
            later: None,
            messages: vec![message],
        }
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
async fn contain<F, O>(entries: &mut [Entry<'_>], reach: &Reach<'_, F>, looks: &Looks<'_>, clock: &Clock)
where
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
    let others = stream::iter(others.into_values()).for_each_concurrent(ACCOUNTS, |mut entries| async move {
        contain_in_account(&mut entries, SHARE, reach, clock).await;
        looks.after(&mut entries, SHARE, reach, clock).boxed_local().await;
    });
    let here = async {
        contain_in_account(&mut own, CONCURRENCY, reach, clock).await;
        looks.after(&mut own, CONCURRENCY, reach, clock).boxed_local().await;
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

/// The looks at what was contained, some seconds later.
struct Looks<'a> {
    /// How long after containment.
    times: &'a [Duration],
    /// Told as soon as a step failed: then the invocation ends at once, so that it is tried again.
    stop: &'a watch::Sender<bool>,
}

impl Looks<'_> {
    /// The looks at the credentials of one account, and the evidence that is gathered while they wait.
    async fn after<F, O>(&self, entries: &mut [&mut Entry<'_>], share: usize, reach: &Reach<'_, F>, clock: &Clock)
    where
        F: Fn(&AccountId) -> O,
        O: Future<Output = Result<Iam, AwsError>>,
    {
        self.stop_where_failed(entries);
        let mut asked: HashMap<AccountId, (Vec<usize>, Vec<Asked>)> = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Some((account, about)) = entry.evidence_is_of_use() {
                let (indexes, all) = asked.entry(account).or_default();
                indexes.push(index);
                all.push(about);
            }
        }
        let asked: Vec<_> = asked.into_iter().collect();
        let gatherings: Vec<_> =
            asked.iter().map(|(_, (_, about))| RefCell::new(Gathering::about(about, clock.now()))).collect();
        // It does not make the invocation longer than the looks do.
        let last = self.times.last().copied();
        let last_look = |about: &Asked| last.map(|last| clock.of(about.contained) + last);
        let gathering = join_all(asked.iter().zip(&gatherings).map(|((account, (_, about)), gathering)| {
            let end = about.iter().filter_map(last_look).max();
            let end = end.unwrap_or_else(|| tokio::time::Instant::now() + FOR_READS).min(clock.deadline);
            containment::gather(about, account, gathering, reach, end)
        }));
        let gathering = async {
            let mut stopped = self.stop.subscribe();
            select(pin!(gathering), pin!(stopped.wait_for(|stop| *stop))).await;
        };
        join(self.at(entries, share, reach, clock), gathering.boxed_local()).await;
        for ((_, (indexes, about)), gathering) in asked.iter().zip(gatherings) {
            let (evidence, mut failed) = gathering.into_inner().end();
            for ((index, about), (evidence, last_used)) in indexes.iter().zip(about).zip(evidence) {
                let Some(entry) = entries.get_mut(*index) else { continue };
                let record = &mut entry.case.record;
                let after = if about.key.is_temporary() { DENY_IN_FORCE } else { KEY_IN_FORCE };
                record.looks.used_after = evidence.last_alive.filter(|last| *last > about.contained + after);
                if record.looks.used_after.is_some() {
                    record.looks.verified = None;
                }
                record.evidence = Some(evidence);
                record.last_used = last_used;
                record.failed.append(&mut failed);
            }
        }
    }

    /// The looks at the credentials of one account. A credential that waits for its look holds no place.
    async fn at<F, O>(&self, entries: &mut [&mut Entry<'_>], share: usize, reach: &Reach<'_, F>, clock: &Clock)
    where
        F: Fn(&AccountId) -> O,
        O: Future<Output = Result<Iam, AwsError>>,
    {
        let is_looked_at = |entry: &&mut Entry<'_>| {
            let looks = entry.case.plan.as_ref().is_some_and(|plan| plan.look.is_some());
            looks && entry.case.record.contained.is_some()
        };
        let mut entries: Vec<_> = entries.iter_mut().map(|entry| &mut **entry).filter(is_looked_at).collect();
        for (index, after) in self.times.iter().enumerate() {
            let slots = Semaphore::new(share);
            let sights: Vec<_> = stream::iter(&mut entries)
                .map(async |entry| {
                    if !self.is_due(entry, *after, clock).await {
                        return None;
                    }
                    let sight = look(entry, &slots, reach, clock).boxed_local().await;
                    self.stop_where_failed(std::slice::from_ref(entry));
                    Some(sight)
                })
                .buffered(usize::MAX)
                .collect()
                .await;
            if sights.iter().any(Option::is_some) && !*self.stop.borrow() {
                self.newcomers(&mut entries, reach, clock).await;
            }
            let is_last = index + 1 == self.times.len();
            for (entry, sight) in entries.iter_mut().zip(sights) {
                let looks = &mut entry.case.record.looks;
                looks.incomplete |= matches!(sight, None | Some(Sight::Unknown)) || looks.new_principals.partial;
                if is_last && sight == Some(Sight::InPlace) && !looks.incomplete {
                    looks.verified = Some(clock.now());
                }
            }
        }
    }

    fn stop_where_failed(&self, entries: &[&mut Entry<'_>]) {
        if entries.iter().any(|entry| entry.case.record.failures().next().is_some()) {
            self.stop.send_replace(true);
        }
    }

    /// Waits for the time of a look. Whether there is one: not once a step failed, and not if it came after the end.
    async fn is_due(&self, entry: &Entry<'_>, after: Duration, clock: &Clock) -> bool {
        let due = clock.of(entry.case.record.contained.unwrap_or_default()) + after;
        due < clock.deadline && timeout_at(due, self.stop.subscribe().wait_for(|stop| *stop)).await.is_err()
    }

    /// Tells each credential what is new in its account.
    async fn newcomers<F, O>(&self, entries: &mut [&mut Entry<'_>], reach: &Reach<'_, F>, clock: &Clock)
    where
        F: Fn(&AccountId) -> O,
        O: Future<Output = Result<Iam, AwsError>>,
    {
        let mut of_account: HashMap<AccountId, Vec<&mut Entry<'_>>> = HashMap::new();
        for entry in entries {
            if let Some(account) = entry.case.record.account.clone() {
                of_account.entry(account).or_default().push(entry);
            }
        }
        for (account, mut entries) in of_account {
            let contained = entries.iter().filter_map(|entry| entry.case.record.contained);
            let since = contained.min().unwrap_or_default() - BEFORE;
            let (new, mut failed) =
                containment::new_principals(&account, since, reach, clock.deadline).boxed_local().await;
            for entry in &mut entries {
                let record = &mut entry.case.record;
                let since = record.contained.unwrap_or_default() - BEFORE;
                record.looks.new_principals.add(new.since(since));
                record.failed.append(&mut failed);
            }
        }
    }
}

async fn look<F, O>(entry: &mut Entry<'_>, slots: &Semaphore, reach: &Reach<'_, F>, clock: &Clock) -> Sight
where
    F: Fn(&AccountId) -> O,
    O: Future<Output = Result<Iam, AwsError>>,
{
    let _slot = slots.acquire().await;
    let Some(plan) = entry.case.plan.take() else { return Sight::Unknown };
    let sight = containment::look(&plan, &mut entry.case.record, reach, clock.now(), clock.deadline).await;
    entry.case.plan = Some(plan);
    sight
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
