//! Credentials as events name them, sorted by what can be done about them.

use std::fmt;

use serde::Serialize;

use crate::names::{AccessKeyId, AccountId, ForeignText, RoleId, RoleName, UserId, UserName};

/// A credential as an event names it.
#[derive(Clone, Debug, PartialEq)]
pub enum Credential {
    /// A long-term key of an IAM user.
    UserKey {
        /// Begins with `AKIA`, or was given by a person's command.
        id: AccessKeyId,
        /// The user that the event names: a hint, since IAM alone knows whose key it is.
        user: Option<UserName>,
        /// The identifier that the event gives for the user. It counts when the key is gone, and IAM does not know any
        /// more whose it was.
        user_id: Option<UserId>,
        /// Whether it is a key of the root user if IAM does not know it as a user's: the event names `root`, and does not
        /// say whether that is the name of a user.
        or_root: bool,
    },
    /// A long-term key of an account's root user.
    RootKey {
        /// Begins with `AKIA`.
        id: AccessKeyId,
    },
    /// Temporary credentials, which cannot be deactivated.
    Session {
        /// Begins with `ASIA`.
        id: AccessKeyId,
        /// Whose session it is.
        holder: Holder,
    },
    /// The event contradicts itself, so that nobody can tell which credential it means.
    Contradictory {
        /// The key that it names.
        id: AccessKeyId,
        /// What contradicts what.
        contradiction: Contradiction,
    },
    /// The event means a credential but gives no identifier that IAM could know.
    Unidentified {
        /// What it gives in its place.
        given: Option<ForeignText>,
        /// Whose credential it is.
        holder: Holder,
    },
    /// Every session of a principal, which a command means.
    Sessions {
        /// A user or a role.
        of: Principal,
    },
    /// The event is not about a credential.
    None,
}

impl Credential {
    /// The identifier that the event gives, when it is one.
    pub fn key(&self) -> Option<&AccessKeyId> {
        match self {
            Self::UserKey { id, .. }
            | Self::RootKey { id }
            | Self::Session { id, .. }
            | Self::Contradictory { id, .. } => Some(id),
            Self::Unidentified { .. } | Self::Sessions { .. } | Self::None => None,
        }
    }

    /// The IAM user that the event names. The name of a role is not the name of a user.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Self::UserKey { user, .. } => user.as_ref(),
            Self::Session { holder: Holder::User { name, .. }, .. }
            | Self::Unidentified { holder: Holder::User { name, .. }, .. } => name.as_ref(),
            Self::Sessions { of: Principal::User(name) } => Some(name),
            Self::Session { .. }
            | Self::Unidentified { .. }
            | Self::Sessions { .. }
            | Self::RootKey { .. }
            | Self::Contradictory { .. }
            | Self::None => None,
        }
    }

    /// Whether the event names the root user.
    pub fn is_root(&self) -> bool {
        match self {
            Self::RootKey { .. } | Self::UserKey { or_root: true, .. } => true,
            Self::Session { holder, .. } | Self::Unidentified { holder, .. } => *holder == Holder::Root,
            Self::UserKey { .. } | Self::Contradictory { .. } | Self::Sessions { .. } | Self::None => false,
        }
    }

    /// The role that the event names.
    pub fn role(&self) -> Option<&RoleName> {
        match self {
            Self::Session { holder: Holder::Role { name, .. }, .. }
            | Self::Unidentified { holder: Holder::Role { name, .. }, .. } => name.as_ref(),
            Self::Sessions { of: Principal::Role(name) } => Some(name),
            Self::Session { .. }
            | Self::Unidentified { .. }
            | Self::Sessions { .. }
            | Self::UserKey { .. }
            | Self::RootKey { .. }
            | Self::Contradictory { .. }
            | Self::None => None,
        }
    }

    /// Whose it is, where that is neither a user nor a role with a name.
    pub fn other_holder(&self) -> Option<&ForeignText> {
        match self {
            Self::Session { holder: Holder::Other(name) | Holder::Unknown(name), .. }
            | Self::Unidentified { holder: Holder::Other(name) | Holder::Unknown(name), .. } => name.as_ref(),
            _ => None,
        }
    }

    /// The name of the role's session in the event.
    pub fn session(&self) -> Option<&ForeignText> {
        match self {
            Self::Session { holder: Holder::Role { session, .. }, .. }
            | Self::Unidentified { holder: Holder::Role { session, .. }, .. } => session.as_ref(),
            _ => None,
        }
    }
}

