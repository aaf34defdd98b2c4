//! A document that denies the sessions of a role that were issued until it is sent. What is written when the call is
//! made is too old when a throttled call goes through at last.

use aws_sdk_iam::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_types::body::SdkBody;
use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

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

/// Whether a document, as IAM gives it, is the one of this module, written at that time or later.
pub(super) fn is_ours(given: &str, since: DateTime<Utc>) -> bool {
    let read = || {
        let text = percent_decode_str(given).decode_utf8().ok()?;
        let mut document: Value = serde_json::from_str(&text).ok()?;
        let until = document.pointer_mut("/Statement/0/Condition/DateLessThan/aws:TokenIssueTime")?;
        let time = DateTime::parse_from_rfc3339(until.as_str()?).ok()?;
        *until = PLACE.into();
        Some((document, time))
    };
    let own = serde_json::from_str::<Value>(&document()).ok();
    // Times in the document have no parts of a second.
    read().is_some_and(|(document, time)| Some(document) == own && time >= since.trunc_subsecs(0))
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
    fn a_document_is_ours_whatever_its_encoding_and_not_if_it_denies_less_or_less_long() {
        let time = |text: &str| DateTime::parse_from_rfc3339(text).expect("a time").to_utc();
        let since = time("2026-11-22T23:59:45.7Z");
        let given = document().replace(PLACE, "2026-11-23T00:00:15Z");
        let encoded = percent_encoding::utf8_percent_encode(&given, percent_encoding::NON_ALPHANUMERIC).to_string();
        for (document, expected) in [
            (given.clone(), true),
            (encoded, true),
            (given.replace("Deny", "Allow"), false),
            (given.replace(r#""Resource":"*""#, r#""Resource":"arn:aws:s3:::a""#), false),
            (given.replace("2026-11-23T00:00:15Z", "2026-11-22T23:59:44Z"), false),
            (given.replace("2026-11-23T00:00:15Z", "soon"), false),
            (String::new(), false),
        ] {
            assert_eq!(is_ours(&document, since), expected, "{document}");
        }
    }

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
