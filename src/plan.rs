//! What is to be done about a credential, without any of the reasons for it.

use chrono::TimeDelta;

use crate::config::Protection;
use crate::credential::{Identified, KeyStatus, Principal};
use crate::names::{AccessKeyId, AccountId, ForeignText, UserId, UserName};

/// What is done in which account.
#[derive(Clone, Debug)]
pub struct Plan<'c> {
    /// The account whose IAM is asked first.
    pub account: AccountId,
    /// Other accounts to ask where IAM says that the credential is not there.
    pub elsewhere: Vec<AccountId>,
    /// Where the credential may be, too, and what may not or cannot be asked.
    pub beyond: Option<Beyond>,
    /// Whether another finding about the key contradicts itself.
    pub is_contradicted: bool,
    /// The one step that kills the credential, or restores it.
    pub first: First<'c>,
    /// What is done where there is no such key in any account.
    pub if_gone: IfGone<'c>,
    /// What comes after the first step, in this order. Each is tried, whatever becomes of the others.
    pub then: Vec<Then>,
    /// Ask IAM, but change nothing.
    pub dry_run: bool,
    /// Whether and how the credential is looked at again, a while after it was contained.
    pub look: Option<Look<'c>>,
    /// Whether CloudTrail is asked what the credential did.
    pub evidence: bool,
    /// What is scheduled when it is contained.
    pub later: Later,
}

/// What is done long after containment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Later {
    /// How long after containment it is looked once more.
    pub look: Option<TimeDelta>,
    /// How long after its deactivation the key is deleted.
    pub delete: Option<TimeDelta>,
}

/// What a look at a contained credential may change beside it.
#[derive(Clone, Copy, Debug)]
pub struct Look<'c> {
    /// What protects a newer key and its user.
    pub protection: Protection<'c>,
    /// Whether the finding came before: then a newer key may be the one that a person made since.
    pub is_repeat: bool,
    /// The identifier that the event gives for the user, which tells whether the name is another's by now.
    pub user_id: Option<&'c UserId>,
}

impl Plan<'_> {
    /// The accounts to ask, in this order.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountId> {
        std::iter::once(&self.account).chain(&self.elsewhere)
    }

    /// Whether the key's user is to be denied something, too.
    pub fn denies_the_owner(&self) -> bool {
        self.then.iter().any(|then| matches!(then, Then::DenyOwner(_)))
    }
}

/// A place that an event names for a credential, and that is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// An account in which the function may not act, or into which it has no way.
    Account(AccountId),
    /// What stands in the place of an account and is none.
    Unreadable(ForeignText),
}

/// The step that kills or restores.
#[derive(Clone, Debug)]
pub enum First<'c> {
    /// Give a key of an IAM user a status.
    SetStatus {
        /// The key, and never another one.
        key: &'c AccessKeyId,
        /// The user that the event names.
        user: Option<&'c UserName>,
        /// What that name is worth when IAM says otherwise.
        name: NameIs<'c>,
        /// The status.
        status: KeyStatus,
    },
    /// Deny a principal whose temporary credentials are to end.
    Deny {
        /// The user or the role.
        on: Identified,
        /// What is denied.
        measure: Measure,
    },
    /// Take away what this function put on a principal.
    Lift {
        /// The user or the role.
        from: Principal,
    },
    /// Delete a key of a member account's root user.
    DeleteRootKey {
        /// The key, and never another one.
        key: &'c AccessKeyId,
        /// How it is deactivated where the root user has no such key, but a user has it: the event is wrong then about
        /// whose it is. `None` where the function has no way to ask.
        or_users: Option<NameIs<'c>>,
    },
}

impl First<'_> {
    /// Whether it is a key that it changes, and not a user or a role.
    pub fn is_about_a_key(&self) -> bool {
        matches!(self, Self::SetStatus { .. } | Self::DeleteRootKey { .. })
    }

    /// The step as it is named when it fails.
    pub fn step(&self) -> Step {
        match self {
            Self::SetStatus { status, .. } => Step::SetStatus(*status),
            Self::Deny { measure, .. } => Step::Deny(*measure),
            Self::Lift { .. } => Step::Lift,
            Self::DeleteRootKey { .. } => Step::DeleteRootKey,
        }
    }
}

