//! What was done about a credential, and what was not: facts, filled in as AWS confirms them.
//!
//! A record lives outside of the futures that fill it, so that what was done is told even when the rest failed or the
//! time ran out.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use crate::config::Protection;
use crate::credential::{KeyStatus, Principal, ReservedRole};
use crate::evidence::Evidence;
use crate::failure::{Cause, Failed};
use crate::finding::{NotInForce, Severity};
use crate::names::{AccessKeyId, AccountId, ForeignText, RoleName, UserName};
use crate::plan::{Beyond, Measure, Plan, Step};

/// The facts about one credential.
#[derive(Debug, Default)]
pub struct Record {
    /// The account that was acted in, or asked last.
    pub account: Option<AccountId>,
    /// Whose key it is, on IAM's word.
    pub owner: Option<UserName>,
    /// What AWS confirmed, in order.
    pub done: Vec<Done>,
    /// Why the credential, or a part of what it can do, was left alone.
    pub left: Option<Left>,
    /// The steps that failed.
    pub failed: Vec<Failed>,
    /// The step that was begun last.
    pub begun: Option<Step>,
    /// Whether a later read showed the state that was brought about.
    pub confirmed: bool,
    /// What that read told of the key and its siblings.
    pub seen: Option<KeysSeen>,
    /// What else the owner can sign in with.
    pub other_credentials: Option<OtherCredentials>,
    /// Inline policies that an earlier version of this function left on a principal, and that a person has to remove.
    pub leftovers: Vec<ForeignText>,
    /// The time from the invocation to the end of the first step.
    pub duration: Duration,
    /// When the credential was contained.
    pub contained: Option<DateTime<Utc>>,
    /// When the key was made, as far as IAM was asked before it was gone.
    pub created: Option<DateTime<Utc>>,
    /// What was seen a while later.
    pub looks: Looks,
    /// What the credential did, by CloudTrail.
    pub evidence: Option<Evidence>,
    /// When and where the key was used last, by IAM.
    pub last_used: Option<LastUsed>,
    /// Whether a schedule for a later look was made.
    pub is_followed_up: bool,
    /// When the key is deleted, by a schedule.
    pub delete_on: Option<DateTime<Utc>>,
}

/// The last use of a key: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html>.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastUsed {
    /// When.
    pub at: DateTime<Utc>,
    /// The service, such as `s3`.
    pub service: ForeignText,
    /// The Region.
    pub region: ForeignText,
}

/// What looks at a credential saw after it was contained.
#[derive(Debug, Default)]
pub struct Looks {
    /// When the last look found everything in place.
    pub verified: Option<DateTime<Utc>>,
    /// A look was left out, or failed.
    pub incomplete: bool,
    /// The key was active again, and was deactivated again.
    pub reactivated: bool,
    /// A deny was gone, and was put back.
    pub deny_removed: bool,
    /// The newer keys of the same user that were deactivated.
    pub new_keys: Vec<AccessKeyId>,
    /// Those that were to be deactivated, too, and may be alive.
    pub alive: Vec<AccessKeyId>,
    /// The denies that are gone and could not be put back.
    pub lost: Vec<(Principal, Measure, Means)>,
    /// When the credential was used after it should have been dead.
    pub used_after: Option<DateTime<Utc>>,
    /// The newer keys of the same user that were not touched.
    pub newer_keys: Vec<AccessKeyId>,
    /// What was made in the account since a minute before.
    pub new_principals: NewPrincipals,
}

impl Looks {
    /// Whether somebody worked against the containment.
    pub fn is_contested(&self) -> bool {
        let has_new_keys = !self.new_keys.is_empty() || !self.alive.is_empty();
        self.reactivated || self.deny_removed || has_new_keys || self.used_after.is_some()
    }
}

/// What one look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// Everything is as it was left.
    InPlace,
    /// Something had come back, and was contained again.
    CameBack,
    /// It could not be seen.
    Unknown,
}

