//! AWS Health events about credentials at risk:
//! <https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html>.
//!
//! A key can be in three places, any of which may be missing. Only the codes `AWS_RISK_CREDENTIALS_*` report named keys;
//! the other `AWS_RISK_*` codes call for a person.

use aws_lambda_events::eventbridge::EventBridgeEvent;

use super::fields::Fields;
use super::{Read, inside, origin};
use crate::credential::{Claim, Credential};
use crate::finding::{Basis, Finding, NotInForce, Origin};
use crate::names::{AccountId, ForeignText};

pub(super) fn read(event: &EventBridgeEvent) -> Read {
    inside("detail", &event.detail, |detail| findings(event, detail).into_iter().map(Ok).collect())
}

fn findings(event: &EventBridgeEvent, detail: Fields<'_>) -> Vec<Finding> {
    let Some(code) = detail.text("eventTypeCode").filter(|code| code.starts_with("AWS_RISK_")) else {
        return Vec::new();
    };
    let metadata = detail.at("eventMetadata");
    let origin = origin_of(event, detail, code);
    let account =
        AccountId::first_of([detail.text("affectedAccount"), metadata.text("accountId"), event.account.as_deref()]);
    let basis = if code.starts_with("AWS_RISK_CREDENTIALS_") { Basis::Report } else { Basis::Notice };
    let closed = detail.text("statusCode") == Some("closed");
    let finding = |key: Option<&str>, resolved: bool| Finding {
        origin: origin.clone(),
        account: account.clone(),
        credential: Claim { key, user: metadata.text("userName"), ..Claim::default() }.credential(account.as_ref()),
        basis: basis.clone(),
        not_in_force: (resolved || closed).then_some(NotInForce::Resolved),
    };
    let entities = detail.objects("affectedEntities");
    let mut findings: Vec<_> =
        entities.map(|entity| finding(entity.text("entityValue"), entity.text("status") == Some("RESOLVED"))).collect();
    // The same keys may stand here too: an entity comes first, because it alone can say that it is resolved.
    let repeated = event.resources.iter().flatten().map(String::as_str);
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

fn origin_of(event: &EventBridgeEvent, detail: Fields<'_>, code: &str) -> Origin {
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
