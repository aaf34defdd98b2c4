//! The only module that names an SDK crate: thin, typed calls whose errors are sorted into the kinds that matter here.

pub mod accounts;
mod assumed;
mod cutoff;
pub mod http;
pub mod iam;
mod newcomers;
mod partition;
pub mod principals;
mod retries;
pub mod root;
pub mod scheduler;
mod sound;
pub mod trail;

use std::error::Error;
use std::time::SystemTime;

use aws_sdk_iam::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_sdk_sts::config::Credentials;
use aws_sdk_sts::types::Credentials as StsCredentials;

use crate::failure::{AwsError, AwsErrorKind};
use crate::logs::with_causes;
use crate::names::ForeignText;

/// The credentials in an answer of STS, with the time of their end.
fn credentials(call: &'static str, given: Option<&StsCredentials>) -> Result<Credentials, AwsError> {
    let given = given.ok_or_else(|| AwsError::failed(call, "the answer holds no credentials"))?;
    let (key, secret) = (given.access_key_id(), given.secret_access_key());
    let expiry = SystemTime::try_from(*given.expiration()).ok();
    Ok(Credentials::new(key, secret, Some(given.session_token().to_owned()), expiry, "sts"))
}

/// Makes a call. `send` is what the SDK's builder gives; it takes five KiB and is boxed at once, so that the futures
/// around it do not hold and copy it.
fn call<T, E, R>(
    name: &'static str,
    send: impl Future<Output = Result<T, SdkError<E, R>>>,
) -> impl Future<Output = Result<T, AwsError>>
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let send = or_refusal(name, send);
    async { send.await.map_err(|refusal| refusal.error) }
}

/// The same, with the words of AWS.
fn or_refusal<T, E, R>(
    name: &'static str,
    send: impl Future<Output = Result<T, SdkError<E, R>>>,
) -> impl Future<Output = Result<T, Refusal>>
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let send = Box::pin(send);
    async move { send.await.map_err(|error| sorted(name, error.as_service_error().map(ProvideErrorMetadata::meta), &error)) }
}

/// An error and the words of AWS, which are foreign and do not leave this module.
struct Refusal {
    error: AwsError,
    message: String,
}

/// AWS's own words where there are some, otherwise the whole chain of causes: the SDK's outermost error says no more
/// than "dispatch failure".
fn sorted(call: &'static str, answer: Option<&ErrorMetadata>, error: &dyn Error) -> Refusal {
    let Some((code, answer)) = answer.and_then(|answer| Some((answer.code()?, answer))) else {
        return Refusal { error: AwsError::failed(call, &chain(error)), message: String::new() };
    };
    let message = answer.message().unwrap_or_default().to_owned();
    let kind = match code {
        "NoSuchEntity" => AwsErrorKind::NoSuchEntity,
        "LimitExceeded" => AwsErrorKind::QuotaFull,
        "UnmodifiableEntity" => AwsErrorKind::Unmodifiable,
        // The query services answer the first, the others the second. The words are those of
        // <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
        "AccessDenied" | "AccessDeniedException" if message.contains("explicit deny") => AwsErrorKind::ExplicitlyDenied,
        "AccessDenied" | "AccessDeniedException" => AwsErrorKind::MissingPermission,
        _ => AwsErrorKind::Failed,
    };
    let problem = ForeignText::new(&format!("{code}: {}", if message.is_empty() { "no message" } else { &message }));
    Refusal { error: AwsError { call, kind, problem }, message }
}

/// What rustls says of a certificate that no trusted authority has signed.
const UNTRUSTED: &str = "invalid peer certificate: UnknownIssuer";

fn chain(error: &dyn Error) -> String {
    let mut text = with_causes(error);
    if text.contains(UNTRUSTED) {
        text.push_str(": AWS_CA_BUNDLE can name a file of the PEM certificates to trust instead");
    }
    text
}

impl AwsError {
    /// A failure that no answer of AWS explains.
    fn failed(call: &'static str, problem: &str) -> Self {
        Self { call, kind: AwsErrorKind::Failed, problem: ForeignText::new(problem) }
    }
}

/// Tells that there is no such thing from a call that failed.
fn found<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Err(AwsError { kind: AwsErrorKind::NoSuchEntity, .. }) => Ok(None),
        answer => answer.map(Some),
    }
}
