//! One event in, one answer out: the pipeline that `lib.rs` describes, for several credentials at a time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::sqs::BatchItemFailure;
use chrono::{NaiveDate, Utc};
use futures_util::future::{LocalBoxFuture, Shared};
use futures_util::{FutureExt, StreamExt, stream};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;

use crate::aws::accounts::{Accounts, own_account};
use crate::aws::http::sdk_config;
use crate::aws::iam::Iam;
use crate::case::Case;
use crate::config::Config;
use crate::containment::{self, Reach, Turns};
use crate::decision::decide;
use crate::event::{self, Item};
use crate::failure::AwsError;
use crate::finding::Finding;
use crate::names::AccountId;
use crate::record::Record;
use crate::report::{Answer, Failure, log};

/// How many credentials are worked on at a time: IAM throttles callers that ask for much more.
const CONCURRENCY: usize = 16;

/// What is kept back of an invocation's time to write the answer before Lambda ends it.
const RESERVE: Duration = Duration::from_millis(500);

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
        Ok(Self { accounts: Accounts::new(sdk, own, config.member_role.clone()), config })
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
    for_each(&mut entries, async |entry| {
        let Case { plan, record, .. } = &mut entry.case;
        if let Some(plan) = plan {
            containment::kill(plan, record, &reach, clock.deadline).await;
        }
        record.duration = clock.started.elapsed();
    })
    .await;
    for_each(&mut entries, async |entry| {
        let Case { plan, record, .. } = &mut entry.case;
        if let Some(plan) = plan {
            containment::finish(plan, record, &reach, clock.deadline).await;
        }
    })
    .await;
    tell(&items, &entries, &context.env_config.function_name);
    answer(&items, &entries)
}

/// A case, and the SQS messages that name its credential; `None` where it was named outside of a message.
struct Entry<'f> {
    case: Case<'f>,
    messages: Vec<Option<&'f str>>,
}

impl<'f> Entry<'f> {
    fn new(finding: &'f Finding, message: Option<&'f str>, app: &'f App, today: NaiveDate) -> Self {
        let (plan, left) = match decide(finding, &app.config, app.accounts.own(), today) {
            Ok(plan) => (Some(plan), None),
            Err(left) => (None, Some(left)),
        };
        Self { case: Case::new(finding, plan, Record { left, ..Record::default() }), messages: vec![message] }
    }

    /// Whether both name the same key, and may mean the same account. Temporary credentials have one holder, whatever
    /// account an event gives for them.
    fn names_the_same_key_as(&self, other: &Self, own: &AccountId) -> bool {
        let Some(key) = self.case.key().filter(|key| other.case.key() == Some(*key)) else { return false };
        let [accounts, others] = [self, other].map(|entry| &entry.case.finding.accounts);
        let named_or_own = if accounts.is_empty() { std::slice::from_ref(own) } else { accounts.readable() };
        let may_be_anywhere = accounts.unreadable().or(others.unreadable()).is_some();
        key.is_temporary()
            || may_be_anywhere
            || named_or_own.iter().any(|account| others.name(account) || others.is_empty() && account == own)
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
    for item in items {
        let Ok(finding) = &item.content else { continue };
        let entry = Entry::new(finding, item.message.as_deref(), app, today);
        match entries.iter_mut().find(|known| known.names_the_same_key_as(&entry, app.accounts.own())) {
            Some(known) => known.merge(entry),
            None => entries.push(entry),
        }
    }
    entries
}

/// Runs `step` for every item, a few at a time.
async fn for_each<I>(items: &mut [I], step: impl AsyncFn(&mut I)) {
    stream::iter(items).for_each_concurrent(CONCURRENCY, |item| step(item)).await;
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
    started: Instant,
    /// A step that is not over by then is given up, so that the answer can still be written.
    deadline: tokio::time::Instant,
}

impl Clock {
    fn start(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        Self { started: Instant::now(), deadline: tokio::time::Instant::now() + left.saturating_sub(RESERVE) }
    }
}

/// Writes the log lines, whether the invocation fails or not.
fn tell(items: &[Item], entries: &[Entry<'_>], function: &str) {
    for Item { message, content } in items {
        if let Err(error) = content {
            log::unreadable(error, message.as_deref());
        }
    }
    for Entry { case, .. } in entries {
        log::result(case, function);
        log::failures(case, function);
    }
}

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
    let mut handed_back: Vec<BatchItemFailure> = Vec::new();
    for message in messages {
        if !handed_back.iter().any(|known| known.item_identifier == message) {
            let mut item = BatchItemFailure::default();
            message.clone_into(&mut item.item_identifier);
            handed_back.push(item);
        }
    }
    handed_back
}
