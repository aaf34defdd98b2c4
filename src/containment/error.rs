//! Why a step failed, in the words of the person who has to do something about it.

use std::fmt;
use std::time::Duration;

use crate::aws::{AwsError, AwsErrorKind};
use crate::decision::{Plan, Target};
use crate::finding::{AccessKeyId, AccountId, Operation, Origin, Principal, UserName};
use crate::logs::milliseconds;
use crate::report;

/// A step that failed after its retries.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("could not {step} {subject} of account {account}: {cause}; {}", self.advice())]
pub struct StepError {
    /// The step that failed.
    pub step: Step,
    /// What it was about.
    pub subject: Subject,
    /// The account whose IAM was asked.
    pub account: AccountId,
    /// What went wrong.
    pub cause: Cause,
}

/// What a step is about: a key, a principal, or the key of a principal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subject {
    /// The key that the event names.
    pub key: Option<AccessKeyId>,
    /// Whose it is, as far as that is known.
    pub of: Option<Principal>,
}

impl Subject {
    /// The key of a user, who may not be known yet.
    pub fn key(key: &AccessKeyId, user: Option<&UserName>) -> Self {
        Self { key: Some(key.clone()), of: user.cloned().map(Principal::User) }
    }

    /// The user, when it is one.
    pub fn user(&self) -> Option<&UserName> {
        match &self.of {
            Some(Principal::User(user)) => Some(user),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.of) {
            (Some(key), Some(of)) => write!(f, "access key {key} of {of}"),
            (Some(key), None) => write!(f, "access key {key}"),
            (None, Some(of)) => write!(f, "{of}"),
            (None, None) => f.write_str("the credential"),
        }
    }
}

/// The steps that can fail, each of which leaves the credential in a state of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Asking IAM whose key it is.
    FindOwner,
    /// Setting it to Inactive.
    Deactivate,
    /// Deleting it when it is already Inactive.
    Delete,
    /// Setting it to Active.
    Restore,
    /// Holding a role against the finding.
    CheckRole,
    /// Denying the sessions of its owner.
    DenySessions,
    /// Denying its owner everything.
    DenyAll,
    /// Taking away what was put on its owner.
    Lift,
    /// Deleting a root user's key.
    DeleteRootKey,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FindOwner => "find the owner of",
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::CheckRole => "look at the role of",
            Self::DenySessions => "end the sessions of the owner of",
            Self::DenyAll => "deny everything to the owner of",
            Self::Lift => "take away the denies on the owner of",
            Self::DeleteRootKey => "delete the root user's",
        })
    }
}

impl From<Operation> for Step {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Deactivate | Operation::Delete => Self::Deactivate,
            Operation::Restore => Self::Restore,
        }
    }
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Cause {
    /// AWS did not do it.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// IAM's answers do not go together.
    #[error("{0}")]
    Contradiction(&'static str),
    /// The invocation's time ran out.
    #[error("the time of the invocation ran out")]
    OutOfTime,
}

impl StepError {
    /// Whether the function's role lacks a permission, which trying again does not mend.
    pub fn is_missing_permission(&self) -> bool {
        matches!(&self.cause, Cause::Aws(AwsError { kind: AwsErrorKind::MissingPermission, .. }))
    }

    /// One line for the person on call.
    pub fn log(&self, origin: &Origin, duration: Duration) {
        tracing::error!(
            account_id = %self.account,
            access_key_id = self.subject.key.as_ref().map(display),
            user_name = self.subject.user().map(display),
            finding_source = %origin.source,
            finding_id = origin.id.as_ref().map(display),
            finding_type = origin.kind.as_ref().map(display),
            outcome = "failed",
            duration_ms = milliseconds(duration),
            "{self}"
        );
    }

    /// The state that the credential is left in, and what to do now.
    fn advice(&self) -> String {
        let run = |operation: Operation| report::by_hand(operation, self.subject.user(), self.subject.key.as_ref());
        let (state, by_hand) = match self.step {
            Step::FindOwner | Step::Deactivate => ("the key may still be active", run(Operation::Deactivate)),
            Step::Delete => ("the key is inactive but not deleted", run(Operation::Delete)),
            Step::Restore => ("the key may still be inactive", run(Operation::Restore)),
            Step::CheckRole | Step::DenySessions | Step::DenyAll => {
                ("sessions may still work", "deny them in the IAM console".to_owned())
            }
            Step::Lift => (
                "denies may still be in place",
                "remove the inline policies whose names begin with key-remediator-deny-".to_owned(),
            ),
            Step::DeleteRootKey => ("the key may still be active", "sign in as the root user and delete it".to_owned()),
        };
        match &self.cause {
            Cause::Aws(AwsError { kind: AwsErrorKind::MissingPermission, call, .. }) => {
                format!("{state}: grant {call} to the function's role and send the event again, or {by_hand}")
            }
            _ => format!("{state}: Lambda tries the event again; if it does not succeed, {by_hand}"),
        }
    }
}

impl Plan<'_> {
    /// The failure of the plan's first step.
    pub fn failed(&self, cause: Cause) -> StepError {
        let step = match &self.target {
            Target::Key(key) => Step::from(key.operation),
            Target::Sessions(plan) if plan.restores => Step::Lift,
            Target::Sessions(_) => Step::DenySessions,
            Target::RootKey(_) => Step::DeleteRootKey,
        };
        self.failed_at(step, cause)
    }

    /// The failure of a step on what the plan is about.
    pub fn failed_at(&self, step: Step, cause: Cause) -> StepError {
        let subject = match &self.target {
            Target::Key(key) => Subject::key(key.key, key.user),
            Target::Sessions(plan) => Subject { key: plan.key.cloned(), of: Some(plan.on.clone()) },
            Target::RootKey(root) => Subject::key(root.key, None),
        };
        StepError { step, subject, account: self.account.clone(), cause }
    }
}