/// What is done where IAM knows no such key of any user.
#[derive(Clone, Debug)]
pub enum IfGone<'c> {
    /// Nothing: it was deleted, or never was.
    Nothing,
    /// It is a key of the root user.
    RootKey {
        /// The member accounts in which `ROOT_KEYS` lets it be deleted.
        delete_in: Vec<AccountId>,
    },
    /// Its user, or whoever deleted it, may have sessions left.
    ContainOwner {
        /// The user that the event names.
        user: Option<&'c UserName>,
        /// The identifier that the event gives for the user; `None`, too, where findings name different users.
        id: Option<&'c UserId>,
        /// What is denied.
        measure: Measure,
    },
}

/// A step on the key, or on the user whose key it is, after the key has its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Deny the user.
    DenyOwner(Measure),
    /// Take away what this function put on the user.
    LiftFromOwner,
    /// Delete the key.
    DeleteKey,
    /// Read what else the user can sign in with.
    ListCredentials,
    /// Read what became of the key.
    Confirm,
}

impl Then {
    /// The step as it is named when it fails.
    pub fn step(self) -> Step {
        match self {
            Self::DenyOwner(measure) => Step::Deny(measure),
            Self::LiftFromOwner => Step::Lift,
            Self::DeleteKey => Step::DeleteKey,
            Self::ListCredentials => Step::ListCredentials,
            Self::Confirm => Step::Confirm,
        }
    }
}

/// The steps, each of which leaves the credential in a state of its own when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Asking IAM whose key it is.
    FindOwner,
    /// Deactivating the key, or making it active again.
    SetStatus(KeyStatus),
    /// Comparing a user or a role with the one that the finding means.
    CheckPrincipal,
    /// Denying a principal its sessions or everything.
    Deny(Measure),
    /// Taking away what was put on a principal.
    Lift,
    /// Reading what an earlier version of this function put on a principal.
    ListLeftovers,
    /// Deleting the key when it is dead.
    DeleteKey,
    /// Deleting a root user's key.
    DeleteRootKey,
    /// Reading what else a user can sign in with.
    ListCredentials,
    /// Reading what became of the key.
    Confirm,
    /// Deactivating a newer key of the same user, that was made when the key was contained.
    DeactivateNewKey,
    /// Reading, a while later, whether what was contained is so still.
    Look,
    /// Reading which users and roles were made meanwhile.
    ListPrincipals,
    /// Reading from CloudTrail what the credential did.
    GatherEvidence,
    /// Making a schedule for a later look or deletion.
    MakeSchedule,
    /// Reading whether the schedule of a follow-up is still there.
    ReadSchedule,
    /// Taking schedules away, so that they do not undo what is done now.
    RemoveSchedule,
}

impl Step {
    /// Whether it changes nothing and only gives more information: the result is valid without it.
    pub fn only_informs(self) -> bool {
        match self {
            Self::ListCredentials
            | Self::ListLeftovers
            | Self::Confirm
            | Self::Look
            | Self::ListPrincipals
            | Self::GatherEvidence => true,
            Self::FindOwner
            | Self::SetStatus(_)
            | Self::CheckPrincipal
            | Self::Deny(_)
            | Self::Lift
            | Self::DeleteKey
            | Self::DeleteRootKey
            | Self::DeactivateNewKey
            | Self::MakeSchedule
            | Self::ReadSchedule
            | Self::RemoveSchedule => false,
        }
    }
}

/// What a principal is denied, until it is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A user: all temporary credentials, those of today and those to come.
    TemporaryCredentials,
    /// A role: the sessions that were issued before now.
    OlderSessions,
    /// A user or a role: everything.
    Everything,
}

/// What the user name of an event is worth when IAM says otherwise.
#[derive(Clone, Copy, Debug)]
pub enum NameIs<'c> {
    /// A finding's: act on the key's own owner, unless EXEMPT protects that one.
    Hint(Protection<'c>),
    /// A command's: act on that user's key or not at all.
    Condition,
}
