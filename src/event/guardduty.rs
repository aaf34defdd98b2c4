//! GuardDuty findings: <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html>.
//!
//! Any type of resource can carry a key. An attack sequence carries none, but its actors may have one each.

use aws_lambda_events::eventbridge::EventBridgeEvent;

use super::detection::{Claimed, DetectorFinding, actors, is_repeat, is_sample_info};
use super::fields::Fields;
use super::{Read, inside, origin};
use crate::credential::Claim;
use crate::finding::{NotInForce, Origin, Severity};
use crate::names::{AccountId, ForeignText};

pub(super) fn read(event: &EventBridgeEvent) -> Read {
    inside("detail", &event.detail, |detail| finding(event, detail))
}

fn finding(event: &EventBridgeEvent, detail: Fields<'_>) -> Read {
    let service = detail.at("service");
    let kind = detail.text("type");
    // In an organisation the envelope's account is that of the bus, so it comes last.
    let account = |own: Option<&str>| AccountId::first_of([own, detail.text("accountId"), event.account.as_deref()]);
    let key = detail.object("resource.accessKeyDetails").map(|key| Claimed::new(claim(key), account(None)));
    let claimed = key.into_iter().chain(actors(service.at("detection.sequence"), account)).collect();
    let origin = origin(event);
    let finding = DetectorFinding {
        origin: Origin {
            id: detail.text("id").map(ForeignText::new),
            kind: kind.map(ForeignText::new),
            severity: detail.number("severity").and_then(Severity::new),
            arn: detail.text("arn").map(ForeignText::new),
            region: detail.text("region").map(ForeignText::new).or(origin.region),
            repeat: is_repeat(service.field("count")),
            ..origin
        },
        kind: kind.map(str::to_owned),
        not_in_force: not_in_force(service),
        chosen: false,
        kind_field: "type",
        severity_field: "severity",
    };
    finding.findings(claimed, account(None))
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