/// Users and roles that are new in an account. A person looks at them; nothing of theirs is touched.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NewPrincipals {
    /// The users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<NewUser>,
    /// The roles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<NewRole>,
    /// Not everything could be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// A new user.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewUser {
    /// The name.
    pub name: ForeignText,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// The keys that it has.
    pub keys: Vec<AccessKeyId>,
}

/// A new role.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewRole {
    /// The name.
    pub name: ForeignText,
    /// When it was made.
    pub created: DateTime<Utc>,
}

impl NewPrincipals {
    /// Those that were made since then.
    #[must_use]
    pub fn since(&self, time: DateTime<Utc>) -> Self {
        let mut new = self.clone();
        new.users.retain(|user| user.created >= time);
        new.roles.retain(|role| role.created >= time);
        new
    }

    /// How many users, and how many roles, are told of a credential.
    const MOST: usize = 20;

    /// Adds what a later look found. What is gone by then was there all the same.
    pub fn add(&mut self, later: Self) {
        for user in later.users {
            self.users.retain(|known| known.name != user.name);
            self.users.push(user);
        }
        for role in later.roles {
            self.roles.retain(|known| known.name != role.name);
            self.roles.push(role);
        }
        self.partial |= later.partial || self.users.len() > Self::MOST || self.roles.len() > Self::MOST;
        self.users.truncate(Self::MOST);
        self.roles.truncate(Self::MOST);
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.roles.is_empty() && !self.partial
    }
}

/// A change that AWS confirmed.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// The key has this status.
    StatusSet(KeyStatus),
    /// The key is gone.
    KeyDeleted,
    /// The root user's key is gone.
    RootKeyDeleted,
    /// A principal is denied something.
    Denied {
        /// The user or the role.
        on: Principal,
        /// What it is denied.
        measure: Measure,
        /// What does it.
        by: Means,
    },
    /// What this function put on a principal is gone.
    Lifted {
        /// The user or the role.
        from: Principal,
    },
    /// A part of what this function put on a principal is gone.
    LiftedInPart {
        /// The user or the role.
        from: Principal,
    },
    /// There was nothing of this function on a principal.
    NothingToLift {
        /// The user or the role.
        from: Principal,
    },
}

impl Done {
    /// Whom it denies what, and by what means.
    pub fn denied(&self) -> Option<(&Principal, Measure, Means)> {
        match self {
            Self::Denied { on, measure, by } => Some((on, *measure, *by)),
            Self::StatusSet(_)
            | Self::KeyDeleted
            | Self::RootKeyDeleted
            | Self::Lifted { .. }
            | Self::LiftedInPart { .. }
            | Self::NothingToLift { .. } => None,
        }
    }
}

/// What denies a principal something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// A policy of the stack's, attached to it.
    Policy,
    /// A group of the stack's, which carries that policy.
    Group,
    /// An inline policy.
    Document,
}

/// What became of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The credential is dead, on IAM's word.
    Contained,
    /// It was contained, somebody worked against it, and it was contained again.
    Contested,
    /// A command made it active again.
    Restored,
    /// `DRY_RUN`: the reason says what would have been done.
    Planned,
    /// There is nothing to do.
    Ignored,
    /// `EXEMPT` protects it.
    Exempt,
    /// There is no such key in that account.
    NotFound,
    /// A real compromise that may not or cannot be contained from here.
    NeedsAttention,
    /// It is not known to be dead.
    Failed,
}

impl Outcome {
    /// What a person reads first has the least.
    pub fn priority(self) -> u8 {
        match self {
            Self::Failed | Self::Contested => 0,
            Self::NeedsAttention | Self::Exempt => 1,
            Self::Contained | Self::Restored => 2,
            Self::NotFound | Self::Planned => 3,
            Self::Ignored => 4,
        }
    }

    /// Whether a person has to do or decide something.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::Exempt | Self::NeedsAttention | Self::Contested)
    }
}

