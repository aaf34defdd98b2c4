//! The environment, read once at start and turned into types. Every mistake is reported, not only the first: a
//! security tool must not guess what an unknown value was meant to be.

mod globs;

pub use self::globs::{Exempt, Exemption, FindingTypes, Protection, TypeGlob};
use std::time::Duration;

use chrono::TimeDelta;

use crate::finding::Severity;
use crate::names::{AccountId, RoleName};

/// Every variable and its default, which is used where the variable is not set or empty. `template.yaml` has a parameter for
/// each but the last; `docs/configuration.md` tells what they mean.
pub const VARIABLES: [(&str, &str); 22] = [
    ("ACTION", "deactivate"),
    ("CONTAINMENT", "key"),
    ("ROLE_SESSIONS", "report"),
    ("DRY_RUN", "false"),
    ("MIN_SEVERITY", "4"),
    ("ANOMALY_MIN_SEVERITY", "7"),
    ("FINDING_TYPES", "*,!Policy:*"),
    ("EXEMPT", ""),
    ("ACCOUNTS", ""),
    ("MEMBER_ROLE", ""),
    ("ROOT_KEYS", "report"),
    ("CUSTOM_SOURCES", ""),
    ("VERIFY_AFTER", "5,30"),
    ("EVIDENCE", "true"),
    ("FOLLOW_UP_AFTER", "0"),
    ("DELETE_AFTER_DAYS", "0"),
    ("SCHEDULER_ROLE_ARN", ""),
    ("SCHEDULE_GROUP", "default"),
    ("SCHEDULE_QUEUE_ARN", ""),
    ("TOPIC_ARN", ""),
    ("COMMANDS", "true"),
    ("ACCOUNT_ID", ""),
];

/// What the function was told to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ACTION`
    pub action: Action,
    /// `CONTAINMENT`
    pub containment: Containment,
    /// `ROLE_SESSIONS`
    pub role_sessions: RoleSessions,
    /// `DRY_RUN`
    pub dry_run: bool,
    /// `MIN_SEVERITY`
    pub min_severity: Severity,
    /// `ANOMALY_MIN_SEVERITY`
    pub anomaly_min_severity: Severity,
    /// `FINDING_TYPES`
    pub finding_types: FindingTypes,
    /// `EXEMPT`
    pub exempt: Exempt,
    /// `ACCOUNTS`; empty: no limit.
    pub accounts: Vec<AccountId>,
    /// `MEMBER_ROLE`, with its path if it has one; `None` when other accounts are not touched.
    pub member_role: Option<String>,
    /// `ROOT_KEYS`
    pub root_keys: RootKeys,
    /// `CUSTOM_SOURCES`
    pub custom_sources: Vec<String>,
    /// `VERIFY_AFTER`: how long after containment credentials are looked at again, rising; empty: never.
    pub verify_after: Vec<Duration>,
    /// `EVIDENCE`: whether CloudTrail is asked what a credential did.
    pub evidence: bool,
    /// `FOLLOW_UP_AFTER`: how long after containment it is looked once more; zero: never.
    pub follow_up_after: TimeDelta,
    /// `DELETE_AFTER_DAYS`: how long after its deactivation a key is deleted; zero: at once.
    pub delete_after: TimeDelta,
    /// `SCHEDULER_ROLE_ARN` and its neighbours; `None` where nothing can be scheduled.
    pub scheduler: Option<Schedules>,
    /// `COMMANDS`: whether people may give commands.
    pub commands: bool,
    /// `ACCOUNT_ID`; `None` when STS has to be asked.
    pub account_id: Option<AccountId>,
    /// All variables with the values that count, for the log.
    pub effective: String,
}

/// Where and how schedules are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedules {
    /// `SCHEDULER_ROLE_ARN`: with whose permissions a schedule invokes the function.
    pub role_arn: String,
    /// `SCHEDULE_GROUP`
    pub group: String,
    /// `SCHEDULE_QUEUE_ARN`: where an invocation goes that could not be made.
    pub queue_arn: Option<String>,
}

