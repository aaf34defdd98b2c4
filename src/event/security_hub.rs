//! Security Hub findings in ASFF: <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-cwe-event-formats.html>.
//!
//! Imported findings are those of GuardDuty's own product. A custom action is a person who pressed a button on findings
//! of any product.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::Value;

use super::Read;
use super::detection::{
    Claimed, DetectorFinding, actors, each_finding, in_security_hub, is_access_key, is_guarddutys_own, is_repeat,
    is_sample_info,
};
use super::fields::{Fields, is_true};
use crate::credential::Claim;
use crate::finding::{NotInForce, Origin, Severity};
use crate::names::AccountId;

pub(super) fn read_imported(event: &EventBridgeEvent) -> Read {
    each_finding(event, |finding| read(event, finding, false))
}

pub(super) fn read_custom_action(event: &EventBridgeEvent) -> Read {
    each_finding(event, |finding| read(event, finding, true))
}

/// `chosen` is whether a person chose the finding.
fn read(event: &EventBridgeEvent, finding: Fields<'_>, chosen: bool) -> Read {
    let account =
        |own: Option<&str>| AccountId::first_of([own, finding.text("AwsAccountId"), event.account.as_deref()]);
    let keys = finding.objects("Resources").filter(|resource| resource.text("Type").is_some_and(is_access_key));
    let keys = keys.map(|resource| Claimed::resource(claim(resource), resource.text("Id"), account(None)));
    let claimed = keys.chain(actors(finding.at("Detection.Sequence"), account)).collect();
    let (origin, kind) = in_security_hub(event, finding.text("Id"), finding.texts("Types"), finding.text("Region"));
    let of_guardduty = finding.text("ProductArn").is_some_and(|arn| is_guarddutys_own(arn, "::product/aws/guardduty"));
    let other = (!of_guardduty && !chosen).then_some(NotInForce::OtherProduct);
    let finding = DetectorFinding {
        origin: Origin {
            severity: on_guarddutys_scale(finding.at("Severity")),
            repeat: is_repeat(finding.at("ProductFields").field("aws/guardduty/service/count")),
            ..origin
        },
        kind,
        not_in_force: not_in_force(finding).or(other),
        chosen,
        kind_field: "Types",
        severity_field: "Severity",
    };
    finding.findings(claimed, account(None))
}

fn claim(resource: Fields<'_>) -> Claim<'_> {
    let key = resource.at("Details.AwsIamAccessKey");
    Claim {
        key: key.text("AccessKeyId"),
        // `UserName` is the older name of `PrincipalName`.
        user: key.text("PrincipalName").or(key.text("UserName")),
        user_type: key.text("PrincipalType"),
        principal: key.text("PrincipalId"),
    }
}

/// `Product` is GuardDuty's own number, `Normalized` goes to 100, and a label means the lowest value of its range:
/// <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Severity.html>.
fn on_guarddutys_scale(severity: Fields<'_>) -> Option<Severity> {
    let label = || match severity.text("Label")? {
        "INFORMATIONAL" => Some(0.0),
        "LOW" => Some(1.0),
        "MEDIUM" => Some(4.0),
        "HIGH" => Some(7.0),
        "CRITICAL" => Some(9.0),
        _ => None,
    };
    let product = severity.number("Product").and_then(Severity::new);
    let other = || severity.number("Normalized").map(|value| value / 10.0).or_else(label).and_then(Severity::new);
    product.or_else(other)
}

fn not_in_force(finding: Fields<'_>) -> Option<NotInForce> {
    let guarddutys = finding.at("ProductFields");
    if finding.is_true("Sample") || guarddutys.all().any(|(name, value)| marks_sample(name, value)) {
        return Some(NotInForce::Sample);
    }
    let mut archived = guarddutys.all().filter(|(name, _)| name.ends_with("archived"));
    if finding.text("RecordState") == Some("ARCHIVED") || archived.any(|(_, value)| is_true(value)) {
        return Some(NotInForce::Archived);
    }
    // `WorkflowState` is what `Workflow` was before.
    match (finding.text("Workflow.Status").unwrap_or_default(), finding.text("WorkflowState")) {
        ("SUPPRESSED", _) => Some(NotInForce::Suppressed),
        ("RESOLVED", _) | ("", Some("RESOLVED")) => Some(NotInForce::Resolved),
        _ => (finding.text("Compliance.Status") == Some("PASSED")).then_some(NotInForce::Resolved),
    }
}

/// GuardDuty's `additionalInfo` arrives as one field for each of its parts, or as one JSON text.
fn marks_sample(name: &str, value: &Value) -> bool {
    let is_info = name.ends_with("additionalInfo/value") || name.ends_with("additionalInfo");
    (name.ends_with("additionalInfo/sample") && is_true(value))
        || (is_info && value.as_str().is_some_and(is_sample_info))
}