impl Outcome {
    /// As answers and log lines have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contained => "contained",
            Self::Contested => "contested",
            Self::Restored => "restored",
            Self::Planned => "planned",
            Self::Ignored => "ignored",
            Self::Exempt => "exempt",
            Self::NotFound => "not_found",
            Self::NeedsAttention => "needs_attention",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Why a credential was left alone. Every reason is here, and each has a code, a sentence and advice in `report`.
#[derive(Clone, Debug, PartialEq)]
pub enum Left {
    /// The event is not about a credential.
    NoCredential,
    /// The finding is a sample, or over.
    NotInForce(NotInForce),
    /// `FINDING_TYPES` does not select its type.
    TypeNotSelected {
        /// The GuardDuty finding type.
        kind: ForeignText,
        /// The glob that decided; `None` when none matches.
        glob: Option<String>,
    },
    /// Its severity is too low.
    BelowSeverity {
        /// On GuardDuty's scale.
        severity: Severity,
        /// What it would have to be.
        minimum: Severity,
        /// The variable that says so.
        variable: &'static str,
    },
    /// `CUSTOM_SOURCES` does not list the source.
    SourceNotListed,
    /// `EXEMPT` protects what the event names.
    Exempt {
        /// The user, role or key.
        name: String,
        /// What protects it.
        by: Entry,
    },
    /// `EXEMPT` protects the key's owner, whom the event does not name.
    OwnerExempt {
        /// What protects the owner.
        by: Entry,
    },
    /// AWS reports a compromise of which the event does not say what to contain.
    OnlyReported,
    /// Nobody but the root user can deactivate its key.
    RootKey {
        /// The account.
        account: AccountId,
        /// Whether it is another one than the function's, so that `ROOT_KEYS` could let the key be deleted.
        deletable: bool,
    },
    /// Temporary credentials that are left alone.
    TemporaryCredentials {
        /// What the configuration would have to say to end them.
        unless: Option<&'static str>,
    },
    /// A user's or a role's name without its identifier.
    PrincipalUnknown(Principal),
    /// A role that only AWS may change.
    Reserved(RoleName, ReservedRole),
    /// The event contradicts itself.
    Contradictory,
    /// The event gives no access key ID.
    Unidentified,
    /// The event gives no readable account.
    AccountUnreadable(ForeignText),
    /// `ACCOUNTS` does not list the account.
    AccountNotListed(AccountId),
    /// There is no way into the account.
    AccountOutOfReach {
        /// The credential's.
        account: AccountId,
        /// The function's own.
        own: AccountId,
    },
    /// The key is another user's than the command says.
    OwnerDiffers {
        /// The name in the command.
        named: UserName,
    },
    /// IAM knows no such key.
    NoSuchKey,
    /// IAM knows no such key in the accounts that could be asked, and the event names another place.
    NotEverywhere(Beyond),
    /// IAM knows no such key, and its identifier was issued by another account.
    IssuedElsewhere(AccountId),
    /// IAM knows no such key, and the event does not tell well enough whose it was to end that user's sessions.
    GoneWithoutOwner(Option<UserName>),
    /// The root user has no such key.
    NoSuchRootKey,
    /// There is no such user or role, which a command named.
    NoSuchPrincipal,
    /// There is no such user or role, whose session the event names.
    PrincipalNotHere(Principal),
    /// The user or the role is not the session's.
    PrincipalDiffers(Principal),
    /// The event names several holders for one session.
    HoldersDiffer,
    /// It is the role that this function itself uses.
    OwnRole(RoleName),
    /// The policies of the principal leave no space for a deny.
    QuotaFull(Principal),
    /// IAM lets nobody but AWS change the principal.
    Unmodifiable(Principal),
    /// `DRY_RUN`.
    DryRun,
    /// The same where IAM knows no such key, so that something else would have been done.
    DryRunGone,
    /// There is no schedule for this follow-up: a person has restored the credential, or it was done.
    NoSchedule,
    /// The schedule of this deletion is for later.
    NotDue(DateTime<Utc>),
    /// `ACTION` is not `delete` any more.
    NotDeleting,
    /// Somebody has made the key active again that was to be deleted.
    ActiveAgain,
}

/// An entry of `EXEMPT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it was configured.
    pub text: String,
    /// The last day on which it protects, where that is soon.
    pub ends_soon: Option<NaiveDate>,
}

