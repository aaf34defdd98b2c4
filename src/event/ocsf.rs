//! Findings of Security Hub's second version, in OCSF:
//! <https://docs.aws.amazon.com/securityhub/latest/userguide/security-hub-v2-eventbridge.html>.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::Value;

use super::Read;
use super::detection::{Claimed, DetectorFinding, each_finding, in_security_hub, is_access_key, is_guarddutys_own};
use super::fields::Fields;
use crate::credential::Claim;
use crate::finding::{NotInForce, Origin, Severity};
use crate::names::AccountId;

pub(super) fn read(event: &EventBridgeEvent) -> Read {
    each_finding(event, |finding| read_one(event, finding))
}

fn read_one(event: &EventBridgeEvent, finding: Fields<'_>) -> Read {
    let account = |resource: Fields<'_>| {
        AccountId::first_of([
            finding.text("cloud.account.uid"),
            resource.text("owner.account.uid"),
            resource.text("account.uid"),
            event.account.as_deref(),
        ])
    };
    let keys = finding.objects("resources").filter(|resource| resource.text("type").is_some_and(is_access_key));
    let claimed = keys.map(|resource| claimed(resource, account(resource))).collect();
    let (origin, kind) = in_security_hub(
        event,
        finding.text("finding_info.uid"),
        finding.texts("finding_info.types"),
        finding.text("cloud.region"),
    );
    let product = finding.text("metadata.product.uid");
    let of_guardduty = product.is_some_and(|uid| is_guarddutys_own(uid, "::productv2/aws/guardduty"));
    let detected = DetectorFinding {
        origin: Origin { severity: on_guarddutys_scale(finding), ..origin },
        kind,
        not_in_force: not_in_force(finding).or((!of_guardduty).then_some(NotInForce::OtherProduct)),
        chosen: false,
        kind_field: "finding_info.types",
        severity_field: "severity_id",
    };
    detected.findings(claimed, account(Fields::default()))
}

fn claimed(resource: Fields<'_>, account: Option<AccountId>) -> Claimed {
    // `data` is an object, or the JSON text of one.
    let in_text: Option<Value> = resource.text("data").and_then(|text| serde_json::from_str(text).ok());
    let key = in_text.as_ref().map_or(resource.at("data"), Fields::of);
    let id = key.text("access_key_id");
    let uid = resource.text("uid");
    // A resource may be named after itself.
    let name = resource.text("name").filter(|name| ![id, uid].contains(&Some(*name)));
    let claim = Claim {
        key: id,
        user: key.text("user_name").or(resource.text("user.name")).or(name),
        user_type: key.text("user_type"),
        principal: key.text("principal_id"),
    };
    Claimed::resource(claim, uid, account)
}

/// A level means the lowest value of its range: <https://schema.ocsf.io/1.6.0/classes/detection_finding>.
fn on_guarddutys_scale(finding: Fields<'_>) -> Option<Severity> {
    let value = match (finding.whole_number("severity_id"), finding.text("severity")) {
        (Some(1), _) | (None, Some("Informational")) => 0.0,
        (Some(2), _) | (None, Some("Low")) => 1.0,
        (Some(3), _) | (None, Some("Medium")) => 4.0,
        (Some(4), _) | (None, Some("High")) => 7.0,
        (Some(5), _) | (None, Some("Critical")) => 9.0,
        (Some(6), _) | (None, Some("Fatal")) => 10.0,
        _ => return None,
    };
    Severity::new(value)
}

fn not_in_force(finding: Fields<'_>) -> Option<NotInForce> {
    match (finding.whole_number("status_id"), finding.text("status")) {
        (Some(3), _) | (None, Some("Suppressed")) => Some(NotInForce::Suppressed),
        (Some(4), _) | (None, Some("Resolved")) => Some(NotInForce::Resolved),
        (Some(5), _) | (None, Some("Archived")) => Some(NotInForce::Archived),
        _ => (finding.text("activity_name") == Some("Close")).then_some(NotInForce::Resolved),
    }
}
