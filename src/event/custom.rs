//! Findings of the user's own detectors: any EventBridge event whose detail names an access key ID. `decision`
//! checks whether its source is listed in `CUSTOM_SOURCES`.

use super::claim::Claim;
use super::fields::Fields;
use super::{Event, Read, accounts, origin};
use crate::finding::{Basis, Finding, Origin};
use crate::names::ForeignText;

/// Reads `detail.accessKeyId` and the optional `userName`, `accountId` and `reason`.
pub(super) fn read(event: &Event) -> Read {
    let detail = Fields::of(&event.detail);
    let key = detail.text("accessKeyId");
    if is_awss_own(&event.source) && key.is_none() {
        return Vec::new();
    }
    let claim = Claim { key, user: detail.text("userName"), ..Claim::default() };
    let accounts = accounts::of_claim(&[detail.value("accountId")], &claim, event);
    let kind = detail.text("reason").unwrap_or(&event.detail_type);
    vec![Ok(Finding {
        origin: Origin { kind: Some(ForeignText::new(kind)), ..origin(event) },
        credential: claim.credential(&accounts),
        accounts,
        basis: Basis::Custom,
        not_in_force: None,
    })]
}

/// Of AWS's own events, most have nothing to do with credentials. The sources of partners begin alike:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-saas.html>.
fn is_awss_own(source: &str) -> bool {
    source.starts_with("aws.") && !source.starts_with("aws.partner/")
}
