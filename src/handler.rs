//! One event in, one answer out: the pipeline of the crate's front page, concurrently for every credential.

use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::sqs::BatchItemFailure;
use chrono::Utc;
use futures_util::{StreamExt, stream};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::Value;

use crate::aws::accounts::own_account;
use crate::aws::http::sdk_config;
use crate::aws::iam::Iam;
use crate::config::Config;
use crate::containment::user_key::{self, Applied, Finished};
use crate::containment::{Cause, Step, StepError};
use crate::decision::{Decision, Plan, decide};
use crate::event::{self, EventError, Item};
use crate::finding::{AccountId, Finding, Operation, UserName};
use crate::report::{Answer, Outcome, Report, undo};

/// How many credentials are worked on at a time: IAM throttles callers that ask for much more.
const CONCURRENCY: usize = 16;

/// What is kept back of an invocation's time to write the answer before Lambda ends it.
const RESERVE: Duration = Duration::from_millis(500);

/// What every invocation needs, made once at start.
#[derive(Debug)]
pub struct App {
    /// What the function was told to do.
    pub config: Config,
    /// The account that it runs in.
    pub account: AccountId,
    /// IAM of that account.
    pub iam: Iam,
}

impl App {
    /// Reads the configuration and gets ready to call AWS.
    ///
    /// # Errors
    /// When the configuration has mistakes, or the account is not configured and STS does not tell it.
    pub async fn start() -> Result<Self, lambda_runtime::Error> {
        let config = Config::from_env()?;
        let sdk = sdk_config().await?;
        let account = match &config.account_id {
            Some(account) => account.clone(),
            None => own_account(&sdk).await?,
        };
        Ok(Self { iam: Iam::new(&sdk), account, config })
    }
}

/// What was not done. Everything else in the event has been.
#[derive(Default, thiserror::Error)]
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

/// The runtime logs a handler's error with `Debug`, after each failure has had a line of its own.
impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (failed, unreadable) = (self.failed.len(), self.unreadable.len());
        write!(f, "the invocation failed: {failed} steps failed and {unreadable} parts of the input could not be read")
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
    let applied = concurrently(&cases, |case| apply(case, app, &clock)).await;
    let finished = concurrently(&applied, |applied| finish(applied, app, &clock)).await;

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
                tracing::error!(outcome = "failed", sqs_message_id = item.message, "{error}");
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
            Decision::Act(Plan { user: Some(_), .. }) => 3,
            Decision::Act(_) => 2,
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
        let decision = decide(finding, &app.config, &app.account);
        let case = Case { finding, decision, messages: vec![item.message.as_deref()] };
        match cases.iter_mut().find(|known| known.is_about_the_key_of(&case, &app.account)) {
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

/// A case after the step that kills the key.
struct AfterApply<'c> {
    case: &'c Case<'c>,
    result: Result<Applied, StepError>,
    duration: Duration,
}

async fn apply<'c>(case: &'c Case<'c>, app: &App, clock: &Clock) -> AfterApply<'c> {
    let result = match &case.decision {
        Decision::Leave(outcome, reason) => Ok(Applied::Left(*outcome, reason.clone())),
        Decision::Act(plan) => clock
            .limit(user_key::apply(plan, &app.iam))
            .await
            .unwrap_or_else(|| Err(out_of_time(plan, plan.operation.into()))),
    };
    AfterApply { case, result, duration: clock.started.elapsed() }
}

/// A case at its end. The duration is the time to containment.
struct Ended {
    result: Result<Report, StepError>,
    duration: Duration,
}

async fn finish(applied: &AfterApply<'_>, app: &App, clock: &Clock) -> Ended {
    let finding = applied.case.finding;
    let result = match (&applied.case.decision, &applied.result) {
        (_, Err(error)) => Err(error.clone()),
        (_, Ok(Applied::Left(outcome, reason))) => Ok(Report::new(finding, *outcome, reason.clone())),
        (Decision::Act(plan), Ok(Applied::Done(user))) => {
            match clock.limit(user_key::finish(plan, user, &app.iam, Utc::now())).await {
                Some(finished) => finished.map(|finished| done(finding, plan, user, finished)),
                None if plan.operation == Operation::Delete => Err(out_of_time(plan, Step::Delete)),
                None => Ok(done(finding, plan, user, Finished::unread())),
            }
        }
        (Decision::Leave(..), Ok(Applied::Done(_))) => unreachable!("what is left alone is not changed"),
    };
    Ended { result, duration: applied.duration }
}

fn done(finding: &Finding, plan: &Plan<'_>, user: &UserName, finished: Finished) -> Report {
    let (outcome, what) = match plan.operation {
        Operation::Deactivate => (Outcome::Contained, "deactivated"),
        Operation::Delete => (Outcome::Contained, "deactivated and deleted"),
        Operation::Restore => (Outcome::Restored, "made active again"),
    };
    let reason = format!("access key {} of user {user} was {what}", plan.key);
    Report {
        account_id: Some(plan.account.clone()),
        user_name: Some(user.clone()),
        confirmed: finished.confirmed.then_some(true),
        key: finished.state,
        undo: (plan.operation == Operation::Deactivate).then(|| undo(user, &plan.key)),
        ..Report::new(finding, outcome, reason)
    }
}

fn out_of_time(plan: &Plan<'_>, step: Step) -> StepError {
    StepError {
        step,
        key: plan.key.clone(),
        user: plan.user.clone(),
        account: plan.account.clone(),
        cause: Cause::OutOfTime,
    }
}
