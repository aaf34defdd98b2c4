//! GuardDuty findings: <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html>.
//!
//! Any type of resource can carry a key. An attack sequence carries none, but its actors may have one each.

use serde_json::Value;

use super::claim::Claim;
use super::detection::{Claimed, DetectorFinding, actors, is_repeat, is_sample_info};
use super::fields::Fields;
use super::{Event, EventError, Read, accounts, inside, origin};
use crate::credential::NamedAccounts;
use crate::finding::{NotInForce, Origin, Severity};
use crate::names::ForeignText;

pub(super) fn read(event: &Event) -> Read {
    inside("detail", &event.detail, |detail| match kind(detail) {
        Ok(kind) => finding(event, detail, kind),
        Err(error) => vec![Err(error)],
    })
}

/// The type, which every finding has. An export, which holds a list of findings, has none, nor has what a transformer
/// took apart.
fn kind(detail: Fields<'_>) -> Result<&str, EventError> {
    const ACTORS: &str = "service.detection.sequence.actors";
    let no_object = ["resource", "resource.accessKeyDetails"];
    if let Some(field) = no_object.into_iter().find(|field| detail.is_misfit(field, Value::is_object)) {
        return Err(EventError::event(field, "is not an object"));
    }
    if detail.is_misfit(ACTORS, Value::is_array) {
        return Err(EventError::event(ACTORS, "is not an array"));
    }
    let kind = detail.text("type").filter(|kind| !kind.trim().is_empty());
    kind.ok_or_else(|| EventError::mandatory("type", "a text"))
}

fn finding(event: &Event, detail: Fields<'_>, kind: &str) -> Read {
    let service = detail.at("service");
    let accounts = accounts::of_event(&[detail.value("accountId")], event);
    let key = detail.object("resource.accessKeyDetails");
    let key = key.map(|key| Claimed::new(claim(key), with_the_callers(service, accounts.clone())));
    let claimed = key.into_iter().chain(actors(service.at("detection.sequence"), &accounts)).collect();
    let origin = origin(event);
    let finding = DetectorFinding {
        origin: Origin {
            id: detail.text("id").map(ForeignText::new),
            kind: Some(ForeignText::new(kind)),
            severity: detail.number("severity").and_then(Severity::new),
            arn: detail.text("arn").map(ForeignText::new),
            region: detail.text("region").map(ForeignText::new).or(origin.region),
            repeat: is_repeat(service.field("count")),
            ..origin
        },
        kind: Some(kind.to_owned()),
        not_in_force: not_in_force(service),
        chosen: false,
        kind_field: "type",
        severity_field: "severity",
    };
    finding.findings(claimed, accounts)
}

/// The account of a caller from elsewhere, who may have brought the key along:
/// <https://docs.aws.amazon.com/guardduty/latest/APIReference/API_RemoteAccountDetails.html>. It does not stand in for the
/// finding's own where that cannot be read.
fn with_the_callers(service: Fields<'_>, of_finding: NamedAccounts) -> NamedAccounts {
    if matches!(of_finding, NamedAccounts::Unreadable(_)) {
        return of_finding;
    }
    let callers = service.value("action.awsApiCallAction.remoteAccountDetails.accountId");
    match accounts::in_places(&[callers]) {
        NamedAccounts::Unreadable(_) => of_finding,
        callers => accounts::both(of_finding, callers),
    }
}

fn claim(key: Fields<'_>) -> Claim<'_> {
    Claim {
        key: key.text("accessKeyId"),
        user: key.text("userName"),
        user_type: key.text("userType"),
        principal: key.text("principalId"),
    }
}

fn not_in_force(service: Fields<'_>) -> Option<NotInForce> {
    let info = service.at("additionalInfo");
    if info.is_true("sample") || info.text("value").is_some_and(is_sample_info) {
        return Some(NotInForce::Sample);
    }
    service.is_true("archived").then_some(NotInForce::Archived)
}