/// What in an event contradicts what.
#[derive(Clone, Debug, PartialEq)]
pub enum Contradiction {
    /// A long-term key, and a holder that has temporary credentials only.
    TemporaryHolder {
        /// CloudTrail's `userIdentity.type`.
        user_type: ForeignText,
    },
    /// A user of one account, and another account for the key.
    OtherAccount {
        /// The user's.
        of_user: AccountId,
    },
    /// Two identifiers for one key.
    TwoKeys {
        /// The one that the credential does not carry.
        other: AccessKeyId,
    },
}

/// Whose a temporary or unidentified credential is, in the words of CloudTrail's `userIdentity.type`.
#[derive(Clone, Debug, PartialEq)]
pub enum Holder {
    /// An IAM user.
    User {
        /// As the event names it.
        name: Option<UserName>,
        /// Its unique identifier, which tells it from a user of the same name elsewhere.
        id: Option<UserId>,
    },
    /// A session of a role. The role may share a user's name.
    Role {
        /// Its name, without a path.
        name: Option<RoleName>,
        /// Its unique identifier, which tells it from a role of the same name that was made later or elsewhere.
        id: Option<RoleId>,
        /// The name of the session; of an instance's role the instance's ID.
        session: Option<ForeignText>,
    },
    /// The root user of the account.
    Root,
    /// Another kind of principal, or one that the event gives in a way that nobody can be.
    Other(Option<ForeignText>),
    /// The event does not tell what kind of principal it is.
    Unknown(Option<ForeignText>),
}

impl Holder {
    /// Whether both cannot be the same. What one does not say does not speak against the other. Equal identifiers are of
    /// one principal, and case does not count in names:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
    pub fn differs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::User { name, id }, Self::User { name: other_name, id: other_id }) => are_two(
                id.as_ref().zip(other_id.as_ref()),
                name.as_ref().map(UserName::as_str),
                other_name.as_ref().map(UserName::as_str),
            ),
            (Self::Role { name, id, .. }, Self::Role { name: other_name, id: other_id, .. }) => are_two(
                id.as_ref().zip(other_id.as_ref()),
                name.as_ref().map(RoleName::as_str),
                other_name.as_ref().map(RoleName::as_str),
            ),
            (Self::Unknown(_), _) | (_, Self::Unknown(_)) | (Self::Other(_), Self::Other(_)) => {
                are_two::<()>(None, self.name(), other.name())
            }
            (Self::Root, Self::Root)
            | (Self::User { name: None, id: None }, _)
            | (_, Self::User { name: None, id: None }) => false,
            (Self::Root | Self::User { .. } | Self::Role { .. } | Self::Other(_), _) => true,
        }
    }

    /// The name as far as the event gives one, without a path.
    fn name(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } => name.as_ref().map(UserName::as_str),
            Self::Role { name, .. } => name.as_ref().map(RoleName::as_str),
            Self::Root => Some("root"),
            Self::Other(name) | Self::Unknown(name) => name.as_ref().and_then(|name| name.as_str().rsplit('/').next()),
        }
    }
}

/// Whether two principals of one kind cannot be the same.
fn are_two<I: PartialEq>(ids: Option<(I, I)>, name: Option<&str>, other: Option<&str>) -> bool {
    let names_differ = || name.zip(other).is_some_and(|(name, other)| !name.eq_ignore_ascii_case(other));
    ids.map_or_else(names_differ, |(id, other)| id != other)
}

