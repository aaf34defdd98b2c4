//! What the formats in which GuardDuty's findings arrive have in common.

use super::{EventError, required};
use crate::finding::{AccountId, Basis, Claim, Credential, Finding, Inactive, Origin};

/// A finding of a detector but for the credentials that it names.
pub(super) struct Detection {
    pub(super) origin: Origin,
    /// The GuardDuty finding type, and the field that holds it.
    pub(super) kind: (Option<String>, &'static str),
    /// The field that holds the severity.
    pub(super) severity_field: &'static str,
    /// Why it is not in force.
    pub(super) inactive: Option<Inactive>,
    /// Whether a person asked for containment, so that neither type nor severity count.
    pub(super) chosen: bool,
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
                let contradiction = format!("it gives both {id} and {other} for one key");
                Self { credential: Credential::Contradictory { id: id.clone(), contradiction }, ..by_resource }
            }
            (Some(_), _) => Self { is_sample: by_details.is_sample || by_resource.is_sample, ..by_details },
            (None, _) => Self { is_sample: by_details.is_sample || by_resource.is_sample, ..by_resource },
        }
    }
}

impl Detection {
    /// One finding for each credential. A detection whose type is about credentials and which names none is about one
    /// that nobody has identified; `account` is then its account.
    ///
    /// # Errors
    /// When what the gates need is missing.
    pub(super) fn of(self, mut claimed: Vec<Claimed>, account: Option<AccountId>) -> Result<Vec<Finding>, EventError> {
        let Self { origin, kind: (kind, kind_field), severity_field, inactive, chosen } = self;
        if claimed.is_empty() && kind.as_deref().is_some_and(is_about_credentials) {
            claimed.push(Claimed::new(Claim::default(), account));
        }
        if claimed.is_empty() {
            return Ok(vec![Finding::without_credential(origin)]);
        }
        let basis = if chosen || inactive.is_some() {
            Basis::Report
        } else {
            Basis::Detection { severity: required(origin.severity, severity_field)?, kind: required(kind, kind_field)? }
        };
        let finding = |claimed: Claimed| Finding {
            origin: origin.clone(),
            account: claimed.account,
            credential: claimed.credential,
            basis: basis.clone(),
            inactive: inactive.or(claimed.is_sample.then_some(Inactive::Sample)),
        };
        Ok(claimed.into_iter().map(finding).collect())
    }
}

/// Types that are about a credential even where the finding carries none.
fn is_about_credentials(kind: &str) -> bool {
    kind.contains(":IAMUser/") || kind.starts_with("AttackSequence:IAM/")
}

/// The GuardDuty type inside a type of Security Hub, which puts a namespace before it and a hyphen for its slash:
/// `TTPs/Policy:S3-BucketPublicAccessGranted`. `None` where there is no GuardDuty type.
/// <https://docs.aws.amazon.com/guardduty/latest/ug/securityhub-integration.html>
pub(super) fn original_type(kind: &str) -> Option<String> {
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
