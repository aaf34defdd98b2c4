//! JSON to findings: takes envelopes off, picks the reader of the source, and loses nothing. What cannot be read is
//! an error that names the field, beside whatever else the input holds.
//!
//! A new source is one new file with a `read` function and one line in `READERS`.

mod accounts;
pub(crate) mod claim;
mod command;
mod custom;
mod detection;
mod fields;
mod follow_up;
mod guardduty;
mod health;
mod json;
mod ocsf;
mod quarantine;
mod security_hub;
mod trusted_advisor;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::finding::{Basis, Finding, Origin};
use crate::names::ForeignText;
use crate::schedule::Task;
use fields::Fields;
use json::Parsed;

/// One thing that the input held: a finding, or something that could not be read.
#[derive(Debug)]
pub struct Item {
    /// The SQS message that it came in, where a queue invoked the function and takes it back.
    pub message: Option<String>,
    /// What it says.
    pub content: Result<Finding, EventError>,
}

/// Why something cannot be read. It names the field and never repeats what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventError {
    /// What kind of thing it is.
    pub kind: Unreadable,
    /// The path of the field, for example `detail.severity`.
    pub field: String,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: String,
    /// How many others that follow are not told.
    pub more: usize,
}

/// The kinds of things that cannot be read. Each has another remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Neither an event nor an envelope nor a command: most often a rule's input transformer took the envelope off.
    Input,
    /// An envelope or an array with nothing in it that can be read: whoever filled it has to be corrected.
    Envelope,
    /// An event that lacks a field, or has something else in it: the source, or something between it and here, changed it.
    Event,
    /// A value of so many objects that the last ones were not read. What the others name is dealt with.
    Rest,
    /// A command with a parameter that is wrong: its author can correct it.
    Command,
    /// A command, where `COMMANDS` lets people give none.
    CommandsOff,
}

impl EventError {
    fn event(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind: Unreadable::Event, field: field.into(), problem: problem.into(), more: 0 }
    }

    /// A mandatory part that is not there, or of another type.
    fn mandatory(field: &str, what: &str) -> Self {
        Self::event(field, format!("is missing or not {what}"))
    }

    fn command(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind: Unreadable::Command, field: field.into(), problem: problem.into(), more: 0 }
    }

    /// The same error, with the path that leads to its field.
    fn within(self, place: &str) -> Self {
        Self { field: join(place, &self.field), ..self }
    }
}

/// Reads one invocation's input, which is JSON.
pub fn read(input: &str) -> Vec<Item> {
    let mut envelopes = Envelopes::default();
    // A command has to be the whole input: whoever may only send events must not be able to give commands.
    let is_alone = json::elements(input).is_none() && json::records(input).is_none();
    match is_alone.then(|| json::parse(input)).flatten() {
        Some(input) => match command(&input.value).or_else(|| follow_up(&input.value)) {
            Some(content) => return vec![Item { message: None, content }],
            None => envelopes.parsed(input, "", Sender::Caller),
        },
        None => envelopes.json(input, "", Sender::Caller, (Unreadable::Input, "is not JSON")),
    }
    envelopes.items
}

/// The same where people may give no commands.
pub fn without_commands(items: Vec<Item>) -> Vec<Item> {
    let refused = |finding: Finding| match finding.basis {
        Basis::Command(_) => {
            let field = finding.origin.kind.as_ref().map_or_else(|| "the command".to_owned(), ToString::to_string);
            let problem = "is refused, as COMMANDS is false".to_owned();
            Err(EventError { kind: Unreadable::CommandsOff, field, problem, more: 0 })
        }
        _ => Ok(finding),
    };
    items.into_iter().map(|item| Item { content: item.content.and_then(refused), ..item }).collect()
}

/// `None` when the value is not meant to be a command.
fn command(value: &Value) -> Option<Result<Finding, EventError>> {
    value.as_object().filter(|object| !is_event(object)).and_then(command::read)
}

/// The same of what this function's own schedules send.
fn follow_up(value: &Value) -> Option<Result<Finding, EventError>> {
    value.as_object().filter(|object| !is_event(object)).and_then(follow_up::read)
}