/// The accounts that an event names for a credential. Where it names none, and nothing stands in the place of one, the
/// credential is looked for in the function's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedAccounts {
    /// Each once, the likeliest first. More than one where the event does not tell which of them it is.
    readable: Vec<AccountId>,
    /// What stands in the place of an account and is none: the credential may then be anywhere.
    unreadable: Option<ForeignText>,
    /// Whether the first may be another than the credential's, because the others tell where it was used.
    only_likely: bool,
}

impl NamedAccounts {
    /// Of some accounts, the likeliest first.
    pub fn of(accounts: impl IntoIterator<Item = AccountId>) -> Self {
        let mut readable = Vec::new();
        for account in accounts {
            if !readable.contains(&account) {
                readable.push(account);
            }
        }
        Self { readable, ..Self::default() }
    }

    /// Of something that is no account.
    pub fn of_unreadable(given: ForeignText) -> Self {
        Self { unreadable: Some(given), ..Self::default() }
    }

    /// These, and after them what other places name.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let unreadable = self.unreadable.or(other.unreadable);
        Self { unreadable, ..Self::of(self.readable.into_iter().chain(other.readable)) }
    }

    /// These, and after them where the credential was used, which may be its own account.
    #[must_use]
    pub fn or_where_it_was_used(self, used_in: Self) -> Self {
        let known = self.readable.len();
        let only_likely = self.only_likely || used_in.only_likely;
        let all = self.and(used_in);
        Self { only_likely: only_likely || known > 0 && all.readable.len() > known, ..all }
    }

    /// Whether the first is the credential's as far as the event tells.
    pub fn is_certain(&self) -> bool {
        !self.only_likely
    }

    /// Whether the event says nothing of an account.
    pub fn is_empty(&self) -> bool {
        self.readable.is_empty() && self.unreadable.is_none()
    }

    /// Those that can be read.
    pub fn readable(&self) -> &[AccountId] {
        &self.readable
    }

    /// What stands in the place of an account and is none.
    pub fn unreadable(&self) -> Option<&ForeignText> {
        self.unreadable.as_ref()
    }

    /// The likeliest.
    pub fn first(&self) -> Option<&AccountId> {
        self.readable.first()
    }

    /// Whether this is one of them.
    pub fn name(&self, account: &AccountId) -> bool {
        self.readable.contains(account)
    }
}

/// A principal that policies can be put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An IAM user.
    User(UserName),
    /// An IAM role.
    Role(RoleName),
}

/// A principal whose unique identifier is known, so that it can be told from another of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// An IAM user.
    User(UserName, UserId),
    /// An IAM role.
    Role(RoleName, RoleId),
}

impl Identified {
    /// The principal by its name.
    pub fn principal(&self) -> Principal {
        match self {
            Self::User(name, _) => Principal::User(name.clone()),
            Self::Role(name, _) => Principal::Role(name.clone()),
        }
    }

    /// Its name, without what it is.
    pub fn name(&self) -> &str {
        match self {
            Self::User(name, _) => name.as_str(),
            Self::Role(name, _) => name.as_str(),
        }
    }

    /// Its unique identifier.
    pub fn id(&self) -> &str {
        match self {
            Self::User(_, id) => id.as_str(),
            Self::Role(_, id) => id.as_str(),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Role(name) => write!(f, "role {name}"),
        }
    }
}

/// Whether an access key may be used:
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyMetadata.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum KeyStatus {
    /// It works.
    Active,
    /// It is refused, and can be made to work again.
    Inactive,
    /// It has expired.
    Expired,
}

