//! The policies of both templates against the calls that the function makes: every call is allowed, and every allowed
//! action is used.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::fake_iam::{Call, FakeIam};
use common::findings::{role_session, user_session, without_user};
use common::ids::{KEY, MEMBER, OTHER_KEY, OWN, ROLE_ID};
use common::{event, replaced, template};
use iam_rs::{Arn, Context, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy};
use serde_json::{Map, Value, json};

const MEMBER_ROLE: &str = "key-remediator-member";

type Parameters = BTreeMap<&'static str, &'static str>;

/// Every combination of the parameters on which a permission depends.
fn combinations() -> Vec<Parameters> {
    let mut all = Vec::new();
    for action in ["deactivate", "delete"] {
        for containment in ["key", "sessions", "principal"] {
            for member_role in ["", MEMBER_ROLE] {
                for root_keys in ["report", "delete"] {
                    let parameters = [
                        ("Action", action),
                        ("Containment", containment),
                        ("MemberRole", member_role),
                        ("RootKeys", root_keys),
                    ];
                    all.push(parameters.into_iter().collect());
                }
            }
        }
    }
    all
}

/// All calls that the function makes with these parameters.
async fn calls(parameters: &Parameters) -> Vec<Call> {
    let variables = [
        ("ACTION", parameters["Action"]),
        ("CONTAINMENT", parameters["Containment"]),
        ("MEMBER_ROLE", parameters["MemberRole"]),
        ("ROOT_KEYS", parameters["RootKeys"]),
    ];
    let key = event("guardduty-iam-user");
    let mut inputs = vec![key.clone(), without_user(), user_session(), role_session()];
    inputs.extend([event("guardduty-root-key"), event("command-deactivate"), event("command-restore")]);
    if parameters["Action"] == "delete" {
        inputs.push(event("command-delete"));
    }
    if parameters["Containment"] != "key" {
        for name in ["UserName", "RoleName"] {
            inputs.push(json!({"RestoreSessions": {name: "Bob"}, "AccountId": OWN}));
        }
    }
    let mut calls = Vec::new();
    for account in [OWN, MEMBER] {
        for input in &inputs {
            let iam = FakeIam::start().await;
            let iam =
                iam.key_in(account, "Bob", KEY).key_in(account, "Bob", OTHER_KEY).role_in(account, "Bob", ROLE_ID, "/");
            let mut input = replaced(input, &[(OWN, account)]);
            if input.get("UpdateAccessKey").is_some() || input.get("DeleteAccessKey").is_some() {
                input["AccountId"] = json!(account);
            }
            let function = iam.function(&variables);
            let answer = function.invoke(&input);
            assert_eq!(answer["errorType"], Value::Null, "{answer:#}");
            // Containing first gives the restoring commands something to take away.
            if input.get("RestoreSessions").is_some() || input["UpdateAccessKey"]["Status"] == "Active" {
                let on_role = !input["RestoreSessions"]["RoleName"].is_null();
                let containing = if on_role { role_session() } else { key.clone() };
                function.invoke(&replaced(&containing, &[(OWN, account)]));
                function.invoke(&input);
            }
            calls.extend(iam.calls());
        }
    }
    calls
}

/// Whether a call is made as a member account's root user, which the task policy of AWS limits.
fn is_roots(call: &Call) -> bool {
    call.account == MEMBER && !call.parameters.contains_key("UserName") && call.resource().ends_with(":root")
}

/// The statements of the template's role under these parameters.
fn statements(template: &Value, parameters: &Parameters, account: &str) -> Vec<Value> {
    let resolver = Resolver { template, parameters, account };
    let policy = &template["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let statements = policy.as_array().expect("statements").iter().map(|statement| resolver.resolve(statement));
    statements.filter(|statement| !statement.is_null()).collect()
}

/// As much of CloudFormation's functions as the policies use.
struct Resolver<'t> {
    template: &'t Value,
    parameters: &'t Parameters,
    account: &'t str,
}

impl Resolver<'_> {
    fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) => self
                .function(object)
                .unwrap_or_else(|| object.iter().map(|(name, value)| (name.clone(), self.resolve(value))).collect()),
            Value::Array(values) => values.iter().map(|value| self.resolve(value)).collect(),
            value => value.clone(),
        }
    }

    fn function(&self, object: &Map<String, Value>) -> Option<Value> {
        let (name, argument) = object.iter().next().filter(|_| object.len() == 1)?;
        match name.as_str() {
            "Ref" => Some(self.reference(argument.as_str()?)),
            "Fn::Sub" => {
                let text = argument.as_str()?.replace("${AWS::Partition}", "aws");
                let text = text.replace("${AWS::AccountId}", self.account);
                Some(json!(text.replace("${MemberRole}", self.parameters["MemberRole"])))
            }
            "Fn::GetAtt" => {
                Some(json!(format!("arn:aws:made-up:us-east-1:{}:{}", self.account, argument[0].as_str()?)))
            }
            "Fn::If" => {
                let condition = &self.template["Conditions"][argument[0].as_str()?];
                let chosen = if self.resolve(condition) == json!(true) { 1 } else { 2 };
                Some(self.resolve(&argument[chosen]))
            }
            "Fn::Equals" => Some(json!(self.resolve(&argument[0]) == self.resolve(&argument[1]))),
            "Fn::Not" => Some(json!(self.resolve(&argument[0]) != json!(true))),
            _ => None,
        }
    }

    fn reference(&self, name: &str) -> Value {
        match name {
            "AWS::NoValue" => Value::Null,
            name => self.parameters.get(name).map_or(Value::Null, |value| json!(value)),
        }
    }
}

