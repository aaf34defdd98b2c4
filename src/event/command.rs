//! A person's command: the input JSON of `aws iam update-access-key` or `aws iam delete-access-key` under the name of
//! the operation, with `AccountId` beside it when the key is in another account. `RestoreSessions` of a `UserName` or a
//! `RoleName` takes away what this function put on a principal whose temporary credentials it contained.
//!
//! Parameters are held against IAM's patterns:
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html>.

use serde_json::{Map, Value};

use super::EventError;
use crate::credential::{Credential, Holder, NamedAccounts, Principal};
use crate::finding::{Basis, Finding, Operation, Origin};
use crate::names::{AccessKeyId, AccountId, ForeignText, RoleName, UserName};

const UPDATE: &str = "UpdateAccessKey";
const DELETE: &str = "DeleteAccessKey";
const RESTORE_SESSIONS: &str = "RestoreSessions";

/// `None` when the input is not meant to be a command.
pub(super) fn read(input: &Map<String, Value>) -> Option<Result<Finding, EventError>> {
    let mut given = [UPDATE, DELETE, RESTORE_SESSIONS].into_iter().filter(|name| input.contains_key(*name));
    let name = given.next()?;
    Some(match given.next() {
        None => command(name, input),
        Some(second) => Err(EventError::command(second, format!("stands beside {name}: give one operation at a time"))),
    })
}

fn command(name: &str, input: &Map<String, Value>) -> Result<Finding, EventError> {
    let beside = Parameters { of: input, place: String::new() };
    beside.only(&[name, "AccountId"])?;
    let Some(of) = input[name].as_object() else {
        return Err(EventError::command(name, "is not an object"));
    };
    let account = beside.read("AccountId", "12 digits, such as 123456789012", AccountId::new)?;
    let parameters = Parameters { of, place: format!("{name}.") };
    let (operation, credential) = match name {
        UPDATE => update(&parameters)?,
        DELETE => delete(&parameters)?,
        _ => restore_sessions(&parameters)?,
    };
    Ok(Finding {
        origin: Origin { kind: Some(ForeignText::new(name)), ..Origin::new("command") },
        accounts: NamedAccounts::of(account),
        credential,
        basis: Basis::Command(operation),
        not_in_force: None,
    })
}

fn update(parameters: &Parameters<'_>) -> Result<(Operation, Credential), EventError> {
    parameters.only(&["UserName", "AccessKeyId", "Status"])?;
    let operation = |status: &str| match status {
        "Active" => Some(Operation::Restore),
        "Inactive" => Some(Operation::Deactivate),
        _ => None,
    };
    let operation = parameters.need("Status", "Active or Inactive", operation)?;
    Ok((operation, parameters.key()?))
}

fn delete(parameters: &Parameters<'_>) -> Result<(Operation, Credential), EventError> {
    parameters.only(&["UserName", "AccessKeyId"])?;
    Ok((Operation::Delete, parameters.key()?))
}

fn restore_sessions(parameters: &Parameters<'_>) -> Result<(Operation, Credential), EventError> {
    parameters.only(&["UserName", "RoleName"])?;
    let user = parameters.user()?;
    let role = "1 to 64 letters, digits or any of _+=,.@-, such as deploy";
    let of = match (user, parameters.read("RoleName", role, RoleName::new)?) {
        (Some(user), None) => Principal::User(user),
        (None, Some(role)) => Principal::Role(role),
        (Some(_), Some(_)) => return Err(parameters.wrong("RoleName", "stands beside UserName: give one of them")),
        (None, None) => return Err(parameters.wrong("RoleName", "is missing, and so is UserName")),
    };
    Ok((Operation::Restore, Credential::Sessions { of }))
}

pub(super) struct Parameters<'v> {
    pub(super) of: &'v Map<String, Value>,
    /// The path that leads to them, with the dot.
    pub(super) place: String,
}

impl Parameters<'_> {
    fn key(&self) -> Result<Credential, EventError> {
        let expected = "16 to 128 letters, digits or underscores, such as AKIAIOSFODNN7EXAMPLE";
        let id = self.need("AccessKeyId", expected, AccessKeyId::new)?;
        let user = self.user()?;
        Ok(if id.is_temporary() {
            Credential::Session { id, holder: Holder::User { name: user, id: None } }
        } else {
            Credential::UserKey { id, user, user_id: None, or_root: false }
        })
    }

    pub(super) fn user(&self) -> Result<Option<UserName>, EventError> {
        self.read("UserName", "1 to 128 letters, digits or any of _+=,.@-, such as Bob", UserName::new)
    }

    pub(super) fn need<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, EventError> {
        self.read(name, expected, read)?.ok_or_else(|| self.wrong(name, "is missing"))
    }

    pub(super) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, EventError> {
        let Some(value) = self.of.get(name) else {
            return Ok(None);
        };
        let read = value.as_str().and_then(read);
        read.map(Some).ok_or_else(|| self.wrong(name, format!("must be {expected}")))
    }

    /// Refuses parameters that are not known: a command must mean what its author believes.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), EventError> {
        match self.of.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let problem = format!("is not known here: there are {}", known.join(", "));
                Err(self.wrong(ForeignText::new(name).as_str(), problem))
            }
            None => Ok(()),
        }
    }

    pub(super) fn wrong(&self, name: &str, problem: impl Into<String>) -> EventError {
        EventError::command(format!("{}{name}", self.place), problem)
    }
}
