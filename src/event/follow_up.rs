//! What this function's own schedules send. Whoever may invoke the function can send the same, so it is only obeyed while
//! the schedule is there.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::EventError;
use super::command::Parameters;
use crate::credential::{Credential, Identified, NamedAccounts, Principal};
use crate::finding::{Basis, Finding, Origin};
use crate::names::{AccessKeyId, AccountId, ForeignText, RoleId, RoleName, UserId};
use crate::plan::Measure;
use crate::record::Means;
use crate::schedule::{FollowUp, Target, Task, words_of, words_of_means};

pub(super) const NAME: &str = "FollowUp";

const A_TIME: &str = "a time such as 2027-03-31T10:00:00Z";

/// `None` when the input is not meant to be one.
pub(super) fn read(input: &Map<String, Value>) -> Option<Result<Finding, EventError>> {
    input.contains_key(NAME).then(|| follow_up(input))
}

fn follow_up(input: &Map<String, Value>) -> Result<Finding, EventError> {
    let beside = Parameters { of: input, place: String::new() };
    beside.only(&[NAME])?;
    let Some(of) = input[NAME].as_object() else {
        return Err(EventError::command(NAME, "is not an object"));
    };
    let given = Parameters { of, place: format!("{NAME}.") };
    let about_a_key = given.of.contains_key("AccessKeyId");
    let known: &[&str] = if about_a_key {
        &["Task", "AccountId", "ContainedAt", "Region", "Repeat", "AccessKeyId", "UserName", "CreatedAt", "Deleted"]
    } else {
        &[
            "Task",
            "AccountId",
            "ContainedAt",
            "Region",
            "Repeat",
            "UserName",
            "RoleName",
            "PrincipalId",
            "Denied",
            "By",
            "SessionKeyId",
        ]
    };
    given.only(known)?;
    let task = given.need("Task", "Look or Delete", |task| match task {
        "Look" => Some(Task::Look),
        "Delete" if about_a_key => Some(Task::Delete),
        _ => None,
    })?;
    let account = given.need("AccountId", "12 digits, such as 123456789012", AccountId::new)?;
    let contained = given.need("ContainedAt", A_TIME, time)?;
    let region = given.read("Region", "a text", |region| Some(ForeignText::new(region)))?;
    let is_repeat = given.read("Repeat", "true", |text| (text == "true").then_some(true))?.unwrap_or_default();
    let (target, credential) = if about_a_key { key(&given)? } else { principal(&given)? };
    let follow_up = FollowUp { task, account: account.clone(), target, contained, region: region.clone(), is_repeat };
    Ok(Finding {
        origin: Origin { kind: Some(ForeignText::new(NAME)), region, repeat: is_repeat, ..Origin::new("follow-up") },
        accounts: NamedAccounts::of(Some(account)),
        credential,
        basis: Basis::FollowUp(Box::new(follow_up)),
        not_in_force: None,
    })
}

fn key(given: &Parameters<'_>) -> Result<(Target, Credential), EventError> {
    let id = given
        .need("AccessKeyId", "the ID of a long-term key", |id| AccessKeyId::new(id).filter(|id| !id.is_temporary()))?;
    let user = given.user()?.ok_or_else(|| given.wrong("UserName", "is missing"))?;
    let created = given.read("CreatedAt", A_TIME, time)?;
    let is_deleted = given.read("Deleted", "true", |text| (text == "true").then_some(true))?.unwrap_or_default();
    let credential = Credential::UserKey { id: id.clone(), user: Some(user.clone()), user_id: None, or_root: false };
    Ok((Target::Key { id, user, created, is_deleted }, credential))
}

fn principal(given: &Parameters<'_>) -> Result<(Target, Credential), EventError> {
    let role = given.read("RoleName", "1 to 64 letters, digits or any of _+=,.@-", RoleName::new)?;
    let on = match (given.user()?, role) {
        (Some(user), None) => {
            Identified::User(user, given.need("PrincipalId", "the identifier of a user", UserId::new)?)
        }
        (None, Some(role)) => {
            Identified::Role(role, given.need("PrincipalId", "the identifier of a role", RoleId::new)?)
        }
        _ => return Err(given.wrong("UserName", "or AccessKeyId or RoleName has to be there, and one of them alone")),
    };
    let measures = [Measure::TemporaryCredentials, Measure::OlderSessions, Measure::Everything];
    let measure =
        given.need("Denied", "what is denied", |text| measures.into_iter().find(|one| words_of(*one) == text))?;
    let all = [Means::Policy, Means::Group, Means::Document];
    let by = given.need("By", "what denies it", |text| all.into_iter().find(|one| words_of_means(*one) == text))?;
    let of: Principal = on.principal();
    let session = given.read("SessionKeyId", "the ID of temporary credentials", |id| {
        AccessKeyId::new(id).filter(AccessKeyId::is_temporary)
    })?;
    Ok((Target::Principal { on, measure, by, session }, Credential::Sessions { of }))
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