impl KeyStatus {
    /// What IAM's word means. A word that is not known here may mean a key that works.
    pub fn of(word: &str) -> Self {
        match word {
            "Inactive" => Self::Inactive,
            "Expired" => Self::Expired,
            _ => Self::Active,
        }
    }
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A kind of role that IAM lets nobody change but AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedRole {
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html>
    ServiceLinked,
    /// <https://docs.aws.amazon.com/singlesignon/latest/userguide/permissionsetsconcept.html>
    IdentityCenter,
}

impl ReservedRole {
    /// By the path that IAM gives for a role.
    pub fn by_path(path: &str) -> Option<Self> {
        if path.starts_with("/aws-service-role/") {
            return Some(Self::ServiceLinked);
        }
        path.starts_with("/aws-reserved/").then_some(Self::IdentityCenter)
    }

    /// As far as the name alone tells, so that nothing has to be asked.
    pub fn by_name(role: &RoleName) -> Option<Self> {
        if role.as_str().starts_with("AWSServiceRoleFor") {
            return Some(Self::ServiceLinked);
        }
        role.as_str().starts_with("AWSReservedSSO_").then_some(Self::IdentityCenter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_holders_differ_only_where_what_both_say_cannot_be_true_of_one() {
        let user = |name: &str, id: &str| Holder::User { name: UserName::new(name), id: UserId::new(id) };
        let role =
            |name: &str, id: &str| Holder::Role { name: RoleName::new(name), id: RoleId::new(id), session: None };
        let unknown = |name: &str| Holder::Unknown((!name.is_empty()).then(|| ForeignText::new(name)));
        let other = |name: &str| Holder::Other((!name.is_empty()).then(|| ForeignText::new(name)));
        let (aida, aida2) = ("AIDACKCEVSQ6C2EXAMPLE", "AIDACKCEVSQ6CEXAMPLE2");
        let (aroa, aroa2) = ("AROACKCEVSQ6C2EXAMPLE", "AROACKCEVSQ6CEXAMPLE2");
        for (one, two, expected) in [
            (user("Bob", aida), user("bob", ""), false),
            (user("Bob", aida), user("", aida), false),
            (user("Bob", aida), user("Robert", aida), false),
            (user("Bob", aida), user("Bob", aida2), true),
            (user("Bob", ""), user("Carol", aida), true),
            (user("Bob", aida), user("", ""), false),
            (role("deploy", aroa), role("Deploy", aroa), false),
            (role("deploy", ""), role("Deploy", ""), false),
            (role("deploy", aroa), role("deploy", aroa2), true),
            (role("deploy", ""), role("build", ""), true),
            (user("Bob", aida), role("Bob", aroa), true),
            (user("", ""), role("Bob", aroa), false),
            (Holder::Root, Holder::Root, false),
            (Holder::Root, user("root", ""), true),
            (unknown("Bob"), user("bob", aida), false),
            (unknown("team/Bob"), role("Bob", aroa), false),
            (unknown("Carol"), user("Bob", aida), true),
            (unknown(""), user("Bob", aida), false),
            (unknown("Bob"), unknown("Carol"), true),
            (unknown("Bob"), other("bob"), false),
            (other("Bob"), other("Carol"), true),
            (other("Bob"), user("Bob", aida), true),
            (other("Bob"), role("Bob", aroa), true),
            (other(""), user("Bob", aida), true),
        ] {
            assert_eq!((one.differs(&two), two.differs(&one)), (expected, expected), "{one:?} {two:?}");
        }
    }

    #[test]
    fn roles_that_only_aws_may_change_are_known_by_path_and_by_name() {
        for (name, path, reserved) in [
            ("deploy", "/", None),
            ("deploy", "/team/aws-service-role/", None),
            ("AWSServiceRoleForSupport", "/aws-service-role/support.amazonaws.com/", Some(ReservedRole::ServiceLinked)),
            (
                "AWSReservedSSO_Admin_0123456789abcdef",
                "/aws-reserved/sso.amazonaws.com/eu-west-1/",
                Some(ReservedRole::IdentityCenter),
            ),
        ] {
            let role = RoleName::new(name).expect("valid");
            assert_eq!(
                (ReservedRole::by_path(path), ReservedRole::by_name(&role)),
                (reserved, reserved),
                "{path}{name}"
            );
        }
    }
}
