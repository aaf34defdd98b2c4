//! Trusted Advisor's check `Exposed Access Keys`. All of its checks share one detail-type:
//! <https://docs.aws.amazon.com/awssupport/latest/user/cloudwatch-ta-events.html>.

use super::claim::Claim;
use super::fields::Fields;
use super::{Event, EventError, Read, accounts, inside, origin};
use crate::finding::{Basis, Finding, NotInForce, Origin};
use crate::names::ForeignText;

const CHECK: &str = "Exposed Access Keys";

pub(super) fn read(event: &Event) -> Read {
    inside("detail", &event.detail, |detail| match detail.text("check-name") {
        Some(CHECK) => vec![finding(event, detail)],
        Some(_) => Vec::new(),
        None => vec![Err(EventError::mandatory("check-name", "a text"))],
    })
}

fn finding(event: &Event, detail: Fields<'_>) -> Result<Finding, EventError> {
    let over = detail.text("status") == Some("OK");
    let item = detail.object("check-item-detail");
    let item = match item {
        Some(item) => item,
        // There is nothing to name.
        None if over => Fields::default(),
        None => return Err(EventError::mandatory("check-item-detail", "an object")),
    };
    let claim =
        Claim { key: item.text("Access Key ID"), user: item.text("User Name (IAM or Root)"), ..Claim::default() };
    let accounts = accounts::of_claim(&[], &claim, event);
    let origin = origin(event);
    Ok(Finding {
        origin: Origin {
            id: detail.text("uuid").map(ForeignText::new).or(origin.id),
            kind: Some(ForeignText::new(CHECK)),
            ..origin
        },
        credential: claim.credential(&accounts),
        accounts,
        basis: Basis::Report,
        not_in_force: over.then_some(NotInForce::Resolved),
    })
}
