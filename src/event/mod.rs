//! JSON to findings: takes envelopes off, picks the reader of the source, and loses nothing. What cannot be read is
//! an error that names the field, beside whatever else the input holds.
//!
//! A new source is one new file with a `read` function and one line in `findings`.

mod command;
mod custom;
mod detection;
mod guardduty;
mod health;
mod ocsf;
mod quarantine;
mod security_hub;
mod trusted_advisor;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::finding::{Finding, ForeignText, Origin};

/// One thing that the input held: a finding, or something that could not be read.
#[derive(Debug)]
pub struct Item {
    /// The SQS message that it came in, when it came in one.
    pub message: Option<String>,
    /// What it says.
    pub content: Result<Finding, EventError>,
}

/// What a reader makes of an event. One finding that cannot be read does not take the others with it.
type Read = Vec<Result<Finding, EventError>>;

fn results(read: Result<Vec<Finding>, EventError>) -> Read {
    match read {
        Ok(findings) => findings.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }
}

/// Reads the findings of an event that holds several under `detail.findings`.
fn each_finding(event: &EventBridgeEvent, read: impl Fn(Value) -> Result<Vec<Finding>, EventError>) -> Read {
    let Some(findings) = event.detail.get("findings").and_then(Value::as_array) else {
        return vec![Err(EventError::new("detail.findings", "is missing or not an array"))];
    };
    let read_at = |(index, finding): (usize, &Value)| {
        results(read(finding.clone()).map_err(|error| error.within(&format!("detail.findings[{index}]."))))
    };
    findings.iter().enumerate().flat_map(read_at).collect()
}

/// Input that cannot be read. The message names the field and never repeats what is in it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("could not read the event: {field} {problem}; nothing was done about it: correct the input and send it again")]
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
        Self { field: format!("{place}{}", self.field).trim_end_matches('.').to_owned(), ..self }
    }
}

/// Reads one invocation's input.
pub fn read(input: Value) -> Vec<Item> {
    match &input {
        // A command has to be the whole input: whoever may only send events must not be able to give commands.
        Value::Object(object) if !is_event(object) && command::is_command(object) => {
            vec![Item { message: None, content: command::read(object) }]
        }
        _ => {
            let mut envelopes = Envelopes::default();
            envelopes.open(input, "", None);
            envelopes.items
        }
    }
}

/// Takes envelopes off, in any nesting that AWS produces, until there are events.
#[derive(Default)]
struct Envelopes {
    items: Vec<Item>,
}

impl Envelopes {
    /// `place` is the way to the value in the input; `message` the SQS message that it came in.
    fn open(&mut self, value: Value, place: &str, message: Option<&str>) {
        match value {
            Value::Array(values) if values.is_empty() => self.refuse(place, message, "is an empty array"),
            Value::Array(values) => {
                for (index, value) in values.into_iter().enumerate() {
                    self.open(value, &format!("{place}[{index}]"), message);
                }
            }
            Value::Object(object) if is_event(&object) => self.event(object, place, message),
            Value::Object(mut object) => match Envelope::of(&object) {
                Some(Envelope::Records) => {
                    self.open(object["Records"].take(), &within(place, "Records"), message);
                }
                Some(Envelope::SqsRecord) => {
                    let id = object.get("messageId").and_then(Value::as_str).map(str::to_owned);
                    self.text(object.get("body"), &within(place, "body"), message.or(id.as_deref()));
                }
                Some(Envelope::SnsRecord) => {
                    let text = object.get("Sns").and_then(|sns| sns.get("Message"));
                    self.text(text, &within(place, "Sns.Message"), message);
                }
                Some(Envelope::SnsNotification) => {
                    self.text(object.get("Message"), &within(place, "Message"), message);
                }
                None => self.refuse(place, message, NOT_AN_EVENT),
            },
            _ => self.refuse(place, message, NOT_AN_EVENT),
        }
    }

