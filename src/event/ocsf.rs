//! Findings of Security Hub's second version, in OCSF:
//! <https://docs.aws.amazon.com/securityhub/latest/userguide/security-hub-v2-eventbridge.html>.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Deserialize;
use serde_json::Value;

use super::detection::{Claimed, Detection, original_type};
use super::security_hub::{is_access_key, is_guarddutys_own};
use super::{EventError, Read, lenient, lenient_list, origin, parse};
use crate::finding::{AccountId, Claim, Finding, ForeignText, Inactive, Origin, Severity};

#[derive(Default, Deserialize)]
#[serde(default)]
struct OcsfFinding {
    #[serde(deserialize_with = "lenient")]
    activity_name: String,
    #[serde(deserialize_with = "lenient")]
    cloud: Owner,
    #[serde(deserialize_with = "lenient")]
    finding_info: FindingInfo,
    #[serde(deserialize_with = "lenient")]
    metadata: Metadata,
    #[serde(deserialize_with = "lenient_list")]
    resources: Vec<Resource>,
    #[serde(deserialize_with = "lenient")]
    severity_id: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    severity: String,
    #[serde(deserialize_with = "lenient")]
    status_id: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FindingInfo {
    #[serde(deserialize_with = "lenient_list")]
    types: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    uid: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "lenient")]
    product: Uid,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Uid {
    #[serde(deserialize_with = "lenient")]
    uid: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owner {
    #[serde(deserialize_with = "lenient")]
    account: Uid,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    #[serde(rename = "type", deserialize_with = "lenient")]
    kind: String,
    #[serde(deserialize_with = "lenient")]
    uid: Option<String>,
    #[serde(deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    owner: Owner,
    #[serde(deserialize_with = "lenient")]
    account: Uid,
    #[serde(deserialize_with = "lenient")]
    user: User,
    /// An object, or the JSON text of one.
    #[serde(deserialize_with = "lenient")]
    data: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    #[serde(deserialize_with = "lenient")]
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyData {
    #[serde(deserialize_with = "lenient")]
    access_key_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    user_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    user_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    principal_id: Option<String>,
}

pub(super) fn read(event: &EventBridgeEvent) -> Read {
    super::each_finding(event, |finding| read_one(event, finding))
}

fn read_one(event: &EventBridgeEvent, finding: Value) -> Result<Vec<Finding>, EventError> {
    let finding: OcsfFinding = parse(finding, "")?;
    let types = &finding.finding_info.types;
    let kind = types.iter().find_map(|kind| original_type(kind));
    let severity = finding.on_guarddutys_scale();
    let account = |resource: Option<&Resource>| {
        let of_resource = resource.map(|resource| [&resource.owner.account, &resource.account]);
        let of_resource = of_resource.into_iter().flatten().map(|account| account.uid.as_deref());
        let of_finding = [finding.cloud.account.uid.as_deref()].into_iter();
        AccountId::first_of(of_finding.chain(of_resource).chain([event.account.as_deref()]))
    };
    let keys = finding.resources.iter().filter(|resource| is_access_key(&resource.kind));
    let claimed = keys.map(|resource| {
        let key = resource.access_key();
        // A resource may be named after itself.
        let name = resource
            .name
            .as_deref()
            .filter(|name| ![&key.access_key_id, &resource.uid].contains(&&Some((*name).to_owned())));
        let claim = Claim {
            key: key.access_key_id.as_deref(),
            user: key.user_name.as_deref().or(resource.user.name.as_deref()).or(name),
            user_type: key.user_type.as_deref(),
            principal: key.principal_id.as_deref(),
        };
        Claimed::resource(claim, resource.uid.as_deref(), account(Some(resource)))
    });
    let claimed = claimed.collect();
    let product = finding.metadata.product.uid.as_deref().unwrap_or_default();
    let of_guardduty = is_guarddutys_own(product, "::productv2/aws/guardduty");
    let detection = Detection {
        origin: Origin {
            id: finding.finding_info.uid.as_deref().map(ForeignText::new),
            kind: kind.as_deref().or(types.first().map(String::as_str)).map(ForeignText::new),
            severity,
            ..origin(event)
        },
        kind: (kind, "finding_info.types"),
        severity_field: "severity_id",
        inactive: finding.inactive().or((!of_guardduty).then_some(Inactive::OtherProduct)),
        chosen: false,
    };
    detection.of(claimed, account(None))
}

impl Resource {
    fn access_key(&self) -> KeyData {
        let data = match &self.data {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            data => data.clone(),
        };
        serde_json::from_value(data).unwrap_or_default()
    }
}

impl OcsfFinding {
    /// A level stands for the least of its range: <https://schema.ocsf.io/1.6.0/classes/detection_finding>.
    fn on_guarddutys_scale(&self) -> Option<Severity> {
        let value = match (self.severity_id, self.severity.as_str()) {
            (Some(1), _) | (None, "Informational") => 0.0,
            (Some(2), _) | (None, "Low") => 1.0,
            (Some(3), _) | (None, "Medium") => 4.0,
            (Some(4), _) | (None, "High") => 7.0,
            (Some(5), _) | (None, "Critical") => 9.0,
            (Some(6), _) | (None, "Fatal") => 10.0,
            _ => return None,
        };
        Severity::new(value)
    }

    fn inactive(&self) -> Option<Inactive> {
        match (self.status_id, self.status.as_str()) {
            (Some(3), _) | (None, "Suppressed") => Some(Inactive::Suppressed),
            (Some(4), _) | (None, "Resolved") => Some(Inactive::Resolved),
            (Some(5), _) | (None, "Archived") => Some(Inactive::Archived),
            _ => (self.activity_name == "Close").then_some(Inactive::Resolved),
        }
    }
}
