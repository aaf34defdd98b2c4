//! What looks at a contained credential saw, as answers and log lines have it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use super::command;
use crate::case::Case;
use crate::names::AccessKeyId;
use crate::record::{NewPrincipals, Record};

/// What somebody did against the containment, each only where it happened.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contested {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reactivated: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    new_keys: Vec<AccessKeyId>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deny_removed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_after: Option<String>,
}

pub fn contested(record: &Record) -> Option<Contested> {
    let looks = &record.looks;
    looks.is_contested().then(|| Contested {
        reactivated: looks.reactivated,
        new_keys: looks.new_keys.clone(),
        deny_removed: looks.deny_removed,
        used_after: looks.used_after.map(seconds),
    })
}

/// Who makes a look that was left out or failed.
pub fn not_verified(record: &Record) -> Option<&'static str> {
    let who = if record.is_followed_up { "followUp" } else { "nobody" };
    record.looks.incomplete.then_some(who)
}

pub fn newer_keys(record: &Record) -> Option<&[AccessKeyId]> {
    let keys = &record.looks.newer_keys;
    (!keys.is_empty()).then_some(keys)
}

/// A command for each newer key that was deactivated.
pub fn new_keys_undo(case: &Case<'_>) -> Option<Vec<Value>> {
    let keys = &case.record.looks.new_keys;
    (!keys.is_empty()).then(|| keys.iter().filter_map(|key| command::activate(case, key)).collect())
}

pub fn new_principals(record: &Record) -> Option<&NewPrincipals> {
    let new = &record.looks.new_principals;
    (!new.is_empty()).then_some(new)
}

pub fn seconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
