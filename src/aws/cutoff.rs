//! A document that denies the sessions of a role that were issued until it is sent. What is written when the call is
//! made is too old when a throttled call goes through at last.

use aws_sdk_iam::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_types::body::SdkBody;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

/// IAM takes some seconds to make a deny known everywhere, in which a session can renew itself: the console's cutoff is
/// as much ahead. <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>
const AHEAD: TimeDelta = TimeDelta::seconds(30);

/// Stands in the document for the time, and is as long as that is in the body of a call.
const PLACE: &str = "TheTimeAtWhichItIsSent00";

/// What the document comes after in the body.
const DOCUMENT: &str = "&PolicyDocument=";

/// The document, which is IAM's only with the time in it.
pub(super) fn document() -> String {
    // Without IfExists, as a request with a long-term key has no time of issue and must not be denied.
    let condition = json!({"DateLessThan": {"aws:TokenIssueTime": PLACE}});
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition},
    ]})
    .to_string()
}

/// Writes the time into the document of each attempt.
#[derive(Debug)]
pub(super) struct WhenSent;

impl Intercept for WhenSent {
    fn name(&self) -> &'static str {
        "WhenSent"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let body = request.body().bytes().ok_or("the body of the call cannot be read")?;
        let body = with_the_time(std::str::from_utf8(body)?, Utc::now());
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }
}

fn with_the_time(body: &str, now: DateTime<Utc>) -> String {
    let until = (now + AHEAD).to_rfc3339_opts(SecondsFormat::Secs, true).replace(':', "%3A");
    // A role may have a name that holds the same.
    let (before, document) = body.split_once(DOCUMENT).unwrap_or_default();
    format!("{before}{DOCUMENT}{}", document.replacen(PLACE, &until, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cutoff_is_half_a_minute_after_the_moment_at_which_the_document_is_sent() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T23:59:45.7Z").expect("a time").to_utc();
        let body = format!("RoleName={PLACE}&PolicyDocument=x{PLACE}y&Version=2010-05-08");
        let sent = with_the_time(&body, now);
        assert_eq!(
            sent,
            "RoleName=TheTimeAtWhichItIsSent00&PolicyDocument=x2026-11-23T00%3A00%3A15Zy&Version=2010-05-08"
        );
        assert_eq!(sent.len(), body.len());
        assert_eq!(document().matches(PLACE).count(), 1);
    }
}
