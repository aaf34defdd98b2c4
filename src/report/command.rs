//! Commands for a person to run: what takes a change back, and what does by hand what this function did not do.

use serde_json::{Value, json};

use crate::case::Case;
use crate::credential::{KeyStatus, Principal};
use crate::finding::Operation;
use crate::names::{AccessKeyId, UserName};
use crate::record::Done;

/// The input of this function that takes back what was done, and nothing else; `None` where there is nothing to take
/// back.
pub fn undo(case: &Case<'_>) -> Option<Value> {
    let record = &case.record;
    let is_inactive = record.has(|done| *done == Done::StatusSet(KeyStatus::Inactive)) && !record.key_is_gone();
    if is_inactive {
        return activate(case, case.key()?);
    }
    let mut command = restore_sessions(record.done.iter().find_map(Done::denied)?.0);
    command["AccountId"] = json!(case.account()?);
    Some(command)
}

/// The input of this function that makes a key of the credential's user active again.
pub fn activate(case: &Case<'_>, key: &AccessKeyId) -> Option<Value> {
    let key = json!({"UserName": case.user()?, "AccessKeyId": key, "Status": "Active"});
    Some(json!({"UpdateAccessKey": key, "AccountId": case.account()?}))
}

fn restore_sessions(of: &Principal) -> Value {
    match of {
        Principal::User(name) => json!({"RestoreSessions": {"UserName": name}}),
        Principal::Role(name) => json!({"RestoreSessions": {"RoleName": name}}),
    }
}

/// A command of this function for a shell. It needs version 2 of the AWS CLI.
pub fn invoke(function: &str, command: &Value) -> String {
    format!(
        "aws lambda invoke --function-name {function} --cli-binary-format raw-in-base64-out --payload '{command}' \
         /dev/stdout"
    )
}

/// What a person runs to do an operation on a key without this function. What is not known is left to fill in.
pub fn by_hand(operation: Operation, user: Option<&UserName>, key: Option<&AccessKeyId>) -> String {
    let user = user.map_or("USER", UserName::as_str);
    let key = key.map_or("KEY", AccessKeyId::as_str);
    let (command, status) = match operation {
        Operation::Deactivate => ("update-access-key", " --status Inactive"),
        Operation::Restore => ("update-access-key", " --status Active"),
        Operation::Delete => ("delete-access-key", ""),
    };
    format!("aws iam {command} --user-name {user} --access-key-id {key}{status}")
}