impl Entry {
    /// What protects a name or a key, if anything does.
    pub fn protecting(name: &str, protection: Protection<'_>) -> Option<Self> {
        let entry = protection.of(name)?;
        Some(Self { text: entry.text.clone(), ends_soon: protection.ends_soon(entry) })
    }
}

impl Left {
    /// The entry of `EXEMPT` that protects the credential.
    pub fn exemption(&self) -> Option<&Entry> {
        match self {
            Self::Exempt { by, .. } | Self::OwnerExempt { by } => Some(by),
            _ => None,
        }
    }
}

impl Left {
    /// What a credential that was left alone for this reason counts as.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NoCredential
            | Self::NotInForce(_)
            | Self::TypeNotSelected { .. }
            | Self::BelowSeverity { .. }
            | Self::NoSchedule
            | Self::NotDue(_)
            | Self::NotDeleting
            | Self::SourceNotListed => Outcome::Ignored,
            Self::Exempt { .. } | Self::OwnerExempt { .. } => Outcome::Exempt,
            Self::NoSuchKey | Self::NoSuchRootKey | Self::NoSuchPrincipal => Outcome::NotFound,
            Self::DryRun | Self::DryRunGone => Outcome::Planned,
            Self::OnlyReported
            | Self::RootKey { .. }
            | Self::TemporaryCredentials { .. }
            | Self::PrincipalUnknown(_)
            | Self::AccountUnreadable(_)
            | Self::NotEverywhere(_)
            | Self::IssuedElsewhere(_)
            | Self::GoneWithoutOwner(_)
            | Self::HoldersDiffer
            | Self::Reserved(..)
            | Self::Contradictory
            | Self::Unidentified
            | Self::AccountNotListed(_)
            | Self::AccountOutOfReach { .. }
            | Self::OwnerDiffers { .. }
            | Self::PrincipalNotHere(_)
            | Self::PrincipalDiffers(_)
            | Self::OwnRole(_)
            | Self::QuotaFull(_)
            | Self::ActiveAgain
            | Self::Unmodifiable(_) => Outcome::NeedsAttention,
        }
    }
}

impl Left {
    /// Whether it tells why the user of a key was left alone, and not the key.
    pub fn is_about_the_owner(&self) -> bool {
        matches!(
            self,
            Self::PrincipalNotHere(_) | Self::PrincipalDiffers(_) | Self::QuotaFull(_) | Self::Unmodifiable(_)
        )
    }

    /// Whether it is only said of one account, so that the credential may be in another.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NoSuchKey | Self::NoSuchRootKey | Self::PrincipalNotHere(_) | Self::PrincipalDiffers(_))
    }
}

impl Record {
    /// What became of the credential: the only place that decides it.
    ///
    /// What was done counts beside a step that failed after it. A key that may be alive counts as failed, whatever was
    /// done to its owner.
    pub fn outcome(&self) -> Outcome {
        match self.outcome_without_looks() {
            Outcome::Contained | Outcome::NeedsAttention if self.looks.is_contested() => Outcome::Contested,
            outcome => outcome,
        }
    }

    fn outcome_without_looks(&self) -> Outcome {
        let may_be_alive = |failed: &Failed| matches!(failed.step, Step::SetStatus(_) | Step::DeleteRootKey);
        if self.failed.iter().any(may_be_alive) {
            return Outcome::Failed;
        }
        if let Some(left) = &self.left {
            return left.outcome();
        }
        match self.done.first() {
            None | Some(Done::LiftedInPart { .. }) => Outcome::Failed,
            Some(Done::StatusSet(KeyStatus::Active) | Done::Lifted { .. } | Done::NothingToLift { .. }) => {
                Outcome::Restored
            }
            Some(
                Done::StatusSet(KeyStatus::Inactive | KeyStatus::Expired)
                | Done::KeyDeleted
                | Done::RootKeyDeleted
                | Done::Denied { .. },
            ) => Outcome::Contained,
        }
    }

    /// Since when what is new in the account is told: a minute before the credential was contained.
    pub fn new_since(&self) -> Option<DateTime<Utc>> {
        Some(self.contained? - TimeDelta::seconds(60))
    }

