//! A person's command: the input JSON of `aws iam update-access-key` or `aws iam delete-access-key` under the name of
//! the operation, with `AccountId` beside it when the key is in another account. `RestoreSessions` of a `UserName` or a
//! `RoleName` takes away what this function put on a principal whose temporary credentials it contained.
//!
//! Parameters are held against IAM's patterns:
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html>.

use serde_json::{Map, Value};

use super::EventError;
use crate::finding::{
    AccessKeyId, AccountId, Basis, Credential, Finding, ForeignText, Holder, Operation, Origin, RoleName, UserName,
};

const UPDATE: &str = "UpdateAccessKey";
const DELETE: &str = "DeleteAccessKey";
const RESTORE_SESSIONS: &str = "RestoreSessions";
const OPERATIONS: [&str; 3] = [UPDATE, DELETE, RESTORE_SESSIONS];
const ACCOUNT: &str = "AccountId";

/// Whether the input is meant to be a command.
pub(super) fn is_command(input: &Map<String, Value>) -> bool {
    OPERATIONS.iter().any(|operation| input.contains_key(*operation))
}

/// # Errors
/// When a parameter is missing, unknown or ill-formed, or when there are two operations.
pub(super) fn read(input: &Map<String, Value>) -> Result<Finding, EventError> {
    let mut given = OPERATIONS.into_iter().filter(|operation| input.contains_key(*operation));
    let name = given.next().unwrap_or(UPDATE);
    if let Some(second) = given.next() {
        return Err(EventError::new(second, format!("stands beside {name}: give one operation at a time")));
    }
    only(input, "", &[name, ACCOUNT])?;
    let Some(parameters) = input[name].as_object() else {
        return Err(EventError::new(name, "is not an object"));
    };
    let place = format!("{name}.");
    let account = parameter(input, "", ACCOUNT, "12 digits", AccountId::new)?;
    let (operation, credential) =
        if name == RESTORE_SESSIONS { sessions(parameters, &place)? } else { key(name, parameters, &place)? };
    Ok(Finding {
        origin: Origin {
            source: ForeignText::new("command"),
            id: None,
            kind: Some(ForeignText::new(name)),
            severity: None,
        },
        account,
        credential,
        basis: Basis::Command(operation),
        inactive: None,
    })
}

/// The sessions of one user or of one role.
fn sessions(parameters: &Map<String, Value>, place: &str) -> Result<(Operation, Credential), EventError> {
    only(parameters, place, &["UserName", "RoleName"])?;
    let user = user(parameters, place)?;
    let role = parameter(parameters, place, "RoleName", r"[\w+=,.@-]{1,64}", RoleName::new)?;
    let holder = match (user, role) {
        (Some(_), Some(_)) => {
            return Err(EventError::new(format!("{place}RoleName"), "stands beside UserName: give one of them"));
        }
        (None, None) => return Err(EventError::new(format!("{place}RoleName"), "is missing, and so is UserName")),
        (user @ Some(_), None) => Holder::User(user),
        (None, name) => Holder::Role { name, id: None },
    };
    Ok((Operation::Restore, Credential::Sessions { holder }))
}

fn user(parameters: &Map<String, Value>, place: &str) -> Result<Option<UserName>, EventError> {
    parameter(parameters, place, "UserName", r"[\w+=,.@-]{1,128}", UserName::new)
}

fn key(name: &str, parameters: &Map<String, Value>, place: &str) -> Result<(Operation, Credential), EventError> {
    let known: &[&str] =
        if name == UPDATE { &["UserName", "AccessKeyId", "Status"] } else { &["UserName", "AccessKeyId"] };
    only(parameters, place, known)?;
    let operation = if name == DELETE {
        Operation::Delete
    } else {
        let status = |text: &str| match text {
            "Active" => Some(Operation::Restore),
            "Inactive" => Some(Operation::Deactivate),
            _ => None,
        };
        needed(parameter(parameters, place, "Status", "Active or Inactive", status)?, place, "Status")?
    };
    let id = parameter(parameters, place, "AccessKeyId", r"\w{16,128}", AccessKeyId::new)?;
    let id = needed(id, place, "AccessKeyId")?;
    let user = user(parameters, place)?;
    let credential = if id.is_temporary() {
        Credential::Session { id, holder: Holder::User(user) }
    } else {
        Credential::UserKey { id, user }
    };
    Ok((operation, credential))
}

fn only(object: &Map<String, Value>, place: &str, known: &[&str]) -> Result<(), EventError> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(EventError::new(
            format!("{place}{}", ForeignText::new(name)),
            format!("is not known here: there are {}", known.join(", ")),
        )),
        None => Ok(()),
    }
}

fn parameter<T>(
    object: &Map<String, Value>,
    place: &str,
    name: &str,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, EventError> {
    let Some(value) = object.get(name) else {
        return Ok(None);
    };
    let read = value.as_str().and_then(read);
    read.map(Some).ok_or_else(|| EventError::new(format!("{place}{name}"), format!("must be {expected}")))
}

fn needed<T>(value: Option<T>, place: &str, name: &str) -> Result<T, EventError> {
    value.ok_or_else(|| EventError::new(format!("{place}{name}"), "is missing"))
}
