//! One event in, one answer out: the pipeline of the crate's front page, concurrently for every credential.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::sqs::BatchItemFailure;
use chrono::Utc;
use futures_util::future::{LocalBoxFuture, Shared};
use futures_util::{FutureExt, StreamExt, stream};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::Value;

use crate::aws::AwsError;
use crate::aws::accounts::{Accounts, own_account};
use crate::aws::http::sdk_config;
use crate::aws::iam::Iam;
use crate::config::Config;
use crate::containment::{self, Applied, Cause, StepError};
use crate::decision::{Decision, KeyPlan, Plan, Target, decide};
use crate::event::{self, EventError, Item};
use crate::finding::{AccountId, Finding, ForeignText};
use crate::report::{Answer, Finished, Report};

/// How many credentials are worked on at a time: IAM throttles callers that ask for much more.
const CONCURRENCY: usize = 16;

/// What is kept back of an invocation's time to write the answer before Lambda ends it.
const RESERVE: Duration = Duration::from_millis(500);

/// What every invocation needs, made once at start.
#[derive(Debug)]
pub struct App {
    /// What the function was told to do.
    pub config: Config,
    /// The accounts that it can act in.
    pub accounts: Accounts,
}

impl App {
    /// Reads the configuration and gets ready to call AWS.
    ///
    /// # Errors
    /// When the configuration has mistakes, or the account is not configured and STS does not tell it.
    pub async fn start() -> Result<Self, lambda_runtime::Error> {
        let config = Config::from_env()?;
        let sdk = sdk_config().await?;
        let own = match &config.account_id {
            Some(account) => account.clone(),
            None => own_account(&sdk).await?,
        };
        Ok(Self { accounts: Accounts::new(sdk, own, config.member_role.clone()), config })
    }
}

/// What was not done. Everything else in the event has been.
#[derive(Debug, Default, thiserror::Error)]
#[error("{}", self.sentences().join("; "))]
pub struct Failure {
    /// The parts of the input that could not be read.
    pub unreadable: Vec<EventError>,
    /// The steps that failed.
    pub failed: Vec<StepError>,
}

impl Failure {
    fn sentences(&self) -> Vec<String> {
        let failed = self.failed.iter().map(ToString::to_string);
        failed.chain(self.unreadable.iter().map(ToString::to_string)).collect()
    }

    /// A stable name for alarms and log filters.
    fn error_type(&self) -> &'static str {
        if self.failed.iter().any(StepError::is_missing_permission) {
            "MissingPermission"
        } else if self.failed.is_empty() {
            "InvalidInput"
        } else {
            "StepFailed"
        }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type().to_owned(), error_message: failure.to_string() }
    }
}

/// Handles one invocation.
///
/// # Errors
/// When a part of the input could not be read or a step failed, after everything else has been done.
pub async fn handle(app: &App, invocation: LambdaEvent<Value>) -> Result<Answer, Failure> {
    let clock = Clock::start(&invocation.context);
    let items = event::read(invocation.payload);
    let mut failures = Failures::of(&items);
    let cases = cases(&items, app);
    let opened = Opened::default();
    let applied = concurrently(&cases, |case| apply(case, app, &opened, &clock)).await;
    let finished = concurrently(&applied, |applied| finish(applied, app, &opened, &clock)).await;

    let mut results = Vec::new();
    for (case, ended) in cases.iter().zip(finished) {
        match ended.result {
            Ok(report) => {
                report.log(ended.duration);
                results.push(report);
            }
            Err(error) => {
                error.log(&case.finding.origin, ended.duration);
                failures.step(error, &case.messages);
            }
        }
    }
    let batch_item_failures = failures.end()?;
    Ok(Answer { results, batch_item_failures })
}

/// What failed, sorted by who tries it again: SQS the messages that are handed back, the caller everything else.
struct Failures {
    messages: Option<Vec<BatchItemFailure>>,
    failure: Failure,
}

impl Failures {
    /// Those of an input of which some items could not be read.
    fn of(items: &[Item]) -> Self {
        let from_sqs = items.iter().any(|item| item.message.is_some());
        let mut failures = Self { messages: from_sqs.then(Vec::new), failure: Failure::default() };
        for item in items {
            if let Err(error) = &item.content {
                let message = item.message.as_deref().map(ForeignText::new);
                tracing::error!(outcome = "failed", sqs_message_id = message.as_ref().map(display), "{error}");
                if failures.hand_back(&[item.message.as_deref()]) {
                    failures.failure.unreadable.push(error.clone());
                }
            }
        }
        failures
    }

    fn step(&mut self, error: StepError, messages: &[Option<&str>]) {
        if self.hand_back(messages) {
            self.failure.failed.push(error);
        }
    }

    /// Hands messages back. Whether something failed that came in no message, so that the invocation has to fail.
    fn hand_back(&mut self, messages: &[Option<&str>]) -> bool {
        let failed = self.messages.get_or_insert_default();
        for message in messages.iter().flatten() {
            if !failed.iter().any(|known| known.item_identifier == *message) {
                let mut item = BatchItemFailure::default();
                (*message).clone_into(&mut item.item_identifier);
                failed.push(item);
            }
        }
        messages.iter().any(Option::is_none)
    }

