//! The identifiers of AWS's documentation, which the samples hold, too.

/// A key of Bob's.
pub const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// A key of Carol's, or Bob's second one.
pub const OTHER_KEY: &str = "AKIAI44QH8DHBEXAMPLE";
/// The key of temporary credentials.
pub const SESSION: &str = "ASIAIOSFODNN7EXAMPLE";
/// The account that the function runs in.
pub const OWN: &str = "123456789012";
/// Another account of its organization.
pub const MEMBER: &str = "111122223333";
/// The unique identifier of user Bob.
pub const USER_ID: &str = "AIDACKCEVSQ6C2EXAMPLE";
/// The unique identifier of role Bob.
pub const ROLE_ID: &str = "AROACKCEVSQ6C2EXAMPLE";

/// The name of an identifier, where it is one of these: it is easier to read.
pub fn named(id: &str) -> &str {
    match id {
        KEY => "KEY",
        OTHER_KEY => "OTHER_KEY",
        SESSION => "SESSION",
        OWN => "OWN",
        MEMBER => "MEMBER",
        other => other,
    }
}
