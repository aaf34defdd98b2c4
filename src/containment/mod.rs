//! Carries a plan out, step by step. The first step kills the key; whatever else there is to do comes after it.

pub mod user_key;

use crate::aws::{AwsError, AwsErrorKind};
use crate::finding::{AccessKeyId, AccountId, Operation, UserName};

/// A step that failed after its retries, in the words of the person who has to do something about it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("could not {step} access key {key}{} of account {account}: {cause}; {}", of(.user.as_ref()), self.advice())]
pub struct StepError {
    /// The step that failed.
    pub step: Step,
    /// The key that it was about.
    pub key: AccessKeyId,
    /// The user that the call named.
    pub user: Option<UserName>,
    /// The account whose IAM was asked.
    pub account: AccountId,
    /// What went wrong.
    pub cause: Cause,
}

/// The steps that can fail, each of which leaves the key in a state of its own.
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
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FindOwner => "find the owner of",
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
            Self::Restore => "restore",
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

    /// The state that the key is left in, and what to do now.
    fn advice(&self) -> String {
        let Self { key, user, .. } = self;
        let user = user.as_ref().map_or("USER", UserName::as_str);
        let (state, command) = match self.step {
            Step::FindOwner | Step::Deactivate => (
                "the key may still be active",
                format!("aws iam update-access-key --user-name {user} --access-key-id {key} --status Inactive"),
            ),
            Step::Delete => (
                "the key is inactive but not deleted",
                format!("aws iam delete-access-key --user-name {user} --access-key-id {key}"),
            ),
            Step::Restore => (
                "the key may still be inactive",
                format!("aws iam update-access-key --user-name {user} --access-key-id {key} --status Active"),
            ),
        };
        match &self.cause {
            Cause::Aws(AwsError { kind: AwsErrorKind::MissingPermission, call, .. }) => {
                format!("{state}: grant {call} to the function's role and replay the event, or run: {command}")
            }
            _ => format!("{state}: Lambda tries the event again; if it does not succeed, run: {command}"),
        }
    }
}

fn of(user: Option<&UserName>) -> String {
    user.map_or_else(String::new, |user| format!(" of user {user}"))
}
