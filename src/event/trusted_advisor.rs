//! Trusted Advisor's check `Exposed Access Keys`. All of its checks share one detail-type:
//! <https://docs.aws.amazon.com/awssupport/latest/user/cloudwatch-ta-events.html>.

use aws_lambda_events::eventbridge::EventBridgeEvent;

use super::fields::Fields;
use super::{Read, origin};
use crate::credential::Claim;
use crate::finding::{Basis, Finding, NotInForce, Origin};
use crate::names::{AccountId, ForeignText};

const CHECK: &str = "Exposed Access Keys";

pub(super) fn read(event: &EventBridgeEvent) -> Read {
    let detail = Fields::of(&event.detail);
    if detail.text("check-name") != Some(CHECK) {
        return Vec::new();
    }
    let item = detail.at("check-item-detail");
    let account = AccountId::first_of([event.account.as_deref()]);
    let claim =
        Claim { key: item.text("Access Key ID"), user: item.text("User Name (IAM or Root)"), ..Claim::default() };
    let origin = origin(event);
    vec![Ok(Finding {
        origin: Origin {
            id: detail.text("uuid").map(ForeignText::new).or(origin.id),
            kind: Some(ForeignText::new(CHECK)),
            ..origin
        },
        credential: claim.credential(account.as_ref()),
        account,
        basis: Basis::Report,
        not_in_force: (detail.text("status") == Some("OK")).then_some(NotInForce::Resolved),
    })]
}