/// `ACTION`: what happens to the key that a finding names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Set it to Inactive.
    Deactivate,
    /// Set it to Inactive, then delete it.
    Delete,
}

/// `CONTAINMENT`: how much of the key's owner is contained. Each contains what the one before does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Containment {
    /// The named key alone.
    Key,
    /// All temporary credentials of the user, too.
    Sessions,
    /// The whole user.
    Principal,
}

/// `ROLE_SESSIONS`: what happens to the sessions of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleSessions {
    /// A person is told.
    Report,
    /// The role is denied everything.
    Deny,
    /// Those that were issued before now are denied.
    Revoke,
}

/// `ROOT_KEYS`: what happens to a key of a member account's root user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKeys {
    /// A person is told.
    Report,
    /// It is deleted through `sts:AssumeRoot`.
    Delete,
}

/// Every mistake in the environment.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the configuration has {} mistake(s): {}", .0.len(), .0.join("; "))]
pub struct ConfigError(Vec<String>);

impl Config {
    /// Reads the process environment.
    ///
    /// # Errors
    /// Names every variable whose value is not understood or whose behaviour is not built.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables through `lookup`. An empty value counts as not set.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut env = Environment::read(lookup);
        let action = env.choice("ACTION", &[("deactivate", Action::Deactivate), ("delete", Action::Delete)]);
        let containment = env.choice(
            "CONTAINMENT",
            &[("key", Containment::Key), ("sessions", Containment::Sessions), ("principal", Containment::Principal)],
        );
        let role_sessions = env.choice(
            "ROLE_SESSIONS",
            &[("report", RoleSessions::Report), ("deny", RoleSessions::Deny), ("revoke", RoleSessions::Revoke)],
        );
        let commands = env.choice("COMMANDS", &[("true", true), ("false", false)]);
        let evidence = env.choice("EVIDENCE", &[("true", true), ("false", false)]);
        let dry_run = env.choice("DRY_RUN", &[("false", false), ("true", true)]);
        let min_severity = env.severity("MIN_SEVERITY");
        let anomaly_min_severity = env.severity("ANOMALY_MIN_SEVERITY");
        let finding_types = env.finding_types();
        let exempt = Exempt::new(env.list("EXEMPT", A_NAME, Exemption::new));
        let accounts = env.list("ACCOUNTS", AN_ACCOUNT, AccountId::new);
        let custom_sources = env.list("CUSTOM_SOURCES", A_SOURCE, source);
        let account_id = env.optional("ACCOUNT_ID", AN_ACCOUNT, AccountId::new);
        let root_keys = env.choice("ROOT_KEYS", &[("report", RootKeys::Report), ("delete", RootKeys::Delete)]);
        let member_role = env.optional("MEMBER_ROLE", "the name of a role, such as key-remediator-member", role);
        let verify_after = env.looks();
        let follow_up_after = TimeDelta::minutes(env.number("FOLLOW_UP_AFTER", "minutes", 1_440));
        let delete_after = TimeDelta::days(env.number("DELETE_AFTER_DAYS", "days", 365));
        let scheduler = env.scheduler();
        for (name, is_set) in
            [("FOLLOW_UP_AFTER", !follow_up_after.is_zero()), ("DELETE_AFTER_DAYS", !delete_after.is_zero())]
        {
            if is_set && scheduler.is_none() {
                env.mistakes.push(format!("{name} needs SCHEDULER_ROLE_ARN, which is empty"));
            }
        }
        if !delete_after.is_zero() && action != Action::Delete {
            env.mistakes.push("DELETE_AFTER_DAYS has no effect without ACTION=delete".to_owned());
        }
        env.only_the_default("TOPIC_ARN");
        if !env.mistakes.is_empty() {
            return Err(ConfigError(env.mistakes));
        }
        Ok(Self {
            action,
            containment,
            role_sessions,
            dry_run,
            min_severity,
            anomaly_min_severity,
            finding_types,
            exempt,
            accounts,
            member_role,
            root_keys,
            custom_sources,
            verify_after,
            evidence,
            follow_up_after,
            delete_after,
            scheduler,
            commands,
            account_id,
            effective: env.effective(),
        })
    }
}