    /// An envelope's content, which is JSON in a text.
    fn text(&mut self, content: Option<&Value>, place: &str, message: Option<&str>) {
        match content.and_then(Value::as_str).map(serde_json::from_str) {
            Some(Ok(value)) => self.open(value, place, message),
            _ => self.refuse(place, message, "is not JSON in a text"),
        }
    }

    fn event(&mut self, mut object: Map<String, Value>, place: &str, message: Option<&str>) {
        // What is never read, such as the time, must not be able to make an event unreadable.
        const READ: [&str; 6] = ["source", "detail-type", "detail", "account", "id", "resources"];
        object.retain(|field, _| READ.contains(&field.as_str()));
        let read = match parse::<EventBridgeEvent>(Value::Object(object), "") {
            Ok(event) => {
                let read = findings(&event);
                if read.is_empty() { vec![Ok(Finding::without_credential(origin(&event)))] } else { read }
            }
            Err(error) => vec![Err(error)],
        };
        let inside = within(place, "");
        self.items.extend(read.into_iter().map(|content| Item {
            message: message.map(str::to_owned),
            content: content.map_err(|error| error.within(&inside)),
        }));
    }

    fn refuse(&mut self, place: &str, message: Option<&str>, problem: &str) {
        let place = if place.is_empty() { "the input" } else { place };
        let content = Err(EventError::new(place, problem));
        self.items.push(Item { message: message.map(str::to_owned), content });
    }
}

const NOT_AN_EVENT: &str = "is no event (source and detail-type), no SQS or SNS records, no array of these and no \
                            command: if an input path or transformer stripped the envelope, remove it";

fn within(place: &str, field: &str) -> String {
    if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") }
}

fn is_event(object: &Map<String, Value>) -> bool {
    object.contains_key("source") && object.contains_key("detail-type")
}

/// What an object that is no event can be:
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>, <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>.
enum Envelope {
    Records,
    SqsRecord,
    SnsRecord,
    /// How SNS writes into a queue without raw delivery.
    SnsNotification,
}

impl Envelope {
    /// The two kinds of records differ in the case of their field names, and each could be taken for the other.
    fn of(object: &Map<String, Value>) -> Option<Self> {
        let text = |field: &str| object.get(field).and_then(Value::as_str);
        if text("eventSource") == Some("aws:sqs") {
            Some(Self::SqsRecord)
        } else if text("EventSource") == Some("aws:sns") {
            Some(Self::SnsRecord)
        } else if text("Type") == Some("Notification") && object.contains_key("TopicArn") {
            Some(Self::SnsNotification)
        } else {
            object.get("Records").is_some_and(Value::is_array).then_some(Self::Records)
        }
    }
}

/// The one place that knows which reader reads what.
fn findings(event: &EventBridgeEvent) -> Read {
    let one = |findings: Vec<Finding>| findings.into_iter().map(Ok).collect();
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.guardduty", "GuardDuty Finding") => guardduty::read(event),
        ("aws.health", "AWS Health Event" | "AWS Health Abuse Event") => health::read(event),
        ("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification") => one(trusted_advisor::read(event)),
        ("aws.securityhub", "Security Hub Findings - Imported") => security_hub::read_imported(event),
        ("aws.securityhub", "Security Hub Findings - Custom Action") => security_hub::read_custom_action(event),
        ("aws.securityhub", "Findings Imported V2") => ocsf::read(event),
        ("aws.iam", "AWS API Call via CloudTrail") => one(quarantine::read(event)),
        _ => one(custom::read(event)),
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

/// Some sources write their flags as text.
fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true) || value.as_str() == Some("true")
}

/// The same value with the first letter of every field name in lower case.
fn lower_names(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .map(|(name, value)| {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect::<String>(), lower_names(value))
            })
            .collect(),
        Value::Array(values) => values.into_iter().map(lower_names).collect(),
        value => value,
    }
}
