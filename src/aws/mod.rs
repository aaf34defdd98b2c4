//! The only room that names an SDK crate: thin, typed calls whose errors are sorted into the kinds that matter here.
//!
//! The future of a call takes five KiB. Each is boxed, so that the futures around it do not hold and copy it.

pub mod accounts;
pub mod http;
pub mod iam;
mod partition;
pub mod principals;
pub mod root;

use std::error::Error;

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};

use crate::finding::ForeignText;
use crate::logs::with_causes;

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

/// The kinds of failure that are acted on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsErrorKind {
    /// The function's role may not make the call: a person must grant it.
    MissingPermission,
    /// Anything else: worth another try later.
    Failed,
}

impl AwsError {
    /// Sorts an error that carries no answer that matters to the caller.
    fn new<E, R>(call: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
    {
        let kind = match code(error) {
            Some(code) if is_access_denied(code) => AwsErrorKind::MissingPermission,
            _ => AwsErrorKind::Failed,
        };
        Self { call, kind, problem: ForeignText::new(&problem(error)) }
    }
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

fn message<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::message)
}

const NO_SUCH_ENTITY: &str = "NoSuchEntity";

/// Tells that there is no such thing from a call that failed.
fn found<T, E, R>(call: &'static str, answer: Result<T, SdkError<E, R>>) -> Result<Option<T>, AwsError>
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if code(&error) == Some(NO_SUCH_ENTITY) => Ok(None),
        Err(error) => Err(AwsError::new(call, &error)),
    }
}

/// The query services answer `AccessDenied`, the others `AccessDeniedException`.
fn is_access_denied(code: &str) -> bool {
    matches!(code, "AccessDenied" | "AccessDeniedException")
}

/// What rustls says of a certificate that no trusted authority has signed.
const UNTRUSTED: &str = "invalid peer certificate: UnknownIssuer";

/// AWS's own words where there are some, otherwise the whole chain of causes: the SDK's outermost error says no more
/// than "dispatch failure".
fn problem<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    if let Some(code) = code(error) {
        return format!("{code}: {}", message(error).unwrap_or("no message"));
    }
    let mut text = with_causes(error);
    if text.contains(UNTRUSTED) {
        text.push_str(": AWS_CA_BUNDLE can name a file of the PEM certificates to trust instead");
    }
    text
}
