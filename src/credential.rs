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
    /// Another kind of principal.
    Other(Option<ForeignText>),
}

/// A principal that policies can be put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An IAM user.
    User(UserName),
    /// An IAM role.
    Role(RoleName),
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

/// What an event says of a credential, as the source writes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claim<'a> {
    /// The access key ID.
    pub key: Option<&'a str>,
    /// A user name, the ARN of a user, or, for sessions, the name of a role.
    pub user: Option<&'a str>,
    /// CloudTrail's `userIdentity.type`.
    pub user_type: Option<&'a str>,
    /// CloudTrail's `userIdentity.principalId`: a user's identifier, or a role's, a colon and the session's name.
    pub principal: Option<&'a str>,
}

/// The access key ID that GuardDuty writes into its sample findings begins so:
/// <https://docs.aws.amazon.com/guardduty/latest/ug/sample_findings.html>.
const SAMPLE_MARK: &str = "GeneratedFinding";

impl Claim<'_> {
    /// Whether the claim carries the marks of GuardDuty's generated findings.
    pub fn is_sample(&self) -> bool {
        [self.key, self.user].into_iter().flatten().any(|text| text.trim().starts_with(SAMPLE_MARK))
    }

    /// Sorts the claim into a credential for the account that the event names.
    ///
    /// The prefixes are those of <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>:
    /// only `AKIA` is a key that IAM can deactivate.
    pub fn credential(&self, account: Option<&AccountId>) -> Credential {
        let named = self.user.map(str::trim).filter(|name| !name.is_empty()).map(NamedUser::read);
        let key = self.key.map(str::trim).filter(|key| !key.is_empty() && *key != "null");
        let Some(id) = key.and_then(AccessKeyId::from_event) else {
            // A user's ARN can stand where a key should be.
            let named = named.or_else(|| key.filter(|key| key.contains(":user/")).map(NamedUser::read));
            return Credential::Unidentified { given: key.map(ForeignText::new), holder: self.holder(named) };
        };
        if id.is_temporary() {
            return Credential::Session { id, holder: self.holder(named) };
        }
        match self.user_type() {
            UserType::Root => Credential::RootKey { id },
            UserType::Session => {
                let user_type = ForeignText::new(self.user_type.unwrap_or_default());
                Credential::Contradictory { id, contradiction: Contradiction::TemporaryHolder { user_type } }
            }
            UserType::Unclear => Credential::UserKey { id, user: None },
            UserType::User => match named {
                Some(NamedUser { account: Some(of_user), .. })
                    if account.is_some_and(|account| *account != of_user) =>
                {
                    Credential::Contradictory { id, contradiction: Contradiction::OtherAccount { of_user } }
                }
                named => Credential::UserKey { id, user: named.and_then(|named| named.name) },
            },
        }
    }

    fn holder(&self, named: Option<NamedUser>) -> Holder {
        let principal = self.principal.map(str::trim);
        match (self.user_type(), self.user_type.map(str::trim)) {
            (UserType::Root, _) => Holder::Root,
            (UserType::User, _) => {
                Holder::User { name: named.and_then(|named| named.name), id: principal.and_then(UserId::new) }
            }
            (_, Some("AssumedRole" | "Role")) => Holder::Role {
                name: self.user.and_then(|name| name.trim().rsplit('/').next().and_then(RoleName::new)),
                id: principal.and_then(RoleId::of_session),
                session: principal.and_then(|id| id.split_once(':')).map(|(_, name)| ForeignText::new(name)),
            },
            _ => Holder::Other(self.user.map(str::trim).filter(|name| !name.is_empty()).map(ForeignText::new)),
        }
    }

    fn user_type(&self) -> UserType {
        match self.user_type.map(str::trim) {
            Some("Root") => UserType::Root,
            Some("") | None if self.user.is_some_and(is_root) => UserType::Root,
            Some("IAMUser" | "") | None => UserType::User,
            Some(
                "AssumedRole" | "Role" | "FederatedUser" | "SAMLUser" | "WebIdentityUser" | "IdentityCenterUser"
                | "Directory" | "AWSService",
            ) => UserType::Session,
            Some(_) => UserType::Unclear,
        }
    }
}

/// How sources without a user type write the root user; `<root_account>` is the credential report's way.
fn is_root(user: &str) -> bool {
    ["root", "<root_account>"].contains(&user.trim().to_ascii_lowercase().as_str())
}

/// CloudTrail's user types, sorted by what they mean for a long-term key.
enum UserType {
    Root,
    /// An IAM user, or not stated: the name is a hint worth trying, since IAM refuses it when it is wrong.
    User,
    /// Principals that have temporary credentials only.
    Session,
    /// Another account's principal, or a type that is not known here: the name may be anybody's.
    Unclear,
}

/// A user as an event writes it: a bare name, a path and a name, or an ARN.
struct NamedUser {
    account: Option<AccountId>,
    name: Option<UserName>,
}

