//! AWS quarantining a user whose key it found in public, as CloudTrail records it:
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html>.
//!
//! The record names a user, who may have two keys. The key in `userIdentity` is the caller's: it is never read.

use aws_lambda_events::eventbridge::EventBridgeEvent;

use super::fields::Fields;
use super::{Read, origin};
use crate::credential::Claim;
use crate::finding::{Basis, Finding, Origin};
use crate::names::{AccountId, ForeignText};

/// The policy has versions, and new ones appear without notice.
const POLICY: &str = "AWSCompromisedKeyQuarantine";

pub(super) fn read(event: &EventBridgeEvent) -> Read {
    let record = Fields::of(&event.detail);
    let Some(policy) = quarantine_policy(record) else {
        return Vec::new();
    };
    let account = AccountId::first_of([record.text("recipientAccountId"), event.account.as_deref()]);
    let user = record.text("requestParameters.userName");
    let claim = Claim { user, user_type: Some("IAMUser"), ..Claim::default() };
    let origin = origin(event);
    vec![Ok(Finding {
        origin: Origin {
            id: record.text("eventID").map(ForeignText::new).or(origin.id),
            kind: Some(ForeignText::new(policy)),
            ..origin
        },
        credential: claim.credential(account.as_ref()),
        account,
        basis: Basis::Notice,
        not_in_force: None,
    })]
}

/// The name of the policy that the call put on a user, if the call succeeded and the policy is AWS's quarantine.
fn quarantine_policy(record: Fields<'_>) -> Option<&str> {
    let name = match record.text("eventName")? {
        "AttachUserPolicy" => record.text("requestParameters.policyArn")?.split_once("::aws:policy/")?.1,
        "PutUserPolicy" => record.text("requestParameters.policyName")?,
        _ => return None,
    };
    (name.starts_with(POLICY) && record.text("errorCode").is_none()).then_some(name)
}
