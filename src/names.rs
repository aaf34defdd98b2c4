//! Identifiers and names, validated on construction so that nothing later checks them again.
//!
//! Events are input from attackers: a user name, a title or an identifier can hold anything. Only the types of this
//! module carry foreign text onwards, and each of them is safe to log and to send to AWS.

use std::fmt;

use serde::Serialize;

/// What the types of this module have in common: they are text, shown and sent as it stands.
macro_rules! text {
    ($($name:ident),*) => {$(
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
text!(AccessKeyId, AccountId, ForeignText, RoleId, RoleName, UserId, UserName);

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
    pub fn from_event(text: &str) -> Option<Self> {
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
}

/// Whether an identifier is masked as in AWS's documentation. Real ones are random: eight X in a row are less likely than
/// one in a hundred billion.
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

    /// Reads an account ID that went through other hands: with separators (`1111-2222-3333`), or in an ARN.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with("arn:") {
            return text.split(':').nth(4).and_then(Self::new);
        }
        Self::new(&text.replace(['-', ' '], ""))
    }

    /// Reads an account ID that was made a number, and so has lost the zeros before it.
    pub fn of_number(number: u64) -> Option<Self> {
        Self::new(&format!("{number:012}")).filter(|_| number != 0)
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
}

/// The unique identifier of a user:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserId(String);

/// The unique identifier of a role, as that of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleId(String);

impl UserId {
    pub fn new(text: &str) -> Option<Self> {
        is_unique_id(text, "AIDA").then(|| Self(text.to_owned()))
    }
}

impl RoleId {
    pub fn new(text: &str) -> Option<Self> {
        is_unique_id(text, "AROA").then(|| Self(text.to_owned()))
    }

    /// The role of a session, whose principal ID is the role's, a colon and the session's name.
    pub fn of_session(principal: &str) -> Option<Self> {
        Self::new(principal.trim().split(':').next()?)
    }
}

fn is_unique_id(text: &str, prefix: &str) -> bool {
    text.starts_with(prefix) && text.len() >= 16 && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Text that somebody else wrote, made harmless for logs, terminals and notifications: control and invisible
/// characters are escaped, and it is cut to a length that a line can hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (text, user, role) in [
            ("AIDACKCEVSQ6C2EXAMPLE", true, false),
            ("AROACKCEVSQ6C2EXAMPLE", false, true),
            ("AROACKCEVSQ6C2EXAMPLE:session", false, false),
            ("AROA", false, false),
            ("123456789012", false, false),
        ] {
            assert_eq!((UserId::new(text).is_some(), RoleId::new(text).is_some()), (user, role), "{text}");
        }
    }

    #[test]
    fn an_account_is_read_as_far_as_it_can_be() {
        let id = |account: Option<AccountId>| account.map(|account| account.to_string());
        for (text, account) in [
            ("123456789012", Some("123456789012")),
            (" 1234-5678-9012 ", Some("123456789012")),
            ("arn:aws:iam::123456789012:root", Some("123456789012")),
            ("arn:aws:iam::aws:policy/x", None),
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("1234567890", None),
            ("XXXXXXXXXXXX", None),
        ] {
            assert_eq!(id(AccountId::read(text)).as_deref(), account, "{text}");
        }
        assert_eq!(id(AccountId::of_number(12)).as_deref(), Some("000000000012"));
        assert_eq!(id(AccountId::of_number(1_234_567_890_123)), None);
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
