//! Findings of the user's own detectors: any EventBridge event whose detail names an access key ID. Whether its source
//! is listed in `CUSTOM_SOURCES` is for the decision to say.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::Value;

use super::origin;
use crate::finding::{AccountId, Basis, Claim, Finding, ForeignText, Origin};

/// Reads `detail.accessKeyId` and the optional `userName`, `accountId` and `reason`.
pub(super) fn read(event: &EventBridgeEvent) -> Vec<Finding> {
    let text = |field: &str| event.detail.get(field).and_then(Value::as_str);
    if event.source.starts_with("aws.") && text("accessKeyId").is_none() {
        return Vec::new();
    }
    let account = AccountId::first_of([text("accountId"), event.account.as_deref()]);
    let claim = Claim { key: text("accessKeyId"), user: text("userName"), user_type: None, principal: None };
    let kind = text("reason").unwrap_or(&event.detail_type);
    vec![Finding {
        origin: Origin { kind: Some(ForeignText::new(kind)), ..origin(event) },
        credential: claim.credential(account.as_ref()),
        account,
        basis: Basis::Custom,
        inactive: None,
    }]
}