/// The same without what cannot be true of a schedule of this function's: that it is from the future, or came too late.
pub fn without_stale_follow_ups(items: Vec<Item>, now: DateTime<Utc>, latest: impl Fn(Task) -> TimeDelta) -> Vec<Item> {
    /// How much clocks may differ.
    const SKEW: TimeDelta = TimeDelta::seconds(60);
    let checked = |finding: Finding| {
        let Basis::FollowUp(follow_up) = &finding.basis else { return Ok(finding) };
        let problem = if follow_up.contained > now + SKEW {
            "is in the future"
        } else if now - follow_up.contained > latest(follow_up.task) {
            "is too long ago"
        } else {
            return Ok(finding);
        };
        Err(EventError::command("FollowUp.ContainedAt", problem))
    };
    items.into_iter().map(|item| Item { content: item.content.and_then(checked), ..item }).collect()
}

/// Who sent what an envelope holds, and so can be asked to send it again.
#[derive(Clone, Copy)]
enum Sender<'m> {
    /// Whoever invoked the function.
    Caller,
    /// The queue that invoked it, with this message.
    Queue(&'m str),
    /// Something of which the caller is another: a queue that filled a topic does not take its messages back.
    Other,
}

impl<'m> Sender<'m> {
    fn message(self) -> Option<&'m str> {
        match self {
            Self::Queue(id) => Some(id),
            Self::Caller | Self::Other => None,
        }
    }

    /// What is in an envelope that no queue made.
    fn inside(self) -> Self {
        match self {
            Self::Queue(id) => Self::Queue(id),
            Self::Caller | Self::Other => Self::Other,
        }
    }

    /// What is in a queue's message.
    fn queue(self, id: Option<&'m str>) -> Self {
        match (self, id) {
            (Self::Caller, Some(id)) => Self::Queue(id),
            _ => self,
        }
    }
}

/// Takes envelopes off, in any nesting that AWS produces, until there are events.
#[derive(Default)]
struct Envelopes {
    items: Vec<Item>,
    /// How many parts of the last message could not be read.
    refused: usize,
    /// In how many lists the envelopes are opened one after the other.
    depth: usize,
}

/// How deep lists are opened one after the other. Each depth reads the text again, and AWS nests two or three.
const DEEPEST_LIST: usize = 8;

/// How many parts of a message that cannot be read are told one by one.
const TOLD: usize = 20;

impl Envelopes {
    /// Opens JSON. What a list holds is parsed one after the other: an input of many small parts would take a hundred
    /// times its size.
    fn json(&mut self, text: &str, place: &str, from: Sender<'_>, otherwise: (Unreadable, &str)) {
        let is_deep = self.depth >= DEEPEST_LIST;
        let elements = if is_deep { None } else { json::elements(text).filter(|elements| !elements.is_empty()) };
        if let Some(elements) = elements {
            self.depth += 1;
            for (index, element) in elements.iter().enumerate() {
                self.json(element.get(), &format!("{place}[{index}]"), from, otherwise);
            }
            self.depth -= 1;
        } else if let Some(records) = json::records(text) {
            self.json(records, &join(place, "Records"), from, otherwise);
        } else {
            match json::parse(text) {
                Some(parsed) => self.parsed(parsed, place, from),
                None => self.refuse(otherwise.0, place, from, otherwise.1),
            }
        }
    }

    /// Opens what was parsed, and tells if that was not all.
    fn parsed(&mut self, parsed: Parsed, place: &str, from: Sender<'_>) {
        self.open(parsed.value, place, from);
        if parsed.is_cut {
            self.refuse(Unreadable::Rest, place, from, "holds too many objects");
        }
    }

    /// `place` is the path of the value in the input.
    fn open(&mut self, value: Value, place: &str, from: Sender<'_>) {
        match value {
            Value::Array(values) if values.is_empty() => {
                self.refuse(Unreadable::Envelope, place, from, "is an empty array");
            }
            Value::Array(values) => {
                for (index, value) in values.into_iter().enumerate() {
                    self.open(value, &format!("{place}[{index}]"), from);
                }
            }
            Value::Object(mut object) if is_failure(&object) => {
                self.record(object.remove("detail").unwrap_or_default(), &join(place, "detail"), from);
            }
            Value::Object(object) if is_event(&object) => self.event(object, place, from),
            Value::Object(mut object) => match Envelope::of(&object) {
                Some(Envelope::DestinationRecord) => self.record(object.into(), place, from),
                Some(Envelope::Records) => self.open(object["Records"].take(), &join(place, "Records"), from),
                Some(Envelope::SqsRecord) => {
                    let id = object.get("messageId").and_then(Value::as_str);
                    self.text(object.get("body"), &join(place, "body"), from.queue(id));
                }
                Some(Envelope::SnsRecord) => {
                    let text = object.get("Sns").and_then(|sns| sns.get("Message"));
                    self.text(text, &join(place, "Sns.Message"), from.inside());
                }
                Some(Envelope::SnsNotification) => {
                    self.text(object.get("Message"), &join(place, "Message"), from.inside());
                }
                None if command::read(&object).is_some() || follow_up::read(&object).is_some() => {
                    self.refuse(Unreadable::Command, place, from, NOT_ALONE);
                }
                None => self.refuse(Unreadable::Input, place, from, NOT_AN_EVENT),
            },
            _ => self.refuse(Unreadable::Input, place, from, NOT_AN_EVENT),
        }
    }

