//! JSON to findings: takes envelopes off, picks the reader of the source, and loses nothing. What cannot be read is
//! an error that names the field, beside whatever else the input holds.
//!
//! A new source is one new file with a `read` function and one line in `findings`.

mod command;
mod custom;
mod guardduty;
mod health;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::finding::{Finding, ForeignText, Origin};

/// One thing that the input held: a finding, or something that could not be read.
#[derive(Debug)]
pub struct Item {
    /// What it says.
    pub content: Result<Finding, EventError>,
}

/// Input that cannot be read. The message names the field and never repeats what is in it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct EventError {
    /// The path of the field, for example `detail.severity`.
    pub field: String,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: String,
}

impl EventError {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// The same error, seen from where `place` is the way to the field.
    fn within(self, place: &str) -> Self {
        Self { field: format!("{place}{}", self.field), ..self }
    }
}

/// Reads one invocation's input.
pub fn read(input: Value) -> Vec<Item> {
    let mut items = Vec::new();
    match &input {
        // A command has to be the whole input: whoever may only send events must not be able to give commands.
        Value::Object(object) if !is_event(object) && command::is_command(object) => {
            items.push(Item { content: command::read(object) });
        }
        _ => unwrap(input, "", &mut items),
    }
    items
}

/// Takes envelopes off until there are events.
fn unwrap(value: Value, place: &str, items: &mut Vec<Item>) {
    let refused = |problem: &str| {
        let field = if place.is_empty() { "the input" } else { place.trim_end_matches('.') };
        Item { content: Err(EventError::new(field, problem)) }
    };
    match value {
        Value::Array(values) if values.is_empty() => items.push(refused("is an empty array")),
        Value::Array(values) => {
            for (index, value) in values.into_iter().enumerate() {
                unwrap(value, &format!("{}[{index}].", place.trim_end_matches('.')), items);
            }
        }
        Value::Object(object) if is_event(&object) => match read_event(object) {
            Ok(findings) => items.extend(findings.into_iter().map(|finding| Item { content: Ok(finding) })),
            Err(error) => items.push(Item { content: Err(error.within(place)) }),
        },
        _ => items.push(refused(
            "is no event (source and detail-type), no SQS or SNS records, no array of these and no command: if an \
             input path or transformer stripped the envelope, remove it",
        )),
    }
}

fn is_event(object: &Map<String, Value>) -> bool {
    object.contains_key("source") && object.contains_key("detail-type")
}

fn read_event(mut object: Map<String, Value>) -> Result<Vec<Finding>, EventError> {
    // What is never read, such as the time, must not be able to make an event unreadable.
    object
        .retain(|field, _| ["source", "detail-type", "detail", "account", "id", "resources"].contains(&field.as_str()));
    let event: EventBridgeEvent = parse(Value::Object(object), "")?;
    let mut findings = findings(&event)?;
    if findings.is_empty() {
        findings.push(Finding::without_credential(origin(&event)));
    }
    Ok(findings)
}

/// The one place that knows which reader reads what.
fn findings(event: &EventBridgeEvent) -> Result<Vec<Finding>, EventError> {
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.guardduty", "GuardDuty Finding") => guardduty::read(event),
        ("aws.health", "AWS Health Event" | "AWS Health Abuse Event") => health::read(event),
        _ => Ok(custom::read(event)),
    }
}

/// The origin of an event whose source gives no identifier and no type of its own.
fn origin(event: &EventBridgeEvent) -> Origin {
    Origin {
        source: ForeignText::new(&event.source),
        id: event.id.as_deref().map(ForeignText::new),
        kind: Some(ForeignText::new(&event.detail_type)),
        severity: None,
    }
}

/// Reads a type and names the field that does not fit. `place` is the way to the value.
fn parse<T: DeserializeOwned>(value: Value, place: &str) -> Result<T, EventError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let message = error.inner().to_string();
        let at = |field: &str| {
            [place, &path, field].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
        };
        // Of serde's words only those about the type are passed on: the others repeat what the field holds.
        if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            EventError::new(at(field), "is missing")
        } else {
            let expected = message.rsplit_once("expected ").map_or("something else", |(_, expected)| expected);
            EventError::new(at(""), format!("is not what it should be: {expected}"))
        }
    })
}

/// A field that must be there once an event names a credential.
fn required<T>(value: Option<T>, field: &str) -> Result<T, EventError> {
    value.ok_or_else(|| EventError::new(field, "is missing or not what it should be"))
}

/// A field that helps but is not needed: a value of another type counts as absent, so that it cannot keep a
/// compromised key alive.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// As [`lenient`] for the elements of an array: one that does not fit must not take the others with it.
fn lenient_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let values: Vec<Value> = lenient(deserializer)?;
    Ok(values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}
