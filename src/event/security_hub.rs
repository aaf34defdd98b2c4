//! Security Hub findings in ASFF: <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-cwe-event-formats.html>.
//!
//! Imported findings are those of GuardDuty's own product. A custom action is a person who pressed a button on findings
//! of any product.

use serde_json::Value;

use super::claim::Claim;
use super::detection::{
    Claimed, DetectorFinding, actors, beside, each_finding, in_security_hub, is_about_credentials, is_access_key,
    is_guarddutys_own, is_repeat, is_sample_info, is_sequence, misfits_in, original_type, severity_of_word,
};
use super::fields::{Fields, is_true};
use super::{Event, EventError, Read, accounts};
use crate::credential::NamedAccounts;
use crate::finding::{NotInForce, Origin, Severity};

pub(super) fn read_imported(event: &Event) -> Read {
    each_finding(event, |finding| read(event, finding, false))
}

pub(super) fn read_custom_action(event: &Event) -> Read {
    each_finding(event, |finding| read(event, finding, true))
}

/// `chosen` is whether a person chose the finding.
fn read(event: &Event, finding: Fields<'_>, chosen: bool) -> Read {
    match is_of_guardduty(finding, chosen) {
        Ok(true) if !chosen => beside(read_one(event, finding, chosen, true), misfits(finding), missing(finding)),
        Ok(of_guardduty) => read_one(event, finding, chosen, of_guardduty),
        Err(error) => vec![Err(error)],
    }
}

const SEQUENCE: &str = "Detection.Sequence";

/// The parts in which a key can stand, and that are something else.
fn misfits(finding: Fields<'_>) -> Vec<EventError> {
    let actors = misfits_in(finding, &format!("{SEQUENCE}.Actors"), &["User"]);
    misfits_in(finding, "Resources", &["Details", "Details.AwsIamAccessKey"]).into_iter().chain(actors).collect()
}

/// What a finding of its type always has.
fn missing(finding: Fields<'_>) -> Option<EventError> {
    if finding.objects("Resources").next().is_none() {
        return Some(EventError::mandatory("Resources", "an array of objects"));
    }
    let kinds = types(finding).filter_map(original_type);
    let has_actors = kinds.into_iter().any(|kind| is_sequence(&kind) && !is_about_credentials(&kind));
    let lacks = has_actors && finding.object(SEQUENCE).is_none();
    lacks.then(|| EventError::mandatory(SEQUENCE, "an object"))
}

/// Whether the finding is GuardDuty's own, if it has all that it needs for what is to be done with it: products fill
/// their findings in many ways, and those of others are ignored anyway.
fn is_of_guardduty(finding: Fields<'_>, chosen: bool) -> Result<bool, EventError> {
    let product = finding.text("ProductArn");
    if product.is_none() && !chosen {
        return Err(EventError::mandatory("ProductArn", "a text"));
    }
    let of_guardduty = product.is_some_and(is_guarddutys_own);
    if (of_guardduty || chosen) && !finding.value("Resources").is_some_and(Value::is_array) {
        return Err(EventError::mandatory("Resources", "an array"));
    }
    if of_guardduty && !chosen && types(finding).next().is_none() {
        return Err(EventError::mandatory("Types", "an array of texts"));
    }
    Ok(of_guardduty)
}

/// What the product itself wrote stands beside what a customer may have changed:
/// <https://docs.aws.amazon.com/securityhub/latest/userguide/finding-provider-fields.html>.
fn types(finding: Fields<'_>) -> impl Iterator<Item = &str> {
    finding.texts("Types").chain(finding.texts("FindingProviderFields.Types"))
}

fn read_one(event: &Event, finding: Fields<'_>, chosen: bool, of_guardduty: bool) -> Read {
    let accounts = accounts::of_event(&[finding.value("AwsAccountId")], event);
    let is_key = |resource: &Fields<'_>| {
        resource.text("Type").is_some_and(is_access_key) || resource.object("Details.AwsIamAccessKey").is_some()
    };
    let keys = finding.objects("Resources").filter(is_key);
    let accounts_of = |resource| accounts::of_event(&places(finding, resource), event);
    let keys = keys.map(|resource| Claimed::resource(claim(resource), resource.text("Id"), accounts_of(resource)));
    let mut claimed: Vec<_> = keys.chain(actors(finding.at(SEQUENCE), &accounts)).collect();
    if chosen && claimed.is_empty() {
        claimed = principals(finding, accounts_of);
    }
    let (origin, kind) = in_security_hub(event, finding.text("Id"), types(finding), finding.text("Region"));
    let other = (!of_guardduty && !chosen).then_some(NotInForce::OtherProduct);
    let severity = [finding.at("Severity"), finding.at("FindingProviderFields.Severity")];
    let finding = DetectorFinding {
        origin: Origin {
            severity: severity.into_iter().find_map(on_guarddutys_scale),
            repeat: is_repeat(finding.at("ProductFields").field("aws/guardduty/service/count")),
            ..origin
        },
        kind,
        not_in_force: not_in_force(finding).or(other),
        chosen,
        kind_field: "Types",
        severity_field: "Severity",
    };
    finding.findings(claimed, accounts)
}

/// Where the account of a resource can be: with the finding, in its details, and in its identifier if that is an ARN.
fn places<'v>(finding: Fields<'v>, resource: Fields<'v>) -> [Option<&'v Value>; 3] {
    let arn = accounts::in_arn(resource.value("Id"));
    [finding.value("AwsAccountId"), resource.value("Details.AwsIamAccessKey.AccountId"), arn]
}

/// The users and roles of a finding that names no key: a person means one of them.
fn principals<'v>(finding: Fields<'v>, accounts_of: impl Fn(Fields<'v>) -> NamedAccounts) -> Vec<Claimed> {
    let claim = |resource: Fields<'v>| {
        let user = resource.at("Details.AwsIamUser");
        let role = resource.at("Details.AwsIamRole");
        let (name, user_type, principal) = match resource.text("Type")? {
            "AwsIamUser" | "AWS::IAM::User" => (user.text("UserName"), "IAMUser", user.text("UserId")),
            "AwsIamRole" | "AWS::IAM::Role" => (role.text("RoleName"), "Role", role.text("RoleId")),
            _ => return None,
        };
        let user = name.or(resource.text("Id"));
        Some(Claimed::new(Claim { key: None, user, user_type: Some(user_type), principal }, accounts_of(resource)))
    };
    finding.objects("Resources").filter_map(claim).collect()
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

/// `Product` is GuardDuty's own number. `Normalized` goes to 100 and comes last: a finding of severity 2 arrives as `LOW`
/// with 40. <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Severity.html>
fn on_guarddutys_scale(severity: Fields<'_>) -> Option<Severity> {
    let product = severity.number("Product").and_then(Severity::new);
    let label = || severity.text("Label").and_then(severity_of_word).and_then(Severity::new);
    let normalized = || severity.number("Normalized").and_then(|value| Severity::new(value / 10.0));
    product.or_else(label).or_else(normalized)
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