impl NamedUser {
    /// `arn:PARTITION:iam::ACCOUNT:user/PATH/NAME`, `PATH/NAME` and `NAME` all end in the name.
    fn read(text: &str) -> Self {
        let account = text.starts_with("arn:").then(|| text.split(':').nth(4).and_then(AccountId::new)).flatten();
        let name = text.rsplit('/').next().and_then(UserName::new);
        Self { account, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
    const SESSION: &str = "ASIAIOSFODNN7EXAMPLE";
    const ACCOUNT: &str = "123456789012";

    fn credential(key: Option<&str>, user_type: Option<&str>, user: Option<&str>) -> Credential {
        Claim { key, user, user_type, principal: None }.credential(AccountId::new(ACCOUNT).as_ref())
    }

    #[test]
    fn only_a_long_term_key_that_can_be_a_users_is_acted_on_and_under_the_users_own_name() {
        let key = |user: Option<&str>| Credential::UserKey {
            id: AccessKeyId::new(KEY).expect("valid"),
            user: user.and_then(UserName::new),
        };
        for (user_type, user, expected) in [
            (Some("IAMUser"), Some("Bob"), key(Some("Bob"))),
            (Some("IAMUser"), Some(" Bob "), key(Some("Bob"))),
            (Some("IAMUser"), Some("arn:aws:iam::123456789012:user/team/Bob"), key(Some("Bob"))),
            (Some("IAMUser"), Some("team/Bob"), key(Some("Bob"))),
            (Some("IAMUser"), Some("root"), key(Some("root"))),
            (Some("IAMUser"), Some("not a name"), key(None)),
            (Some("IAMUser"), Some(""), key(None)),
            (Some("IAMUser"), None, key(None)),
            (None, Some("Bob"), key(Some("Bob"))),
            (None, None, key(None)),
            // The name may be anybody's.
            (Some("AWSAccount"), Some("Bob"), key(None)),
            (Some("ANewType"), Some("Bob"), key(None)),
            (Some("Root"), Some("Root"), Credential::RootKey { id: AccessKeyId::new(KEY).expect("valid") }),
            (None, Some("root"), Credential::RootKey { id: AccessKeyId::new(KEY).expect("valid") }),
            (None, Some("<root_account>"), Credential::RootKey { id: AccessKeyId::new(KEY).expect("valid") }),
        ] {
            assert_eq!(credential(Some(KEY), user_type, user), expected, "{user_type:?} {user:?}");
        }
    }

    #[test]
    fn a_long_term_key_of_a_session_or_of_another_accounts_user_is_a_contradiction() {
        for (user_type, user) in [
            ("AssumedRole", "deploy"),
            ("Role", "deploy"),
            ("FederatedUser", "deploy"),
            ("IAMUser", "arn:aws:iam::111122223333:user/Bob"),
        ] {
            let credential = credential(Some(KEY), Some(user_type), Some(user));
            assert!(matches!(credential, Credential::Contradictory { .. }), "{user_type} {user}: {credential:?}");
        }
    }

    #[test]
    fn temporary_credentials_keep_their_holder() {
        let bob = || Some(ForeignText::new("Bob"));
        for (user_type, expected) in [
            (Some("IAMUser"), Holder::User { name: UserName::new("Bob"), id: None }),
            (Some("AssumedRole"), Holder::Role { name: RoleName::new("Bob"), id: None, session: None }),
            (Some("Root"), Holder::Root),
            (Some("FederatedUser"), Holder::Other(bob())),
        ] {
            let credential = credential(Some(SESSION), user_type, Some("Bob"));
            assert!(matches!(&credential, Credential::Session { holder, .. } if *holder == expected), "{credential:?}");
        }
    }

    #[test]
    fn what_is_no_identifier_of_a_key_is_never_taken_for_one() {
        for key in [
            "",
            " ",
            "null",
            "GeneratedFindingAccessKeyId",
            "ACCESS_KEY_ID_HERE",
            "AKIAXXXXXXXXXX",
            "AKIAXXXXXXXXXXXXXXXX",
            "AKIAIOSF************",
            "AKIAIOSFODNN7EXAMPL\u{c9}",
            "akiaiosfodnn7example",
            "ABIAIOSFODNN7EXAMPLE",
            "ACCAIOSFODNN7EXAMPLE",
            "ASIA_PLACEHOLDER_KEY",
            "AKIAIOSFODNN7EXAMPLE AKIAI44QH8DHBEXAMPLE",
            "arn:aws:iam::123456789012:user/Bob",
        ] {
            let credential = credential(Some(key), Some("IAMUser"), Some("Bob"));
            assert!(matches!(credential, Credential::Unidentified { .. }), "{key:?}: {credential:?}");
        }
        assert!(matches!(credential(None, None, None), Credential::Unidentified { given: None, .. }));
    }

    #[test]
    fn white_space_round_an_identifier_does_not_keep_a_key_alive() {
        assert_eq!(
            credential(Some("\t AKIAIOSFODNN7EXAMPLE \n"), None, None).key().map(AccessKeyId::as_str),
            Some(KEY)
        );
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
