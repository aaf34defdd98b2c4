//! AWS Health events about credentials at risk:
//! <https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html>.
//!
//! A key can be in three places, any of which may be missing. Only the codes `AWS_RISK_CREDENTIALS_*` report named keys;
//! the other `AWS_RISK_*` codes call for a person.

use super::claim::Claim;
use super::detection::{beside, misfits_in};
use super::fields::Fields;
use super::{Event, EventError, Read, accounts, inside, origin};
use crate::credential::Credential;
use crate::finding::{Basis, Finding, NotInForce, Origin};
use crate::names::ForeignText;

pub(super) fn read(event: &Event) -> Read {
    inside("detail", &event.detail, |detail| match detail.text("eventTypeCode") {
        Some(code) if code.starts_with("AWS_RISK_") => {
            let found = findings(event, detail, code).into_iter().map(Ok).collect();
            beside(found, misfits_in(detail, "affectedEntities", &[]), None)
        }
        Some(_) => Vec::new(),
        None => vec![Err(EventError::mandatory("eventTypeCode", "a text"))],
    })
}

fn findings(event: &Event, detail: Fields<'_>, code: &str) -> Vec<Finding> {
    let metadata = detail.at("eventMetadata");
    let origin = origin_of(event, detail, code);
    let places = [detail.value("affectedAccount"), metadata.value("accountId")];
    let basis = if code.starts_with("AWS_RISK_CREDENTIALS_") { Basis::Report } else { Basis::Notice };
    let closed = detail.text("statusCode") == Some("closed");
    let finding = |key: Option<&str>, resolved: bool| {
        let claim = Claim { key, user: metadata.text("userName"), ..Claim::default() };
        let accounts = accounts::of_claim(&places, &claim, event);
        Finding {
            origin: origin.clone(),
            credential: claim.credential(&accounts),
            accounts,
            basis: basis.clone(),
            not_in_force: (resolved || closed).then_some(NotInForce::Resolved),
        }
    };
    let entities = detail.objects("affectedEntities");
    let mut findings: Vec<_> =
        entities.map(|entity| finding(entity.text("entityValue"), entity.text("status") == Some("RESOLVED"))).collect();
    // The same keys may stand here too: an entity comes first, because it alone can say that it is resolved.
    let repeated = event.resources.iter().map(String::as_str);
    for key in metadata.text("publicKey").into_iter().chain(repeated) {
        let finding = finding(Some(key), false);
        let known = findings.iter().any(|other| other.credential == finding.credential);
        if !known && !matches!(finding.credential, Credential::Unidentified { .. }) {
            findings.push(finding);
        }
    }
    if findings.is_empty() {
        findings.push(finding(None, false));
    }
    findings
}

fn origin_of(event: &Event, detail: Fields<'_>, code: &str) -> Origin {
    let arn = detail.text("eventArn").map(ForeignText::new);
    let origin = origin(event);
    Origin {
        id: arn.clone(),
        kind: Some(ForeignText::new(code)),
        arn,
        region: detail.text("eventRegion").map(ForeignText::new).or(origin.region),
        ..origin
    }
}
