//! What an event says: one finding for each credential that it names.

use serde::Serialize;

use crate::credential::{Credential, KeyStatus, NamedAccounts};
use crate::names::ForeignText;
use crate::schedule::FollowUp;

/// One credential that one event names, with all that the decision needs to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What reported it.
    pub origin: Origin,
    /// Where the credential is, as far as the event tells.
    pub accounts: NamedAccounts,
    /// The credential itself.
    pub credential: Credential,
    /// Why the event asks for containment, and so which gates it has to pass.
    pub basis: Basis,
    /// Why the finding is not in force, for example because it is a sample.
    pub not_in_force: Option<NotInForce>,
}

impl Finding {
    /// An event that is not about a credential.
    pub fn without_credential(origin: Origin) -> Self {
        let accounts = NamedAccounts::default();
        Self { origin, accounts, credential: Credential::None, basis: Basis::Report, not_in_force: None }
    }
}

/// What reported a finding: the `finding` of an answer and, with the fields that an answer leaves out, of a log line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Origin {
    /// The EventBridge source, or `command`.
    pub source: ForeignText,
    /// The identifier that the source gave the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ForeignText>,
    /// The source's own type, for example `UnauthorizedAccess:IAMUser/TorIPCaller`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ForeignText>,
    /// On GuardDuty's scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The finding's ARN, which leads to it in the console.
    #[serde(skip)]
    pub arn: Option<ForeignText>,
    /// The Region in which it was found.
    #[serde(skip)]
    pub region: Option<ForeignText>,
    /// Whether the source has sent it before: GuardDuty counts and sends it again while the activity goes on.
    #[serde(skip)]
    pub repeat: bool,
}

impl Origin {
    /// An origin of which nothing but the source is known.
    pub fn new(source: &str) -> Self {
        let source = ForeignText::new(source);
        Self { source, id: None, kind: None, severity: None, arn: None, region: None, repeat: false }
    }
}

/// The ground on which an event asks for containment.
#[derive(Clone, Debug, PartialEq)]
pub enum Basis {
    /// A detector's judgement: gated by severity and finding type.
    Detection {
        /// On GuardDuty's scale.
        severity: Severity,
        /// The GuardDuty finding type.
        kind: String,
    },
    /// AWS reports the exposure as a fact, or a person pressed a button: always acted on.
    Report,
    /// AWS reports a compromise of which this event does not name what to contain. A person has to find it.
    Notice,
    /// A detector of the user's own: acted on when `CUSTOM_SOURCES` lists its source.
    Custom,
    /// A person's command: neither gates nor EXEMPT apply to it.
    Command(Operation),
    /// What this function told its later self: EXEMPT applies to it.
    FollowUp(Box<FollowUp>),
}

/// What is done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Set it to Inactive.
    Deactivate,
    /// Set it to Inactive, then delete it.
    Delete,
    /// Set it to Active.
    Restore,
}

impl Operation {
    /// The status that the key gets first.
    pub fn status(self) -> KeyStatus {
        match self {
            Self::Deactivate | Self::Delete => KeyStatus::Inactive,
            Self::Restore => KeyStatus::Active,
        }
    }
}

/// Why a finding is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInForce {
    /// Generated to show what a finding looks like.
    Sample,
    /// Archived by a person or by a rule.
    Archived,
    /// Suppressed by a person or by a rule.
    Suppressed,
    /// The source says that it is over.
    Resolved,
    /// Reported by a product that is not acted on.
    OtherProduct,
}

/// A severity on GuardDuty's scale, 0 to 10:
/// <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html>.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Severity(f64);

impl Severity {
    /// Accepts 0 to 10.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=10.0).contains(&value).then_some(Self(value))
    }

    pub fn value(self) -> f64 {
        self.0
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
