//! What this function tells its later self, through a schedule: to look once more, or to delete a key.

use chrono::{DateTime, NaiveDateTime, Utc};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::credential::{Identified, Principal};
use crate::names::{AccessKeyId, AccountId, ForeignText, UserName};
use crate::plan::Measure;
use crate::record::Means;

/// A later invocation about one credential.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowUp {
    /// What is to be done.
    pub task: Task,
    /// The account of the credential.
    pub account: AccountId,
    /// The credential.
    pub target: Target,
    /// When it was contained.
    pub contained: DateTime<Utc>,
    /// The Region of the finding.
    pub region: Option<ForeignText>,
    /// Whether the finding came before.
    pub is_repeat: bool,
}

/// What a later invocation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Look whether it is contained still, when CloudTrail has the record.
    Look,
    /// Delete the key.
    Delete,
}

/// What a later invocation is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A key of a user.
    Key {
        /// The key, and never another one.
        id: AccessKeyId,
        /// Whose it was.
        user: UserName,
        /// When it was made.
        created: Option<DateTime<Utc>>,
        /// Whether this function deleted it.
        is_deleted: bool,
    },
    /// A user or a role that was denied something.
    Principal {
        /// The principal.
        on: Identified,
        /// What it was denied.
        measure: Measure,
        /// By what.
        by: Means,
        /// Temporary credentials of its, which CloudTrail is asked about.
        session: Option<AccessKeyId>,
    },
}

/// How long the identifier in a name may be. A name has 64 characters at most:
/// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>.
const LONGEST: usize = 40;

impl FollowUp {
    /// The name of its schedule.
    pub fn name(&self) -> String {
        match &self.target {
            Target::Key { id, .. } => name_of_key(self.task, &self.account, id),
            Target::Principal { on, .. } => name_of_principal(&self.account, on.id()),
        }
    }

    /// What the function is invoked with.
    pub fn input(&self) -> Value {
        let task = match self.task {
            Task::Look => "Look",
            Task::Delete => "Delete",
        };
        let mut input = json!({"Task": task, "AccountId": self.account, "ContainedAt": self.contained});
        match &self.target {
            Target::Key { id, user, created, is_deleted } => {
                input["AccessKeyId"] = json!(id);
                input["UserName"] = json!(user);
                if let Some(created) = created {
                    input["CreatedAt"] = json!(created);
                }
                if *is_deleted {
                    input["Deleted"] = json!("true");
                }
            }
            Target::Principal { on, measure, by, session } => {
                let kind = match on.principal() {
                    Principal::User(_) => "UserName",
                    Principal::Role(_) => "RoleName",
                };
                input[kind] = json!(on.name());
                input["PrincipalId"] = json!(on.id());
                input["Denied"] = json!(words_of(*measure));
                input["By"] = json!(words_of_means(*by));
                if let Some(session) = session {
                    input["SessionKeyId"] = json!(session);
                }
            }
        }
        if self.is_repeat {
            input["Repeat"] = json!("true");
        }
        if let Some(region) = &self.region {
            input["Region"] = json!(region);
        }
        json!({"FollowUp": input})
    }
}

/// The name of the schedule about a key.
pub fn name_of_key(task: Task, account: &AccountId, key: &AccessKeyId) -> String {
    let letter = match task {
        Task::Look => 'f',
        Task::Delete => 'd',
    };
    format!("{letter}-{account}-{}", short(key.as_str()))
}

/// The name of the schedule about a user or a role, by its identifier.
pub fn name_of_principal(account: &AccountId, id: &str) -> String {
    format!("f-{account}-{}", short(id))
}

fn short(id: &str) -> String {
    if id.len() <= LONGEST {
        return id.to_owned();
    }
    let mut hash = HEXLOWER.encode(&Sha256::digest(id.as_bytes()));
    hash.truncate(LONGEST);
    hash
}

pub fn words_of(measure: Measure) -> &'static str {
    match measure {
        Measure::TemporaryCredentials => "TemporaryCredentials",
        Measure::OlderSessions => "OlderSessions",
        Measure::Everything => "Everything",
    }
}

pub fn words_of_means(means: Means) -> &'static str {
    match means {
        Means::Policy => "Policy",
        Means::Group => "Group",
        Means::Document => "Document",
    }
}

const AT: &str = "at(%Y-%m-%dT%H:%M:%S)";

/// A time as the expression of a schedule, in UTC.
pub fn expression(time: DateTime<Utc>) -> String {
    time.format(AT).to_string()
}

/// The time of an expression.
pub fn time_of(expression: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(expression, AT).ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_credential_and_fit() {
        let account = AccountId::new("123456789012").expect("valid");
        let key = |id: &str| AccessKeyId::new(id).expect("valid");
        let long = "A".repeat(128);
        assert_eq!(
            name_of_key(Task::Look, &account, &key("AKIAIOSFODNN7EXAMPLE")),
            "f-123456789012-AKIAIOSFODNN7EXAMPLE"
        );
        assert_eq!(
            name_of_key(Task::Delete, &account, &key("AKIAIOSFODNN7EXAMPLE")),
            "d-123456789012-AKIAIOSFODNN7EXAMPLE"
        );
        assert_eq!(name_of_key(Task::Look, &account, &key(&long)).len(), 55);
        assert_ne!(
            name_of_key(Task::Look, &account, &key(&long)),
            name_of_key(Task::Look, &account, &key(&"B".repeat(128)))
        );
    }

    #[test]
    fn an_expression_leads_back_to_its_time() {
        let time = DateTime::parse_from_rfc3339("2026-11-26T04:05:06Z").expect("a time").to_utc();
        assert_eq!(expression(time), "at(2026-11-26T04:05:06)");
        assert_eq!(time_of("at(2026-11-26T04:05:06)"), Some(time));
        assert_eq!(time_of("rate(1 hour)"), None);
    }
}
