//! Findings of the user's own detectors: any EventBridge event whose detail names an access key ID. `decision`
//! checks whether its source is listed in `CUSTOM_SOURCES`.

use aws_lambda_events::eventbridge::EventBridgeEvent;

use super::fields::Fields;
use super::{Read, origin};
use crate::credential::Claim;
use crate::finding::{Basis, Finding, Origin};
use crate::names::{AccountId, ForeignText};

/// Reads `detail.accessKeyId` and the optional `userName`, `accountId` and `reason`.
pub(super) fn read(event: &EventBridgeEvent) -> Read {
    let detail = Fields::of(&event.detail);
    let key = detail.text("accessKeyId");
    // Of AWS's own events, most have nothing to do with credentials.
    if event.source.starts_with("aws.") && key.is_none() {
        return Vec::new();
    }
    let account = AccountId::first_of([detail.text("accountId"), event.account.as_deref()]);
    let claim = Claim { key, user: detail.text("userName"), ..Claim::default() };
    let kind = detail.text("reason").unwrap_or(&event.detail_type);
    vec![Ok(Finding {
        origin: Origin { kind: Some(ForeignText::new(kind)), ..origin(event) },
        credential: claim.credential(account.as_ref()),
        account,
        basis: Basis::Custom,
        not_in_force: None,
    })]
}
