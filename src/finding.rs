//! The words of the domain, validated on construction so that nothing later checks them again.
//!
//! Events are input from attackers: a user name, a title or an identifier can hold anything. Only the types of
//! this module carry foreign text onwards, and each of them is safe to log and to send to AWS.

use std::fmt;

use serde::Serialize;

/// One credential that one event names, with all that the decision needs to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What reported it.
    pub origin: Origin,
    /// The account that the event gives for the credential; `None` when it gives none that is well-formed.
    pub account: Option<AccountId>,
    /// The credential itself.
    pub credential: Credential,
    /// Why the event asks for containment, and so which gates it has to pass.
    pub basis: Basis,
    /// Why the finding is not in force, for example because it is a sample.
    pub inactive: Option<Inactive>,
}

impl Finding {
    /// An event that is not about a credential.
    pub fn without_credential(origin: Origin) -> Self {
        Self { origin, account: None, credential: Credential::None, basis: Basis::Report, inactive: None }
    }
}

/// What reported a finding: the `finding` of an answer and of a log line.
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

/// Why a finding is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inactive {
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

impl fmt::Display for Inactive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sample => "a sample",
            Self::Archived => "archived",
            Self::Suppressed => "suppressed",
            Self::Resolved => "resolved",
            Self::OtherProduct => "of a product that is not acted on",
        })
    }
}

/// A credential as an event names it, sorted by what can be done about it.
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
        /// What contradicts what, as a clause for a person.
        contradiction: String,
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
        holder: Holder,
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
            _ => match self.holder() {
                Some(Holder::User(user)) => user.as_ref(),
                _ => None,
            },
        }
    }

    /// Whose credential it is, where it is not a key.
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Session { holder, .. } | Self::Unidentified { holder, .. } | Self::Sessions { holder } => {
                Some(holder)
            }
            _ => None,
        }
    }
}

/// Whose a temporary or unidentified credential is, in the words of CloudTrail's `userIdentity.type`.
#[derive(Clone, Debug, PartialEq)]
pub enum Holder {
    /// An IAM user.
    User(Option<UserName>),
    /// A session of a role. The role may share a user's name.
    Role {
        /// Its name, without a path.
        name: Option<RoleName>,
        /// Its unique identifier, which tells it from a role of the same name that was made later or elsewhere.
        id: Option<RoleId>,
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

/// What an event says of a credential, as the source writes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claim<'a> {
    /// The access key ID.
    pub key: Option<&'a str>,
    /// A user name, the ARN of a user, or, for sessions, the name of a role.
    pub user: Option<&'a str>,
    /// CloudTrail's `userIdentity.type`.
    pub user_type: Option<&'a str>,
    /// CloudTrail's `userIdentity.principalId`: of a role's session the role's identifier, a colon and a name.
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
            UserType::Session => Credential::Contradictory {
                id,
                contradiction: format!(
                    "it names a long-term key but {} as its holder, whose credentials are temporary",
                    ForeignText::new(self.user_type.unwrap_or_default()),
                ),
            },
            UserType::Unclear => Credential::UserKey { id, user: None },
            UserType::User => match named {
                Some(NamedUser { account: Some(of), .. }) if account.is_some_and(|account| *account != of) => {
                    Credential::Contradictory {
                        id,
                        contradiction: format!("it names a user of account {of}, but another account for the key"),
                    }
                }
                named => Credential::UserKey { id, user: named.and_then(|named| named.name) },
            },
        }
    }

    fn holder(&self, named: Option<NamedUser>) -> Holder {
        let text = || self.user.map(str::trim).filter(|name| !name.is_empty()).map(ForeignText::new);
        match (self.user_type(), self.user_type.map(str::trim)) {
            (UserType::Root, _) => Holder::Root,
            (UserType::User, _) => Holder::User(named.and_then(|named| named.name)),
            (_, Some("AssumedRole" | "Role")) => Holder::Role {
                name: self.user.and_then(|name| name.trim().rsplit('/').next().and_then(RoleName::new)),
                id: self.principal.and_then(RoleId::of_session),
            },
            _ => Holder::Other(text()),
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

/// An access key ID in IAM's pattern, `\w{16,128}`:
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html>.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct AccessKeyId(String);

impl AccessKeyId {
    /// Accepts what IAM accepts.
    pub fn new(text: &str) -> Option<Self> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        ((16..=128).contains(&text.len()) && text.chars().all(word)).then(|| Self(text.to_owned()))
    }

    /// Accepts only what can be the identifier of a key or a session, so that placeholders and masked identifiers
    /// never reach IAM. The letters after the prefix are not held to base32, as documentation uses others.
    fn from_event(text: &str) -> Option<Self> {
        let tail = text.strip_prefix("AKIA").or_else(|| text.strip_prefix("ASIA"))?;
        let well_formed = tail.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        (well_formed && !is_masked(tail)).then(|| Self::new(text)).flatten()
    }

    /// Whether it belongs to temporary credentials.
    pub fn is_temporary(&self) -> bool {
        self.0.starts_with("ASIA")
    }

    /// The account that issued it, as far as the identifier tells. AWS does not document this, so it is a hint for a
    /// person and nothing is decided by it. Identifiers from before about 2019, whose fifth letter comes before Q,
    /// carry no account.
    pub fn issuer(&self) -> Option<AccountId> {
        let tail = data_encoding::BASE32.decode(self.0.get(4..20)?.as_bytes()).ok()?;
        let [first, middle @ .., last] = *tail.first_chunk::<6>()?;
        let digits = [0, 0, first & 0x7f, middle[0], middle[1], middle[2], middle[3], last & 0x80];
        (self.0.len() == 20 && first & 0x80 != 0)
            .then(|| format!("{:012}", u64::from_be_bytes(digits) >> 7))
            .and_then(|digits| AccountId::new(&digits))
    }

    /// The identifier as IAM takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether somebody has blotted out an identifier as AWS's documentation does. Real ones are random: eight X in a
/// row are less likely than one in a hundred thousand million.
fn is_masked(tail: &str) -> bool {
    tail.contains("XXXXXXXX")
}

/// An account ID: twelve digits, kept as text because leading zeros count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Accepts exactly twelve digits.
    pub fn new(text: &str) -> Option<Self> {
        (text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())).then(|| Self(text.to_owned()))
    }

    /// The first of several places of an event that holds an account ID. AWS fills some of them wrongly.
    pub fn first_of<'a>(candidates: impl IntoIterator<Item = Option<&'a str>>) -> Option<Self> {
        candidates.into_iter().flatten().find_map(|text| Self::new(text.trim()))
    }

    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an IAM user in IAM's pattern, `[\w+=,.@-]{1,128}`, without a path:
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html>.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct UserName(String);