/// The ARN of something of a service, in which `part` stands before its name.
fn arn_of(text: &str, service: &str, part: &str) -> Option<String> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let is_one = matches!(parts[..], ["arn", _, of, ..] if of == service) && parts.len() == 6;
    let name = text.rsplit_once(part).map_or("", |(_, name)| name);
    (is_one && !name.is_empty() && text.chars().all(|c| c.is_ascii_graphic())).then(|| text.to_owned())
}

/// The time of a look.
fn seconds(text: &str) -> Option<Duration> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|seconds| is_plain && (1..=60).contains(seconds)).map(Duration::from_secs)
}

/// The sources that begin with `aws.` are AWS's own, of which each has its reader or names no key; those of partners begin
/// alike. <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>
fn source(text: &str) -> Option<String> {
    let is_possible = |c: char| c.is_ascii_graphic() && !"*?[]!\"\\;".contains(c);
    let is_awss_own = text.starts_with("aws.") && !text.starts_with("aws.partner/");
    (text.len() <= 256 && text.chars().all(is_possible) && !is_awss_own).then(|| text.to_owned())
}

/// A role's name, with its path if it has one.
fn role(text: &str) -> Option<String> {
    let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
    let path_is_sound = path.len() <= 512 && path.chars().all(|c| c.is_ascii_graphic() && c != ':');
    (path_is_sound && RoleName::new(name).is_some()).then(|| text.trim_start_matches('/').to_owned())
}

const A_TYPE: &str = "a glob that a finding type can match, such as Recon:* or !Policy:* (* stands for any letters, ? for \
                      one, and [ needs its ])";
const A_NAME: &str = "a glob that a user name, a role name or an access key ID can match: they hold no space, path or ARN \
                      (* stands for any letters, ? for one, [ needs its ], and there is no !), followed by until and a day \
                      such as 2027-03-31 where it ends";
const A_SOURCE: &str =
    "the name of an EventBridge source other than AWS's own, which is written out, without * and spaces";
const AN_ACCOUNT: &str = "an account ID of 12 digits, such as 123456789012";

/// The values of [`VARIABLES`], in their order, and the mistakes that were found in them.
struct Environment {
    values: [String; VARIABLES.len()],
    mistakes: Vec<String>,
}

