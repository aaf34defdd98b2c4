//! Security Hub findings in ASFF: <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-cwe-event-formats.html>.
//!
//! Imported findings are those of GuardDuty's own product. A custom action is a person who pressed a button on findings
//! of any product.

use std::collections::BTreeMap;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Deserialize;
use serde_json::Value;

use super::detection::{Claimed, Detection, original_type};
use super::guardduty::Actor;
use super::{EventError, Read, is_true, lenient, lenient_list, lower_names, origin, parse};
use crate::finding::{AccountId, Claim, Finding, ForeignText, Inactive, Origin, Severity};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AsffFinding {
    #[serde(deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    product_arn: String,
    #[serde(deserialize_with = "lenient")]
    aws_account_id: Option<String>,
    #[serde(deserialize_with = "lenient_list")]
    types: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    severity: AsffSeverity,
    #[serde(deserialize_with = "lenient_list")]
    resources: Vec<Resource>,
    #[serde(deserialize_with = "lenient")]
    product_fields: BTreeMap<String, Value>,
    #[serde(deserialize_with = "lenient")]
    record_state: String,
    #[serde(deserialize_with = "lenient")]
    workflow: Status,
    #[serde(deserialize_with = "lenient")]
    workflow_state: String,
    #[serde(deserialize_with = "lenient")]
    compliance: Status,
    #[serde(deserialize_with = "lenient")]
    sample: Value,
    #[serde(deserialize_with = "lenient")]
    detection: Detected,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AsffSeverity {
    #[serde(deserialize_with = "lenient")]
    product: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    normalized: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    label: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Status {
    #[serde(deserialize_with = "lenient")]
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Resource {
    #[serde(rename = "Type", deserialize_with = "lenient")]
    kind: String,
    #[serde(deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Details {
    #[serde(deserialize_with = "lenient")]
    aws_iam_access_key: KeyDetails,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct KeyDetails {
    #[serde(deserialize_with = "lenient")]
    access_key_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    principal_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    principal_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    principal_id: Option<String>,
    /// The older name of `PrincipalName`.
    #[serde(deserialize_with = "lenient")]
    user_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Detected {
    #[serde(deserialize_with = "lenient")]
    sequence: Sequence,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Sequence {
    #[serde(deserialize_with = "lenient_list")]
    actors: Vec<Value>,
}

/// Findings that Security Hub imported.
pub(super) fn read_imported(event: &EventBridgeEvent) -> Read {
    super::each_finding(event, |finding| read(event, finding, false))
}

/// Findings that a person chose.
pub(super) fn read_custom_action(event: &EventBridgeEvent) -> Read {
    super::each_finding(event, |finding| read(event, finding, true))
}

fn read(event: &EventBridgeEvent, finding: Value, chosen: bool) -> Result<Vec<Finding>, EventError> {
    let finding: AsffFinding = parse(finding, "")?;
    let kind = finding.types.iter().find_map(|kind| original_type(kind));
    let severity = finding.severity.on_guarddutys_scale();
    let account =
        |own: Option<&str>| AccountId::first_of([own, finding.aws_account_id.as_deref(), event.account.as_deref()]);
    let keys = finding.resources.iter().filter(|resource| is_access_key(&resource.kind));
    let keys = keys.map(|resource| {
        let key = &resource.details.aws_iam_access_key;
        let claim = Claim {
            key: key.access_key_id.as_deref(),
            user: key.principal_name.as_deref().or(key.user_name.as_deref()),
            user_type: key.principal_type.as_deref(),
            principal: key.principal_id.as_deref(),
        };
        Claimed::resource(claim, resource.id.as_deref(), account(None))
    });
    let actors = finding.detection.sequence.actors.iter().filter_map(|actor| {
        let actor: Actor = serde_json::from_value(lower_names(actor.clone())).unwrap_or_default();
        actor.claimed(account)
    });
    let claimed = keys.chain(actors).collect();
    let of_guardduty = is_guarddutys_own(&finding.product_arn, "::product/aws/guardduty");
    let other = (!of_guardduty && !chosen).then_some(Inactive::OtherProduct);
    let detection = Detection {
        origin: Origin {
            id: finding.id.as_deref().map(ForeignText::new),
            kind: kind.as_deref().or(finding.types.first().map(String::as_str)).map(ForeignText::new),
            severity,
            ..origin(event)
        },
        kind: (kind, "Types"),
        severity_field: "Severity",
        inactive: finding.inactive().or(other),
        chosen,
    };
    detection.of(claimed, account(None))
}

/// The type of an access key in either of its names.
pub(super) fn is_access_key(resource_type: &str) -> bool {
    matches!(resource_type, "AwsIamAccessKey" | "AWS::IAM::AccessKey")
}

/// The account in the ARN of a product of AWS's own is empty; a product that a customer names so has the customer's.
pub(super) fn is_guarddutys_own(product: &str, suffix: &str) -> bool {
    product.starts_with("arn:") && product.ends_with(suffix)
}

impl AsffSeverity {
    /// `Product` is GuardDuty's own number, `Normalized` goes to 100, and a label stands for the least of its range:
    /// <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Severity.html>.
    fn on_guarddutys_scale(&self) -> Option<Severity> {
        let label = || match self.label.as_str() {
            "INFORMATIONAL" => Some(0.0),
            "LOW" => Some(1.0),
            "MEDIUM" => Some(4.0),
            "HIGH" => Some(7.0),
            "CRITICAL" => Some(9.0),
            _ => None,
        };
        let product = self.product.and_then(Severity::new);
        product.or_else(|| self.normalized.map(|value| value / 10.0).or_else(label).and_then(Severity::new))
    }
}

impl AsffFinding {
    fn inactive(&self) -> Option<Inactive> {
        if is_true(&self.sample) || self.product_fields.iter().any(|(name, value)| marks_sample(name, value)) {
            return Some(Inactive::Sample);
        }
        let archived = |(name, value): (&String, &Value)| name.ends_with("archived") && is_true(value);
        if self.record_state == "ARCHIVED" || self.product_fields.iter().any(archived) {
            return Some(Inactive::Archived);
        }
        match (self.workflow.status.as_str(), self.workflow_state.as_str()) {
            ("SUPPRESSED", _) => Some(Inactive::Suppressed),
            ("RESOLVED", _) | ("", "RESOLVED") => Some(Inactive::Resolved),
            _ => (self.compliance.status == "PASSED").then_some(Inactive::Resolved),
        }
    }
}

/// GuardDuty's `additionalInfo` arrives as one field for each of its parts, or as one JSON text.
fn marks_sample(name: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let in_json = || serde_json::from_str::<Value>(text).is_ok_and(|inner| is_true(&inner["sample"]));
    (name.ends_with("additionalInfo/sample") && is_true(value))
        || ((name.ends_with("additionalInfo/value") || name.ends_with("additionalInfo")) && in_json())
}
