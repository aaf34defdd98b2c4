//! GuardDuty findings: <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html>.
//!
//! Any type of resource can carry a key. An attack sequence carries none, but its actors may have one each.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Deserialize;
use serde_json::Value;

use super::{EventError, lenient, lenient_list, origin, parse, required};
use crate::finding::{AccountId, Basis, Claim, Finding, ForeignText, Inactive, Origin, Severity};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
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
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Service {
    #[serde(deserialize_with = "lenient")]
    archived: Value,
    #[serde(deserialize_with = "lenient")]
    additional_info: AdditionalInfo,
    #[serde(deserialize_with = "lenient")]
    detection: Detection,
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
struct Detection {
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
struct Actor {
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
    account: Account,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Account {
    #[serde(deserialize_with = "lenient")]
    uid: Option<String>,
}

/// # Errors
/// When the finding is about a credential and lacks what the gates need.
pub(super) fn read(event: &EventBridgeEvent) -> Result<Vec<Finding>, EventError> {
    let detail: Detail = parse(camel_case(event.detail.clone()), "detail")?;
    let severity = detail.severity.and_then(Severity::new);
    let origin = Origin {
        id: detail.id.as_deref().map(ForeignText::new),
        kind: detail.kind.as_deref().map(ForeignText::new),
        severity,
        ..origin(event)
    };
    // In an organisation the envelope's account is that of the bus, so it comes last.
    let account =
        |own: Option<&str>| AccountId::first_of([own, detail.account_id.as_deref(), event.account.as_deref()]);
    let mut claims: Vec<(Claim<'_>, Option<AccountId>)> = Vec::new();
    if let Some(key) = &detail.resource.access_key_details {
        let claim = Claim {
            key: key.access_key_id.as_deref(),
            user: key.user_name.as_deref(),
            user_type: key.user_type.as_deref(),
        };
        claims.push((claim, account(None)));
    }
    for user in detail.service.detection.sequence.actors.iter().filter_map(|actor| actor.user.as_ref()) {
        let claim =
            Claim { key: user.credential_uid.as_deref(), user: user.name.as_deref(), user_type: user.kind.as_deref() };
        claims.push((claim, account(user.account.uid.as_deref())));
    }
    if claims.is_empty() && detail.kind.as_deref().is_none_or(is_about_credentials) {
        claims.push((Claim::default(), account(None)));
    }
    if claims.is_empty() {
        return Ok(vec![Finding::without_credential(origin)]);
    }
    let kind = required(detail.kind, "detail.type")?;
    let severity = required(severity, "detail.severity")?;
    let basis = Basis::Detection { severity, kind };
    Ok(claims
        .into_iter()
        .map(|(claim, account)| Finding {
            origin: origin.clone(),
            credential: claim.credential(account.as_ref()),
            account,
            basis: basis.clone(),
            inactive: detail.service.inactive().or(claim.is_sample().then_some(Inactive::Sample)),
        })
        .collect())
}

/// Types that are about a credential even where the finding carries none.
fn is_about_credentials(kind: &str) -> bool {
    kind.contains(":IAMUser/") || kind.starts_with("AttackSequence:IAM/")
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

fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true) || value.as_str() == Some("true")
}

/// The API, the CLI and the console export findings in PascalCase, and people replay those.
fn camel_case(detail: Value) -> Value {
    match detail {
        Value::Object(object) if object.contains_key("Type") && !object.contains_key("type") => {
            lower_names(Value::Object(object))
        }
        detail => detail,
    }
}

fn lower_names(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .map(|(name, value)| {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect::<String>(), lower_names(value))
            })
            .collect(),
        Value::Array(values) => values.into_iter().map(lower_names).collect(),
        value => value,
    }
}
