//! The rules of template.yaml against every sample: which events reach the function.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::process::{Command, Stdio};

use common::ids::{MEMBER, OWN};
use common::samples::{CUSTOM_SOURCES, SAMPLES};
use common::{event, template};
use key_remediator::config::{Config, VARIABLES};
use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use quamina::Quamina;
use serde_json::{Map, Value, json};

const PARTNER: &str = "aws.partner/example.com/leaks";

/// Every rule that the template can make, with its pattern's parameters filled in.
fn rules() -> Vec<(String, Value)> {
    let template = template("template.yaml");
    let resources = template["Resources"].as_object().expect("resources");
    let events = resources["Function"]["Properties"]["Events"].as_object().expect("events");
    let of_function = events
        .iter()
        .filter(|(_, event)| event["Type"] == "EventBridgeRule")
        .map(|(name, event)| (name.clone(), event["Properties"]["Pattern"].clone()));
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
            Some(("Fn::Split", values)) if values[1]["Ref"] == "CustomSources" => json!([CUSTOM_SOURCES[0].1]),
            Some(("Fn::If", values)) => filled_in(values[2].clone()),
            Some(("Ref", name)) if name == "AWS::AccountId" => json!(OWN),
            Some(("Ref", name)) if name == "PartnerBus" => json!(PARTNER),
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
    let (mut patterns, mut excluded) = (Quamina::new(), Quamina::new());
    for (name, pattern) in rules {
        let mut pattern = pattern.clone();
        let exclusion = taken_out(&mut pattern);
        let add = |to: &mut Quamina<String>, pattern: &Value| {
            to.add_pattern(name.clone(), &pattern.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
        };
        add(&mut patterns, &pattern);
        if let Some(exclusion) = exclusion {
            add(&mut excluded, &exclusion);
        }
    }
    let event = event.to_string();
    let excluded = excluded.matches_for_event(event.as_bytes()).expect("JSON");
    let mut names = patterns.matches_for_event(event.as_bytes()).expect("JSON");
    names.retain(|name| !excluded.contains(name));
    names.sort();
    names
}

/// Takes `{"anything-but": {"wildcard": …}}`, which the library does not know, out of a pattern, and gives the pattern of
/// what it excludes.
fn taken_out(pattern: &mut Value) -> Option<Value> {
    let fields = pattern.as_object_mut()?;
    let excludes = |value: &Value| value.pointer("/0/anything-but/wildcard").cloned();
    if let Some((name, wildcard)) = fields.iter().find_map(|(name, value)| Some((name.clone(), excludes(value)?))) {
        // It excludes only what is there.
        fields.insert(name.clone(), json!([{"exists": true}]));
        return Some(json!({name: [{"wildcard": wildcard}]}));
    }
    fields.iter_mut().find_map(|(name, value)| Some(json!({name: taken_out(value)?})))
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
        ("custom-source", "/account", json!(MEMBER)),
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
    for (name, event) in events.iter().filter(|(_, event)| event["Type"] == "EventBridgeRule") {
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

/// The variables that the stack sets without asking.
const OF_THE_STACK: [&str; 4] = ["ACCOUNT_ID", "SCHEDULER_ROLE_ARN", "SCHEDULE_GROUP", "SCHEDULE_QUEUE_ARN"];

#[test]
fn what_is_scheduled_can_invoke_the_function_and_nothing_else() {
    let template = template("template.yaml");
    let role = &template["Resources"]["SchedulerRole"];
    assert_eq!(role["Condition"], "Schedules");
    let statements = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array().expect("statements");
    let actions: Vec<_> = statements.iter().map(|statement| statement["Action"].clone()).collect();
    assert_eq!(actions, [json!("lambda:InvokeFunction"), json!("sqs:SendMessage")]);
    let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Principal"], json!({"Service": "scheduler.amazonaws.com"}));
    assert_eq!(trust["Condition"]["StringEquals"], json!({"aws:SourceAccount": {"Ref": "AWS::AccountId"}}));
    let group = trust["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"].as_str().expect("an ARN");
    assert!(group.ends_with(":schedule-group/key-remediator"));
    assert_eq!(template["Resources"]["ScheduleGroup"]["Properties"]["Name"], "key-remediator");
    // Without a deletion that is late the variable would be a mistake.
    let assertion = &template["Rules"]["LateDeletionNeedsTheAction"]["Assertions"][0]["Assert"];
    assert_eq!(*assertion, json!({"Fn::Equals": [{"Ref": "Action"}, "delete"]}));
}

#[test]
fn every_variable_is_a_parameter_with_a_description_a_default_and_a_limit() {
    let template = template("template.yaml");
    let variables = &template["Resources"]["Function"]["Properties"]["Environment"]["Variables"];
    let variables = variables.as_object().expect("variables");
    let variables: Vec<_> = variables.iter().filter(|(name, _)| !name.ends_with("ENDPOINT_URL")).collect();
    for (name, value) in variables.iter().filter(|(name, _)| !OF_THE_STACK.contains(&name.as_str())) {
        let parameter = value["Ref"].as_str().unwrap_or_else(|| panic!("{name} is no parameter"));
        assert_eq!(parameter.to_lowercase(), name.replace('_', "").to_lowercase());
    }
    let of_template: BTreeSet<_> = variables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(of_template, VARIABLES.iter().map(|(name, _)| *name).collect());
    for (name, parameter) in template["Parameters"].as_object().expect("parameters") {
        let limited = ["AllowedValues", "AllowedPattern", "MaxValue"].iter().any(|limit| !parameter[*limit].is_null());
        assert!(parameter["Description"].is_string() && !parameter["Default"].is_null() && limited, "{name}");
    }
}

#[test]
fn the_defaults_of_the_template_are_those_of_the_function() {
    let template = template("template.yaml");
    // The function alone has nobody to keep a schedule.
    let is_same = |name: &str| !OF_THE_STACK.contains(&name) && name != "FOLLOW_UP_AFTER";
    for (name, default) in VARIABLES.iter().filter(|(name, _)| is_same(name)) {
        let parameter = &template["Parameters"][parameter_of(&template, name)];
        assert_eq!(text(&parameter["Default"]), *default, "{name}");
    }
}

/// The parameter that sets a variable.
fn parameter_of(template: &Value, variable: &str) -> String {
    let variables = &template["Resources"]["Function"]["Properties"]["Environment"]["Variables"];
    variables[variable]["Ref"].as_str().unwrap_or_else(|| panic!("{variable} is no parameter")).to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `docs/configuration.md`, written anew with `UPDATE_DOCS=1 cargo test --test template`.
#[test]
fn the_page_of_the_configuration_is_what_template_and_function_know() {
    let template = template("template.yaml");
    let mut page = String::from(
        "# Configuration\n\n\
         The parameters of [template.yaml](../template.yaml) and the environment variables that they set. An empty value\n\
         is the default. The function reads the variables once, at start. It does not start with a mistake in one, and\n\
         its log names every mistake. `tests/template.rs` writes this page.\n\n\
         | parameter | variable | default | values | meaning |\n|---|---|---|---|---|\n",
    );
    let variable_of: BTreeMap<_, _> = VARIABLES
        .iter()
        .filter(|(name, _)| !OF_THE_STACK.contains(name))
        .map(|(name, _)| (parameter_of(&template, name), *name))
        .collect();
    for (name, parameter) in template["Parameters"].as_object().expect("parameters") {
        let code = |text: &str| if text.is_empty() { "-".to_owned() } else { format!("`{text}`") };
        let variable = variable_of.get(name).copied().unwrap_or_default();
        let default = text(&parameter["Default"]);
        let meaning = parameter["Description"].as_str().expect("a description");
        let (variable, default, values) = (code(variable), code(&default), values(parameter));
        writeln!(page, "| `{name}` | {variable} | {default} | {values} | {meaning} |").expect("text");
    }
    let own = "The function's own account. The template sets it, which saves a call; without it STS is asked at start.";
    writeln!(page, "| - | `ACCOUNT_ID` | - | 12 digits | {own} |").expect("text");
    for (name, default, what) in [
        (
            "SCHEDULER_ROLE_ARN",
            "-",
            "The role with which EventBridge Scheduler invokes the function. `FOLLOW_UP_AFTER` and `DELETE_AFTER_DAYS` need it; the template makes it.",
        ),
        ("SCHEDULE_GROUP", "`default`", "The group of the schedules. The template makes one."),
        (
            "SCHEDULE_QUEUE_ARN",
            "-",
            "The queue for what a schedule could not deliver: in the template `UndeliveredEvents`.",
        ),
    ] {
        writeln!(page, "| - | `{name}` | {default} | text | {what} |").expect("text");
    }
    let path = common::root().join("docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let documented = std::fs::read_to_string(&path).expect("docs/configuration.md");
    assert!(documented == page, "docs/configuration.md is out of date: run UPDATE_DOCS=1 cargo test --test template");
}

/// What a parameter may be.
fn values(parameter: &Value) -> String {
    if let Some(allowed) = parameter["AllowedValues"].as_array() {
        let allowed: Vec<_> = allowed
            .iter()
            .map(|value| if value == "" { "empty".to_owned() } else { format!("`{}`", text(value)) })
            .collect();
        return allowed.join(", ");
    }
    match (&parameter["MinValue"], &parameter["MaxValue"]) {
        (Value::Null, _) => "text".to_owned(),
        (least, most) => format!("{least} to {most}"),
    }
}

/// What the mock of AWS has after stacks of templates were made in one account, one after the other.
fn deployed(stacks: &[&str]) -> Value {
    let output = Command::new(common::root().join(".tools/venv/bin/python"))
        .arg(common::root().join("tools/deploy.py"))
        .args(stacks)
        .current_dir(common::root())
        .stderr(Stdio::null())
        .output()
        .expect("the mock is installed: make tools");
    serde_json::from_slice(&output.stdout).expect("what was deployed")
}

#[test]
fn both_templates_can_be_deployed_with_the_defaults_and_with_everything_on() {
    const CALLER: &str = "FunctionRoleArns=arn:aws:iam::222222222222:role/key-remediator/key-remediator-us-east-1";
    let both = |found: &Value| found["states"] == json!(["CREATE_COMPLETE", "CREATE_COMPLETE"]);
    let found = deployed(&["template.yaml", "member-role.yaml", CALLER]);
    assert!(both(&found), "{found}");
    assert_eq!(found["policies"], json!([]));
    let on = [
        "Action=delete",
        "Containment=principal",
        "RoleSessions=revoke",
        "BreakGlassPrincipals=arn:aws:iam::123456789012:user/x",
    ];
    let more = [
        "MemberRole=key-remediator-member",
        "WithinOrganization=true",
        "RootKeys=delete",
        "CustomSources=com.example",
        "Commands=false",
        "SecurityHubEvents=ENABLED",
        "SecurityHubV2Events=ENABLED",
        "ReservedConcurrency=0",
        "PermissionsBoundaryArn=arn:aws:iam::123456789012:policy/boundary",
    ];
    let with_policies = |of_member: &str| {
        let own = [&["template.yaml"][..], &on, &more].concat();
        deployed(&[&own[..], &["member-role.yaml", CALLER, of_member], &on].concat())
    };
    let found = with_policies("AccountPolicies=EXISTING");
    assert!(both(&found), "{found}");
    let policy = |name: &str| format!("arn:aws:iam::{OWN}:policy/key-remediator/{name}");
    let policies = ["key-remediator-deny-all", "key-remediator-deny-temporary"].map(policy);
    assert_eq!(found["policies"], json!(policies));
    // They are made once an account.
    let found = with_policies("AccountPolicies=CREATE");
    assert!(!both(&found), "{found}");
}

#[test]
fn events_are_forwarded_from_everywhere_but_from_the_functions_own_bus() {
    for (region, expected) in [("us-west-2", 13), ("us-east-1", 0)] {
        let bus = format!("BusArn=arn:aws:events:{region}:{OWN}:event-bus/default");
        let found = deployed(&["forward.yaml", &bus, "CustomSources=com.example"]);
        assert_eq!((&found["states"], &found["rules"]), (&json!(["CREATE_COMPLETE"]), &json!(expected)), "{found}");
    }
    let on =
        ["ForwardingOrganizationId=o-exampleorgid", "CustomSourceAccounts=111122223333", "CustomSources=com.example"];
    let on = [&["template.yaml"][..], &on, &["ReplayFailedEvents=ENABLED"]].concat();
    let found = deployed(&on);
    assert_eq!(found["states"], json!(["CREATE_COMPLETE"]), "{found}");
}

#[test]
fn each_policy_of_the_stack_has_a_group_of_its_name_that_carries_it() {
    for name in ["template.yaml", "member-role.yaml"] {
        let resources = &template(name)["Resources"];
        for policy in ["DenyAll", "DenyTemporary"] {
            let (policy, group) = (&resources[policy], &resources[format!("{policy}Group")]);
            assert_eq!(policy["Properties"]["ManagedPolicyName"], group["Properties"]["GroupName"], "{name}");
            for resource in [policy, group] {
                assert_eq!(resource["Properties"]["Path"], "/key-remediator/");
                assert_eq!(resource["Condition"], "HasDenyPolicies");
            }
        }
        assert_eq!(resources["DenyAllGroup"]["Properties"]["ManagedPolicyArns"], json!([{"Ref": "DenyAll"}]));
        assert_eq!(
            resources["DenyTemporaryGroup"]["Properties"]["ManagedPolicyArns"],
            json!([{"Ref": "DenyTemporary"}])
        );
        let document = |policy: &str| &resources[policy]["Properties"]["PolicyDocument"]["Statement"];
        let everything = json!({"Sid": "Everything", "Effect": "Deny", "Action": "*", "Resource": "*"});
        assert_eq!(*document("DenyAll"), json!([everything]));
        let condition =
            json!({"Null": {"aws:TokenIssueTime": "false"}, "BoolIfExists": {"aws:ViaAWSService": "false"}});
        assert_eq!(document("DenyTemporary")[0]["Condition"], condition);
    }
}

#[test]
fn a_finding_about_a_credential_that_it_does_not_identify_arrives_exactly_once() {
    let rules = rules();
    let finding = |kind: &str, resource: Value| {
        let mut finding = event("guardduty-iam-user");
        finding["detail"]["type"] = json!(kind);
        finding["detail"]["resource"] = resource;
        finding
    };
    let details = |resource_type: &str, user_type: &str| json!({"resourceType": resource_type, "accessKeyDetails": {"userType": user_type, "userName": "Bob"}});
    for (kind, resource, expected) in [
        ("UnauthorizedAccess:IAMUser/ConsoleLoginSuccess.B", json!({}), "GuardDutyWithoutKey"),
        ("Recon:IAMUser/TorIPCaller", details("AccessKey", "IAMUser"), "GuardDutyWithoutKey"),
        ("Recon:IAMUser/TorIPCaller", details("Instance", "AssumedRole"), "GuardDutyWithoutKey"),
        ("Impact:S3/AnomalousBehavior.Delete", details("S3Bucket", "AssumedRole"), "GuardDutyPrincipal"),
        ("Discovery:Kubernetes/TorIPCaller", details("EKSCluster", "Role"), "GuardDutyPrincipal"),
        ("Impact:S3/AnomalousBehavior.Delete", details("S3Bucket", "Root"), "GuardDutyPrincipal"),
        ("Impact:S3/AnomalousBehavior.Delete", details("S3Bucket", "FederatedUser"), "GuardDutyPrincipal"),
        ("Discovery:Kubernetes/TorIPCaller", json!({"resourceType": "EKSCluster"}), ""),
        ("Recon:EC2/Portscan", json!({"resourceType": "Instance"}), ""),
    ] {
        let expected: Vec<_> = [expected].into_iter().filter(|name| !name.is_empty()).collect();
        assert_eq!(matching(&rules, &finding(kind, resource.clone())), expected, "{kind} {resource}");
    }
}

#[test]
fn an_attack_sequence_of_security_hub_arrives_with_or_without_a_namespace_before_its_type() {
    let rules = rules();
    for kind in ["AttackSequence:S3/CompromisedData", "TTPs/AttackSequence:S3/CompromisedData"] {
        let mut sequence = event("security-hub-v2-attack-sequence");
        sequence["detail"]["findings"][0]["finding_info"]["types"] = json!([kind]);
        assert_eq!(matching(&rules, &sequence), ["SecurityHubV2Sequence"], "{kind}");
    }
}

#[test]
fn a_schedule_shows_every_hour_that_the_function_lives_and_an_alarm_that_it_does_not() {
    let template = template("template.yaml");
    let resources = &template["Resources"];
    let heartbeat = &resources["Function"]["Properties"]["Events"]["Heartbeat"];
    assert_eq!(
        (&heartbeat["Type"], &heartbeat["Properties"]["Schedule"]),
        (&json!("Schedule"), &json!("rate(1 hour)"))
    );
    let alarm = &resources["HeartbeatAlarm"]["Properties"];
    assert_eq!((&alarm["MetricName"], &alarm["TreatMissingData"]), (&json!("Invocations"), &json!("breaching")));
    assert!(alarm["Period"].as_u64().is_some_and(|period| (3_600..4_500).contains(&period)));
}

const TEMPLATES: [&str; 3] = ["template.yaml", "member-role.yaml", "forward.yaml"];

/// The resources of a type, by name.
fn resources_of(template: &Value, kind: &str) -> Vec<(String, Value)> {
    let resources = template["Resources"].as_object().expect("resources").iter();
    resources.filter(|(_, one)| one["Type"] == kind).map(|(name, one)| (name.clone(), one.clone())).collect()
}

#[test]
fn every_alarm_says_what_it_means_where_to_look_and_what_to_read_and_tells_the_topic() {
    for file in ["template.yaml", "forward.yaml"] {
        for (name, alarm) in resources_of(&template(file), "AWS::CloudWatch::Alarm") {
            let properties = &alarm["Properties"];
            let text =
                properties["AlarmDescription"]["Fn::Sub"].as_str().unwrap_or_else(|| panic!("{name} has no text"));
            assert!(text.len() < 1_000, "{name}");
            assert!(file == "forward.yaml" || text.contains("${LogGroup}"), "{name}: {text}");
            if properties["Namespace"] == "AWS/SQS" {
                let queue = &properties["Dimensions"][0]["Value"]["Fn::GetAtt"][0];
                assert!(
                    text.contains(&format!("${{{}.QueueName}}", queue.as_str().expect("a queue"))),
                    "{name}: {text}"
                );
                assert!(text.contains("delete the message"), "{name}: {text}");
            }
            let (_, page) = text.split_once("Page: ").unwrap_or_else(|| panic!("{name} names no page: {text}"));
            let (file, chapter) =
                page.trim_end_matches('.').split_once(", ").unwrap_or((page.trim_end_matches('.'), ""));
            let file = if file == "README" { "README.md" } else { file };
            let page = std::fs::read_to_string(common::root().join(file)).unwrap_or_else(|_| panic!("no {file}"));
            assert!(chapter.is_empty() || page.contains(&format!("## {chapter}\n")), "{name}: {file} has no {chapter}");
            assert_eq!(properties["AlarmActions"]["Fn::If"][0], "HasAlarmTopic", "{name}");
        }
    }
}

#[test]
fn each_queue_has_an_alarm_for_its_first_event_and_for_those_after_it() {
    for file in ["template.yaml", "forward.yaml"] {
        let template = template(file);
        let alarms = resources_of(&template, "AWS::CloudWatch::Alarm");
        for (queue, _) in &resources_of(&template, "AWS::SQS::Queue") {
            // What is moved there by a queue counts as no message sent.
            let is_moved = queue == "GivenUpEvents";
            let grows = |alarm: &Value| alarm["Properties"]["Metrics"][0]["Expression"] == "DIFF(level)";
            assert_eq!(is_moved, is_moved && alarms.iter().any(|(_, alarm)| grows(alarm)), "{queue}");
            let metrics = ["ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent"];
            for metric in &metrics[..if is_moved { 1 } else { 2 }] {
                let is_its = |alarm: &Value| {
                    let properties = &alarm["Properties"];
                    properties["MetricName"] == *metric
                        && properties["Dimensions"][0]["Value"]["Fn::GetAtt"][0] == queue.as_str()
                };
                assert!(alarms.iter().any(|(_, alarm)| is_its(alarm)), "{queue} {metric}");
            }
        }
    }
}

#[test]
fn an_event_that_is_lost_on_the_way_has_an_alarm_whichever_rule_it_came_by() {
    for file in ["template.yaml", "forward.yaml"] {
        let template = template(file);
        let mut watched = BTreeSet::new();
        for (name, alarm) in resources_of(&template, "AWS::CloudWatch::Alarm") {
            let metrics = alarm["Properties"]["Metrics"].as_array().cloned().unwrap_or_default();
            // The formula, and at most ten metrics in it.
            assert!(metrics.len() <= 11, "{name}");
            for metric in metrics.iter().map(|metric| metric["Fn::If"].get(1).unwrap_or(metric)) {
                let metric = &metric["MetricStat"]["Metric"];
                if metric["MetricName"] == "InvocationsFailedToBeSentToDlq" {
                    let rule = metric["Dimensions"].as_array().and_then(|dimensions| dimensions.last());
                    let rule = &rule.expect("a rule")["Value"];
                    // On another bus than the default one the rule's Ref is not its name.
                    let partners = || (*rule == "key-remediator-partner").then_some("PartnerRule");
                    watched.insert(rule["Ref"].as_str().or_else(partners).expect("a rule").to_owned());
                }
            }
        }
        assert_eq!(watched, all_rules(&template), "{file}");
    }
}

#[test]
fn what_is_replayed_has_time_is_tried_three_times_and_is_kept() {
    let template = template("template.yaml");
    let resources = &template["Resources"];
    let queue = &resources["FailedEvents"]["Properties"];
    let timeout = resources["Function"]["Properties"]["Timeout"].as_u64().expect("a timeout");
    assert_eq!(queue["VisibilityTimeout"]["Fn::If"][1].as_u64(), Some(6 * timeout));
    let redrive = &queue["RedrivePolicy"]["Fn::If"];
    assert_eq!((&redrive[0], &redrive[1]["maxReceiveCount"]), (&json!("Replays"), &json!(3)));
    assert_eq!(redrive[1]["deadLetterTargetArn"]["Fn::GetAtt"][0], "GivenUpEvents");
    let replay = &resources["Replay"];
    assert_eq!(replay["Condition"], "Replays");
    assert_eq!(replay["Properties"]["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(template["Parameters"]["ReplayFailedEvents"]["Default"], "DISABLED");
}

#[test]
fn forward_yaml_sends_what_the_rules_of_the_function_take_and_nothing_else() {
    let (function, forward) = (template("template.yaml"), template("forward.yaml"));
    let events = function["Resources"]["Function"]["Properties"]["Events"].as_object().expect("events");
    let taken: BTreeMap<_, _> = events
        .iter()
        .filter(|(_, event)| event["Type"] == "EventBridgeRule")
        .map(|(name, event)| {
            (name.clone(), (event["Properties"]["Pattern"].clone(), event["Properties"]["State"].clone()))
        })
        .collect();
    let mut sent = BTreeMap::new();
    for (name, rule) in resources_of(&forward, "AWS::Events::Rule") {
        let properties = &rule["Properties"];
        let target = &properties["Targets"][0];
        assert_eq!(target["Arn"], json!({"Ref": "BusArn"}), "{name}");
        // EventBridge sends to the bus of another account by a role where its policy names an organization.
        assert_eq!(target["RoleArn"], json!({"Fn::GetAtt": ["Role", "Arn"]}), "{name}");
        assert_eq!(target["DeadLetterConfig"]["Arn"], json!({"Fn::GetAtt": ["UndeliveredEvents", "Arn"]}), "{name}");
        assert_eq!(target["RetryPolicy"]["MaximumRetryAttempts"], 185, "{name}");
        assert!(
            rule["Condition"].as_str().is_some_and(|name| name.starts_with("Forwards")),
            "{name} would send in a circle"
        );
        if !["Custom", "SecurityHubActionRule"].contains(&name.as_str()) {
            sent.insert(name, (properties["EventPattern"].clone(), properties["State"].clone()));
        }
    }
    assert_eq!(sent, taken);
    let button =
        |template: &Value| template["Resources"]["SecurityHubActionRule"]["Properties"]["EventPattern"].clone();
    assert_eq!(button(&forward), button(&function));
    for (name, parameter) in forward["Parameters"].as_object().expect("parameters") {
        let same = &function["Parameters"][name];
        assert!(same.is_null() || same["Default"] == parameter["Default"], "{name}");
    }
}

#[test]
fn other_accounts_may_send_what_aws_reports_and_of_custom_events_only_those_of_listed_accounts() {
    let template = template("template.yaml");
    let sources: BTreeSet<_> = rules()
        .iter()
        .filter_map(|(_, pattern)| pattern["source"][0].as_str().map(str::to_owned))
        .filter(|source| source.starts_with("aws.") && source != PARTNER)
        .collect();
    let statement = |name: &str| &template["Resources"][name]["Properties"]["Statement"];
    let conditions = |name: &str| statement(name)["Condition"]["StringEquals"].clone();
    let of_organization = conditions("ForwardedEvents");
    assert_eq!(of_organization["events:source"], json!(sources));
    assert_eq!(of_organization["aws:PrincipalOrgID"], json!({"Ref": "ForwardingOrganizationId"}));
    let listed = json!({"Fn::Split": [",", {"Ref": "CustomSourceAccounts"}]});
    assert_eq!(statement("CustomEventsOfOthers")["Principal"]["AWS"], listed);
    assert_eq!(
        conditions("CustomEventsOfOthers"),
        json!({"events:source": {"Fn::Split": [",", {"Ref": "CustomSources"}]}})
    );
    // Whatever other policies of the bus let in, the rule holds against the account.
    let accounts = &template["Resources"]["CustomRule"]["Properties"]["EventPattern"]["account"]["Fn::If"];
    assert_eq!(accounts[1]["Fn::Split"][1]["Fn::Sub"], "${AWS::AccountId},${CustomSourceAccounts}");
}

#[test]
fn what_a_partner_sends_arrives_and_what_cannot_be_delivered_is_kept() {
    let mut partners = event("custom-source");
    partners["source"] = json!(PARTNER);
    assert_eq!(matching(&rules(), &partners), ["PartnerRule"]);
    // Without its source among the custom ones its events would be ignored.
    let rule = &template("template.yaml")["Rules"]["PartnerNeedsItsSource"];
    assert_eq!(rule["Assertions"][0]["Assert"], json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "CustomSources"}, ""]}]}));
}

/// By their ARNs: the name of a rule does not begin with that of its stack where both together are too long.
#[test]
fn the_queue_of_undelivered_events_takes_them_from_each_rule_of_the_stack_and_from_nobody_else() {
    for file in ["template.yaml", "forward.yaml"] {
        let template = template(file);
        let policy = &template["Resources"]["UndeliveredEventsPolicy"]["Properties"]["PolicyDocument"]["Statement"][0];
        let sources = policy["Condition"]["ArnEquals"]["aws:SourceArn"].as_array().expect("rules");
        let allowed: BTreeSet<_> = sources
            .iter()
            .map(|source| {
                source["Fn::If"].get(1).unwrap_or(source)["Fn::GetAtt"][0].as_str().expect("a rule").to_owned()
            })
            .collect();
        assert_eq!(allowed, all_rules(&template), "{file}");
    }
}

/// The logical names of all rules with a pattern.
fn all_rules(template: &Value) -> BTreeSet<String> {
    let own = resources_of(template, "AWS::Events::Rule").into_iter().map(|(name, _)| name);
    let events = template["Resources"]["Function"]["Properties"]["Events"].as_object();
    let of_function = events.into_iter().flatten().filter(|(_, event)| event["Type"] == "EventBridgeRule");
    own.chain(of_function.map(|(name, _)| format!("Function{name}"))).collect()
}

#[test]
fn what_is_switched_off_has_no_heartbeat_and_no_alarm_about_it_and_replays_nothing() {
    let template = template("template.yaml");
    let resources = &template["Resources"];
    assert_eq!(template["Conditions"]["IsOff"], json!({"Fn::Equals": [{"Ref": "ReservedConcurrency"}, "0"]}));
    let heartbeat = &resources["Function"]["Properties"]["Events"]["Heartbeat"]["Properties"];
    assert_eq!(heartbeat["State"], json!({"Fn::If": ["IsOff", "DISABLED", "ENABLED"]}));
    assert_eq!(resources["Replay"]["Properties"]["Enabled"], json!({"Fn::If": ["IsOff", false, true]}));
    for alarm in ["HeartbeatAlarm", "ThrottleAlarm"] {
        assert_eq!(resources[alarm]["Condition"], "IsOn", "{alarm}");
    }
}

#[test]
fn every_limit_of_a_parameter_is_explained() {
    for file in TEMPLATES {
        for (name, parameter) in template(file)["Parameters"].as_object().expect("parameters") {
            assert_eq!(
                parameter["AllowedPattern"].is_string(),
                parameter["ConstraintDescription"].is_string(),
                "{file}: {name}"
            );
        }
    }
}

#[test]
fn the_parameters_stand_in_the_order_in_which_the_console_shows_them() {
    let text = std::fs::read_to_string(common::root().join("template.yaml")).expect("template.yaml");
    let (_, parameters) = text.split_once("\nParameters:\n").expect("parameters");
    let (parameters, _) = parameters.split_once("\nRules:\n").expect("rules");
    let is_name = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names: Vec<_> = parameters.lines().filter(is_name).map(|line| line.trim().trim_end_matches(':')).collect();
    let groups = template("template.yaml")["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].clone();
    let shown =
        groups.as_array().expect("groups").iter().flat_map(|group| group["Parameters"].as_array().expect("names"));
    assert_eq!(names, shown.map(|name| name.as_str().expect("a name")).collect::<Vec<_>>());
}

/// The first deployment changes nothing, asks for the three parameters that matter, and builds what it deploys.
#[test]
fn both_environments_of_samconfig_are_safe_and_build_what_they_deploy() {
    let text = std::fs::read_to_string(common::root().join("samconfig.toml")).expect("samconfig.toml");
    for architecture in ["arm64", "x86_64"] {
        let section = |command: &str| {
            let head = format!("[{architecture}.{command}.parameters]\n");
            let (_, section) = text.split_once(&head).unwrap_or_else(|| panic!("no {head}"));
            section.split("\n[").next().unwrap_or_default().to_owned()
        };
        let (build, deploy) = (section("build"), section("deploy"));
        let chosen = format!("\"Architecture={architecture}\"");
        assert!(build.contains(&chosen) && deploy.contains(&chosen), "{architecture}");
        for expected in ["CAPABILITY_NAMED_IAM", "\"DryRun=true\"", "AlarmTopicArn=", "Exempt="] {
            assert!(deploy.contains(expected), "{architecture}: {expected}");
        }
    }
}

/// What the template takes the function takes, so that a deployment does not end in a function that cannot start. Of types
/// that holds for their form; that a list of them selects nothing only the function can tell.
#[test]
fn what_the_patterns_of_the_parameters_let_through_the_function_understands() {
    let template = template("template.yaml");
    let mut runner = TestRunner::deterministic();
    for (parameter, variable) in [
        ("Exempt", "EXEMPT"),
        ("MemberRole", "MEMBER_ROLE"),
        ("CustomSources", "CUSTOM_SOURCES"),
        ("Accounts", "ACCOUNTS"),
    ] {
        let pattern = template["Parameters"][parameter]["AllowedPattern"].as_str().expect("a pattern");
        let pattern = pattern.trim_start_matches('^').trim_end_matches('$').replace("\\w", "[a-zA-Z0-9_]");
        let pattern = pattern.replace("\\d", "[0-9]").replace("[[a-zA-Z0-9_]", "[a-zA-Z0-9_");
        let values = string_regex(&pattern).unwrap_or_else(|error| panic!("{parameter}: {error}"));
        for _ in 0..500 {
            let value = values.new_tree(&mut runner).expect("a value").current();
            let longest = value.split([',', '/']).map(str::len).max().unwrap_or_default();
            if longest > 64 || value.len() > 500 {
                continue;
            }
            let config = Config::from_lookup(|name| (name == variable).then(|| value.clone()));
            assert!(config.is_ok(), "{parameter}={value:?}: {config:?}");
        }
    }
}

#[test]
fn what_the_function_refuses_for_its_form_the_template_refuses() {
    let template = template("template.yaml");
    for (parameter, refused, taken) in [
        (
            "Exempt",
            &["a,", "[a", "team/Bob", "Bob Carol", "a**b", "Bob until 2027-02-30", "!Bob"][..],
            "Bob,d?p[a-z]*,*-ci until 2027-03-31",
        ),
        ("MemberRole", &["/a", "a/", "a:b"], "path/key-remediator-member"),
        ("CustomSources", &["a,", "com.*", "aws.guardduty", "a b"], "com.example,aws.partner/example.com/1"),
        ("Accounts", &["1234", "123456789012,"], "123456789012, 111122223333"),
        ("FindingTypes", &["a,", "[a", "a b", ""], "*,!Policy:*,Backdoor:EC2/C&CActivity.B"),
    ] {
        let pattern = template["Parameters"][parameter]["AllowedPattern"].as_str().expect("a pattern");
        let takes = |value: &str| {
            let check = "import re, sys; sys.exit(re.search(sys.argv[1], sys.argv[2], re.ASCII) is None)";
            let python = common::root().join(".tools/venv/bin/python");
            Command::new(python).args(["-c", check, pattern, value]).status().expect("python runs").success()
        };
        assert!(takes(taken), "{parameter}={taken}");
        assert!(takes(&text(&template["Parameters"][parameter]["Default"])), "{parameter}: its default");
        for value in refused {
            assert!(!takes(value), "{parameter}={value}");
        }
    }
}
