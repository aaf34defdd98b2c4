//! GuardDuty findings: <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html>.
//!
//! Any type of resource can carry a key. An attack sequence carries none, but its actors may have one each.

use serde_json::Value;

use super::claim::Claim;
use super::detection::{
    Claimed, DetectorFinding, actors, beside, is_about_credentials, is_repeat, is_sample_info, is_sequence, misfits_in,
};
use super::fields::Fields;
use super::{Event, EventError, Read, accounts, inside, origin};
use crate::credential::NamedAccounts;
use crate::finding::{NotInForce, Origin, Severity};
use crate::names::ForeignText;

pub(super) fn read(event: &Event) -> Read {
    inside("detail", &event.detail, |detail| match kind(detail) {
        Ok(kind) => beside(finding(event, detail, kind), misfits(detail, kind), missing(detail, kind)),
        Err(error) => vec![Err(error)],
    })
}

/// The type, which every finding has. An export, which holds a list of findings, has none, nor has what a transformer
/// took apart.
fn kind(detail: Fields<'_>) -> Result<&str, EventError> {
    let kind = detail.text("type").filter(|kind| !kind.trim().is_empty());
    kind.ok_or_else(|| EventError::mandatory("type", "a text"))
}

const SEQUENCE: &str = "service.detection.sequence";

/// The parts in which a key can stand, and that are something else.
fn misfits(detail: Fields<'_>, kind: &str) -> Vec<EventError> {
    let leads_to_actors: &[_] = if is_sequence(kind) { &["service", "service.detection", SEQUENCE] } else { &[] };
    let objects = ["resource", "resource.accessKeyDetails"].iter().chain(leads_to_actors);
    let no_objects = objects.filter(|field| detail.is_misfit(field, Value::is_object));
    let no_objects = no_objects.map(|field| EventError::event(*field, "is not an object"));
    no_objects.chain(misfits_in(detail, &format!("{SEQUENCE}.actors"), &["user"])).collect()
}

/// What a finding of its type always has. What is about credentials without one is told to a person.
fn missing(detail: Fields<'_>, kind: &str) -> Option<EventError> {
    let is_of_a_key = detail.text("resource.resourceType") == Some("AccessKey");
    let field = match (is_sequence(kind), is_of_a_key) {
        (true, _) => SEQUENCE,
        (false, true) => "resource.accessKeyDetails",
        (false, false) => "resource",
    };
    let has_parts = |sequence: Fields<'_>| ["actors", "signals"].iter().any(|part| sequence.value(part).is_some());
    let is_whole = detail.object(field).is_some_and(|found| !is_sequence(kind) || has_parts(found));
    let lacks = !is_whole && !is_about_credentials(kind);
    lacks.then(|| EventError::mandatory(field, "an object"))
}

fn finding(event: &Event, detail: Fields<'_>, kind: &str) -> Read {
    let service = detail.at("service");
    let accounts = accounts::of_event(&[detail.value("accountId")], event);
    let key = detail.object("resource.accessKeyDetails");
    let key = key.map(|key| Claimed::new(claim(key), with_the_callers(service, accounts.clone())));
    // A sequence can span accounts; its envelope may name the one of the user.
    let of_sequence = accounts.clone().or_where_it_was_used(accounts::of_event(&[], event));
    let claimed = key.into_iter().chain(actors(detail.at(SEQUENCE), &of_sequence)).collect();
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
    if of_finding.unreadable().is_some() || of_finding.is_empty() {
        return of_finding;
    }
    let callers = service.value("action.awsApiCallAction.remoteAccountDetails.accountId");
    of_finding.or_where_it_was_used(accounts::in_places(&[callers]))
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