fn is_allowed(statements: &[Value], call: &Call) -> bool {
    let policy: IAMPolicy =
        serde_json::from_value(json!({"Version": "2012-10-17", "Statement": statements})).expect("a policy");
    let principal = Principal::Aws(PrincipalId::String(format!("arn:aws:iam::{}:role/made-up", call.account)));
    let context = [("iam:PolicyARN", "PolicyArn"), ("sts:TaskPolicyArn", "TaskPolicyArn.arn")];
    let context =
        context.iter().fold(Context::new(), |context, (key, parameter)| match call.parameters.get(*parameter) {
            Some(value) => context.with_string(*key, value),
            None => context,
        });
    let resource = Arn::parse(&call.resource()).expect("an ARN");
    let request = IAMRequest::new_with_context(principal, call.permission(), resource, context);
    evaluate_policy(&policy, &request).expect("evaluated") == Decision::Allow
}

/// The actions of the statements, but for those by which Lambda writes logs and keeps failed events.
fn actions(statements: &[Value]) -> BTreeSet<String> {
    let actions = statements.iter().flat_map(|statement| match &statement["Action"] {
        Value::String(action) => vec![action.clone()],
        actions => actions
            .as_array()
            .expect("actions")
            .iter()
            .map(|action| action.as_str().expect("text").to_owned())
            .collect(),
    });
    actions.filter(|action| action.starts_with("iam:") || action.starts_with("sts:")).collect()
}

#[track_caller]
fn check(statements: &[Value], calls: &[&Call], what: &str) {
    for call in calls {
        assert!(is_allowed(statements, call), "{what}: {} on {} is not allowed", call.permission(), call.resource());
    }
    let used: BTreeSet<_> = calls.iter().map(|call| call.permission()).collect();
    let unused: Vec<_> = actions(statements).difference(&used).cloned().collect();
    assert_eq!(unused, [""; 0], "{what}: allowed but never used");
}

#[tokio::test]
async fn every_call_is_allowed_and_every_allowed_action_is_used_whatever_the_parameters() {
    let (function, member) = (template("template.yaml"), template("member-role.yaml"));
    for parameters in combinations() {
        let calls = calls(&parameters).await;
        // It needs no permission.
        let calls: Vec<_> = calls.iter().filter(|call| call.action != "GetCallerIdentity").collect();
        let what = format!("{parameters:?}");
        let own: Vec<_> = calls.iter().copied().filter(|call| call.account == OWN).collect();
        check(&statements(&function, &parameters, OWN), &own, &what);
        let elsewhere: Vec<_> =
            calls.iter().copied().filter(|call| call.account == MEMBER && !is_roots(call)).collect();
        if parameters["MemberRole"].is_empty() {
            assert!(elsewhere.is_empty(), "{what}");
        } else {
            check(&statements(&member, &parameters, MEMBER), &elsewhere, &what);
        }
    }
}

#[test]
fn the_default_roles_can_do_nothing_but_change_the_status_of_keys() {
    let defaults: Parameters =
        [("Action", "deactivate"), ("Containment", "key"), ("MemberRole", ""), ("RootKeys", "report")].into();
    for name in ["template.yaml", "member-role.yaml"] {
        assert_eq!(
            actions(&statements(&template(name), &defaults, OWN)).into_iter().collect::<Vec<_>>(),
            ["iam:GetAccessKeyLastUsed", "iam:ListAccessKeys", "iam:UpdateAccessKey"],
            "{name}"
        );
    }
}

#[test]
fn nothing_is_allowed_on_every_resource_and_no_other_policy_may_be_attached() {
    for name in ["template.yaml", "member-role.yaml"] {
        let template = template(name);
        for parameters in combinations() {
            let statements = statements(&template, &parameters, OWN);
            assert!(statements.iter().all(|statement| statement["Resource"] != "*"), "{name} {parameters:?}");
            let attach = |arn: &str| Call {
                action: "AttachUserPolicy".to_owned(),
                account: OWN.to_owned(),
                parameters: [("UserName", "Bob"), ("PolicyArn", arn)]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                at: std::time::Instant::now(),
            };
            assert!(!is_allowed(&statements, &attach("arn:aws:iam::aws:policy/AdministratorAccess")));
        }
    }
}

#[test]
fn the_member_role_trusts_the_functions_role_alone() {
    let trust = &template("member-role.yaml")["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"];
    let statements = trust["Statement"].as_array().expect("statements");
    assert_eq!(statements.len(), 1);
    assert_eq!(statements[0]["Principal"], json!({"AWS": {"Ref": "FunctionRoleArn"}}));
}
