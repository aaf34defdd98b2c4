//! Trusted Advisor's check `Exposed Access Keys`. All of its checks share one detail-type:
//! <https://docs.aws.amazon.com/awssupport/latest/user/cloudwatch-ta-events.html>.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::Value;

use super::origin;
use crate::finding::{AccountId, Basis, Claim, Finding, ForeignText, Inactive, Origin};

const CHECK: &str = "Exposed Access Keys";

pub(super) fn read(event: &EventBridgeEvent) -> Vec<Finding> {
    let detail = |field: &str| event.detail.get(field).and_then(Value::as_str);
    let item = |field: &str| event.detail.get("check-item-detail").and_then(|item| item.get(field)?.as_str());
    if detail("check-name") != Some(CHECK) {
        return Vec::new();
    }
    let account = AccountId::first_of([event.account.as_deref()]);
    let claim =
        Claim { key: item("Access Key ID"), user: item("User Name (IAM or Root)"), user_type: None, principal: None };
    vec![Finding {
        origin: Origin {
            id: detail("uuid").or(event.id.as_deref()).map(ForeignText::new),
            kind: Some(ForeignText::new(CHECK)),
            ..origin(event)
        },
        credential: claim.credential(account.as_ref()),
        account,
        basis: Basis::Report,
        inactive: (detail("status") == Some("OK")).then_some(Inactive::Resolved),
    }]
}