impl Environment {
    fn read(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let values = VARIABLES.map(|(name, default)| {
            let value = lookup(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
        });
        Self { values, mistakes: Vec::new() }
    }

    fn value(&self, name: &str) -> String {
        let known = VARIABLES.iter().zip(&self.values).find(|((variable, _), _)| *variable == name);
        known.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    fn effective(&self) -> String {
        let mut text = String::new();
        for ((name, _), value) in VARIABLES.iter().zip(&self.values) {
            for part in [*name, "=", value, " "] {
                text.push_str(part);
            }
        }
        text
    }

    /// One of a few words, of which the first is the default.
    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let value = self.value(name);
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == value) {
            return *choice;
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        let case = if words.contains(&value.to_lowercase().as_str()) { ", in small letters" } else { "" };
        self.mistakes.push(format!("{name} is {value:?} but must be {}{case}", words.join(" or ")));
        choices[0].1
    }

    fn severity(&mut self, name: &str) -> Severity {
        let value = self.value(name);
        value.parse().ok().and_then(Severity::new).unwrap_or_else(|| {
            self.mistakes.push(format!("{name} is {value:?} but must be a number from 0 to 10"));
            Severity::default()
        })
    }

    fn finding_types(&mut self) -> FindingTypes {
        let before = self.mistakes.len();
        let types = FindingTypes::new(self.list("FINDING_TYPES", A_TYPE, TypeGlob::new));
        if types.selects_nothing() && self.mistakes.len() == before {
            let value = self.value("FINDING_TYPES");
            self.mistakes
                .push(format!("FINDING_TYPES is {value:?}, which selects no type: begin with *, or name types"));
        }
        types
    }

    /// A whole number; 0 is never.
    fn number(&mut self, name: &str, unit: &str, most: i64) -> i64 {
        let value = self.value(name);
        let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
        value.parse().ok().filter(|number| is_plain && (0..=most).contains(number)).unwrap_or_else(|| {
            self.mistakes.push(format!("{name} is {value:?} but must be a whole number of {unit} from 0 to {most}"));
            0
        })
    }

    fn scheduler(&mut self) -> Option<Schedules> {
        let role_arn = self.optional("SCHEDULER_ROLE_ARN", "the ARN of a role", |text| arn_of(text, "iam", ":role/"));
        let queue_arn = self.optional("SCHEDULE_QUEUE_ARN", "the ARN of an SQS queue", |text| arn_of(text, "sqs", ":"));
        let group = self.optional("SCHEDULE_GROUP", "the name of a schedule group", |text| {
            let is_possible = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            ((1..=64).contains(&text.len()) && text.chars().all(is_possible)).then(|| text.to_owned())
        });
        Some(Schedules { role_arn: role_arn?, group: group?, queue_arn })
    }

    /// The times of `VERIFY_AFTER`.
    fn looks(&mut self) -> Vec<Duration> {
        const NAME: &str = "VERIFY_AFTER";
        if self.value(NAME) == "0" {
            return Vec::new();
        }
        let times = self.list(NAME, "a whole number of seconds from 1 to 60", seconds);
        if times.len() > 4 || !times.is_sorted_by(|one, next| one < next) {
            let value = self.value(NAME);
            self.mistakes.push(format!("{NAME} is {value:?} but must be 0, or at most four numbers that rise"));
        }
        times
    }

    fn optional<T>(&mut self, name: &str, what: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.value(name);
        let read = read(&value);
        if read.is_none() && !value.is_empty() {
            self.mistakes.push(format!("{name} is {value:?}, which is not {what}"));
        }
        read
    }

    /// Comma-separated items; white space round an item does not count.
    fn list<T>(&mut self, name: &str, each: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let value = self.value(name);
        let mut items = Vec::new();
        for item in value.split(',').map(str::trim).filter(|_| !value.is_empty()) {
            match read(item) {
                _ if item.is_empty() => {
                    self.mistakes.push(format!("{name} is {value:?}, with nothing between or beside its commas"));
                }
                Some(read) => items.push(read),
                None => self.mistakes.push(format!("{name} holds {item:?}, which is not {each}")),
            }
        }
        items
    }

    /// A variable of which this version knows the default behaviour only: the others are refused, not ignored.
    fn only_the_default(&mut self, name: &str) {
        let value = self.value(name);
        let default = VARIABLES.iter().find(|(variable, _)| *variable == name).map_or("", |(_, default)| *default);
        if value != default {
            let advice = if default.is_empty() { "leave it empty".to_owned() } else { format!("only {default} is") };
            self.mistakes.push(format!("{name} is {value:?}, which is not built in this version: {advice}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).expect("a day")
    }

    #[test]
    fn an_exemption_protects_through_its_last_day_and_is_announced_from_two_weeks_before() {
        let config =
            config(&[("EXEMPT", "Bob until 2027-03-31, deploy-* until 2026-01-31,deploy-*  until 2026-02-28")]);
        let exempt = config.expect("valid").exempt;
        for (today, name, protects, ends_soon) in [
            (day(2027, 3, 16), "Bob", true, false),
            (day(2027, 3, 17), "bob", true, true),
            (day(2027, 3, 31), "Bob", true, true),
            (day(2027, 4, 1), "Bob", false, false),
            (day(2026, 1, 31), "deploy-1", true, false),
            (day(2026, 2, 28), "deploy-1", true, true),
            (day(2026, 3, 1), "deploy-1", false, false),
        ] {
            let protection = exempt.on(today);
            let entry = protection.of(name);
            let is_soon = entry.is_some_and(|entry| protection.ends_soon(entry).is_some());
            assert_eq!((entry.is_some(), is_soon), (protects, ends_soon), "{today} {name}");
        }
        let expired: Vec<_> = exempt.expired(day(2026, 2, 28)).map(|entry| entry.text.as_str()).collect();
        assert_eq!(expired, ["deploy-* until 2026-01-31"]);
    }

    fn selected(config: &Config, kind: &str) -> bool {
        config.finding_types.decider(kind).is_some_and(|glob| glob.selects)
    }

    #[test]
    fn nothing_set_gives_the_documented_defaults() {
        let config = config(&[]).expect("valid");
        assert_eq!(config.action, Action::Deactivate);
        assert!(!config.dry_run);
        assert_eq!(config.min_severity, Severity::new(4.0).expect("valid"));
        assert_eq!(config.anomaly_min_severity, Severity::new(7.0).expect("valid"));
        assert!(selected(&config, "UnauthorizedAccess:IAMUser/TorIPCaller"));
        assert!(!selected(&config, "Policy:S3/BucketPublicAccessGranted"));
        assert!(config.exempt.on(day(2026, 11, 25)).of("Bob").is_none());
        assert!(config.commands);
        assert!(config.accounts.is_empty() && config.custom_sources.is_empty() && config.account_id.is_none());
    }

    #[test]
    fn an_empty_value_counts_as_not_set() {
        assert!(config(&VARIABLES.map(|(name, _)| (name, " "))).is_ok());
    }

    #[test]
    fn every_mistake_is_reported_at_once_by_name() {
        let mistakes = [
            ("ACTION", "Delete"),
            ("CONTAINMENT", "everything"),
            ("DRY_RUN", "yes"),
            ("MIN_SEVERITY", "11"),
            ("ANOMALY_MIN_SEVERITY", "NaN"),
            ("FINDING_TYPES", "*,[a"),
            ("EXEMPT", "a,,b"),
            ("ACCOUNTS", "111122223333,1234"),
            ("MEMBER_ROLE", "arn:aws:iam::111122223333:role/key-remediator"),
            ("ROOT_KEYS", "deactivate"),
            ("CUSTOM_SOURCES", ","),
            ("ROLE_SESSIONS", "Deny"),
            ("COMMANDS", "DISABLED"),
            ("VERIFY_AFTER", "30,5"),
            ("EVIDENCE", "no"),
            ("FOLLOW_UP_AFTER", "1h"),
            ("DELETE_AFTER_DAYS", "7"),
            ("SCHEDULER_ROLE_ARN", "key-remediator-scheduler"),
            ("SCHEDULE_GROUP", "a b"),
            ("SCHEDULE_QUEUE_ARN", "https://sqs.us-east-1.amazonaws.com/123456789012/q"),
            ("TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:security"),
            ("ACCOUNT_ID", "12345678901x"),
        ];
        let error = config(&mistakes).expect_err("invalid").to_string();
        for (name, _) in mistakes {
            assert!(error.contains(name), "no {name} in {error}");
        }
    }

    #[test]
    fn the_times_of_looks_rise_and_are_four_at_most() {
        for (text, expected) in [
            ("0", Some(&[][..])),
            ("", Some(&[5, 30])),
            ("1", Some(&[1])),
            (" 5 , 30 ", Some(&[5, 30])),
            ("1,2,3,60", Some(&[1, 2, 3, 60])),
            ("1,2,3,4,5", None),
            ("30,5", None),
            ("5,5", None),
            ("61", None),
            ("0,5", None),
            ("+5", None),
            ("5.5", None),
            ("5,", None),
            ("never", None),
        ] {
            let times = config(&[("VERIFY_AFTER", text)]).ok().map(|config| config.verify_after);
            let expected = expected.map(|times| times.iter().copied().map(Duration::from_secs).collect::<Vec<_>>());
            assert_eq!(times, expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_scheduled_needs_a_role_and_a_deletion_that_is_late_needs_the_action() {
        let role = ("SCHEDULER_ROLE_ARN", "arn:aws:iam::123456789012:role/key-remediator/scheduler");
        for (variables, mistake) in [
            (&[("FOLLOW_UP_AFTER", "15")][..], Some("SCHEDULER_ROLE_ARN")),
            (&[("FOLLOW_UP_AFTER", "15"), role], None),
            (&[("DELETE_AFTER_DAYS", "7"), role], Some("ACTION")),
            (&[("DELETE_AFTER_DAYS", "7"), ("ACTION", "delete")], Some("SCHEDULER_ROLE_ARN")),
            (&[("DELETE_AFTER_DAYS", "7"), ("ACTION", "delete"), role], None),
            (&[("FOLLOW_UP_AFTER", "1441"), role], Some("FOLLOW_UP_AFTER")),
            (&[("DELETE_AFTER_DAYS", "-1")], Some("DELETE_AFTER_DAYS")),
        ] {
            let error = config(variables).err().map(|error| error.to_string());
            let is_told = match (&error, mistake) {
                (Some(error), Some(mistake)) => error.contains(mistake),
                (None, None) => true,
                _ => false,
            };
            assert!(is_told, "{variables:?}: {error:?}");
        }
    }

    #[test]
    fn the_last_glob_that_matches_a_type_decides() {
        for (globs, kind, expected) in [
            ("*,!Policy:*", "Policy:IAMUser/RootCredentialUsage", false),
            ("*,!Policy:*,Policy:IAMUser/*", "Policy:IAMUser/RootCredentialUsage", true),
            ("!Policy:*,*", "Policy:IAMUser/RootCredentialUsage", true),
            ("UnauthorizedAccess:*", "Recon:IAMUser/TorIPCaller", false),
            ("*/TorIPCaller", "Recon:IAMUser/TorIPCaller", true),
            ("recon:*,!RECON:iamuser/*", "Recon:IAMUser/TorIPCaller", false),
            ("recon:iamuser/*", "Recon:IAMUser/TorIPCaller", true),
        ] {
            let config = config(&[("FINDING_TYPES", globs)]).expect("valid");
            assert_eq!(selected(&config, kind), expected, "{globs} on {kind}");
        }
    }

    #[test]
    fn exempt_protects_names_in_any_case_and_keys() {
        let config = config(&[("EXEMPT", "break-glass-*, Deploy ,AKIAIOSFODNN7EXAMPLE")]).expect("valid");
        for (name, protected) in [
            ("break-glass-1", true),
            ("BREAK-GLASS-2", true),
            ("deploy", true),
            ("deploy2", false),
            ("AKIAIOSFODNN7EXAMPLE", true),
            ("AKIAI44QH8DHBEXAMPLE", false),
        ] {
            assert_eq!(config.exempt.on(day(2026, 11, 25)).of(name).is_some(), protected, "{name}");
        }
    }

    #[test]
    fn a_mistake_says_what_to_write_instead() {
        for (name, value, words) in [
            ("DRY_RUN", "True", &["false or true", "in small letters"][..]),
            ("ACTION", "remove", &["deactivate or delete"]),
            ("EXEMPT", "a,,b", &["\"a,,b\"", "nothing between"]),
            ("EXEMPT", "a,", &["nothing between"]),
            ("EXEMPT", "[a", &["\"[a\"", "needs its ]"]),
            ("ACCOUNTS", "1234", &["12 digits"]),
        ] {
            let error = config(&[(name, value)]).expect_err("invalid").to_string();
            for word in words {
                assert!(error.contains(name) && error.contains(word), "no {word} in {error}");
            }
        }
    }

    #[test]
    fn the_effective_configuration_tells_every_variable() {
        let effective = config(&[("EXEMPT", " break-glass-* ")]).expect("valid").effective;
        assert!(effective.starts_with("ACTION=deactivate CONTAINMENT=key "), "{effective}");
        assert!(effective.contains(" EXEMPT=break-glass-* "), "{effective}");
    }

    #[test]
    fn a_value_that_can_have_no_effect_is_a_mistake() {
        for (name, value) in [
            ("FINDING_TYPES", "!Policy:*"),
            ("FINDING_TYPES", "*,!*"),
            ("FINDING_TYPES", "Recon:*,!recon:*"),
            ("FINDING_TYPES", "UnauthorizedAccess"),
            ("FINDING_TYPES", "UnauthorizedAccess:"),
            ("FINDING_TYPES", "Recon: *"),
            ("FINDING_TYPES", "Recon:IAMUser/*,!Recon:*"),
            ("FINDING_TYPES", "Recon:IAMUser/*,Impact:S3/*,!*/*"),
            ("FINDING_TYPES", "*,!?*"),
            ("FINDING_TYPES", "Recon*,!*:*"),
            ("FINDING_TYPES", "*:Policy"),
            ("FINDING_TYPES", "*,!!Policy:*"),
            ("FINDING_TYPES", "*/Recon:*"),
            ("FINDING_TYPES", "Recon[ ]*"),
            ("FINDING_TYPES", "Recon:IAMUser/[ab],!Recon:IAMUser/[a-c]"),
            ("EXEMPT", "arn:aws:iam::123456789012:user/Bob"),
            ("EXEMPT", "team/Bob"),
            ("EXEMPT", "Bob Carol"),
            ("EXEMPT", "Bob;Carol"),
            ("EXEMPT", "!Bob,*"),
            ("EXEMPT", "[:]"),
            ("EXEMPT", "[ /]*"),
            ("EXEMPT", "[\u{e9}]*"),
            ("EXEMPT", "\u{e9}*"),
            ("EXEMPT", "]"),
            ("EXEMPT", "[[]*"),
            ("EXEMPT", &"a".repeat(129)),
            ("EXEMPT", "Bob until 2027-02-29"),
            ("EXEMPT", "Bob until 2027-3-31"),
            ("EXEMPT", "Bob until tomorrow"),
            ("EXEMPT", "Bob until -2027-03-31"),
            ("EXEMPT", "Bob until 0000-03-31"),
            ("EXEMPT", "Bob until 12027-03-31"),
            ("EXEMPT", "Bob until"),
            ("EXEMPT", " until 2027-03-31"),
            ("EXEMPT", "Bob Carol until 2027-03-31"),
            ("CUSTOM_SOURCES", "aws.guardduty"),
            ("CUSTOM_SOURCES", "com.*"),
            ("CUSTOM_SOURCES", "com.example other"),
        ] {
            let error = config(&[(name, value)]).expect_err(value).to_string();
            assert!(error.contains(name), "{error}");
        }
        for (name, value) in [
            ("FINDING_TYPES", "*,!Policy:*,Policy:IAMUser/*"),
            ("FINDING_TYPES", "!*,Recon:*"),
            ("FINDING_TYPES", "Recon:IAMUser/TorIPCaller"),
            ("FINDING_TYPES", "*/TorIPCaller"),
            ("FINDING_TYPES", "*,!*a*"),
            ("FINDING_TYPES", "Backdoor:EC2/C&CActivity.B!DNS,*,!*C&C*"),
            ("FINDING_TYPES", "*B!DNS"),
            ("FINDING_TYPES", "Recon?IAMUser?*"),
            ("FINDING_TYPES", "Recon[:]IAMUser[!a]*"),
            ("FINDING_TYPES", "[PR]*:*User/*,!Policy:*"),
            ("FINDING_TYPES", "Recon:IAMUser/*,!Recon:IAMUser/Tor*"),
            ("FINDING_TYPES", "Recon:IAMUser/[abc],!Recon:IAMUser/[a-b]"),
            ("EXEMPT", &"a".repeat(128)),
            ("EXEMPT", "until,until until 2027-03-31"),
            ("EXEMPT", "expired until 1999-12-31"),
            ("EXEMPT", "[!a]*,[a-z]?,[]b]ob"),
            ("EXEMPT", "break-glass-*,[ab]ob,d?ploy,a.b+c=d@e_f,AKIAIOSFODNN7*,*"),
            ("CUSTOM_SOURCES", "com.example.leak-scanner,aws.partner/example.com/123/a"),
        ] {
            assert!(config(&[(name, value)]).is_ok(), "{name}={value}");
        }
    }
}
