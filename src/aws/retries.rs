//! What is tried again, beyond what the SDK tries again itself, and how often.

use aws_config::SdkConfig;
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction, RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The SDK's own bucket of retries is shared by all calls and not refilled by time: a bad minute would empty it, and then
/// every single fault would be final for the life of the sandbox. Here nothing is shared. What bounds the retries is the
/// attempts of a call, the few credentials that are worked on at a time, and the time of the invocation.
pub(super) fn partition() -> RetryPartition {
    RetryPartition::custom("key-remediator").token_bucket(TokenBucket::unlimited()).build()
}

/// A client of STS with these retries.
pub(super) fn sts(sdk: &SdkConfig) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::from_conf(aws_sdk_sts::config::Builder::from(sdk).retry_partition(partition()).build())
}

/// IAM's errors that pass within a second or two: two changes met, or an earlier one is not yet known everywhere.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccessKey.html>,
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateLoginProfile.html>
const PASSING: [&str; 2] = ["ConcurrentModification", "EntityTemporarilyUnmodifiable"];

/// Tells errors that pass, and successes that are no answer: one that was cut off, or that something else gave.
#[derive(Debug)]
pub(super) struct Passing;

impl ClassifyRetry for Passing {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let passes = code(context).is_some_and(|code| PASSING.contains(&code));
        if passes || is_no_answer(context) { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "Passing"
    }
}

fn is_no_answer(context: &InterceptorContext) -> bool {
    context.response().is_some_and(|answer| answer.status().is_success())
        && context.output_or_error().is_some_and(|output| output.is_err())
}

/// The code of IAM's error, if that is what it answered.
fn code(context: &InterceptorContext) -> Option<&str> {
    error_code(context.response()?)
}

/// The same of an answer.
pub(super) fn error_code(answer: &HttpResponse) -> Option<&str> {
    let body = answer.body().bytes().filter(|_| !answer.status().is_success())?;
    let body = std::str::from_utf8(body).ok()?;
    Some(body.split_once("<Code>")?.1.split_once("</Code>")?.0)
}
