//! Answers that are IAM's. The SDK takes any body of a successful answer for the call's, and most calls have no content
//! to miss: a proxy's page, or nothing, would confirm a deactivation that IAM never heard of.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_iam::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;

use super::assumed::{AssumedRole, Refused, Repeat};
use super::retries;

/// A client of IAM that does not take another's answer for IAM's.
pub(super) fn client(sdk: &SdkConfig) -> Client {
    Client::from_conf(configured(sdk).build())
}

/// The same, for a member account: what IAM refuses for the credentials is repeated with others.
pub(super) fn client_of(role: &Arc<AssumedRole>, sdk: &SdkConfig) -> Client {
    let refused = Refused(Arc::clone(role));
    Client::from_conf(configured(sdk).interceptor(refused).retry_classifier(Repeat).build())
}

fn configured(sdk: &SdkConfig) -> Builder {
    Builder::from(sdk).retry_partition(retries::partition()).retry_classifier(retries::Passing).interceptor(IsTheCalls)
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
        if answer.status().is_success() && !is_whole_answer(call, body) {
            return Err(
                format!("something answered {call} with status {} that is not IAM", answer.status().as_u16()).into()
            );
        }
        Ok(())
    }
}

/// Whether the outermost element is that of the call, and is closed.
fn is_whole_answer(call: &str, body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    let mut text = body.trim();
    if let Some((_, rest)) = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        text = rest.trim_start();
    }
    let name = format!("{call}Response");
    let inside = text
        .strip_prefix('<')
        .and_then(|text| text.strip_prefix(&name))
        .filter(|rest| rest.starts_with(|next: char| next == '>' || next.is_ascii_whitespace()))
        .and_then(|rest| rest.strip_suffix(&format!("</{name}>")));
    // A list of no keys still has the element that holds them.
    inside.is_some_and(|inside| call != "ListAccessKeys" || inside.contains("<AccessKeyMetadata"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_to_the_call_is_iams_word() {
        let xml = "<?xml version='1.0'?>\n";
        let answer = "<UpdateAccessKeyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ResponseMetadata/>\
                      </UpdateAccessKeyResponse>\n";
        for (call, body, expected) in [
            ("UpdateAccessKey", answer.to_owned(), true),
            ("UpdateAccessKey", format!("{xml}{answer}"), true),
            ("DeleteAccessKey", answer.to_owned(), false),
            ("UpdateAccessKey", String::new(), false),
            ("UpdateAccessKey", "<UpdateAccessKeyResponse".to_owned(), false),
            ("UpdateAccessKey", "<UpdateAccessKeyResponse><ResponseMetadata/>".to_owned(), false),
            ("UpdateAccessKey", "<UpdateAccessKeyResponseError/>".to_owned(), false),
            ("UpdateAccessKey", format!("<ErrorResponse>{answer}</ErrorResponse>"), false),
            ("UpdateAccessKey", format!("<html><!-- {answer} --></html>"), false),
            (
                "ListAccessKeys",
                "<ListAccessKeysResponse><AccessKeyMetadata/></ListAccessKeysResponse>".to_owned(),
                true,
            ),
            ("ListAccessKeys", "<ListAccessKeysResponse></ListAccessKeysResponse>".to_owned(), false),
        ] {
            assert_eq!(is_whole_answer(call, body.as_bytes()), expected, "{call}: {body}");
        }
    }
}
