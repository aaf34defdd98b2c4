//! Answers that are IAM's. The SDK takes any body of a successful answer for the call's, and most calls have no content
//! to miss: a proxy's page, or nothing, would confirm a deactivation that IAM never heard of.

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_iam::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;

/// A client of IAM that does not take another's answer for IAM's.
pub(super) fn client(sdk: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(sdk).interceptor(IsTheCalls).build())
}

/// Holds the body of a successful answer against the call: it is named after it.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html>
#[derive(Debug)]
struct IsTheCalls;

impl Intercept for IsTheCalls {
    fn name(&self) -> &'static str {
        "IsTheCalls"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let call = config.load::<Metadata>().map_or("", Metadata::name);
        let body = answer.body().bytes().unwrap_or_default();
        if answer.status().is_success() && !is_named_after(call, body) {
            return Err(
                format!("something answered {call} with status {} that is not IAM", answer.status().as_u16()).into()
            );
        }
        Ok(())
    }
}

fn is_named_after(call: &str, body: &[u8]) -> bool {
    let element = format!("<{call}Response");
    body.windows(element.len()).any(|window| window == element.as_bytes())
}
