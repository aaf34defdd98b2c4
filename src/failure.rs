//! What did not work, from the call to AWS to the log line. `report` has the words for it.

use crate::names::ForeignText;
use crate::plan::Step;

/// A step that failed after its retries.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// The step.
    pub step: Step,
    /// What went wrong.
    pub cause: Cause,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// AWS did not do it.
    Aws(AwsError),
    /// IAM's answers contradict each other.
    Disagreement(Disagreement),
    /// What the stack of the account makes is not there.
    NotDeployed(Missing),
    /// The invocation's time ran out.
    OutOfTime,
}

/// Something that the stack of an account makes, for this function to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The policy of this name.
    Policy(&'static str),
    /// The group of this name.
    Group(&'static str),
}

impl From<AwsError> for Cause {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

/// Two answers of IAM that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// It names the key's owner, and then says that this user has no such key.
    DeniesTheOwner,
    /// It says that there is no such key, of which it says something else at the same time.
    DeniesTheKey,
    /// It says that there is no such user, whose key it has just changed.
    DeniesTheUser,
    /// It says that there is no such role, which it knows at the same time.
    DeniesThePrincipal,
    /// It confirmed the activation and does not list the key.
    NotListed,
    /// It confirmed the deactivation and lists the key as active.
    StillActive,
    /// It confirmed the activation and lists the key as inactive.
    StillInactive,
    /// It confirmed the deletion and lists the key.
    StillThere,
}

/// A call to AWS that failed after its retries.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{call} failed: {problem}")]
pub struct AwsError {
    /// The action as IAM policies name it, for example `iam:UpdateAccessKey`.
    pub call: &'static str,
    /// What somebody can do about it.
    pub kind: AwsErrorKind,
    /// AWS's code and words, or what went wrong on the way.
    pub problem: ForeignText,
}

/// The kinds of failed calls that are acted on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsErrorKind {
    /// There is no such key, policy or principal.
    NoSuchEntity,
    /// The principal has no space for one more policy:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
    QuotaFull,
    /// Only AWS may change the principal.
    Unmodifiable,
    /// No policy allows the function's role to make the call: a person must grant it.
    MissingPermission,
    /// A policy denies the call: no grant helps.
    ExplicitlyDenied,
    /// Anything else: worth another try later.
    Failed,
}

impl Failed {
    /// Whether the function's role may not make a call. Trying again does not help.
    pub fn is_not_permitted(&self) -> bool {
        let kind = match &self.cause {
            Cause::Aws(error) => Some(error.kind),
            Cause::Disagreement(_) | Cause::NotDeployed(_) | Cause::OutOfTime => None,
        };
        matches!(kind, Some(AwsErrorKind::MissingPermission | AwsErrorKind::ExplicitlyDenied))
    }
}
