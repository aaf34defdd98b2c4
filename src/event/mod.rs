//! JSON to findings: takes envelopes off, picks the reader of the source, and loses nothing. What cannot be read is
//! an error that names the field, beside whatever else the input holds.
//!
//! A new source is one new file with a `read` function and one line in `READERS`.

mod command;
mod custom;
mod detection;
mod fields;
mod guardduty;
mod health;
mod ocsf;
mod quarantine;
mod security_hub;
mod trusted_advisor;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::{Map, Value};

use crate::finding::{Finding, Origin};
use crate::names::ForeignText;
use fields::Fields;

/// One thing that the input held: a finding, or something that could not be read.
#[derive(Debug)]
pub struct Item {
    /// The SQS message that it came in, when it came in one.
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
    /// A command with a parameter that is wrong: its author can correct it.
    Command,
}

impl EventError {
    fn event(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind: Unreadable::Event, field: field.into(), problem: problem.into() }
    }

    fn command(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind: Unreadable::Command, field: field.into(), problem: problem.into() }
    }

    /// The same error, with the path that leads to its field.
    fn within(self, place: &str) -> Self {
        Self { field: join(place, &self.field), ..self }
    }
}

/// Reads one invocation's input.
pub fn read(input: Value) -> Vec<Item> {
    // A command has to be the whole input: whoever may only send events must not be able to give commands.
    let object = input.as_object().filter(|object| !is_event(object));
    if let Some(content) = object.and_then(command::read) {
        return vec![Item { message: None, content }];
    }
    let mut envelopes = Envelopes::default();
    envelopes.open(input, "", None);
    envelopes.items
}

/// Takes envelopes off, in any nesting that AWS produces, until there are events.
#[derive(Default)]
struct Envelopes {
    items: Vec<Item>,
}

impl Envelopes {
    /// `place` is the path of the value in the input; `message` the SQS message that it came in.
    fn open(&mut self, value: Value, place: &str, message: Option<&str>) {
        match value {
            Value::Array(values) if values.is_empty() => {
                self.refuse(Unreadable::Envelope, place, message, "is an empty array");
            }
            Value::Array(values) => {
                for (index, value) in values.into_iter().enumerate() {
                    self.open(value, &format!("{place}[{index}]"), message);
                }
            }
            Value::Object(object) if is_event(&object) => self.event(object, place, message),
            Value::Object(mut object) => match Envelope::of(&object) {
                Some(Envelope::Records) => self.open(object["Records"].take(), &join(place, "Records"), message),
                Some(Envelope::SqsRecord) => {
                    let id = object.get("messageId").and_then(Value::as_str).map(str::to_owned);
                    self.text(object.get("body"), &join(place, "body"), message.or(id.as_deref()));
                }
                Some(Envelope::SnsRecord) => {
                    let text = object.get("Sns").and_then(|sns| sns.get("Message"));
                    self.text(text, &join(place, "Sns.Message"), message);
                }
                Some(Envelope::SnsNotification) => {
                    self.text(object.get("Message"), &join(place, "Message"), message);
                }
                None => self.refuse(Unreadable::Input, place, message, NOT_AN_EVENT),
            },
            _ => self.refuse(Unreadable::Input, place, message, NOT_AN_EVENT),
        }
    }

    /// An envelope's content, which is JSON in a text.
    fn text(&mut self, content: Option<&Value>, place: &str, message: Option<&str>) {
        match content.and_then(Value::as_str).map(serde_json::from_str) {
            Some(Ok(value)) => self.open(value, place, message),
            _ => self.refuse(Unreadable::Envelope, place, message, "is not JSON in a text"),
        }
    }

    fn event(&mut self, object: Map<String, Value>, place: &str, message: Option<&str>) {
        let read = match parse(object) {
            Ok(event) => findings(&event),
            Err(error) => vec![Err(error)],
        };
        self.items.extend(read.into_iter().map(|content| Item {
            message: message.map(str::to_owned),
            content: content.map_err(|error| error.within(place)),
        }));
    }

    fn refuse(&mut self, kind: Unreadable, place: &str, message: Option<&str>, problem: &str) {
        let field = if place.is_empty() { "the input" } else { place }.to_owned();
        let content = Err(EventError { kind, field, problem: problem.to_owned() });
        self.items.push(Item { message: message.map(str::to_owned), content });
    }
}

const NOT_AN_EVENT: &str =
    "is no event (source and detail-type), no SQS or SNS records, no array of these and no command";

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

/// Reads an event without its detail, and names the field that does not fit.
fn parse(mut object: Map<String, Value>) -> Result<EventBridgeEvent, EventError> {
    // What is never read, such as the time, must not be able to make an event unreadable; nor must the Region, which
    // nothing depends on.
    const READ: [&str; 6] = ["source", "detail-type", "detail", "account", "id", "resources"];
    object.retain(|field, value| READ.contains(&field.as_str()) || field == "region" && value.is_string());
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| {
        let message = error.inner().to_string();
        // Of serde's words only those about the type are passed on: the others repeat what the field holds.
        if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            EventError::event(field, "is missing")
        } else {
            let expected = message.rsplit_once("expected ").map_or("something else", |(_, expected)| expected);
            EventError::event(error.path().to_string(), format!("is not what it should be: {expected}"))
        }
    })
}

/// What a reader makes of an event: nothing when the event is not about a credential. One finding that cannot be read
/// does not make the others unreadable.
type Read = Vec<Result<Finding, EventError>>;

