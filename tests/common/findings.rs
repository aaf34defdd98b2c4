//! Findings like that of `events/guardduty-iam-user.json`, which names a key of user Bob.

use serde_json::Value;

use super::ids::{KEY, MEMBER, OWN, SESSION};
use super::{event, replaced};

/// It names a key of another user.
pub fn finding_for(user: &str) -> Value {
    replaced(&event("guardduty-iam-user"), &[("\"Bob\"", &format!("\"{user}\""))])
}

/// It names no user.
pub fn without_user() -> Value {
    let mut finding = event("guardduty-iam-user");
    finding["detail"]["resource"]["accessKeyDetails"].as_object_mut().expect("details").remove("userName");
    finding
}

/// It names temporary credentials of user Bob.
pub fn user_session() -> Value {
    replaced(&event("guardduty-iam-user"), &[(KEY, SESSION)])
}

/// It names a session of role Bob.
pub fn role_session() -> Value {
    event("guardduty-role-session")
}

/// The same in another account.
pub fn in_member(finding: &Value) -> Value {
    replaced(finding, &[(OWN, MEMBER)])
}