    /// An envelope's content, which is JSON in a text.
    fn text(&mut self, content: Option<&Value>, place: &str, from: Sender<'_>) {
        const NO_JSON: (Unreadable, &str) = (Unreadable::Envelope, "is not JSON in a text");
        match content.and_then(Value::as_str) {
            Some(text) => self.json(text, place, from, NO_JSON),
            None => self.refuse(NO_JSON.0, place, from, NO_JSON.1),
        }
    }

    /// The record of an invocation that failed, whose input it holds.
    fn record(&mut self, mut record: Value, place: &str, from: Sender<'_>) {
        if !record.as_object().is_some_and(is_destination_record) {
            let field = join(place, "requestPayload");
            return self.refuse(
                Unreadable::Envelope,
                &field,
                from.inside(),
                "is missing, or requestContext beside it is",
            );
        }
        let (input, place) = (record["requestPayload"].take(), join(place, "requestPayload"));
        // What a schedule sent comes back so where it failed. It is taken where it is the whole input.
        if let (Sender::Caller, Some(content)) = (from, follow_up(&input)) {
            self.push(content, from);
        } else if follow_up(&input).is_some() {
            self.refuse(Unreadable::Command, &place, from.inside(), NOT_ALONE);
        } else if command(&input).is_some() {
            self.refuse(Unreadable::Command, &place, from.inside(), "holds a command: send requestPayload alone");
        } else {
            self.open(input, &place, from.inside());
        }
    }

    fn event(&mut self, object: Map<String, Value>, place: &str, from: Sender<'_>) {
        let read = Event::of(object).map_or_else(|error| vec![Err(error)], |event| findings(&event));
        for content in read {
            self.push(content.map_err(|error| error.within(place)), from);
        }
    }

    fn refuse(&mut self, kind: Unreadable, place: &str, from: Sender<'_>, problem: &str) {
        let field = if place.is_empty() { "the input" } else { place }.to_owned();
        self.push(Err(EventError { kind, field, problem: problem.to_owned(), more: 0 }), from);
    }

    fn push(&mut self, content: Result<Finding, EventError>, from: Sender<'_>) {
        let message = from.message();
        let last = self.items.last_mut().filter(|last| last.message.as_deref() == message);
        self.refused = if last.is_some() { self.refused } else { 0 };
        self.refused += usize::from(content.is_err());
        match (last.map(|last| &mut last.content), content) {
            (Some(Err(last)), Err(_)) if self.refused > TOLD => last.more += 1,
            (_, content) => self.items.push(Item { message: message.map(str::to_owned), content }),
        }
    }
}

const NOT_ALONE: &str = "is a command, which is obeyed only where it is the whole input";
const NOT_AN_EVENT: &str =
    "is no event (source and detail-type), no SQS or SNS records, no array of these and no command";

fn is_event(object: &Map<String, Value>) -> bool {
    object.contains_key("source") && object.contains_key("detail-type")
}

/// Whether it is the record of a failed invocation, as Lambda sends it to an event bus:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>.
fn is_failure(object: &Map<String, Value>) -> bool {
    let is = |field: &str, text: &str| object.get(field).is_some_and(|value| value == text);
    is("source", "lambda") && is("detail-type", "Lambda Function Invocation Result - Failure")
}

fn is_destination_record(object: &Map<String, Value>) -> bool {
    object.contains_key("requestContext") && object.contains_key("requestPayload")
}

