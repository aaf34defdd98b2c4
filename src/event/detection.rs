//! What the formats in which GuardDuty's findings arrive have in common.

use serde_json::Value;

use super::claim::Claim;
use super::fields::Fields;
use super::{Event, EventError, Read, accounts, inside, json, origin};
use crate::credential::{Contradiction, Credential, Holder, NamedAccounts};
use crate::finding::{Basis, Finding, NotInForce, Origin};
use crate::names::ForeignText;

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
    /// One finding for each credential. A type that is about credentials without naming one, and a person's choice, are
    /// about one that nobody has identified; `accounts` are then its accounts.
    pub(super) fn findings(self, mut claimed: Vec<Claimed>, accounts: NamedAccounts) -> Read {
        if claimed.is_empty() && self.kind.as_deref().is_some_and(is_about_credentials) {
            claimed.push(Claimed::new(Claim::default(), accounts));
        } else if claimed.is_empty() && self.chosen {
            claimed.push(Claimed::unknown(accounts));
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
            accounts: claimed.accounts,
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
#[derive(PartialEq)]
pub(super) struct Claimed {
    credential: Credential,
    accounts: NamedAccounts,
    is_sample: bool,
}

impl Claimed {
    pub(super) fn new(claim: Claim<'_>, accounts: NamedAccounts) -> Self {
        Self { credential: claim.credential(&accounts), accounts, is_sample: claim.is_sample() }
    }

    /// Nothing is known of it.
    fn unknown(accounts: NamedAccounts) -> Self {
        let credential = Credential::Unidentified { given: None, holder: Holder::Unknown(None) };
        Self { credential, accounts, is_sample: false }
    }

    /// A resource that gives its key in its details, in its own identifier, or in both. Only when they agree is it
    /// known which key it means.
    pub(super) fn resource(claim: Claim<'_>, identifier: Option<&str>, accounts: NamedAccounts) -> Self {
        let identifier = identifier.map(str::trim).map(|id| id.strip_prefix("AWS::IAM::AccessKey:").unwrap_or(id));
        let named_by_itself = Claim { key: identifier, ..claim }.unfolded();
        let by_details = Self::new(Claim { user: named_by_itself.user, ..claim }, accounts.clone());
        let by_resource = Self::new(named_by_itself, accounts);
        match (by_details.credential.key(), by_resource.credential.key()) {
            (Some(id), Some(other)) if id != other => {
                let contradiction = Contradiction::TwoKeys { other: other.clone() };
                Self { credential: Credential::Contradictory { id: id.clone(), contradiction }, ..by_resource }
            }
            (Some(_), _) => by_details,
            (None, Some(_)) => by_resource,
            (None, None) => Self { is_sample: by_details.is_sample || by_resource.is_sample, ..by_resource },
        }
    }

    /// The user of an actor. The account that stands there is the one in which the activity took place, which need not
    /// be the user's: <https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Account.html>.
    pub(super) fn actor(key: Option<&str>, user: Fields<'_>, of_finding: &NamedAccounts) -> Self {
        let claim = Claim { key, user: user.text("name"), user_type: user.text("type"), principal: user.text("uid") };
        let of_activity = accounts::in_places(&[user.value("account.uid")]);
        Self::new(claim, of_finding.clone().or_where_it_was_used(of_activity))
    }
}

/// What the actors of an attack sequence have each: its resources carry no key. An actor that is a process has no user.
pub(super) fn actors(sequence: Fields<'_>, of_finding: &NamedAccounts) -> Vec<Claimed> {
    let users = sequence.objects("actors").filter_map(|actor| actor.object("user"));
    users.map(|user| Claimed::actor(user.text("credentialUid"), user, of_finding)).collect()
}

/// The elements of a list that cannot be read, although a key may stand in each; `parts` lead to it there.
pub(super) fn misfits_in(finding: Fields<'_>, list: &str, parts: &[&str]) -> Vec<EventError> {
    if finding.is_misfit(list, Value::is_array) {
        return vec![EventError::event(list, "is not an array")];
    }
    let elements = finding.value(list).and_then(Value::as_array).into_iter().flatten().enumerate();
    let misfit = |(index, element): (usize, &Value)| {
        let place = format!("{list}[{index}]");
        if !element.is_object() && !element.is_null() {
            return Some(EventError::event(place, "is not an object"));
        }
        let part = parts.iter().find(|part| Fields::of(element).is_misfit(part, Value::is_object))?;
        Some(EventError::event(format!("{place}.{part}"), "is not an object"))
    };
    elements.filter_map(misfit).collect()
}

/// What a finding says, and what in it cannot be read. What is missing counts only where no key is named without it, and
/// nothing else tells that the finding is not whole.
pub(super) fn beside(read: Read, misfits: Vec<EventError>, missing: Option<EventError>) -> Read {
    let names_a_key =
        |result: &Result<Finding, EventError>| result.as_ref().is_ok_and(|finding| finding.credential.key().is_some());
    let missing = missing.filter(|_| misfits.is_empty() && !read.iter().any(names_a_key));
    let errors: Vec<_> = misfits.into_iter().chain(missing).collect();
    if errors.is_empty() {
        return read;
    }
    let told = read.into_iter().filter(|result| result.is_err() || names_a_key(result));
    told.chain(errors.into_iter().map(Err)).collect()
}

/// Whether a type is that of an attack sequence.
pub(super) fn is_sequence(kind: &str) -> bool {
    kind.starts_with("AttackSequence:")
}

/// Whether GuardDuty's `additionalInfo` marks a sample, in the JSON text that it is in newer findings.
pub(super) fn is_sample_info(text: &str) -> bool {
    json::parse(text).is_some_and(|info| Fields::of(&info.value).is_true("sample"))
}

/// GuardDuty counts how often it has seen the activity of a finding. Security Hub writes the number as text.
pub(super) fn is_repeat(count: Option<&Value>) -> bool {
    let number = |count: &Value| count.as_u64().or_else(|| count.as_str()?.parse().ok());
    count.and_then(number).is_some_and(|count| count > 1)
}

/// Reads the findings of Security Hub, which sends several in one event.
pub(super) fn each_finding(event: &Event, read: impl Fn(Fields<'_>) -> Read) -> Read {
    let findings = event.detail.get("findings").and_then(Value::as_array);
    let Some(findings) = findings.filter(|findings| !findings.is_empty()) else {
        return vec![Err(EventError::event("detail.findings", "is missing, empty or not an array"))];
    };
    let read_at = |(index, finding)| inside(&format!("detail.findings[{index}]"), finding, &read);
    findings.iter().enumerate().flat_map(read_at).collect()
}

/// The origin of a finding in Security Hub, and its GuardDuty type. A person is shown the first type where that is none
/// of GuardDuty's.
pub(super) fn in_security_hub<'v>(
    event: &Event,
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

/// Whether a product is GuardDuty, in either of its names. The account in the ARN of a product of AWS's own is empty; a
/// product that a customer names so has the customer's.
pub(super) fn is_guarddutys_own(product: &str) -> bool {
    let is_guardduty = |name| product.ends_with(name);
    product.starts_with("arn:")
        && ["::product/aws/guardduty", "::productv2/aws/guardduty"].into_iter().any(is_guardduty)
}

/// What a severity in words means: the lowest value of its range on GuardDuty's scale. ASFF writes the words in
/// capitals. <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html>
pub(super) fn severity_of_word(word: &str) -> Option<f64> {
    match word.to_ascii_uppercase().as_str() {
        "INFORMATIONAL" => Some(0.0),
        "LOW" => Some(1.0),
        "MEDIUM" => Some(4.0),
        "HIGH" => Some(7.0),
        "CRITICAL" => Some(9.0),
        "FATAL" => Some(10.0),
        _ => None,
    }
}

/// Types that are about a credential even where the finding carries none.
pub(super) fn is_about_credentials(kind: &str) -> bool {
    kind.contains(":IAMUser/") || kind.starts_with("AttackSequence:IAM/")
}

/// The GuardDuty type inside a type of Security Hub, which puts a namespace before it and a hyphen for its slash:
/// `TTPs/Policy:S3-BucketPublicAccessGranted`. `None` where there is no GuardDuty type.
/// <https://docs.aws.amazon.com/guardduty/latest/ug/securityhub-integration.html>
pub(super) fn original_type(kind: &str) -> Option<String> {
    let Some(colon) = kind.find(':') else { return without_colon(kind) };
    let (namespace, purpose) = kind[..colon].rsplit_once('/').unwrap_or(("", &kind[..colon]));
    let rest = &kind[colon + 1..];
    let (resource, name) = rest.split_once('/').or_else(|| rest.split_once('-')).unwrap_or((rest, ""));
    Some(joined(purpose, resource, &anomaly(namespace, name)))
}

/// The anomalous types lose their colon: `TTPs/Privilege Escalation/IAMUser-AnomalousBehavior` was
/// `PrivilegeEscalation:IAMUser/AnomalousBehavior`. What controls check looks alike: `Industry and Regulatory
/// Standards/PCI-DSS`.
fn without_colon(kind: &str) -> Option<String> {
    let (path, last) = kind.rsplit_once('/').filter(|_| !kind.starts_with("Software and Configuration Checks/"))?;
    let (namespace, purpose) = path.rsplit_once('/').unwrap_or(("", path));
    let (resource, name) = last.split_once('-')?;
    let is_word = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic()) && !word.contains([' ', '-']);
    (is_word(resource) && is_word(name)).then(|| joined(purpose, resource, &anomaly(namespace, name)))
}

/// Of the types about EKS the namespace alone tells that they rest on a behaviour model:
/// `TTPs/AnomalousBehavior/PrivilegeEscalation:Kubernetes-RoleBindingCreated`. GuardDuty itself writes
/// `PrivilegeEscalation:Kubernetes/AnomalousBehavior.RoleBindingCreated`.
fn anomaly(namespace: &str, name: &str) -> String {
    const ANOMALY: &str = "AnomalousBehavior";
    let is_anomaly = namespace.split('/').any(|part| part.replace(' ', "") == ANOMALY);
    if is_anomaly && !name.contains(ANOMALY) { format!("{ANOMALY}.{name}") } else { name.to_owned() }
}

/// Security Hub writes some purposes as words: `Privilege Escalation`.
fn joined(purpose: &str, resource: &str, name: &str) -> String {
    let purpose = purpose.replace(' ', "");
    if name.is_empty() { format!("{purpose}:{resource}") } else { format!("{purpose}:{resource}/{name}") }
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
            ("TTPs/AttackSequence:IAM/CompromisedCredentials", Some("AttackSequence:IAM/CompromisedCredentials")),
            ("Trojan:EC2", Some("Trojan:EC2")),
            // The colon is lost.
            (
                "TTPs/Privilege Escalation/IAMUser-AnomalousBehavior",
                Some("PrivilegeEscalation:IAMUser/AnomalousBehavior"),
            ),
            ("TTPs/Impact/IAMUser-AnomalousBehavior", Some("Impact:IAMUser/AnomalousBehavior")),
            ("TTPs/Impact/S3-AnomalousBehavior.Delete", Some("Impact:S3/AnomalousBehavior.Delete")),
            ("TTPs/Defense Evasion:IAMUser-AnomalousBehavior", Some("DefenseEvasion:IAMUser/AnomalousBehavior")),
            // The namespace tells that it is an anomaly.
            (
                "TTPs/AnomalousBehavior/PrivilegeEscalation:Kubernetes-RoleBindingCreated",
                Some("PrivilegeEscalation:Kubernetes/AnomalousBehavior.RoleBindingCreated"),
            ),
            (
                "TTPs/AnomalousBehavior/Persistence/Kubernetes-WorkloadDeployed!PrivilegedContainer",
                Some("Persistence:Kubernetes/AnomalousBehavior.WorkloadDeployed!PrivilegedContainer"),
            ),
            ("TTPs/AnomalousBehavior/Discovery:S3-AnomalousBehavior", Some("Discovery:S3/AnomalousBehavior")),
            // No type of GuardDuty's.
            ("Threats", None),
            ("TTPs/Defense Evasion", None),
            ("Software and Configuration Checks/Industry and Regulatory Standards/PCI-DSS", None),
            ("Software and Configuration Checks/Key Rotation", None),
            ("Unusual Behaviors", None),
        ] {
            assert_eq!(original_type(rewritten).as_deref(), original, "{rewritten}");
        }
    }
}
