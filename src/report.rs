//! Outcomes to the answer: what the caller and the person on call read.

use std::fmt::Write;
use std::time::Duration;

use aws_lambda_events::sqs::BatchItemFailure;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::principals::OtherCredentials;
use crate::finding::{AccessKeyId, AccountId, Finding, Operation, Origin, Principal, UserName};
use crate::logs::milliseconds;

/// What became of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The credential is dead, on IAM's word.
    Contained,
    /// A command made it active again.
    Restored,
    /// `DRY_RUN`: the reason says what would have been done.
    Planned,
    /// There is nothing to do.
    Ignored,
    /// `EXEMPT` protects it.
    Exempt,
    /// There is no such key in that account.
    NotFound,
    /// A real compromise that may not or cannot be contained from here.
    NeedsAttention,
}

impl Outcome {
    /// Whether a person has to do or decide something.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::Exempt | Self::NeedsAttention)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// The answer of an invocation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// One for each distinct credential, in the order of the event.
    pub results: Vec<Report>,
    /// The messages that SQS delivers again; present when the event came from SQS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_item_failures: Option<Vec<BatchItemFailure>>,
}

/// What happened to one credential. Fields that are not known are left out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The key that the event names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<AccessKeyId>,
    /// Its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// Its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<UserName>,
    /// What became of it.
    pub outcome: Outcome,
    /// One sentence for a person.
    pub reason: String,
    /// What reported it.
    pub finding: Origin,
    /// Present when a read after the change showed the new state too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<bool>,
    /// What that read told of the key and its siblings.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyState>,
    /// What else its owner can sign in with, where the owner was contained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_credentials: Option<OtherCredentials>,
    /// The command that takes the change back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Value>,
}

/// What containment did, before it is put beside the finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// What became of the credential.
    pub outcome: Outcome,
    /// One sentence for a person.
    pub reason: String,
    /// The user on whom it was done.
    pub user: Option<UserName>,
    /// Whether a later read showed the new state.
    pub confirmed: bool,
    /// What that read told.
    pub key: Option<KeyState>,
    /// What else the user can sign in with.
    pub other_credentials: Option<OtherCredentials>,
    /// The command that takes the change back.
    pub undo: Option<Value>,
}

impl Finished {
    /// Nothing but an outcome.
    pub fn new(outcome: Outcome, reason: String) -> Self {
        Self { outcome, reason, user: None, confirmed: false, key: None, other_credentials: None, undo: None }
    }
}

impl Report {
    /// What was done about a finding. Where the key is not, or may be elsewhere than the event says, the account that its
    /// identifier carries is a hint for the person who looks for it.
    pub fn new(finding: &Finding, account: Option<&AccountId>, finished: Finished) -> Self {
        let Finished { outcome, mut reason, user, confirmed, key, other_credentials, undo } = finished;
        let id = finding.credential.key();
        if let Some(issuer) = id.and_then(AccessKeyId::issuer)
            && outcome != Outcome::Ignored
            && (outcome == Outcome::NotFound || account != Some(&issuer))
        {
            let _ = write!(reason, " (by its identifier the key was issued in account {issuer})");
        }
        Self {
            access_key_id: id.cloned(),
            account_id: account.cloned(),
            user_name: user.or_else(|| finding.credential.user().cloned()),
            outcome,
            reason,
            finding: finding.origin.clone(),
            confirmed: confirmed.then_some(true),
            key,
            other_credentials,
            undo,
        }
    }
}

impl Report {
    /// One line for the person on call.
    pub fn log(&self, duration: Duration) {
        // A macro because a level has to be known at compile time.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    account_id = self.account_id.as_ref().map(display),
                    access_key_id = self.access_key_id.as_ref().map(display),
                    user_name = self.user_name.as_ref().map(display),
                    finding_source = %self.finding.source,
                    finding_id = self.finding.id.as_ref().map(display),
                    finding_type = self.finding.kind.as_ref().map(display),
                    outcome = %self.outcome,
                    confirmed = self.confirmed,
                    duration_ms = milliseconds(duration),
                    "{}",
                    self.reason
                )
            };
        }
        if self.outcome.needs_a_person() { line!(warn) } else { line!(info) }
    }
}

/// What a person runs to do an operation on a key. What is not known is left to fill in.
pub fn by_hand(operation: Operation, user: Option<&UserName>, key: Option<&AccessKeyId>) -> String {
    let user = user.map_or("USER", UserName::as_str);
    let key = key.map_or("KEY", AccessKeyId::as_str);
    let (command, status) = match operation {
        Operation::Deactivate => ("update-access-key", " --status Inactive"),
        Operation::Restore => ("update-access-key", " --status Active"),
        Operation::Delete => ("delete-access-key", ""),
    };
    format!("run: aws iam {command} --user-name {user} --access-key-id {key}{status}")
}

/// The command that makes a key active again.
pub fn undo_key(user: &UserName, key: &AccessKeyId, account: &AccountId) -> Value {
    json!({"UpdateAccessKey": {"UserName": user, "AccessKeyId": key, "Status": "Active"}, "AccountId": account})
}

/// The command that lets the sessions of a principal work again.
pub fn undo_sessions(of: &Principal, account: &AccountId) -> Value {
    let principal = match of {
        Principal::User(name) => json!({"UserName": name}),
        Principal::Role(name) => json!({"RoleName": name}),
    };
    json!({"RestoreSessions": principal, "AccountId": account})
}

/// A key and its siblings as IAM listed them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyState {
    /// `Active` or `Inactive`; absent when the key is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it was created, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
    /// The user's other keys, which were not touched.
    pub sibling_keys: Vec<SiblingKey>,
}

/// Another key of the same user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SiblingKey {
    /// Its access key ID.
    pub access_key_id: String,
    /// `Active` or `Inactive`.
    pub status: String,
    /// Whole days since it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_days: Option<i64>,
}
