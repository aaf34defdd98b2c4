//! GuardDuty findings: <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html>.
//!
//! Any type of resource can carry a key. An attack sequence carries none, but its actors may have one each.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Deserialize;
use serde_json::Value;

use super::detection::{Claimed, Detection};
use super::{EventError, Read, is_true, lenient, lenient_list, lower_names, origin, parse};
use crate::finding::{AccountId, Claim, Finding, ForeignText, Inactive, Origin, Severity};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    #[serde(rename = "type", deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    severity: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    account_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    resource: Resource,
    #[serde(deserialize_with = "lenient")]
    service: Service,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Resource {
    #[serde(deserialize_with = "lenient")]
    access_key_details: Option<AccessKeyDetails>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AccessKeyDetails {
    #[serde(deserialize_with = "lenient")]
    access_key_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    user_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    user_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    principal_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Service {
    #[serde(deserialize_with = "lenient")]
    archived: Value,
    #[serde(deserialize_with = "lenient")]
    additional_info: AdditionalInfo,
    #[serde(deserialize_with = "lenient")]
    detection: Detected,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AdditionalInfo {
    #[serde(deserialize_with = "lenient")]
    sample: Value,
    #[serde(deserialize_with = "lenient")]
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detected {
    #[serde(deserialize_with = "lenient")]
    sequence: Sequence,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sequence {
    #[serde(deserialize_with = "lenient_list")]
    actors: Vec<Actor>,
}

/// An actor that is a process has no user.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Actor {
    #[serde(deserialize_with = "lenient")]
    user: Option<User>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct User {
    #[serde(deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(rename = "type", deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    credential_uid: Option<String>,
    #[serde(deserialize_with = "lenient")]
    uid: Option<String>,
    #[serde(deserialize_with = "lenient")]
    account: Account,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Account {
    #[serde(deserialize_with = "lenient")]
    uid: Option<String>,
}

pub(super) fn read(event: &EventBridgeEvent) -> Read {
    super::results(read_one(event))
}

fn read_one(event: &EventBridgeEvent) -> Result<Vec<Finding>, EventError> {
    let detail: Detail = parse(camel_case(event.detail.clone()), "detail")?;
    let severity = detail.severity.and_then(Severity::new);
    // In an organisation the envelope's account is that of the bus, so it comes last.
    let account =
        |own: Option<&str>| AccountId::first_of([own, detail.account_id.as_deref(), event.account.as_deref()]);
    let key = detail.resource.access_key_details.iter().map(|key| Claimed::new(key.claim(), account(None)));
    let actors = detail.service.detection.sequence.actors.iter();
    let claimed = key.chain(actors.filter_map(|actor| actor.claimed(account))).collect();
    let detection = Detection {
        origin: Origin {
            id: detail.id.as_deref().map(ForeignText::new),
            kind: detail.kind.as_deref().map(ForeignText::new),
            severity,
            ..origin(event)
        },
        kind: (detail.kind.clone(), "detail.type"),
        severity_field: "detail.severity",
        inactive: detail.service.inactive(),
        chosen: false,
    };
    detection.of(claimed, account(None))
}

impl AccessKeyDetails {
    fn claim(&self) -> Claim<'_> {
        Claim {
            key: self.access_key_id.as_deref(),
            user: self.user_name.as_deref(),
            user_type: self.user_type.as_deref(),
            principal: self.principal_id.as_deref(),
        }
    }
}

impl Actor {
    /// The credential of an actor. `account` turns the actor's own account into the one that counts.
    pub(super) fn claimed(&self, account: impl Fn(Option<&str>) -> Option<AccountId>) -> Option<Claimed> {
        let user = self.user.as_ref()?;
        let claim = Claim {
            key: user.credential_uid.as_deref(),
            user: user.name.as_deref(),
            user_type: user.kind.as_deref(),
            principal: user.uid.as_deref(),
        };
        Some(Claimed::new(claim, account(user.account.uid.as_deref())))
    }
}

impl Service {
    /// Newer samples say so in a JSON text inside `additionalInfo.value`.
    fn inactive(&self) -> Option<Inactive> {
        let inner: Value = serde_json::from_str(&self.additional_info.value).unwrap_or_default();
        if is_true(&self.additional_info.sample) || is_true(&inner["sample"]) {
            Some(Inactive::Sample)
        } else {
            is_true(&self.archived).then_some(Inactive::Archived)
        }
    }
}

/// The API, the CLI and the console export findings in PascalCase, and people replay those.
fn camel_case(detail: Value) -> Value {
    if detail.get("Type").is_some() && detail.get("type").is_none() { lower_names(detail) } else { detail }
}
