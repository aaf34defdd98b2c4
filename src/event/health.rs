//! AWS Health events about credentials at risk:
//! <https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html>.
//!
//! A key can stand in three places, any of which may be missing. Nothing but the codes
//! `AWS_RISK_CREDENTIALS_*` is a report of named keys; the other `AWS_RISK_*` codes call for a person.

use std::collections::BTreeMap;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Deserialize;
use serde_json::Value;

use super::{EventError, Read, lenient, lenient_list, origin, parse};
use crate::finding::{AccountId, Basis, Claim, Credential, Finding, ForeignText, Inactive, Origin};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    #[serde(deserialize_with = "lenient")]
    event_type_code: String,
    #[serde(deserialize_with = "lenient")]
    event_arn: Option<String>,
    #[serde(deserialize_with = "lenient")]
    status_code: String,
    #[serde(deserialize_with = "lenient")]
    affected_account: Option<String>,
    #[serde(deserialize_with = "lenient_list")]
    affected_entities: Vec<Entity>,
    #[serde(deserialize_with = "lenient")]
    event_metadata: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entity {
    #[serde(deserialize_with = "lenient")]
    entity_value: String,
    #[serde(deserialize_with = "lenient")]
    status: String,
}

pub(super) fn read(event: &EventBridgeEvent) -> Read {
    super::results(read_all(event))
}

fn read_all(event: &EventBridgeEvent) -> Result<Vec<Finding>, EventError> {
    let detail: Detail = parse(event.detail.clone(), "detail")?;
    if !detail.event_type_code.starts_with("AWS_RISK_") {
        return Ok(Vec::new());
    }
    let metadata = |name: &str| detail.event_metadata.get(name).and_then(Value::as_str);
    let origin = Origin {
        id: detail.event_arn.as_deref().map(ForeignText::new),
        kind: Some(ForeignText::new(&detail.event_type_code)),
        ..origin(event)
    };
    let account =
        AccountId::first_of([detail.affected_account.as_deref(), metadata("accountId"), event.account.as_deref()]);
    let basis = if detail.event_type_code.starts_with("AWS_RISK_CREDENTIALS_") { Basis::Report } else { Basis::Notice };
    let finding = |key: Option<&str>, resolved: bool| Finding {
        origin: origin.clone(),
        account: account.clone(),
        credential: Claim { key, user: metadata("userName"), user_type: None, principal: None }
            .credential(account.as_ref()),
        basis: basis.clone(),
        inactive: (resolved || detail.status_code == "closed").then_some(Inactive::Resolved),
    };
    let mut findings: Vec<Finding> = Vec::new();
    for entity in &detail.affected_entities {
        findings.push(finding(Some(&entity.entity_value), entity.status == "RESOLVED"));
    }
    // The same keys may stand here too: an entity comes first, because it alone can say that it is resolved.
    let repeated = event.resources.iter().flatten().map(String::as_str);
    for key in metadata("publicKey").into_iter().chain(repeated) {
        let finding = finding(Some(key), false);
        let known = findings.iter().any(|other| other.credential == finding.credential);
        if !known && !matches!(finding.credential, Credential::Unidentified { .. }) {
            findings.push(finding);
        }
    }
    if findings.is_empty() {
        findings.push(finding(None, false));
    }
    Ok(findings)
}