    fn end(self) -> Result<Option<Vec<BatchItemFailure>>, Failure> {
        let Self { messages, failure } = self;
        if failure.failed.is_empty() && failure.unreadable.is_empty() { Ok(messages) } else { Err(failure) }
    }
}

/// The time that an invocation has.
struct Clock {
    started: Instant,
    ends: tokio::time::Instant,
}

impl Clock {
    fn start(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        Self { started: Instant::now(), ends: tokio::time::Instant::now() + left.saturating_sub(RESERVE) }
    }

    /// Gives a step up before Lambda gives up the whole invocation, and with it the answer about the other steps.
    async fn limit<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.ends, step).await.ok()
    }
}

/// A distinct credential, with the finding that decides about it.
struct Case<'f> {
    finding: &'f Finding,
    decision: Decision<'f>,
    /// The SQS messages that name it; `None` for a mention outside of one.
    messages: Vec<Option<&'f str>>,
}

impl Case<'_> {
    /// Of several findings about a key the one that acts decides, best one that names the user, as that saves a call.
    fn weight(&self) -> u8 {
        match &self.decision {
            Decision::Act(Plan { target: Target::Key(KeyPlan { user: None, .. }), .. }) => 2,
            Decision::Act(_) => 3,
            Decision::Leave(outcome, _) => u8::from(outcome.needs_a_person()),
        }
    }

    fn is_about_the_key_of(&self, other: &Self, own: &AccountId) -> bool {
        let account = |case: &Self| case.finding.account.as_ref().unwrap_or(own).clone();
        let key = self.finding.credential.key();
        key.is_some() && key == other.finding.credential.key() && account(self) == account(other)
    }

    fn merge(&mut self, mut other: Self) {
        if other.weight() > self.weight() {
            std::mem::swap(self, &mut other);
        }
        self.messages.append(&mut other.messages);
    }
}

/// One case for each distinct credential, in the order of the event.
fn cases<'f>(items: &'f [Item], app: &'f App) -> Vec<Case<'f>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for item in items {
        let Ok(finding) = &item.content else { continue };
        let decision = decide(finding, &app.config, app.accounts.own());
        let case = Case { finding, decision, messages: vec![item.message.as_deref()] };
        match cases.iter_mut().find(|known| known.is_about_the_key_of(&case, app.accounts.own())) {
            Some(known) => known.merge(case),
            None => cases.push(case),
        }
    }
    cases
}

/// Runs `step` for every item, a few at a time, and gives the results in the order of the items.
async fn concurrently<'i, I, T, F>(items: &'i [I], step: impl Fn(&'i I) -> F) -> Vec<T>
where
    F: Future<Output = T>,
{
    let steps = items.iter().enumerate().map(|(index, item)| {
        let step = step(item);
        async move { (index, step.await) }
    });
    let mut results: Vec<_> = stream::iter(steps).buffer_unordered(CONCURRENCY).collect().await;
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
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

/// A case after the step that kills the credential.
struct AfterApply<'c> {
    case: &'c Case<'c>,
    result: Result<Applied, StepError>,
    duration: Duration,
}

async fn apply<'c>(case: &'c Case<'c>, app: &'c App, opened: &Opened<'c>, clock: &Clock) -> AfterApply<'c> {
    let result = match &case.decision {
        Decision::Leave(outcome, reason) => Ok(Applied::Left(*outcome, reason.clone())),
        Decision::Act(plan) => {
            let iam = opened.iam(app, &plan.account);
            let applied = clock.limit(containment::apply(plan, &app.accounts, iam, Utc::now())).await;
            applied.unwrap_or_else(|| Err(plan.failed(Cause::OutOfTime)))
        }
    };
    AfterApply { case, result, duration: clock.started.elapsed() }
}

/// A case at its end. The duration is the time to containment.
struct Ended {
    result: Result<Report, StepError>,
    duration: Duration,
}

async fn finish<'c>(applied: &AfterApply<'c>, app: &'c App, opened: &Opened<'c>, clock: &Clock) -> Ended {
    let finding = applied.case.finding;
    let result = match (&applied.case.decision, &applied.result) {
        (_, Err(error)) => Err(error.clone()),
        (Decision::Leave(outcome, reason), _) => {
            Ok(Report::new(finding, finding.account.as_ref(), Finished::new(*outcome, reason.clone())))
        }
        (Decision::Act(plan), Ok(applied)) => {
            let iam = opened.iam(app, &plan.account);
            let finished = clock.limit(containment::finish(plan, applied, iam, Utc::now())).await;
            let finished = finished.unwrap_or_else(|| containment::unfinished(plan, applied));
            finished.map(|finished| Report::new(finding, Some(&plan.account), finished))
        }
    };
    Ended { result, duration: applied.duration }
}
