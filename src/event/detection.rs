//! What the formats in which GuardDuty's findings arrive have in common.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::Value;

use super::fields::Fields;
use super::{EventError, Read, inside, origin};
use crate::credential::{Claim, Contradiction, Credential};
use crate::finding::{Basis, Finding, NotInForce, Origin};
use crate::names::{AccountId, ForeignText};

/// A finding of a detector, without the credentials that it names.
pub(super) struct DetectorFinding {
    pub(super) origin: Origin,
    /// The GuardDuty finding type.
    pub(super) kind: Option<String>,
    pub(super) not_in_force: Option<NotInForce>,
    /// Whether a person asked for containment, so that neither type nor severity count.
    pub(super) chosen: bool,
    /// Where the format keeps what the gates need, for the person who is told that it is missing.
    pub(super) kind_field: &'static str,
    pub(super) severity_field: &'static str,
}

impl DetectorFinding {
    /// One finding for each credential. A type that is about credentials without naming one is about one that nobody
    /// has identified; `account` is then its account.
    pub(super) fn findings(self, mut claimed: Vec<Claimed>, account: Option<AccountId>) -> Read {
        if claimed.is_empty() && self.kind.as_deref().is_some_and(is_about_credentials) {
            claimed.push(Claimed::new(Claim::default(), account));
        }
        if claimed.is_empty() {
            return vec![Ok(Finding::without_credential(self.origin))];
        }
        let basis = match self.basis() {
            Ok(basis) => basis,
            Err(error) => return vec![Err(error)],
        };
        let finding = |claimed: Claimed| Finding {
            origin: self.origin.clone(),
            account: claimed.account,
            credential: claimed.credential,
            basis: basis.clone(),
            not_in_force: self.not_in_force.or(claimed.is_sample.then_some(NotInForce::Sample)),
        };
        claimed.into_iter().map(finding).map(Ok).collect()
    }

    fn basis(&self) -> Result<Basis, EventError> {
        if self.chosen || self.not_in_force.is_some() {
            return Ok(Basis::Report);
        }
        let missing = |field| EventError::event(field, "is missing or not what it should be");
        let severity = self.origin.severity.ok_or_else(|| missing(self.severity_field))?;
        let kind = self.kind.clone().ok_or_else(|| missing(self.kind_field))?;
        Ok(Basis::Detection { severity, kind })
    }
}

/// A credential that a detector names.
pub(super) struct Claimed {
    credential: Credential,
    account: Option<AccountId>,
    is_sample: bool,
}

impl Claimed {
    pub(super) fn new(claim: Claim<'_>, account: Option<AccountId>) -> Self {
        Self { credential: claim.credential(account.as_ref()), account, is_sample: claim.is_sample() }
    }

    /// A resource that gives its key in its details, in its own identifier, or in both. Only when they agree is it
    /// known which key it means.
    pub(super) fn resource(claim: Claim<'_>, identifier: Option<&str>, account: Option<AccountId>) -> Self {
        let identifier = identifier.map(str::trim).map(|id| id.strip_prefix("AWS::IAM::AccessKey:").unwrap_or(id));
        let by_details = Self::new(claim, account.clone());
        let by_resource = Self::new(Claim { key: identifier, ..claim }, account);
        match (by_details.credential.key(), by_resource.credential.key()) {
            (Some(id), Some(other)) if id != other => {
                let contradiction = Contradiction::TwoKeys { other: other.clone() };
                Self { credential: Credential::Contradictory { id: id.clone(), contradiction }, ..by_resource }
            }
            (Some(_), _) => Self { is_sample: by_details.is_sample || by_resource.is_sample, ..by_details },
            (None, _) => Self { is_sample: by_details.is_sample || by_resource.is_sample, ..by_resource },
        }
    }
}

/// What the actors of an attack sequence have each: its resources carry no key. An actor that is a process has no user.
/// `account` turns an actor's own account into the one that counts.
pub(super) fn actors(sequence: Fields<'_>, account: impl Fn(Option<&str>) -> Option<AccountId>) -> Vec<Claimed> {
    let users = sequence.objects("actors").filter_map(|actor| actor.object("user"));
    let claimed = users.map(|user| {
        let claim = Claim {
            key: user.text("credentialUid"),
            user: user.text("name"),
            user_type: user.text("type"),
            principal: user.text("uid"),
        };
        Claimed::new(claim, account(user.text("account.uid")))
    });
    claimed.collect()
}