type Reader = fn(&EventBridgeEvent) -> Read;

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
    fn fits(&self, event: &EventBridgeEvent) -> bool {
        let Self(source, detail_types, _) = self;
        let is_source = match source.strip_suffix('*') {
            Some(prefix) => event.source.starts_with(prefix),
            None => event.source == *source,
        };
        is_source && (detail_types.is_empty() || detail_types.contains(&event.detail_type.as_str()))
    }
}

fn findings(event: &EventBridgeEvent) -> Read {
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
fn origin(event: &EventBridgeEvent) -> Origin {
    Origin {
        id: event.id.as_deref().map(ForeignText::new),
        kind: Some(ForeignText::new(&event.detail_type)),
        region: event.region.as_deref().map(ForeignText::new),
        ..Origin::new(&event.source)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::finding::Basis;

    fn finding(source: &str, detail_type: &str, detail: &Value) -> Finding {
        let event = json!({"source": source, "detail-type": detail_type, "region": "us-east-1", "detail": detail});
        read(event).pop().expect("an item").content.expect("a finding")
    }

    #[test]
    fn an_origin_holds_arn_region_and_repeat_where_the_source_gives_them() {
        let arn = "arn:aws:x:eu-west-1:123456789012:y";
        let guardduty = |detail| finding("aws.guardduty", "GuardDuty Finding", &detail);
        let asff = |one| finding("aws.securityhub", "Security Hub Findings - Imported", &json!({"findings": [one]}));
        let ocsf = |one| finding("aws.securityhub", "Findings Imported V2", &json!({"findings": [one]}));
        let health = |detail| finding("aws.health", "AWS Health Event", &detail);
        let count = |count: Value| json!({"ProductFields": {"aws/guardduty/service/count": count}});
        for (finding, expected) in [
            (guardduty(json!({})), (None, "us-east-1", false)),
            (
                guardduty(json!({"arn": arn, "region": "eu-west-1", "service": {"count": 2}})),
                (Some(arn), "eu-west-1", true),
            ),
            (guardduty(json!({"Arn": arn, "Region": 1, "Service": {"Count": 1}})), (Some(arn), "us-east-1", false)),
            (asff(json!({"Id": arn, "Region": "eu-west-1"})), (Some(arn), "eu-west-1", false)),
            (asff(json!({"Id": "no ARN"})), (None, "us-east-1", false)),
            (asff(count(json!("2"))), (None, "us-east-1", true)),
            (asff(count(json!(2))), (None, "us-east-1", true)),
            (asff(count(json!("1"))), (None, "us-east-1", false)),
            (asff(count(json!("many"))), (None, "us-east-1", false)),
            (
                ocsf(json!({"finding_info": {"uid": arn}, "cloud": {"region": "eu-west-1"}})),
                (Some(arn), "eu-west-1", false),
            ),
            (ocsf(json!({"finding_info": {"uid": "no ARN"}})), (None, "us-east-1", false)),
            (
                health(json!({"eventTypeCode": "AWS_RISK_X", "eventArn": arn, "eventRegion": "eu-west-1"})),
                (Some(arn), "eu-west-1", false),
            ),
            (health(json!({"eventTypeCode": "AWS_RISK_X"})), (None, "us-east-1", false)),
            (finding("com.example", "x", &json!({})), (None, "us-east-1", false)),
        ] {
            let Origin { arn, region, repeat, .. } = &finding.origin;
            let found = (arn.as_ref().map(ForeignText::as_str), region.as_ref().map(ForeignText::as_str), *repeat);
            assert_eq!(found, (expected.0, Some(expected.1), expected.2), "{finding:?}");
        }
    }

    #[test]
    fn a_region_that_is_no_text_does_not_make_an_event_unreadable() {
        let event = json!({"source": "com.example", "detail-type": "x", "detail": {}, "region": 1, "time": 1});
        let finding = read(event).pop().expect("an item").content.expect("a finding");
        assert_eq!(finding.origin.region, None);
    }

    #[test]
    fn a_row_can_stand_for_every_source_that_begins_alike() {
        let row = READERS.iter().find(|row| row.0.ends_with('*')).expect("a row with a prefix");
        for (source, fits) in [("aws.partner/example.com/1", true), ("aws.partner", false), ("aws.health", false)] {
            let event = json!({"source": source, "detail-type": "x", "detail": {}});
            let event = parse(event.as_object().cloned().expect("an object")).expect("an event");
            assert_eq!(row.fits(&event), fits, "{source}");
        }
        let key = json!({"accessKeyId": "AKIAIOSFODNN7EXAMPLE"});
        for (detail, basis) in [(key, Basis::Custom), (json!({}), Basis::Report)] {
            assert_eq!(finding("aws.partner/example.com/1", "x", &detail).basis, basis);
        }
    }

    #[test]
    fn what_cannot_be_read_tells_its_kind() {
        for (input, kind, field) in [
            (json!("text"), Unreadable::Input, "the input"),
            (json!([{"detail": {}}]), Unreadable::Input, "[0]"),
            (json!([]), Unreadable::Envelope, "the input"),
            (json!({"Records": [{"eventSource": "aws:sqs", "body": "{"}]}), Unreadable::Envelope, "Records[0].body"),
            (json!({"source": "x", "detail-type": 1, "detail": {}}), Unreadable::Event, "detail-type"),
            (json!({"DeleteAccessKey": {}}), Unreadable::Command, "DeleteAccessKey.AccessKeyId"),
        ] {
            let error = read(input).pop().expect("an item").content.expect_err("an error");
            assert_eq!((error.kind, error.field.as_str()), (kind, field));
        }
    }
}
