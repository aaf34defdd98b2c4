//! AWS quarantining a user whose key it found in public, as CloudTrail records it:
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html>.
//!
//! The record names a user, who may have two keys. The key in `userIdentity` is the caller's: it is never read. Whether
//! the call succeeded does not matter: where a quota or a policy kept AWS from it (`errorCode`), AWS still holds the
//! user to be compromised.

use super::claim::Claim;
use super::fields::Fields;
use super::{Event, EventError, Read, accounts, inside, origin};
use crate::finding::{Basis, Finding, Origin};
use crate::names::ForeignText;

/// The policy has versions, and new ones appear without notice.
const POLICY: &str = "AWSCompromisedKeyQuarantine";

pub(super) fn read(event: &Event) -> Read {
    inside("detail", &event.detail, |record| match record.text("eventName") {
        Some(call) => {
            quarantine_policy(call, record).map(|policy| Ok(finding(event, record, policy))).into_iter().collect()
        }
        None => vec![Err(EventError::mandatory("eventName", "a text"))],
    })
}

fn finding(event: &Event, record: Fields<'_>, policy: &str) -> Finding {
    let accounts = accounts::of_event(&[record.value("recipientAccountId")], event);
    let user = record.text("requestParameters.userName");
    let claim = Claim { user, user_type: Some("IAMUser"), ..Claim::default() };
    let origin = origin(event);
    Finding {
        origin: Origin {
            id: record.text("eventID").map(ForeignText::new).or(origin.id),
            kind: Some(ForeignText::new(policy)),
            ..origin
        },
        credential: claim.credential(&accounts),
        accounts,
        basis: Basis::Notice,
        not_in_force: None,
    }
}

/// The name of the policy that the call is to put on a user, if it is AWS's quarantine.
fn quarantine_policy<'v>(call: &str, record: Fields<'v>) -> Option<&'v str> {
    let name = match call {
        "AttachUserPolicy" => record.text("requestParameters.policyArn")?.split_once("::aws:policy/")?.1,
        "PutUserPolicy" => record.text("requestParameters.policyName")?,
        _ => return None,
    };
    name.starts_with(POLICY).then_some(name)
}
