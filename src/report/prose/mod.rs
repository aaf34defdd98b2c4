//! All sentences, made at the very end, from what is known then.

mod by_hand;
mod done;
mod failed;
mod left;
mod looked;

use std::fmt;

use chrono::NaiveDate;

use self::done::{done, what_goes_on, what_is_gone};
pub use self::failed::failure;
use self::failed::named;
use self::left::why_left;
use self::looked::{CONTESTED, what_was_seen};
use crate::case::Case;
use crate::config::Exemption;
use crate::credential::{Credential, KeyStatus};
use crate::event::{EventError, Unreadable};
use crate::names::{AccountId, ForeignText};
use crate::plan::{First, Measure};
use crate::record::{Entry, Left, Outcome, Record};

/// How an event gets here once more. Lambda wraps what it puts into the failure queue.
const SEND_AGAIN: &str = "send the event again (in the failure queue it stands under requestPayload)";

/// What happened, and what a person should do about it, which may be nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    pub what: String,
    pub to_do: String,
}

impl Words {
    fn new(what: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { what: what.into(), to_do: to_do.into() }
    }

    fn nothing_to_do(what: impl Into<String>) -> Self {
        Self::new(what, "")
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.to_do.is_empty() { Ok(()) } else { write!(f, ": {}", self.to_do) }
    }
}

/// What became of a credential, and why.
pub fn result(case: &Case<'_>) -> Words {
    let record = &case.record;
    let mut words = match (&record.left, record.done.is_empty()) {
        (Some(left), was_left) => {
            let why = why_left(case, left);
            let done = if was_left { String::new() } else { format!("{}, but ", done(case)) };
            let gone = if left.is_about_the_owner() { what_is_gone(case) } else { String::new() };
            Words::new(format!("{gone}{done}{}{}", why.what, what_goes_on(case)), why.to_do)
        }
        (None, _) => {
            Words::new(format!("{}{}{}", what_is_gone(case), done(case), what_goes_on(case)), remove_leftovers(record))
        }
    };
    words.what.push_str(&what_was_seen(case));
    if record.looks.is_contested() {
        let before = std::mem::replace(&mut words.to_do, CONTESTED.to_owned());
        words.to_do.extend((!before.is_empty()).then(|| format!("; and {before}")));
    }
    words.what.extend(record.failures().map(|failed| format!("; {} failed", named(failed.step))));
    words.what.extend(issuer(case));
    words
}

/// What an earlier version of this function left, whose like this one does not take away.
fn remove_leftovers(record: &Record) -> String {
    let names: Vec<_> = record.leftovers.iter().map(ForeignText::as_str).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("remove by hand what an earlier version left, the inline policies {}", names.join(", "))
}

/// An entry of `EXEMPT` that protected the credential and soon protects nobody any more.
pub fn exemption_ends(entry: &Entry, last_day: NaiveDate) -> Words {
    Words::new(
        format!("the entry {} of EXEMPT protects through {last_day} and no longer", entry.text),
        "extend it, or contain the credential before",
    )
}

/// The same of one that protects nobody any more.
pub fn exemption_expired(entry: &Exemption) -> Words {
    Words::new(format!("the entry {} of EXEMPT has ended and protects nobody", entry.text), "extend it or remove it")
}

/// Where the key is not, or may be elsewhere than the event says, the account that its identifier carries is a hint for
/// the person who looks for it.
fn issuer(case: &Case<'_>) -> Option<String> {
    let issuer = case.key()?.issuer()?;
    let outcome = case.record.outcome();
    if matches!(case.record.left, Some(Left::IssuedElsewhere(_))) {
        return None;
    }
    let tells = outcome != Outcome::Ignored && (outcome == Outcome::NotFound || case.account() != Some(&issuer));
    tells.then(|| format!(" (by its identifier the key was issued in account {issuer})"))
}

/// What a key's status is changed to.
fn given(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "made active again",
        KeyStatus::Inactive | KeyStatus::Expired => "deactivated",
    }
}

fn denied(measure: Measure) -> &'static str {
    match measure {
        Measure::TemporaryCredentials => "the use of all temporary credentials",
        Measure::OlderSessions => "every session that was issued before now",
        Measure::Everything => "everything",
    }
}

fn key(case: &Case<'_>) -> String {
    case.key().map_or("the credential".to_owned(), |key| format!("access key {key}"))
}

fn key_of_user(case: &Case<'_>) -> String {
    match (case.key(), case.user(), &case.finding.credential) {
        (Some(key), _, Credential::RootKey { .. }) if case.record.owner.is_none() => {
            format!("access key {key} of the root user")
        }
        (Some(key), Some(user), _) => format!("access key {key} of user {user}"),
        _ => key(case),
    }
}

fn account<'c>(case: &'c Case<'_>) -> &'c str {
    case.account().map_or("of the function", AccountId::as_str)
}

/// The user or the role on which a step is done.
fn principal(case: &Case<'_>) -> String {
    match (case.plan.as_ref().map(|plan| &plan.first), case.user()) {
        (Some(First::Deny { on, .. }), _) => on.principal().to_string(),
        (Some(First::Lift { from, .. }), _) => from.to_string(),
        (_, Some(user)) => format!("user {user}"),
        (_, None) => "the user".to_owned(),
    }
}

/// What could not be read.
pub fn unreadable(error: &EventError) -> Words {
    let EventError { field, problem, kind, more } = error;
    let problem = match more {
        0 => problem.clone(),
        more => format!("{problem} (and so are or do {more} others after it)"),
    };
    match kind {
        Unreadable::Command => Words::new(
            format!("could not read the command, and nothing was changed: {field} {problem}"),
            "correct it and give it again",
        ),
        Unreadable::CommandsOff => Words::new(
            format!("could not obey the command, and nothing was changed: {field} {problem}"),
            "set COMMANDS=true, or do it with the AWS CLI",
        ),
        Unreadable::Input => Words::new(
            format!("could not read the input, and nothing was done about it: {field} {problem}"),
            format!("if an input path or transformer of a rule took the envelope off, remove it; then {SEND_AGAIN}"),
        ),
        Unreadable::Envelope => Words::new(
            format!("could not read an envelope, and nothing was done about it: {field} {problem}"),
            format!("correct what fills it, and {SEND_AGAIN}"),
        ),
        Unreadable::Event => Words::new(
            format!("could not read the event, and nothing was done about it: {field} {problem}"),
            format!("correct its source or what stands between, and {SEND_AGAIN}"),
        ),
        Unreadable::Rest => Words::new(
            format!("could not read all of the input: {field} {problem}"),
            format!("look into it for keys that this function tells nothing of, or divide it, and {SEND_AGAIN}"),
        ),
    }
}