/// What an object that is no event can be:
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>, <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>.
enum Envelope {
    Records,
    SqsRecord,
    SnsRecord,
    /// How SNS writes into a queue without raw delivery.
    SnsNotification,
    /// What Lambda keeps of an invocation that failed, and what a failure queue holds so.
    DestinationRecord,
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
        } else if is_destination_record(object) {
            Some(Self::DestinationRecord)
        } else {
            object.get("Records").is_some_and(Value::is_array).then_some(Self::Records)
        }
    }
}

/// An event of EventBridge: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>.
/// Only source, detail-type and detail have to be there. Of the other fields, on which nothing but a hint depends, what
/// cannot be used counts as absent; the time is never read.
#[derive(Default)]
struct Event {
    source: String,
    detail_type: String,
    detail: Value,
    id: Option<String>,
    region: Option<String>,
    /// As it stands there: see `accounts`.
    account: Option<Value>,
    resources: Vec<String>,
}

impl Event {
    fn of(mut object: Map<String, Value>) -> Result<Self, EventError> {
        let mut text = |field: &str| match object.remove(field) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let not_a_text = |field: &str| EventError::event(field, "is not a text");
        let (source, detail_type) = (text("source"), text("detail-type"));
        let (id, region) = (text("id"), text("region"));
        Ok(Self {
            source: source.ok_or_else(|| not_a_text("source"))?,
            detail_type: detail_type.ok_or_else(|| not_a_text("detail-type"))?,
            detail: object.remove("detail").ok_or_else(|| EventError::event("detail", "is missing"))?,
            id,
            region,
            account: object.remove("account"),
            resources: Fields::of(&Value::Object(object)).texts("resources").map(str::to_owned).collect(),
        })
    }
}

/// What a reader makes of an event: nothing when the event is not about a credential. One finding that cannot be read
/// does not make the others unreadable.
type Read = Vec<Result<Finding, EventError>>;

type Reader = fn(&Event) -> Read;

/// A source, or the beginning of one with a `*` after it; its detail-types, or `ANY`; and who reads them.
struct Row(&'static str, &'static [&'static str], Reader);

const ANY: &[&str] = &[];

/// The first row that fits an event reads it. `custom` reads what no row fits.
const READERS: &[Row] = &[
    Row("aws.guardduty", &["GuardDuty Finding"], guardduty::read),
    Row("aws.health", &["AWS Health Event", "AWS Health Abuse Event"], health::read),
    Row("aws.iam", &["AWS API Call via CloudTrail"], quarantine::read),
    Row("aws.partner/*", ANY, custom::read),
    Row("aws.securityhub", &["Findings Imported V2"], ocsf::read),
    Row("aws.securityhub", &["Security Hub Findings - Custom Action"], security_hub::read_custom_action),
    Row("aws.securityhub", &["Security Hub Findings - Imported"], security_hub::read_imported),
    Row("aws.trustedadvisor", &["Trusted Advisor Check Item Refresh Notification"], trusted_advisor::read),
];

impl Row {
    fn fits(&self, event: &Event) -> bool {
        let Self(source, detail_types, _) = self;
        let is_source = match source.strip_suffix('*') {
            Some(prefix) => event.source.starts_with(prefix),
            None => event.source == *source,
        };
        is_source && (detail_types.is_empty() || detail_types.contains(&event.detail_type.as_str()))
    }
}

fn findings(event: &Event) -> Read {
    let row = READERS.iter().find(|row| row.fits(event));
    let read = row.map_or(custom::read as Reader, |Row(.., read)| *read)(event);
    if read.is_empty() { vec![Ok(Finding::without_credential(origin(event)))] } else { read }
}

/// Reads an object of an event, to which `place` is the way.
fn inside(place: &str, value: &Value, read: impl Fn(Fields<'_>) -> Read) -> Read {
    if !value.is_object() {
        return vec![Err(EventError::event(place, "is not an object"))];
    }
    let read = read(Fields::of(value));
    read.into_iter().map(|result| result.map_err(|error| error.within(place))).collect()
}

fn join(place: &str, field: &str) -> String {
    if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") }
}

/// The origin of an event whose source tells no more than the envelope does.
fn origin(event: &Event) -> Origin {
    Origin {
        id: event.id.as_deref().map(ForeignText::new),
        kind: Some(ForeignText::new(&event.detail_type)),
        region: event.region.as_deref().map(ForeignText::new),
        ..Origin::new(&event.source)
    }
}

#[cfg(test)]
mod tests;
