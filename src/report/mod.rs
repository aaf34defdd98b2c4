//! Records to what people and machines read: the answer, log lines, and the error of a failed invocation.

mod code;
mod command;
pub mod log;
mod looks;
mod prose;
#[cfg(test)]
mod reasons;

use self::looks::Contested;
use aws_lambda_events::sqs::BatchItemFailure;
use chrono::{DateTime, Utc};
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::case::Case;
use crate::credential::KeyStatus;
use crate::event::EventError;
use crate::evidence::Evidence;
use crate::finding::Origin;
use crate::names::{AccessKeyId, AccountId, UserName};
use crate::record::{KeysSeen, LastUsed, NewPrincipals, OtherCredentials, Outcome};

/// The answer of an invocation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// One for each distinct credential, in the order of the event.
    results: Vec<Box<RawValue>>,
    /// How many results are left out, because an answer may have six megabytes; the log tells of them.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted_results: Option<usize>,
    /// The messages that SQS delivers again; present when the event came from SQS.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_item_failures: Option<Vec<BatchItemFailure>>,
}

impl Answer {
    /// The results of all credentials that are not known to be alive, and the messages that SQS has to deliver again.
    pub fn new<'c>(cases: impl IntoIterator<Item = &'c Case<'c>>, failures: Option<Vec<BatchItemFailure>>) -> Self {
        let mut cases = cases.into_iter();
        let mut size = 0;
        let mut results = Vec::new();
        while let Some(case) = cases.next() {
            let Some(report) = Report::new(case).and_then(|report| to_raw_value(&report).ok()) else { continue };
            size += report.get().len() + 1;
            if size > RESULTS {
                let rest = 1 + cases.filter(|case| code::of_result(&case.record).is_some()).count();
                return Self { results, omitted_results: Some(rest), batch_item_failures: failures };
            }
            results.push(report);
        }
        Self { results, omitted_results: None, batch_item_failures: failures }
    }
}

/// How much all results may take in an answer, in bytes.
const RESULTS: usize = 4_000_000;

/// How much all sentences may take in the error of a failed invocation.
const SENTENCES: usize = 200_000;

/// What happened to one credential. Fields that are not known are left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<AccessKeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<UserName>,
    outcome: Outcome,
    code: &'static str,
    reason: String,
    finding: Origin,
    /// Present when a read after the change showed the new state too.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<bool>,
    /// When the last look found everything in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_verified: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contested: Option<Contested>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_keys_undo: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newer_keys: Option<Vec<AccessKeyId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_principals: Option<NewPrincipals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<LastUsed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    keys: Option<Keys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_credentials: Option<OtherCredentials>,
    /// When a schedule deletes the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<Value>,
}

impl Report {
    fn new(case: &Case<'_>) -> Option<Self> {
        let record = &case.record;
        let code = code::of_result(record)?;
        Some(Self {
            access_key_id: case.key().cloned(),
            account_id: case.account().cloned(),
            user_name: case.user().cloned(),
            outcome: record.outcome(),
            code,
            reason: prose::result(case).to_string(),
            finding: case.finding.origin.clone(),
            confirmed: record.confirmed.then_some(true),
            verified_at: record.looks.verified.map(looks::seconds),
            not_verified: looks::not_verified(record),
            contested: looks::contested(record),
            new_keys_undo: looks::new_keys_undo(case),
            newer_keys: looks::newer_keys(record).map(<[_]>::to_vec),
            new_principals: looks::new_principals(record).cloned(),
            last_used: record.last_used.clone(),
            evidence: record.evidence.clone(),
            keys: record.seen.as_ref().map(Keys::new),
            other_credentials: record.other_credentials.clone(),
            delete_on: record.delete_on.map(looks::seconds),
            undo: command::undo(case),
        })
    }
}

/// A key and its siblings as IAM listed them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    /// Absent when the key is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<KeyStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<DateTime<Utc>>,
    #[serde(rename = "siblingKeys")]
    siblings: Vec<SiblingKey>,
}

/// Another key of the same user, which was not touched.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SiblingKey {
    access_key_id: AccessKeyId,
    status: KeyStatus,
    /// Whole days since it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<i64>,
}

impl Keys {
    fn new(seen: &KeysSeen) -> Self {
        let siblings = seen.siblings.iter().map(|key| SiblingKey {
            access_key_id: key.id.clone(),
            status: key.status,
            age_days: key.created.map(|created| (seen.at - created).num_days()),
        });
        Self {
            status: seen.key.as_ref().map(|key| key.status),
            created: seen.key.as_ref().and_then(|key| key.created),
            siblings: siblings.collect(),
        }
    }
}

/// Why an invocation failed, after everything else in the event has been done.
///
/// Each failure has a log line of its own: this is what the caller is told.
#[derive(Debug)]
pub struct Failure {
    error_type: &'static str,
    message: String,
}

impl Failure {
    /// The failure of an invocation with these cases and these parts of the input that could not be read; `None` when
    /// nothing failed.
    pub fn new<'c>(failed: impl IntoIterator<Item = &'c Case<'c>>, unreadable: &[&EventError]) -> Option<Self> {
        let failed: Vec<_> = failed
            .into_iter()
            .flat_map(|case| case.record.failures().enumerate().map(move |(index, failed)| (case, failed, index == 0)))
            .collect();
        let error_type = if failed.iter().any(|(_, failed, _)| failed.is_not_permitted()) {
            "MissingPermission"
        } else if !failed.is_empty() {
            "StepFailed"
        } else if !unreadable.is_empty() {
            "InvalidInput"
        } else {
            return None;
        };
        let steps = failed.iter().map(|(case, failed, is_first)| prose::failure(case, failed, *is_first).to_string());
        let mut sentences = steps.chain(unreadable.iter().map(|error| prose::unreadable(error).to_string()));
        let mut message = sentences.next().unwrap_or_default();
        let mut left_out = 0;
        for sentence in sentences {
            if message.len() + sentence.len() > SENTENCES {
                left_out += 1;
            } else {
                message.extend(["; ", &sentence]);
            }
        }
        if left_out > 0 {
            message.extend(["; and ", &left_out.to_string(), " more, of which the log tells"]);
        }
        Some(Self { error_type, message })
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type.to_owned(), error_message: failure.message }
    }
}
