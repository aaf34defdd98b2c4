//! What an event says of a credential, and which credential that means.

use crate::credential::{Contradiction, Credential, Holder, NamedAccounts};
use crate::names::{AccessKeyId, AccountId, ForeignText, RoleId, RoleName, UserId, UserName};

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
    /// The claim with the key that stands at the end of an ARN, and with the user of the ARN where it names none itself. A
    /// user's ARN can stand alone where a key should be.
    #[must_use]
    pub fn unfolded(self) -> Self {
        let (owner, key) = match trimmed(self.key) {
            Some(text) => key_in_arn(text).map_or((text, self.key), |(owner, key)| (owner, Some(key))),
            None => return self,
        };
        let named = trimmed(self.user).filter(|user| AccessKeyId::from_event(user).is_none());
        let is_users = owner.starts_with("arn:") && owner.contains(":user/");
        Self { key, user: named.or_else(|| is_users.then_some(owner)), ..self }
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
            UserType::Unclear => {
                Credential::UserKey { id, user: None, user_id: None, or_root: self.user.is_some_and(is_root) }
            }
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
        let has_roles_arn = trimmed(self.user).is_some_and(is_roles_arn);
        let (is_user, is_role) = match self.user_type() {
            UserType::Root => return Holder::Root,
            UserType::NotStated if self.user.is_some_and(is_root) && principal.is_none() => return Holder::Root,
            UserType::User => (role_id.is_none(), false),
            UserType::NotStated if role_id.is_some() || has_roles_arn => (false, user_id.is_none()),
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
            let name = trimmed(self.user).map(ForeignText::new);
            match self.user_type() {
                UserType::NotStated | UserType::Unclear if !is_elsewhere => Holder::Unknown(name),
                _ => Holder::Other(name),
            }
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

/// The ARN of a role or of one of its sessions.
fn is_roles_arn(user: &str) -> bool {
    user.starts_with("arn:") && (user.contains(":assumed-role/") || user.contains(":role/"))
}

/// How sources without a user type write the root user; `<root_account>` is the credential report's way.
fn is_root(user: &str) -> bool {
    let user = user.trim().to_ascii_lowercase();
    let is_arn = user.starts_with("arn:") && user.contains(":iam:") && user.ends_with(":root");
    is_arn || ["root", "<root_account>"].contains(&user.as_str())
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
            (None, Some("arn:aws:iam::123456789012:root"), or_root()),
            (Some("AWSAccount"), Some("root"), or_root()),
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
            (None, "Bob", None, "unknown"),
            (None, "Bob", Some(AIDA), "user"),
            (None, "Bob", Some(AROA), "role"),
            (None, "arn:aws:sts::123456789012:assumed-role/Bob/session", None, "role"),
            (None, "arn:aws:iam::123456789012:role/team/Bob", None, "role"),
            (None, "arn:aws:sts::123456789012:federated-user/Bob", None, "unknown"),
            (Some("ANewType"), "Bob", Some(AIDA), "unknown"),
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
                Holder::Unknown(_) => "unknown",
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
}
