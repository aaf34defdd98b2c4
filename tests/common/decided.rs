//! What is decided about an event, without AWS.

use std::fmt::{self, Display, Formatter};

use key_remediator::config::Config;
use key_remediator::credential::KeyStatus;
use key_remediator::decision::decide;
use key_remediator::event::read;
use key_remediator::finding::Finding;
use key_remediator::names::AccountId;
use key_remediator::plan::{First, Then};
use serde_json::Value;

use super::ids::{OWN, named};

/// What is decided about one finding.
#[derive(Debug, Default)]
pub struct Decided {
    /// The operation, the outcome without one, or the field that cannot be read.
    pub what: String,
    pub acts: bool,
    /// What the finding names.
    pub key: Option<String>,
    pub user: Option<String>,
    pub account: Option<String>,
}

/// One line: what is decided, then key, user and account as far as they are known, as in `Deactivate KEY Bob OWN`.
impl Display for Decided {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let known = [&self.key, &self.user, &self.account];
        known.into_iter().flatten().try_for_each(|id| write!(f, " {}", named(id)))
    }
}

/// What is decided about each finding of an event.
pub fn decided(input: &Value, variables: &[(&str, &str)]) -> Vec<Decided> {
    let lookup =
        |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
    let config = Config::from_lookup(lookup).expect("valid");
    let own = AccountId::new(OWN).expect("valid");
    let items = read(&input.to_string()).into_iter();
    let decided = items.map(|item| match item.content {
        Ok(finding) => decided_about(&finding, &config, &own),
        Err(error) => Decided { what: format!("error {}", error.field), ..Decided::default() },
    });
    decided.collect()
}

/// The same, a line each.
pub fn lines(input: &Value, variables: &[(&str, &str)]) -> Vec<String> {
    decided(input, variables).iter().map(ToString::to_string).collect()
}

/// A plan has to be about what the finding names and nothing else.
fn decided_about(finding: &Finding, config: &Config, own: &AccountId) -> Decided {
    let (key, user) = (finding.credential.key(), finding.credential.user());
    let mut account = finding.accounts.first().cloned();
    let (what, acts) = match decide(finding, config, own, chrono::Utc::now().date_naive()) {
        Ok(plan) => {
            let may_be_asked = |asked: &AccountId| match &account {
                Some(_) => finding.accounts.name(asked),
                None => asked == own,
            };
            assert!(plan.accounts().all(may_be_asked), "{plan:?}");
            account = account.map(|_| plan.account.clone());
            let what = match plan.first {
                First::SetStatus { key: planned, user: named, status, .. } => {
                    assert_eq!((Some(planned), named), (key, user));
                    match status {
                        KeyStatus::Active => "Restore".to_owned(),
                        _ if plan.then.contains(&Then::DeleteKey) => "Delete".to_owned(),
                        _ => "Deactivate".to_owned(),
                    }
                }
                First::Deny { on, .. } => format!("Sessions of {}", on.principal()),
                First::Lift { from, .. } => format!("Sessions of {from}"),
                First::DeleteRootKey { key: planned, .. } => {
                    assert_eq!(Some(planned), key);
                    "DeleteRootKey".to_owned()
                }
            };
            (what, true)
        }
        Err(left) => (left.outcome().to_string(), false),
    };
    Decided {
        what,
        acts,
        key: key.map(ToString::to_string),
        user: user.map(ToString::to_string),
        account: account.as_ref().map(ToString::to_string),
    }
}