impl UserName {
    /// Accepts what IAM accepts.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        ((1..=128).contains(&text.len()) && text.chars().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// Whether both name the same user: names are unique in an account without regard to case:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
    pub fn is(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The name as IAM takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an IAM role in IAM's pattern, `[\w+=,.@-]{1,64}`, without a path:
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html>.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RoleName(String);

impl RoleName {
    /// Accepts what IAM accepts.
    pub fn new(text: &str) -> Option<Self> {
        UserName::new(text).filter(|_| text.len() <= 64).map(|name| Self(name.0))
    }

    /// Who alone may change the role, by the path that IAM gives for it.
    pub fn reserved(&self, path: &str) -> Option<Reserved> {
        if path.starts_with("/aws-service-role/") {
            return Some(Reserved::ServiceLinked);
        }
        path.starts_with("/aws-reserved/").then_some(Reserved::IdentityCenter)
    }

    /// The same as far as the name alone tells, so that nothing has to be asked.
    pub fn reserved_by_name(&self) -> Option<Reserved> {
        if self.0.starts_with("AWSServiceRoleFor") {
            return Some(Reserved::ServiceLinked);
        }
        self.0.starts_with("AWSReservedSSO_").then_some(Reserved::IdentityCenter)
    }

    /// The name as IAM takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A kind of role that IAM lets nobody change but AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html>
    ServiceLinked,
    /// <https://docs.aws.amazon.com/singlesignon/latest/userguide/permissionsetsconcept.html>
    IdentityCenter,
}

impl Reserved {
    /// What a person should do about sessions of such a role.
    pub fn advice(self, role: &RoleName) -> String {
        match self {
            Self::ServiceLinked => format!(
                "role {role} is linked to a service, and its sessions cannot be revoked: stop the service's use of it"
            ),
            Self::IdentityCenter => format!(
                "role {role} belongs to a permission set of IAM Identity Center: in Identity Center disable the user, \
                 end its sessions, and deny it in the permission set or by a service control policy on \
                 identitystore:userId"
            ),
        }
    }
}

/// The unique identifier of a role:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleId(String);

impl RoleId {
    /// The identifier in the principal of a role's session, or alone.
    pub fn of_session(principal: &str) -> Option<Self> {
        let id = principal.trim().split(':').next()?;
        let well_formed = id.starts_with("AROA") && id.len() >= 16 && id.chars().all(|c| c.is_ascii_alphanumeric());
        well_formed.then(|| Self(id.to_owned()))
    }

    /// The identifier as IAM writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
}

/// Text that somebody else wrote, made harmless for logs, terminals and notifications: control and invisible
/// characters are escaped, and it is cut to a length that a line can hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ForeignText(String);

impl ForeignText {
    const MAX_CHARS: usize = 256;

    /// Escapes and cuts.
    pub fn new(text: &str) -> Self {
        let mut safe = String::new();
        for c in text.chars().take(Self::MAX_CHARS) {
            match c {
                '"' | '\'' | '\\' => safe.push(c),
                _ => safe.extend(c.escape_debug()),
            }
        }
        if text.chars().nth(Self::MAX_CHARS).is_some() {
            safe.push('…');
        }
        Self(safe)
    }

    /// The harmless text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! display_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display_as_text!(AccessKeyId, AccountId, UserName, RoleName, Severity, ForeignText);

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
            (Some("IAMUser"), Holder::User(UserName::new("Bob"))),
            (Some("AssumedRole"), Holder::Role { name: RoleName::new("Bob"), id: None }),
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
    fn newer_identifiers_tell_who_issued_them() {
        for (id, issuer) in [
            ("AKIARZPUZDIKFQT4AYCN", Some("123456789012")),
            ("AKIATHPL2AOHB5TUJ4JH", Some("222222222222")),
            ("ASIARZPUZDIKFQT4AYCN", Some("123456789012")),
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("AKIAQ0000000000000000", None),
            ("AKIA1111111111111111", None),
        ] {
            let id = AccessKeyId::new(id).expect("valid");
            assert_eq!(id.issuer().as_ref().map(AccountId::as_str), issuer, "{id}");
        }
    }

    #[test]
    fn roles_that_only_aws_may_change_are_known_by_path_and_by_name() {
        for (name, path, reserved) in [
            ("deploy", "/", None),
            ("deploy", "/team/aws-service-role/", None),
            ("AWSServiceRoleForSupport", "/aws-service-role/support.amazonaws.com/", Some(Reserved::ServiceLinked)),
            (
                "AWSReservedSSO_Admin_0123456789abcdef",
                "/aws-reserved/sso.amazonaws.com/eu-west-1/",
                Some(Reserved::IdentityCenter),
            ),
        ] {
            let role = RoleName::new(name).expect("valid");
            assert_eq!((role.reserved(path), role.reserved_by_name()), (reserved, reserved), "{path}{name}");
        }
    }

    #[test]
    fn patterns_are_those_of_iam() {
        for (text, valid) in [("a".repeat(15), false), ("a_1Z".repeat(4), true), ("a".repeat(129), false)] {
            assert_eq!(AccessKeyId::new(&text).is_some(), valid, "{text}");
        }
        for (text, valid) in
            [("Bob", true), ("a+b=c,d.e@f-g_h", true), ("", false), ("a b", false), ("a/b", false), ("é", false)]
        {
            assert_eq!(UserName::new(text).is_some(), valid, "{text}");
        }
        for (text, valid) in
            [("012345678901", true), ("12345678901", false), ("1234567890123", false), ("12345678901x", false)]
        {
            assert_eq!(AccountId::new(text).is_some(), valid, "{text}");
        }
    }

    #[test]
    fn the_first_well_formed_account_counts() {
        let first = AccountId::first_of([None, Some(KEY), Some("1234567890"), Some(ACCOUNT), Some("111122223333")]);
        assert_eq!(first.as_ref().map(AccountId::as_str), Some(ACCOUNT));
    }

    #[test]
    fn foreign_text_is_escaped_and_cut() {
        for (text, safe) in [
            ("plain 'quoted' \"text\" C:\\x é", "plain 'quoted' \"text\" C:\\x é"),
            ("a\nb\u{1b}[2J", "a\\nb\\u{1b}[2J"),
            ("\u{202e}\u{200b}\u{9b}\0", "\\u{202e}\\u{200b}\\u{9b}\\0"),
        ] {
            assert_eq!(ForeignText::new(text).as_str(), safe);
        }
        assert_eq!(ForeignText::new(&"é".repeat(300)).as_str(), format!("{}…", "é".repeat(256)));
    }
}
