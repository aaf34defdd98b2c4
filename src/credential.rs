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
            Self::Session { holder: Holder::Other(name), .. }
            | Self::Unidentified { holder: Holder::Other(name), .. } => name.as_ref(),
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
    /// Another kind of principal.
    Other(Option<ForeignText>),
}

impl Holder {
    /// Whether both cannot be the same. One that says nothing does not speak against another.
    pub fn differs(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.zip(other).is_some_and(|(one, other)| one != other)
        }
        match (self, other) {
            (Self::Other(None) | Self::User { name: None, id: None }, _)
            | (_, Self::Other(None) | Self::User { name: None, id: None })
            | (Self::Root, Self::Root) => false,
            (Self::User { name, id }, Self::User { name: other_name, id: other_id }) => {
                let names_differ = name.as_ref().zip(other_name.as_ref()).is_some_and(|(one, other)| !one.is(other));
                names_differ || differ(id.as_ref(), other_id.as_ref())
            }
            (Self::Role { name, id, .. }, Self::Role { name: other_name, id: other_id, .. }) => {
                differ(name.as_ref(), other_name.as_ref()) || differ(id.as_ref(), other_id.as_ref())
            }
            (Self::Other(name), Self::Other(other)) => name != other,
            (Self::Root | Self::User { .. } | Self::Role { .. } | Self::Other(_), _) => true,
        }
    }
}

/// The accounts that an event names for a credential.
#[derive(Clone, Debug, PartialEq)]
pub enum NamedAccounts {
    /// None: the credential is looked for in the function's own.
    None,
    /// These, the likeliest first. More than one where the event does not tell which of them it is.
    These {
        /// The likeliest.
        first: AccountId,
        /// The others.
        others: Vec<AccountId>,
    },
    /// Something stands where the account should be and is none. The credential may be anywhere, so it is looked for
    /// nowhere.
    Unreadable(ForeignText),
}

impl NamedAccounts {
    /// Of some accounts, each once.
    pub fn of(accounts: impl IntoIterator<Item = AccountId>) -> Self {
        let mut accounts = accounts.into_iter();
        let Some(first) = accounts.next() else { return Self::None };
        let mut others = Vec::new();
        for account in accounts {
            if account != first && !others.contains(&account) {
                others.push(account);
            }
        }
        Self::These { first, others }
    }

    /// The likeliest.
    pub fn first(&self) -> Option<&AccountId> {
        match self {
            Self::These { first, .. } => Some(first),
            Self::None | Self::Unreadable(_) => None,
        }
    }

    /// Whether this is one of them.
    pub fn name(&self, account: &AccountId) -> bool {
        self.first() == Some(account) || self.others().contains(account)
    }