    /// The account in which a plan is carried out.
    pub fn account_of<'a>(&'a self, plan: &'a Plan<'_>) -> &'a AccountId {
        self.account.as_ref().unwrap_or(&plan.account)
    }

    /// Keeps what CloudTrail and IAM tell of the use of a credential. A call that shows life after containment contests it.
    pub fn add_evidence(&mut self, key: &AccessKeyId, evidence: Evidence, last_used: Option<LastUsed>) {
        /// How long after containment such a call counts: until then IAM may not have told every place of a key's status, and
        /// of a deny.
        const KEY_IN_FORCE: TimeDelta = TimeDelta::seconds(10);
        const DENY_IN_FORCE: TimeDelta = TimeDelta::seconds(60);
        let after = if key.is_temporary() { DENY_IN_FORCE } else { KEY_IN_FORCE };
        let in_force = self.contained.map(|contained| contained + after);
        self.looks.used_after = evidence.last_alive.filter(|last| in_force.is_some_and(|in_force| *last > in_force));
        if self.looks.used_after.is_some() {
            self.looks.verified = None;
        }
        self.evidence = Some(evidence);
        self.last_used = last_used;
    }

    /// Whether there is something that a look can find in place or not.
    pub fn is_contained(&self) -> bool {
        self.has(|done| match done {
            Done::StatusSet(KeyStatus::Inactive | KeyStatus::Expired)
            | Done::KeyDeleted
            | Done::RootKeyDeleted
            | Done::Denied { .. } => true,
            Done::StatusSet(KeyStatus::Active)
            | Done::Lifted { .. }
            | Done::LiftedInPart { .. }
            | Done::NothingToLift { .. } => false,
        })
    }

    /// The failures for which the invocation fails.
    pub fn failures(&self) -> impl Iterator<Item = &Failed> {
        self.failed.iter().filter(|failed| !failed.step.only_informs())
    }

    /// Whether IAM has the key no more, by its answer to the deletion or by a later list.
    pub fn key_is_gone(&self) -> bool {
        let is_not_listed = self.seen.as_ref().is_some_and(|seen| seen.complete && seen.key.is_none());
        is_not_listed || self.has(|done| matches!(done, Done::KeyDeleted | Done::RootKeyDeleted))
    }

    /// Whether IAM confirmed a change of the key's status and then listed the key in the other one.
    pub fn status_is_doubtful(&self) -> bool {
        let doubts =
            |failed: &Failed| matches!((failed.step, &failed.cause), (Step::SetStatus(_), Cause::Disagreement(_)));
        self.failed.iter().any(doubts)
    }

    /// Begins a step: what is cut off by the deadline is told as this one.
    pub fn begin(&mut self, step: Step) {
        self.begun = Some(step);
    }

    /// Whether AWS confirmed a change that is of interest to the caller.
    pub fn has(&self, change: impl Fn(&Done) -> bool) -> bool {
        self.done.iter().any(change)
    }
}

/// A key and its siblings as IAM listed them after the change.
#[derive(Clone, Debug, PartialEq)]
pub struct KeysSeen {
    /// The key; `None` when the list does not hold it.
    pub key: Option<ListedKey>,
    /// The user's other keys, which were not touched.
    pub siblings: Vec<ListedKey>,
    /// Whether IAM gave all of them.
    pub complete: bool,
    /// When it was read.
    pub at: DateTime<Utc>,
}

/// One key of a user, as IAM lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedKey {
    /// The access key ID.
    pub id: AccessKeyId,
    /// Its status.
    pub status: KeyStatus,
    /// When it was created.
    pub created: Option<DateTime<Utc>>,
}

/// What else a user can sign in with. These are listed for a person and left alone. What could not be read is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherCredentials {
    /// Whether the user has a console password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_password: Option<bool>,
    /// Their identifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_specific_credentials: Option<Vec<ForeignText>>,
    /// Their identifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_certificates: Option<Vec<ForeignText>>,
    /// Their identifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_public_keys: Option<Vec<ForeignText>>,
}