/// Whether GuardDuty's `additionalInfo` marks a sample, in the JSON text that it is in newer findings.
pub(super) fn is_sample_info(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|info| Fields::of(&info).is_true("sample"))
}

/// GuardDuty counts how often it has seen the activity of a finding. Security Hub writes the number as text.
pub(super) fn is_repeat(count: Option<&Value>) -> bool {
    let number = |count: &Value| count.as_u64().or_else(|| count.as_str()?.parse().ok());
    count.and_then(number).is_some_and(|count| count > 1)
}

/// Reads the findings of Security Hub, which sends several in one event.
pub(super) fn each_finding(event: &EventBridgeEvent, read: impl Fn(Fields<'_>) -> Read) -> Read {
    let Some(findings) = event.detail.get("findings").and_then(Value::as_array) else {
        return vec![Err(EventError::event("detail.findings", "is missing or not an array"))];
    };
    let read_at = |(index, finding)| inside(&format!("detail.findings[{index}]"), finding, &read);
    findings.iter().enumerate().flat_map(read_at).collect()
}

/// The origin of a finding in Security Hub, and its GuardDuty type. A person is shown the first type where that is none
/// of GuardDuty's.
pub(super) fn in_security_hub<'v>(
    event: &EventBridgeEvent,
    id: Option<&str>,
    types: impl Iterator<Item = &'v str>,
    region: Option<&str>,
) -> (Origin, Option<String>) {
    let types: Vec<_> = types.collect();
    let kind = types.iter().find_map(|kind| original_type(kind));
    let origin = origin(event);
    let origin = Origin {
        id: id.map(ForeignText::new),
        kind: kind.as_deref().or(types.first().copied()).map(ForeignText::new),
        arn: id.filter(|id| id.starts_with("arn:")).map(ForeignText::new),
        region: region.map(ForeignText::new).or(origin.region),
        ..origin
    };
    (origin, kind)
}

/// The type of an access key in either of its names.
pub(super) fn is_access_key(resource_type: &str) -> bool {
    matches!(resource_type, "AwsIamAccessKey" | "AWS::IAM::AccessKey")
}

/// The account in the ARN of a product of AWS's own is empty; a product that a customer names so has the customer's.
pub(super) fn is_guarddutys_own(product: &str, suffix: &str) -> bool {
    product.starts_with("arn:") && product.ends_with(suffix)
}

/// Types that are about a credential even where the finding carries none.
fn is_about_credentials(kind: &str) -> bool {
    kind.contains(":IAMUser/") || kind.starts_with("AttackSequence:IAM/")
}

/// The GuardDuty type inside a type of Security Hub, which puts a namespace before it and a hyphen for its slash:
/// `TTPs/Policy:S3-BucketPublicAccessGranted`. `None` where there is no GuardDuty type.
/// <https://docs.aws.amazon.com/guardduty/latest/ug/securityhub-integration.html>
fn original_type(kind: &str) -> Option<String> {
    let colon = kind.find(':')?;
    let start = kind[..colon].rfind('/').map_or(0, |slash| slash + 1);
    let (purpose, rest) = (&kind[start..colon], &kind[colon..]);
    Some(if rest.contains('/') {
        format!("{purpose}{rest}")
    } else {
        format!("{purpose}{}", rest.replacen('-', "/", 1))
    })
}

#[cfg(test)]
mod tests {
    use super::original_type;

    #[test]
    fn the_guardduty_type_is_found_again_in_what_security_hub_makes_of_it() {
        for (rewritten, original) in [
            (
                "TTPs/Defense Evasion/Stealth:IAMUser-CloudTrailLoggingDisabled",
                Some("Stealth:IAMUser/CloudTrailLoggingDisabled"),
            ),
            ("TTPs/Policy:S3-BucketPublicAccessGranted", Some("Policy:S3/BucketPublicAccessGranted")),
            (
                "Effects/Data Exfiltration/UnauthorizedAccess:IAMUser-InstanceCredentialExfiltration.OutsideAWS",
                Some("UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"),
            ),
            ("TTPs/PenTest:IAMUser/KaliLinux", Some("PenTest:IAMUser/KaliLinux")),
            ("Recon:IAMUser/TorIPCaller", Some("Recon:IAMUser/TorIPCaller")),
            ("Unusual Behaviors", None),
        ] {
            assert_eq!(original_type(rewritten).as_deref(), original, "{rewritten}");
        }
    }
}