    /// All but the likeliest.
    pub fn others(&self) -> &[AccountId] {
        match self {
            Self::These { others, .. } => others,
            Self::None | Self::Unreadable(_) => &[],
        }
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
    /// The claim with the key that stands at the end of an ARN, and with the user of the ARN where it names none itself.
    #[must_use]
    pub fn unfolded(self) -> Self {
        let Some((owner, key)) = trimmed(self.key).and_then(key_in_arn) else { return self };
        let named = trimmed(self.user).filter(|user| AccessKeyId::from_event(user).is_none());
        let user = named.or_else(|| owner.contains(":user/").then_some(owner));
        Self { key: Some(key), user, ..self }
    }

    /// Whether the claim carries the mark of GuardDuty's generated findings. The user's name, which has a mark too, does
    /// not count: whoever may create users could choose it.
    pub fn is_sample(&self) -> bool {
        self.key.is_some_and(|key| key.trim().starts_with(SAMPLE_MARK))
    }

    /// Sorts the claim into a credential for the account that the event names.
    ///
    /// The prefixes are those of <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>:
    /// only `AKIA` is a key that IAM can deactivate.
    pub fn credential(&self, accounts: &NamedAccounts) -> Credential {
        self.unfolded().sorted(accounts)
    }

    fn sorted(&self, accounts: &NamedAccounts) -> Credential {
        let named = trimmed(self.user).map(NamedUser::read);
        let key = trimmed(self.key).filter(|key| *key != "null");
        let Some(id) = key.and_then(AccessKeyId::from_event) else {
            // A user's ARN can stand where a key should be.
            let named = named.or_else(|| key.filter(|key| key.contains(":user/")).map(NamedUser::read));
            return Credential::Unidentified {
                given: key.map(ForeignText::new),
                holder: self.holder(named, accounts, true),
            };
        };
        if id.is_temporary() {
            return Credential::Session { id, holder: self.holder(named, accounts, false) };
        }
        let user_id = trimmed(self.principal).and_then(UserId::new);
        match self.user_type() {
            UserType::Root => Credential::RootKey { id },
            UserType::Role | UserType::Temporary => {
                let user_type = ForeignText::new(self.user_type.unwrap_or_default());
                Credential::Contradictory { id, contradiction: Contradiction::TemporaryHolder { user_type } }
            }
            UserType::Unclear => Credential::UserKey { id, user: None, user_id: None, or_root: false },
            UserType::NotStated if self.user.is_some_and(is_root) => {
                Credential::UserKey { id, user: None, user_id: None, or_root: true }
            }
            UserType::User | UserType::NotStated => match named {
                Some(NamedUser { account: Some(of_user), .. })
                    if accounts.first().is_some() && !accounts.name(&of_user) =>
                {
                    Credential::Contradictory { id, contradiction: Contradiction::OtherAccount { of_user } }
                }
                named => {
                    let user = named.and_then(|named| named.name);
                    Credential::UserKey { id, user, user_id, or_root: false }
                }
            },
        }
    }

    /// Whose temporary or unidentified credential it is. A name alone tells neither a user from a role nor an account
    /// from another: the kind is only said where the event says it and nothing in the event speaks against it.
    /// `by_default` is whether a name without a kind is taken for a user's.
    fn holder(&self, named: Option<NamedUser>, accounts: &NamedAccounts, by_default: bool) -> Holder {
        let principal = trimmed(self.principal);
        let user_id = principal.and_then(UserId::new);
        let role_id = principal.and_then(RoleId::of_session);
        let is_elsewhere = named.as_ref().and_then(|named| named.account.as_ref()).is_some_and(|of| !accounts.name(of));
        let has_arn = named.as_ref().is_some_and(|named| named.has_arn);
        let (is_user, is_role) = match self.user_type() {
            UserType::Root => return Holder::Root,
            UserType::NotStated if self.user.is_some_and(is_root) && principal.is_none() => return Holder::Root,
            UserType::User => (role_id.is_none(), false),
            UserType::NotStated if role_id.is_some() => (false, true),
            UserType::NotStated => (user_id.is_some() || has_arn || by_default, false),
            UserType::Role => (false, user_id.is_none()),
            UserType::Temporary | UserType::Unclear => (false, false),
        };
        if is_user && !is_elsewhere {
            Holder::User { name: named.and_then(|named| named.name), id: user_id }
        } else if is_role {
            Holder::Role {
                name: trimmed(self.user).and_then(role_name),
                id: role_id,
                session: principal.and_then(|id| id.split_once(':')).map(|(_, name)| ForeignText::new(name)),
            }
        } else {
            Holder::Other(trimmed(self.user).map(ForeignText::new))
        }
    }

    fn user_type(&self) -> UserType {
        match trimmed(self.user_type) {
            None => UserType::NotStated,
            Some("Root") => UserType::Root,
            Some("IAMUser") => UserType::User,
            Some("AssumedRole" | "Role") => UserType::Role,
            Some(
                "FederatedUser" | "SAMLUser" | "WebIdentityUser" | "IdentityCenterUser" | "Directory" | "AWSService",
            ) => UserType::Temporary,
            Some(_) => UserType::Unclear,
        }
    }
}

/// A text without the space round it, where there is any.
fn trimmed(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// The key at the end of an ARN, and what stands before it. AWS has no ARNs of keys; other tools write
/// `arn:PARTITION:iam::ACCOUNT:user/NAME/access-key/KEY` and `arn:PARTITION:iam::ACCOUNT:access-key/KEY`.
fn key_in_arn(text: &str) -> Option<(&str, &str)> {
    let is_iams = text.starts_with("arn:") && text.split(':').nth(2) == Some("iam");
    let (owner, key) = text.rsplit_once(['/', ':']).filter(|_| is_iams)?;
    match owner.rsplit_once(['/', ':']) {
        Some((owner, mark)) if ["access-key", "accesskey"].contains(&mark.to_ascii_lowercase().as_str()) => {
            Some((owner, key))
        }
        _ => AccessKeyId::from_event(key).map(|_| (owner, key)),
    }
}

/// A role's name alone, or in the ARN of the role or of one of its sessions:
/// `arn:PARTITION:sts::ACCOUNT:assumed-role/NAME/SESSION`.
fn role_name(text: &str) -> Option<RoleName> {
    match text.split_once(":assumed-role/") {
        Some((_, role)) => role.split('/').next().and_then(RoleName::new),
        None => text.rsplit('/').next().and_then(RoleName::new),
    }
}

/// How sources without a user type write the root user; `<root_account>` is the credential report's way.
fn is_root(user: &str) -> bool {
    ["root", "<root_account>"].contains(&user.trim().to_ascii_lowercase().as_str())
}

/// CloudTrail's user types, sorted by what they mean for a long-term key.
enum UserType {
    Root,
    User,
    /// The name is a hint worth trying for a key, since IAM refuses it when it is wrong.
    NotStated,
    Role,
    /// Other principals that have temporary credentials only.
    Temporary,
    /// Another account's principal, or a type that is not known here: the name may be anybody's.
    Unclear,
}

/// A user as an event writes it: a bare name, a path and a name, or an ARN.
struct NamedUser {
    account: Option<AccountId>,
    name: Option<UserName>,
    /// Whether it is the ARN of a user.
    has_arn: bool,
}

impl NamedUser {
    /// `arn:PARTITION:iam::ACCOUNT:user/PATH/NAME`, `PATH/NAME` and `NAME` all end in the name. Other ARNs are of no
    /// user, and a key's identifier is nobody's name.
    fn read(text: &str) -> Self {
        let is_arn = text.starts_with("arn:");
        let account = if is_arn { text.split(':').nth(4).and_then(AccountId::new) } else { None };
        let has_arn = is_arn && text.contains(":user/");
        let is_name = |name: &&str| (has_arn || !is_arn) && AccessKeyId::from_event(name).is_none();
        let name = text.rsplit('/').next().filter(is_name).and_then(UserName::new);
        Self { account, name, has_arn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
    const SESSION: &str = "ASIAIOSFODNN7EXAMPLE";
    const ACCOUNT: &str = "123456789012";

    fn credential(key: Option<&str>, user_type: Option<&str>, user: Option<&str>) -> Credential {
        claimed(Claim { key, user, user_type, principal: None })
    }

    fn claimed(claim: Claim<'_>) -> Credential {
        claim.credential(&NamedAccounts::of(AccountId::new(ACCOUNT)))
    }

    #[test]
    fn only_a_long_term_key_that_can_be_a_users_is_acted_on_and_under_the_users_own_name() {
        let key = |user: Option<&str>| Credential::UserKey {
            id: AccessKeyId::new(KEY).expect("valid"),
            user: user.and_then(UserName::new),
            user_id: None,
            or_root: false,
        };
        let or_root = || Credential::UserKey {
            id: AccessKeyId::new(KEY).expect("valid"),
            user: None,
            user_id: None,
            or_root: true,
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
            // A user may have that name.
            (None, Some("root"), or_root()),
            (None, Some("<root_account>"), or_root()),
            (None, Some("arn:aws:sts::123456789012:assumed-role/deploy/Bob"), key(None)),
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
    fn a_holder_is_a_user_or_a_role_only_where_the_event_says_so_and_nothing_speaks_against_it() {
        const AIDA: &str = "AIDACKCEVSQ6C2EXAMPLE";
        const AROA: &str = "AROACKCEVSQ6C2EXAMPLE:session";
        for (user_type, user, principal, expected) in [
            (Some("IAMUser"), "Bob", Some(AIDA), "user"),
            (Some("IAMUser"), "Bob", None, "user"),
            (Some("IAMUser"), "Bob", Some(AROA), "other"),
            (Some("IAMUser"), "arn:aws:iam::123456789012:user/Bob", Some(AIDA), "user"),
            (Some("IAMUser"), "arn:aws:iam::111122223333:user/Bob", Some(AIDA), "other"),
            (Some("AssumedRole"), "Bob", Some(AROA), "role"),
            (Some("AssumedRole"), "Bob", Some(AIDA), "other"),
            (Some("AssumedRole"), "arn:aws:sts::123456789012:assumed-role/Bob/session", Some(AROA), "role"),
            (None, "Bob", None, "other"),
            (None, "Bob", Some(AIDA), "user"),
            (None, "Bob", Some(AROA), "role"),
            (None, "arn:aws:sts::123456789012:assumed-role/deploy/Bob", None, "other"),
            (None, "root", None, "root"),
            (Some("FederatedUser"), "Bob", Some("123456789012:Bob"), "other"),
        ] {
            let credential = claimed(Claim { key: Some(SESSION), user: Some(user), user_type, principal });
            let Credential::Session { holder, .. } = &credential else { panic!("{credential:?}") };
            let kind = match holder {
                Holder::User { name, .. } => {
                    assert_eq!(name.as_ref().map(UserName::as_str), Some("Bob"));
                    "user"
                }
                Holder::Role { name, .. } => {
                    assert_eq!(name.as_ref().map(RoleName::as_str), Some("Bob"));
                    "role"
                }
                Holder::Root => "root",
                Holder::Other(_) => "other",
            };
            assert_eq!(kind, expected, "{user_type:?} {user} {principal:?}");
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
    fn a_key_at_the_end_of_an_arn_is_the_key_and_nobodys_name() {
        for (given, user, key, expected) in [
            ("arn:aws:iam::123456789012:user/Bob/access-key/AKIAIOSFODNN7EXAMPLE", None, Some(KEY), Some("Bob")),
            ("arn:aws:iam::123456789012:user/team/Bob/accessKey/AKIAIOSFODNN7EXAMPLE", None, Some(KEY), Some("Bob")),
            ("arn:aws:iam::123456789012:user/Bob/AKIAIOSFODNN7EXAMPLE", None, Some(KEY), Some("Bob")),
            (
                "arn:aws:iam::123456789012:user/Bob/access-key/AKIAIOSFODNN7EXAMPLE",
                Some("Carol"),
                Some(KEY),
                Some("Carol"),
            ),
            ("arn:aws:iam::123456789012:user/Bob/access-key/AKIAIOSFODNN7EXAMPLE", Some(KEY), Some(KEY), Some("Bob")),
            ("arn:aws:iam::123456789012:access-key/AKIAIOSFODNN7EXAMPLE", None, Some(KEY), None),
            ("arn:aws:iam::123456789012:user/AKIAIOSFODNN7EXAMPLE", None, Some(KEY), None),
            ("arn:aws:iam::123456789012:user/Bob/access-key/AKIAXXXXXXXXXXXXXXXX", None, None, Some("Bob")),
            ("arn:aws:iam::123456789012:user/Bob", None, None, Some("Bob")),
            ("arn:aws:sts::123456789012:assumed-role/deploy/AKIAIOSFODNN7EXAMPLE", None, None, None),
            (KEY, Some(KEY), Some(KEY), None),
        ] {
            let credential = credential(Some(given), None, user);
            assert_eq!(credential.key().map(AccessKeyId::as_str), key, "{given}");
            assert_eq!(credential.user().map(UserName::as_str), expected, "{given}");
        }
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
