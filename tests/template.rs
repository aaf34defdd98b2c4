//! The rules of template.yaml against every sample: which events reach the function.

mod common;

use common::ids::OWN;
use common::samples::{CUSTOM_SOURCES, SAMPLES};
use common::{event, template};
use quamina::Quamina;
use serde_json::{Map, Value, json};

/// Every rule that the template can make, with its pattern's parameters filled in.
fn rules() -> Vec<(String, Value)> {
    let template = template("template.yaml");
    let resources = template["Resources"].as_object().expect("resources");
    let events = resources["Function"]["Properties"]["Events"].as_object().expect("events");
    let of_function = events.iter().map(|(name, event)| (name.clone(), event["Properties"]["Pattern"].clone()));
    let of_stack = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Events::Rule");
    let of_stack = of_stack.map(|(name, rule)| (name.clone(), rule["Properties"]["EventPattern"].clone()));
    of_function.chain(of_stack).map(|(name, pattern)| (name, filled_in(pattern))).collect()
}

fn filled_in(value: Value) -> Value {
    match value {
        Value::Object(object) => match function_of(&object) {
            Some(("Fn::Sub", text)) => {
                json!(text.as_str().expect("a text").replace("${AWS::Partition}", "aws"))
            }
            Some(("Fn::Split", _)) => json!([CUSTOM_SOURCES[0].1]),
            Some(("Ref", _)) => json!(format!("arn:aws:securityhub:us-east-1:{OWN}:action/custom/KillKey")),
            _ => object.into_iter().map(|(name, value)| (name, filled_in(value))).collect(),
        },
        Value::Array(values) => values.into_iter().map(filled_in).collect(),
        value => value,
    }
}

fn function_of(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, value) = object.iter().next()?;
    (object.len() == 1).then_some((name.as_str(), value))
}

fn matching(rules: &[(String, Value)], event: &Value) -> Vec<String> {
    let mut patterns = Quamina::new();
    for (name, pattern) in rules {
        patterns.add_pattern(name.clone(), &pattern.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let mut names = patterns.matches_for_event(event.to_string().as_bytes()).expect("JSON");
    names.sort();
    names
}

#[test]
fn exactly_the_events_that_can_name_a_key_reach_the_function() {
    let rules = rules();
    for sample in SAMPLES {
        let event = event(sample.event);
        // An event of EventBridge is an object.
        let reached_by = if event.is_object() { matching(&rules, &event) } else { vec![] };
        assert_eq!(reached_by, sample.rules, "{}", sample.event);
    }
}

#[test]
fn near_misses_do_not_reach_the_function() {
    let rules = rules();
    for (name, pointer, value) in [
        ("guardduty-iam-user", "/detail-type", json!("GuardDuty Runtime Protection Healthy")),
        ("trusted-advisor-exposed-key", "/detail/check-name", json!("IAM Access Key Rotation")),
        ("custom-source", "/source", json!("com.example.other")),
        ("custom-source", "/detail", json!({"userName": "Bob"})),
        (
            "security-hub-custom-action",
            "/resources/0",
            json!(format!("arn:aws:securityhub:us-east-1:{OWN}:action/custom/Ticket")),
        ),
        ("security-hub-imported", "/detail/findings/0/RecordState", json!("ARCHIVED")),
        (
            "cloudtrail-quarantine-attached",
            "/detail/requestParameters/policyArn",
            json!("arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ),
    ] {
        let mut event = event(name);
        *event.pointer_mut(pointer).expect("a field") = value;
        assert_eq!(matching(&rules, &event), [""; 0], "{name} with another {pointer}");
    }
}

#[test]
fn every_rule_is_switched_by_a_parameter_retries_and_keeps_what_it_cannot_deliver() {
    let template = template("template.yaml");
    let resources = template["Resources"].as_object().expect("resources");
    let queue = json!({"Arn": {"Fn::GetAtt": ["UndeliveredEvents", "Arn"]}});
    let events = resources["Function"]["Properties"]["Events"].as_object().expect("events");
    for (name, event) in events {
        let properties = &event["Properties"];
        assert!(properties["State"]["Ref"].is_string(), "{name} has no switch");
        assert!(properties["RetryPolicy"]["MaximumRetryAttempts"].is_number(), "{name} does not retry");
        assert_eq!(properties["DeadLetterConfig"], queue, "{name}");
    }
    for (name, rule) in resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Events::Rule") {
        assert!(rule["Condition"].is_string(), "{name} has no switch");
        let target = &rule["Properties"]["Targets"][0];
        assert!(target["RetryPolicy"]["MaximumRetryAttempts"].is_number(), "{name} does not retry");
        assert_eq!(target["DeadLetterConfig"], queue, "{name}");
    }
    assert_eq!(template["Parameters"]["SecurityHubEvents"]["Default"], "DISABLED");
}

#[test]
fn every_variable_is_a_parameter_with_a_description_a_default_and_a_limit() {
    let template = template("template.yaml");
    let variables = &template["Resources"]["Function"]["Properties"]["Environment"]["Variables"];
    for (name, value) in variables.as_object().expect("variables").iter().filter(|(name, _)| *name != "ACCOUNT_ID") {
        let parameter = value["Ref"].as_str().unwrap_or_else(|| panic!("{name} is no parameter"));
        assert_eq!(parameter.to_lowercase(), name.replace('_', "").to_lowercase());
    }
    assert_eq!(variables.as_object().map(Map::len), Some(15));
    for (name, parameter) in template["Parameters"].as_object().expect("parameters") {
        let limited = ["AllowedValues", "AllowedPattern", "MaxValue"].iter().any(|limit| !parameter[*limit].is_null());
        assert!(parameter["Description"].is_string() && !parameter["Default"].is_null() && limited, "{name}");
    }
}

#[test]
fn the_defaults_of_the_template_are_those_of_the_function() {
    let template = template("template.yaml");
    let variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"].clone();
    let default = |name: &str| {
        let parameter = variables[name]["Ref"].as_str()?;
        let default = &template["Parameters"].get(parameter)?["Default"];
        Some(default.as_str().map_or_else(|| default.to_string(), str::to_owned))
    };
    let from_template = key_remediator::config::Config::from_lookup(default).expect("valid");
    let from_nothing = key_remediator::config::Config::from_lookup(|_| None).expect("valid");
    assert_eq!(format!("{from_template:?}"), format!("{from_nothing:?}"));
}
