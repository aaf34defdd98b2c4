//! Log lines: JSON, one for each result, each failed step and each part of the input that could not be read. Nobody sees
//! the answer of an asynchronous invocation, so a line holds what the answer does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::Utc;
use serde::Serialize;
use tracing::Level;

use super::looks::seconds;
use super::prose::Words;
use super::{code, command, looks, prose};
use crate::case::Case;
use crate::config::Config;
use crate::event::EventError;
use crate::finding::Severity;
use crate::logs;
use crate::names::{AccountId, ForeignText};
use crate::record::{Left, ListedKey, Outcome};

/// One line at a cold start: what runs here, and with which configuration.
pub fn started(config: &Config, account: &AccountId) {
    let (version, configuration) = (env!("CARGO_PKG_VERSION"), &config.effective);
    tracing::info!(code = code::STARTED, version, account_id = %account, configuration, "key-remediator has started");
    for entry in config.exempt.expired(Utc::now().date_naive()) {
        tracing::warn!(code = code::EXEMPTION_EXPIRED, "{}", prose::exemption_expired(entry));
    }
}

/// What an invocation may write: a flood of findings must not cost more than the compromise.
#[derive(Debug)]
pub struct Space {
    /// How much was written when it began, in bytes.
    start: usize,
    /// The lines that had no space, by outcome.
    omitted: BTreeMap<&'static str, usize>,
    /// The accounts of which it is told already what is new in them: that is the same for all of their credentials.
    accounts: BTreeSet<String>,
}

/// In bytes. The last line may go beyond it: none has more than a few KB.
const MOST: usize = 900_000;

impl Default for Space {
    fn default() -> Self {
        Self { start: logs::written(), omitted: BTreeMap::new(), accounts: BTreeSet::new() }
    }
}

impl Space {
    /// Whether there is any for another line.
    fn is_left(&mut self, what: &'static str) -> bool {
        let is_left = logs::written() - self.start < MOST;
        if !is_left {
            *self.omitted.entry(what).or_default() += 1;
        }
        is_left
    }

    /// One line about all that had no space.
    pub fn close(self) {
        if !self.omitted.is_empty() {
            let omitted: Vec<_> = self.omitted.iter().map(|(what, count)| format!("{count} {what}")).collect();
            tracing::error!(code = code::LINES_OMITTED, "the log has no space for more lines: {}", omitted.join(", "));
        }
    }
}

/// What became of a credential. Where only a failure is known, there is only the failure's line.
pub fn result(case: &Case<'_>, function: &str, space: &mut Space) {
    let Some(code) = code::of_result(&case.record) else { return };
    let outcome = case.record.outcome();
    let level = match outcome {
        Outcome::Contained | Outcome::Restored | Outcome::Ignored | Outcome::Planned => Level::INFO,
        Outcome::NotFound | Outcome::Exempt | Outcome::NeedsAttention => Level::WARN,
        Outcome::Contested | Outcome::Failed => Level::ERROR,
    };
    line(level, code, Some(outcome), case, function, &prose::result(case), space);
    let entry = case.record.left.as_ref().and_then(Left::exemption);
    if let Some((entry, last_day)) = entry.and_then(|entry| Some((entry, entry.ends_soon?))) {
        let words = prose::exemption_ends(entry, last_day);
        line(Level::WARN, code::EXEMPTION_ENDS, None, case, function, &words, space);
    }
}

/// The steps that failed, those that only inform as warnings.
pub fn failures(case: &Case<'_>, function: &str, space: &mut Space) {
    let mut is_first = true;
    for failed in &case.record.failed {
        let (level, outcome) =
            if failed.step.only_informs() { (Level::WARN, None) } else { (Level::ERROR, Some(Outcome::Failed)) };
        let words = prose::failure(case, failed, is_first);
        line(level, &code::of_failed(failed), outcome, case, function, &words, space);
        is_first &= failed.step.only_informs();
    }
}

fn line(
    level: Level,
    code: &str,
    outcome: Option<Outcome>,
    case: &Case<'_>,
    function: &str,
    message: &Words,
    space: &mut Space,
) {
    if !space.is_left(outcome.map_or("that only inform", Outcome::name)) {
        return;
    }
    let is_first = case.account().is_none_or(|account| space.accounts.insert(account.as_str().to_owned()));
    let undo = command::undo(case).map(|undo| command::invoke(function, &undo));
    let Case { finding, plan, record, .. } = case;
    let (origin, credential) = (&finding.origin, &finding.credential);
    // A macro, because the level of a line has to be known at compile time.
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                code,
                outcome = outcome.map(display),
                account_id = case.account().map(display),
                access_key_id = case.key().map(display),
                user_name = case.user().map(display),
                role_name = credential.role().map(display),
                session = credential.session().map(display),
                finding_source = %origin.source,
                finding_id = origin.id.as_ref().map(display),
                finding_arn = origin.arn.as_ref().map(display),
                finding_type = origin.kind.as_ref().map(display),
                severity = origin.severity.map(Severity::value),
                region = origin.region.as_ref().map(display),
                repeat = origin.repeat.then_some(true),
                confirmed = record.confirmed.then_some(true),
                verified_at = record.looks.verified.map(seconds),
                not_verified = looks::not_verified(record),
                contested = json(looks::contested(record)),
                newer_keys = json(looks::newer_keys(record)),
                new_keys_undo = json(looks::new_keys_undo(case)),
                new_principals = json(looks::new_principals(record).filter(|_| is_first)),
                last_used = json(record.last_used.as_ref()),
                evidence = json(record.evidence.as_ref()),
                sibling_keys = siblings(case),
                other_credentials = json(record.other_credentials.as_ref()),
                delete_on = record.delete_on.map(seconds),
                undo,
                dry_run = plan.as_ref().is_some_and(|plan| plan.dry_run).then_some(true),
                duration_ms = milliseconds(record.duration),
                "{message}"
            )
        };
    }
    match level {
        Level::ERROR => line!(Level::ERROR),
        Level::WARN => line!(Level::WARN),
        _ => line!(Level::INFO),
    }
}

/// The user's other keys with their status, as text: a log line holds no lists.
fn siblings(case: &Case<'_>) -> Option<String> {
    let siblings = &case.record.seen.as_ref()?.siblings;
    let keys = siblings.iter().map(|ListedKey { id, status, .. }| format!("{id} {status}"));
    (!siblings.is_empty()).then(|| keys.collect::<Vec<_>>().join(", "))
}

/// A list or an object as text.
fn json(found: Option<impl Serialize>) -> Option<String> {
    found.and_then(|found| serde_json::to_string(&found).ok())
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// A part of the input that could not be read.
pub fn unreadable(error: &EventError, message: Option<&str>, space: &mut Space) {
    if !space.is_left("that could not be read") {
        return;
    }
    let words = prose::unreadable(error);
    let message = message.map(ForeignText::new);
    tracing::error!(
        code = code::of_unreadable(error.kind),
        outcome = %Outcome::Failed,
        sqs_message_id = message.as_ref().map(display),
        "{words}"
    );
}
