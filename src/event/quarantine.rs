//! AWS quarantining a user whose key it found in public, as CloudTrail records it:
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html>.
//!
//! The record names a user, who may have two keys. The key in `userIdentity` is the caller's: it is never read.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::Value;

use super::origin;
use crate::finding::{AccountId, Basis, Claim, Finding, ForeignText, Origin};

/// The policy has versions, and new ones appear without notice.
const POLICY: &str = "AWSCompromisedKeyQuarantine";

pub(super) fn read(event: &EventBridgeEvent) -> Vec<Finding> {
    let record = |field: &str| event.detail.get(field).and_then(Value::as_str);
    let parameter = |field: &str| event.detail.get("requestParameters")?.get(field)?.as_str();
    let policy = match record("eventName") {
        Some("AttachUserPolicy") => parameter("policyArn").and_then(|arn| arn.split_once("::aws:policy/")),
        Some("PutUserPolicy") => parameter("policyName").map(|name| ("", name)),
        _ => None,
    };
    let quarantined = policy.is_some_and(|(_, name)| name.starts_with(POLICY)) && record("errorCode").is_none();
    if !quarantined {
        return Vec::new();
    }
    let account = AccountId::first_of([record("recipientAccountId"), event.account.as_deref()]);
    let claim = Claim { user: parameter("userName"), user_type: Some("IAMUser"), ..Claim::default() };
    vec![Finding {
        origin: Origin {
            id: record("eventID").or(event.id.as_deref()).map(ForeignText::new),
            kind: policy.map(|(_, name)| ForeignText::new(name)),
            ..origin(event)
        },
        credential: claim.credential(account.as_ref()),
        account,
        basis: Basis::Notice,
        inactive: None,
    }]
}
