//! The policies of both templates against the calls that the function makes: every call is allowed, and every allowed
//! action is used.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use common::fake_iam::{Answer, Call, FakeIam, error, success};
use common::findings::{role_session, user_session, without_user};
use common::ids::{KEY, MEMBER, OTHER_KEY, OWN, ROLE_ID};
use common::{event, replaced, template};
use iam_rs::{Arn, Context, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy};
use serde_json::{Map, Value, json};

const MEMBER_ROLE: &str = "key-remediator-member";
const SCHEDULERS_ROLE: &str = "arn:aws:iam::123456789012:role/key-remediator/key-remediator-scheduler-us-east-1";
const BREAK_GLASS: &str = "arn:aws:iam::123456789012:user/break-glass,arn:aws:iam::123456789012:role/break-glass";

type Parameters = BTreeMap<&'static str, &'static str>;

/// The parameters on which a permission depends, with their values.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("Action", &["deactivate", "delete"]),
    ("Containment", &["key", "sessions", "principal"]),
    ("RoleSessions", &["report", "deny", "revoke"]),
    ("DryRun", &["false", "true"]),
    ("MemberRole", &["", MEMBER_ROLE]),
    ("WithinOrganization", &["false", "true"]),
    ("RootKeys", &["report", "delete"]),
    ("BreakGlassPrincipals", &["", BREAK_GLASS]),
    ("ReplayFailedEvents", &["DISABLED", "ENABLED"]),
    ("VerifyAfter", &["5,30", "0"]),
    ("Evidence", &["true", "false"]),
    ("FollowUpAfter", &["15", "0"]),
];

/// Those whose permissions depend on no other parameter: they are changed together, so that there are not more
/// combinations than can be tried.
const ALONE: [&str; 4] = ["ReplayFailedEvents", "Evidence", "WithinOrganization", "FollowUpAfter"];

/// Every combination of them.
fn combinations() -> Vec<Parameters> {
    let is_changed = |one: &Parameters, name: &str| {
        let default = PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, values)| values[0]);
        one.get(name).copied() != default
    };
    let together = |one: &Parameters| ALONE.iter().all(|name| is_changed(one, name) == is_changed(one, ALONE[0]));
    let mut all = every_combination();
    all.retain(together);
    all
}

fn every_combination() -> Vec<Parameters> {
    let with_each = |all: Vec<Parameters>, (name, values): &(&'static str, &'static [&'static str])| {
        let with = |one: &Parameters| {
            let one = one.clone();
            values.iter().map(move |value| one.clone().into_iter().chain([(*name, *value)]).collect())
        };
        all.iter().flat_map(with).collect()
    };
    PARAMETERS.iter().fold(vec![Parameters::new()], with_each)
}

/// As few combinations as hold each pair of values that two parameters can have.
fn pairwise() -> Vec<Parameters> {
    let pairs = |one: &Parameters| -> BTreeSet<_> {
        let one: Vec<_> = one.iter().map(|(name, value)| (*name, *value)).collect();
        one.iter().flat_map(|first| one.iter().map(move |second| (*first, *second))).collect()
    };
    let all = combinations();
    let mut missing: BTreeSet<_> = all.iter().flat_map(&pairs).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let best = all.iter().max_by_key(|one| pairs(one).intersection(&missing).count()).expect("one");
        missing = missing.difference(&pairs(best)).copied().collect();
        chosen.push(best.clone());
    }
    chosen
}

/// What the function is given, and how IAM answers some of its calls.
type Scenario = (Vec<Value>, Vec<(&'static str, Answer)>);

fn scenarios(parameters: &Parameters) -> Vec<Scenario> {
    let key = || event("guardduty-iam-user");
    let restore = |name: &str| json!({"RestoreSessions": {name: "Bob"}, "AccountId": OWN});
    let plain = |input: Value| (vec![input], vec![]);
    let mut scenarios: Vec<Scenario> = [key(), without_user(), user_session(), role_session()].map(plain).into();
    scenarios.extend(["guardduty-root-key", "command-deactivate", "command-restore"].map(event).map(plain));
    if parameters["Action"] == "delete" {
        scenarios.push(plain(event("command-delete")));
    }
    let unknown = || error(404, "NoSuchEntity", "Policy does not exist or is not attachable.");
    let full = || error(409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10");
    if parameters["Containment"] != "key" {
        scenarios.push((vec![key(), event("command-restore"), restore("UserName")], vec![]));
        scenarios.push((vec![key(), restore("UserName")], vec![("AttachUserPolicy", full())]));
        scenarios.push((vec![key()], vec![("AttachUserPolicy", unknown())]));
    }
    if parameters["VerifyAfter"] != "0" {
        // The key is gone, and its user has a new one.
        let new_key = success(
            "ListAccessKeys",
            &format!(
                "<AccessKeyMetadata><member><UserName>Bob</UserName><AccessKeyId>{OTHER_KEY}</AccessKeyId><Status>Active</Status>\
                 <CreateDate>{}</CreateDate></member></AccessKeyMetadata><IsTruncated>false</IsTruncated>",
                chrono::Utc::now().to_rfc3339()
            ),
        );
        scenarios.push((vec![key()], vec![("ListAccessKeys", new_key)]));
    }
    if parameters["RoleSessions"] != "report" {
        scenarios.push((vec![role_session(), restore("RoleName")], vec![]));
    }
    scenarios
}

/// All calls that the function makes with these parameters.
async fn calls(parameters: &Parameters) -> Vec<Call> {
    let variables = [
        ("ACTION", parameters["Action"]),
        ("CONTAINMENT", parameters["Containment"]),
        ("ROLE_SESSIONS", parameters["RoleSessions"]),
        ("DRY_RUN", parameters["DryRun"]),
        ("MEMBER_ROLE", parameters["MemberRole"]),
        ("ROOT_KEYS", parameters["RootKeys"]),
        ("VERIFY_AFTER", parameters["VerifyAfter"]),
        ("EVIDENCE", parameters["Evidence"]),
        ("FOLLOW_UP_AFTER", parameters["FollowUpAfter"]),
        ("SCHEDULE_GROUP", "key-remediator"),
        ("SCHEDULER_ROLE_ARN", if parameters["FollowUpAfter"] == "0" { "" } else { SCHEDULERS_ROLE }),
    ];
    let mut calls = Vec::new();
    for account in [OWN, MEMBER] {
        for (inputs, faults) in scenarios(parameters) {
            let iam = FakeIam::start().await;
            let iam = iam.key_in(account, "Bob", KEY).key_in(account, "Bob", OTHER_KEY);
            let iam = iam.role_in(account, "Bob", ROLE_ID, "/");
            let is_faulty = !faults.is_empty();
            // One whose time has passed.
            iam.plan(&format!("f-{account}-{KEY}"), "at(2020-01-01T00:00:00)", &json!({}));
            let iam = faults.into_iter().fold(iam, |iam, (action, answer)| iam.always(action, answer));
            let function = iam.in_process(&variables);
            for input in inputs {
                let mut input = replaced(&input, &[(OWN, account)]);
                if input.get("UpdateAccessKey").is_some() || input.get("DeleteAccessKey").is_some() {
                    input["AccountId"] = json!(account);
                }
                let answer = function.invoke(&input).await;
                assert!(is_faulty || answer["errorType"].is_null(), "{answer:#}");
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
            Value::Object(object) => self.function(object).unwrap_or_else(|| {
                let resolved = object.iter().map(|(name, value)| (name.clone(), self.resolve(value)));
                resolved.filter(|(_, value)| !value.is_null()).collect()
            }),
            Value::Array(values) => {
                values.iter().map(|value| self.resolve(value)).filter(|value| !value.is_null()).collect()
            }
            value => value.clone(),
        }
    }

    fn function(&self, object: &Map<String, Value>) -> Option<Value> {
        let (name, argument) = object.iter().next().filter(|_| object.len() == 1)?;
        match name.as_str() {
            "Ref" => Some(self.reference(argument.as_str()?)),
            "Fn::Sub" => {
                let text = argument.as_str()?.replace("${AWS::Partition}", "aws");
                let text = text.replace("${AWS::AccountId}", self.account).replace("${AWS::Region}", "us-east-1");
                let text = text.replace("${RoleName}", MEMBER_ROLE);
                Some(json!(text.replace("${MemberRole}", self.parameters["MemberRole"])))
            }
            "Fn::GetAtt" => {
                let name = argument[0].as_str()?;
                let (service, name) = match name {
                    "LogGroup" => ("logs", format!("log-group:{name}:*")),
                    name => ("sqs", name.to_owned()),
                };
                Some(json!(format!("arn:aws:{service}:us-east-1:{}:{name}", self.account)))
            }
            "Fn::If" => {
                let condition = &self.template["Conditions"][argument[0].as_str()?];
                let chosen = if self.resolve(condition) == json!(true) { 1 } else { 2 };
                Some(self.resolve(&argument[chosen]))
            }
            "Condition" => Some(self.resolve(&self.template["Conditions"][argument.as_str()?])),
            "Fn::And" => Some(json!(self.all(argument).iter().all(|value| *value == json!(true)))),
            "Fn::Or" => Some(json!(self.all(argument).contains(&json!(true)))),
            "Fn::Join" => Some(json!(self.all(&argument[1]).iter().filter_map(Value::as_str).collect::<String>())),
            "Fn::Equals" => Some(json!(self.resolve(&argument[0]) == self.resolve(&argument[1]))),
            "Fn::Not" => Some(json!(self.resolve(&argument[0]) != json!(true))),
            _ => None,
        }
    }

    fn all(&self, values: &Value) -> Vec<Value> {
        self.resolve(values).as_array().cloned().unwrap_or_default()
    }

    fn reference(&self, name: &str) -> Value {
        match name {
            "AWS::NoValue" => Value::Null,
            "BreakGlassPrincipals" => json!(self.parameters[name].split(',').collect::<Vec<_>>()),
            name => match self.parameters.get(name) {
                Some(value) => json!(value),
                None => self.template["Parameters"][name]["Default"].clone(),
            },
        }
    }
}

fn is_allowed(statements: &[Value], call: &Call) -> bool {
    let context = [("iam:PolicyARN", "PolicyArn"), ("sts:TaskPolicyArn", "TaskPolicyArn.arn")];
    let context: Vec<_> =
        context.iter().filter_map(|(key, parameter)| Some((*key, call.parameters.get(*parameter)?.as_str()))).collect();
    allows(statements, &call.permission(), &call.resource(), &context)
}

/// Whether the role may do something. Its account is in the organization of every other account.
fn allows(statements: &[Value], action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    // The engine does not know policy variables.
    let policy = replaced(&policy, &[("${aws:PrincipalOrgID}", "o-example")]);
    let policy: IAMPolicy = serde_json::from_value(policy).expect("a policy");
    let principal = Principal::Aws(PrincipalId::String(format!("arn:aws:iam::{OWN}:role/made-up")));
    let context = context.iter().chain(&[("aws:ResourceOrgID", "o-example")]);
    let context = context.fold(Context::new(), |context, (key, value)| context.with_string(*key, *value));
    let request = IAMRequest::new_with_context(principal, action, Arn::parse(resource).expect("an ARN"), context);
    evaluate_policy(&policy, &request).expect("evaluated") == Decision::Allow
}

/// The actions that the statements allow, but for those by which Lambda writes logs and keeps failed events.
fn actions(statements: &[Value]) -> BTreeSet<String> {
    let actions = statements.iter().filter(|statement| statement["Effect"] == "Allow").flat_map(actions_of);
    let of_calls = |action: &String| {
        ["iam:", "sts:", "cloudtrail:", "scheduler:"].iter().any(|service| action.starts_with(service))
    };
    actions.filter(of_calls).collect()
}

fn actions_of(statement: &Value) -> Vec<String> {
    match &statement["Action"] {
        Value::String(action) => vec![action.clone()],
        actions => {
            let actions = actions.as_array().expect("actions").iter();
            actions.map(|action| action.as_str().expect("text").to_owned()).collect()
        }
    }
}

#[track_caller]
fn check(statements: &[Value], calls: &[&Call], what: &str) {
    for call in calls {
        assert!(is_allowed(statements, call), "{what}: {} on {} is not allowed", call.permission(), call.resource());
    }
    let mut used: BTreeSet<_> = calls.iter().map(|call| call.permission()).collect();
    if used.contains("scheduler:CreateSchedule") {
        // Whoever makes a schedule passes its role to the service.
        let to = |service| [("iam:PassedToService", service)];
        assert!(allows(statements, "iam:PassRole", SCHEDULERS_ROLE, &to("scheduler.amazonaws.com")), "{what}");
        assert!(!allows(statements, "iam:PassRole", SCHEDULERS_ROLE, &to("lambda.amazonaws.com")), "{what}");
        used.insert("iam:PassRole".to_owned());
    }
    let unused: Vec<_> = actions(statements).difference(&used).cloned().collect();
    assert_eq!(unused, [""; 0], "{what}: allowed but never used");
}

#[tokio::test(start_paused = true)]
async fn every_call_is_allowed_and_every_allowed_action_is_used_whatever_the_parameters() {
    let (function, member) = (template("template.yaml"), template("member-role.yaml"));
    for parameters in pairwise() {
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
fn the_default_roles_can_do_nothing_but_read_and_change_the_status_of_keys() {
    let defaults: Parameters = PARAMETERS.iter().map(|(name, values)| (*name, values[0])).collect();
    let both = [
        "cloudtrail:LookupEvents",
        "iam:GetAccessKeyLastUsed",
        "iam:GetUser",
        "iam:ListAccessKeys",
        "iam:ListRoles",
        "iam:ListUsers",
        "iam:UpdateAccessKey",
    ];
    let schedules = ["Create", "Delete", "Get", "Update"].map(|what| format!("scheduler:{what}Schedule"));
    for (name, more) in
        [("template.yaml", [&["iam:PassRole".to_owned()][..], &schedules].concat()), ("member-role.yaml", vec![])]
    {
        let expected: BTreeSet<_> = both.iter().map(|action| (*action).to_owned()).chain(more).collect();
        assert_eq!(actions(&statements(&template(name), &defaults, OWN)), expected, "{name}");
    }
}

/// Each policy that one of the templates can make, once, with the parameters that make it.
fn distinct_policies() -> BTreeMap<String, (&'static str, Parameters, Vec<Value>)> {
    let mut distinct = BTreeMap::new();
    for (name, account) in [("template.yaml", OWN), ("member-role.yaml", MEMBER)] {
        let template = template(name);
        for parameters in combinations() {
            let statements = statements(&template, &parameters, account);
            distinct.entry(json!(statements).to_string()).or_insert((name, parameters, statements));
        }
    }
    distinct
}

/// What can give somebody a permission or a credential, or take away a deny that is not this function's, on what it could
/// be allowed.
const GRANTS: &[(&[&str], &[&str])] = &[
    (
        &["user/Bob"],
        &[
            "PutUserPolicy",
            "DeleteUserPolicy",
            "CreateAccessKey",
            "CreateUser",
            "UpdateUser",
            "DeleteUser",
            "CreateLoginProfile",
            "UpdateLoginProfile",
            "CreateServiceSpecificCredential",
            "ResetServiceSpecificCredential",
            "UpdateServiceSpecificCredential",
            "UploadSSHPublicKey",
            "UploadSigningCertificate",
            "UpdateSigningCertificate",
            "EnableMFADevice",
            "DeactivateMFADevice",
            "ResyncMFADevice",
            "PutUserPermissionsBoundary",
            "DeleteUserPermissionsBoundary",
            "TagUser",
            "UntagUser",
            "ChangePassword",
        ],
    ),
    (
        &["role/Bob", "role/key-remediator/any"],
        &[
            "PutRolePolicy",
            "DeleteRolePolicy",
            "CreateRole",
            "UpdateRole",
            "UpdateRoleDescription",
            "DeleteRole",
            "UpdateAssumeRolePolicy",
            "PassRole",
            "PutRolePermissionsBoundary",
            "DeleteRolePermissionsBoundary",
            "TagRole",
            "UntagRole",
            "CreateServiceLinkedRole",
            "DeleteServiceLinkedRole",
        ],
    ),
    (
        &["group/admins", "group/key-remediator/key-remediator-deny-all"],
        &[
            "PutGroupPolicy",
            "DeleteGroupPolicy",
            "CreateGroup",
            "UpdateGroup",
            "DeleteGroup",
            "AttachGroupPolicy",
            "DetachGroupPolicy",
        ],
    ),
    (&["group/admins"], &["AddUserToGroup", "RemoveUserFromGroup"]),
    (
        &["policy/any", "policy/key-remediator/key-remediator-deny-all"],
        &["CreatePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicy", "DeletePolicyVersion"],
    ),
    (&["instance-profile/any"], &["AddRoleToInstanceProfile", "CreateInstanceProfile"]),
    (&["saml-provider/any"], &["CreateSAMLProvider", "UpdateSAMLProvider"]),
    (
        &["oidc-provider/any"],
        &["CreateOpenIDConnectProvider", "AddClientIDToOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint"],
    ),
    (&["mfa/any"], &["CreateVirtualMFADevice"]),
    (&["root"], &["UpdateAccountPasswordPolicy", "CreateAccountAlias"]),
];

/// Policies that must not be attached or detached; `None` is a call that IAM does not tell the policy of.
const OTHER_POLICIES: [Option<&str>; 4] = [
    Some("arn:aws:iam::aws:policy/AdministratorAccess"),
    Some("arn:aws:iam::ACCOUNT:policy/key-remediator-deny-all"),
    Some("arn:aws:iam::ACCOUNT:policy/key-remediator/another"),
    None,
];

/// Which of all that the statements allow: the action, and the rest of the ARN.
fn granted(statements: &[Value], account: &str) -> BTreeSet<(&'static str, &'static str)> {
    let arn = |resource: &str| format!("arn:aws:iam::{account}:{resource}");
    let mut granted = BTreeSet::new();
    for (resources, actions) in GRANTS {
        for (resource, action) in
            resources.iter().flat_map(|resource| actions.iter().map(move |action| (*resource, *action)))
        {
            if allows(statements, &format!("iam:{action}"), &arn(resource), &[]) {
                granted.insert((action, resource));
            }
        }
    }
    for policy in OTHER_POLICIES.map(|policy| policy.map(|policy| policy.replace("ACCOUNT", account))) {
        let context: Vec<_> = policy.iter().map(|policy| ("iam:PolicyARN", policy.as_str())).collect();
        for (action, resource) in [
            ("AttachUserPolicy", "user/Bob"),
            ("DetachUserPolicy", "user/Bob"),
            ("AttachRolePolicy", "role/Bob"),
            ("DetachRolePolicy", "role/Bob"),
        ] {
            if allows(statements, &format!("iam:{action}"), &arn(resource), &context) {
                granted.insert((action, resource));
            }
        }
    }
    granted
}

/// The same of STS and Lambda: the action, on what, and the task policy of a root user's session.
const OTHER_GRANTS: [[&str; 3]; 8] = [
    ["sts:AssumeRole", "arn:aws:iam::111122223333:role/OrganizationAccountAccessRole", ""],
    ["sts:AssumeRole", "arn:aws:iam::123456789012:role/admin", ""],
    ["sts:AssumeRoot", "arn:aws:iam::111122223333:root", "arn:aws:iam::aws:policy/root-task/IAMCreateRootUserPassword"],
    ["sts:AssumeRoot", "arn:aws:iam::111122223333:root", ""],
    ["lambda:UpdateFunctionCode", "arn:aws:lambda:us-east-1:123456789012:function:key-remediator", ""],
    ["lambda:UpdateFunctionConfiguration", "arn:aws:lambda:us-east-1:123456789012:function:key-remediator", ""],
    ["lambda:AddPermission", "arn:aws:lambda:us-east-1:123456789012:function:key-remediator", ""],
    ["lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:key-remediator", ""],
];

#[test]
fn no_policy_allows_what_can_grant_but_that_of_revoke_which_may_put_documents_on_roles() {
    for (name, parameters, statements) in distinct_policies().values() {
        let account = if *name == "template.yaml" { OWN } else { MEMBER };
        // IAM knows no smaller resource of these: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
        let lists = |statement: &Value| {
            [json!(["iam:ListRoles", "iam:ListUsers"]), json!("cloudtrail:LookupEvents")].contains(&statement["Action"])
        };
        let is_wide = |statement: &&Value| statement["Resource"] == "*" && !lists(statement);
        assert!(!statements.iter().any(|statement| is_wide(&statement)), "{name} {parameters:?}");
        for [action, resource, task] in OTHER_GRANTS {
            let context: Vec<_> = [("sts:TaskPolicyArn", task)].into_iter().filter(|_| !task.is_empty()).collect();
            assert!(!allows(statements, action, resource, &context), "{name} {parameters:?}: {action} on {resource}");
        }
        let revokes = parameters["RoleSessions"] == "revoke" && parameters["DryRun"] == "false";
        let documents = ["PutRolePolicy", "DeleteRolePolicy"].map(|action| (action, "role/Bob"));
        let expected: BTreeSet<_> = documents.into_iter().filter(|_| revokes).collect();
        assert_eq!(granted(statements, account), expected, "{name} {parameters:?}");
    }
}

#[test]
fn nothing_can_be_put_on_the_functions_own_roles_or_on_break_glass_principals_in_any_mode() {
    for (name, parameters, statements) in distinct_policies().values() {
        let account = if *name == "template.yaml" { OWN } else { MEMBER };
        let mut guarded = vec![format!("arn:aws:iam::{account}:role/key-remediator/any")];
        if *name == "member-role.yaml" || !parameters["MemberRole"].is_empty() {
            guarded.push(format!("arn:aws:iam::{account}:role/{MEMBER_ROLE}"));
        }
        guarded.extend(parameters["BreakGlassPrincipals"].split(',').filter(|arn| !arn.is_empty()).map(str::to_owned));
        let policy = format!("arn:aws:iam::{account}:policy/key-remediator/key-remediator-deny-all");
        let guards = statements.iter().filter(|statement| statement["Effect"] == "Deny");
        let denied: Vec<_> = guards.flat_map(|statement| statement["Resource"].as_array().expect("ARNs")).collect();
        for arn in guarded {
            for action in ["AttachRolePolicy", "AttachUserPolicy", "PutRolePolicy", "PutUserPolicy", "AddUserToGroup"] {
                let action = format!("iam:{action}");
                assert!(!allows(statements, &action, &arn, &[("iam:PolicyARN", &policy)]), "{name} {action} {arn}");
            }
            let pattern = arn.replace("/any", "/*");
            assert!(denied.iter().any(|denied| **denied == json!(pattern)), "{name} {parameters:?} {arn}");
        }
    }
}

#[test]
fn a_dry_run_may_write_nothing() {
    let reads = ["Get", "List"];
    for (name, parameters, statements) in distinct_policies().values().filter(|(_, one, _)| one["DryRun"] == "true") {
        let writes: Vec<_> = actions(statements)
            .into_iter()
            .filter(|action| !reads.iter().any(|read| action.starts_with(&format!("iam:{read}"))))
            .filter(|action| action != "sts:AssumeRole")
            .collect();
        assert_eq!(writes, [""; 0], "{name} {parameters:?}");
    }
}

/// What the analysers remark about which actions, and why it is accepted. Neither of them looks at resources and conditions.
const ACCEPTED: &[(&str, &str, &[&str], &str)] = &[
    (
        "parliament",
        "CREDENTIALS_EXPOSURE",
        &["iam:updateaccesskey"],
        "it is what the function is for; it shows no secret",
    ),
    ("parliament", "CREDENTIALS_EXPOSURE", &["sts:assumerole"], "of the member role alone, by its name"),
    (
        "parliament",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        &["iam:updateaccesskey", "iam:deleteaccesskey"],
        "it is what the function is for",
    ),
    (
        "parliament",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        &["iam:attachuserpolicy", "iam:detachuserpolicy", "iam:attachrolepolicy", "iam:detachrolepolicy"],
        "pinned to two policies that deny and grant nothing",
    ),
    (
        "parliament",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        &["iam:addusertogroup", "iam:removeuserfromgroup"],
        "pinned to two groups that deny and grant nothing",
    ),
    (
        "parliament",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        &["iam:putrolepolicy", "iam:deleterolepolicy"],
        "RoleSessions=revoke alone, whose description says that it makes the function an administrator",
    ),
    (
        "parliament",
        "PRIVILEGE_ESCALATION",
        &["iam:attachuserpolicy", "iam:attachrolepolicy", "iam:addusertogroup"],
        "pinned to policies and groups that deny and grant nothing",
    ),
    ("parliament", "PRIVILEGE_ESCALATION", &["iam:putrolepolicy"], "RoleSessions=revoke alone, as above"),
    ("parliament", "PRIVILEGE_ESCALATION", &["sts:assumerole"], "of the member role alone, by its name"),
    (
        "parliament",
        "MISMATCHED_TYPE",
        &["Type mismatch: ArnEquals requires a value of type Arn but given String"],
        "iam:PolicyARN is an ARN by the service authorization reference; parliament knows it as a text",
    ),
    (
        "cfripper",
        "PrivilegeEscalationRule",
        &["iam:attachuserpolicy", "iam:attachrolepolicy", "iam:addusertogroup"],
        "pinned to policies and groups that deny and grant nothing",
    ),
    ("cfripper", "PrivilegeEscalationRule", &["iam:putrolepolicy"], "RoleSessions=revoke alone, as above"),
    ("cfripper", "WildcardResourceRule", &["cloudtrail:lookupevents"], "CloudTrail knows no smaller resource of it"),
    (
        "cfripper",
        "IAMRolesOverprivilegedRule",
        &["cloudtrail:lookupevents"],
        "it reads what is recorded, and Evidence takes it away",
    ),
    (
        "parliament",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        &["iam:passrole"],
        "of the scheduler's role alone, and to that service alone: it may invoke this function",
    ),
];

#[test]
fn two_analysers_of_others_remark_nothing_that_is_not_accepted() {
    let distinct = distinct_policies();
    let name = |(name, parameters, _): &(&str, Parameters, Vec<Value>)| format!("{name} {parameters:?}");
    let policies: Map<_, _> =
        distinct.values().map(|one| (name(one), json!({"Version": "2012-10-17", "Statement": one.2}))).collect();
    let mut analysers = Command::new(common::root().join(".tools/analysers/bin/python"))
        .arg(common::root().join("tools/analyse.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the analysers are installed: make tools");
    let input = json!(policies).to_string();
    analysers.stdin.take().expect("piped").write_all(input.as_bytes()).expect("taken");
    let output = analysers.wait_with_output().expect("an end");
    let remarks: Vec<[String; 4]> = serde_json::from_slice(&output.stdout).expect("remarks");
    let remarks: BTreeSet<_> = remarks.iter().map(|[_, analyser, remark, place]| [analyser, remark, place]).collect();
    let each = |(analyser, remark, actions, reason): &(&'static str, &'static str, &[&'static str], &str)| {
        assert!(!reason.is_empty());
        actions.iter().map(|action| [*analyser, *remark, *action]).collect::<Vec<_>>()
    };
    let accepted: BTreeSet<_> = ACCEPTED.iter().flat_map(each).collect();
    let remarks: BTreeSet<_> = remarks.iter().map(|remark| remark.map(String::as_str)).collect();
    assert!(!remarks.is_empty(), "the analysers judged nothing");
    let list = |remarks: BTreeSet<&[&str; 3]>| remarks.into_iter().map(|remark| remark.join(" | ")).collect::<Vec<_>>();
    assert_eq!(list(remarks.difference(&accepted).collect()), [""; 0], "not accepted");
    assert_eq!(list(accepted.difference(&remarks).collect()), [""; 0], "accepted, but not remarked any more");
}

#[test]
fn the_member_role_trusts_the_functions_role_alone() {
    let trust = &template("member-role.yaml")["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"];
    let statements = trust["Statement"].as_array().expect("statements");
    assert_eq!(statements.len(), 1);
    let account = json!({"Fn::Select": [4, {"Fn::Split": [":", {"Fn::Select": [0, {"Ref": "FunctionRoleArns"}]}]}]});
    let root = json!({"Fn::Sub": ["arn:${AWS::Partition}:iam::${Account}:root", {"Account": account}]});
    assert_eq!(statements[0]["Principal"], json!({ "AWS": root }));
    let callers = json!({"ArnEquals": {"aws:PrincipalArn": {"Ref": "FunctionRoleArns"}}});
    assert_eq!(statements[0]["Condition"], callers);
}

/// What a parameter is changed to, and what a stolen function, or whoever may give it an event, could do with what that
/// adds. The defaults come first.
const STOLEN: &[(&str, &str, &str)] = &[
    (
        "",
        "",
        "Deactivate every key of every user, and make dead ones active again. Find out whose a key is, which users and \
         roles there are, and what credentials did. Delete its schedules, so that nobody looks later.",
    ),
    ("Action", "delete", "Delete every key of every user. Nobody can take that back."),
    (
        "Containment",
        "sessions",
        "Lock out temporary credentials of every user that is no break-glass user, and take such denies away again. A group \
         can lock out those, too: IAM does not let a policy tell which user is added to it. Grant nothing: the policies and \
         groups are fixed.",
    ),
    ("Containment", "principal", "The same with whole users. See what else users can sign in with, but no secret."),
    (
        "RoleSessions",
        "deny",
        "Lock out every role that is no break-glass role, and take such denies away again. Grant nothing.",
    ),
    (
        "RoleSessions",
        "revoke",
        "Everything that a role of the account may be given: it can put any policy on any role but its own and \
         break-glass roles. Treat the function as an administrator, or use deny.",
    ),
    (
        "DryRun",
        "true",
        "Find out whose a key is, and with `Containment` or `RoleSessions` what identifier a user or role has. It can write \
         nothing here; in another account what the member role allows, so give that `DryRun`, too.",
    ),
    ("MemberRole", MEMBER_ROLE, "The same in each account that has the member role, as far as that role allows it."),
    ("WithinOrganization", "true", "Less: no account outside of the organization, even if it has a role of that name."),
    (
        "RootKeys",
        "delete",
        "Delete the keys of the root users of member accounts, and by AWS's task policy their passwords, certificates and MFA \
         devices. Nobody can take that back.",
    ),
    ("ReplayFailedEvents", "ENABLED", "Read and delete the events that failed, so that nobody learns of them."),
    ("Evidence", "false", "Less: it cannot read what is recorded of the account's credentials."),
    ("FollowUpAfter", "0", "Less: it cannot make, change or delete the schedules of this function."),
    ("VerifyAfter", "0", "Less: it cannot find out which users and roles there are."),
    ("BreakGlassPrincipals", BREAK_GLASS, "Less: nothing can be put on these users and roles."),
];

/// `docs/permissions.md`, written anew with `UPDATE_DOCS=1 cargo test --test policies`.
#[test]
fn the_page_of_the_permissions_is_what_the_templates_give() {
    let mut page = String::from(
        "# Permissions\n\n\
         What the function's role in [template.yaml](../template.yaml) and the role of\n\
         [member-role.yaml](../member-role.yaml) may do, and what a stolen function could do with it. `tests/policies.rs`\n\
         writes this page. It also holds each policy that the parameters can make against what can grant a permission,\n\
         and two analysers that others wrote judge them.\n\n\
         Whoever may invoke the function can give commands and make findings up; whoever may pass its role to a function of\n\
         their own can do what the role can. Limit `lambda:InvokeFunction`, `lambda:UpdateFunctionCode` and `iam:PassRole`\n\
         by a service control policy, and set `Commands` to `false` where people do not need commands.\n\n\
         The role of the function and all that the stack makes beside it have the path `/key-remediator/`. An explicit deny\n\
         keeps the function from putting anything on roles of that path, on the member role and on break-glass principals,\n\
         in every mode. A stack cannot be deleted while one of its policies is attached or a user is in one of its groups:\n\
         restore those users and roles first.\n\n\
         | parameter | the function's role | the role in another account | what a stolen function could do |\n\
         |---|---|---|---|\n",
    );
    let defaults: Parameters = PARAMETERS.iter().map(|(name, values)| (*name, values[0])).collect();
    let of = |name: &str, parameters: &Parameters| actions(&statements(&template(name), parameters, OWN));
    let listed = |actions: BTreeSet<&String>| {
        let actions: Vec<_> = actions.into_iter().map(|action| format!("`{action}`")).collect();
        if actions.is_empty() { "-".to_owned() } else { actions.join(", ") }
    };
    for (parameter, value, stolen) in STOLEN {
        let mut parameters = defaults.clone();
        if !parameter.is_empty() {
            parameters.insert(parameter, value);
        }
        let cell = |name: &str| {
            let (before, after) = (of(name, &defaults), of(name, &parameters));
            match (parameter.is_empty(), before.difference(&after).next()) {
                (true, _) => listed(after.iter().collect()),
                (false, None) => listed(after.difference(&before).collect()),
                (false, Some(_)) => format!("only {}", listed(after.iter().collect())),
            }
        };
        let what = match *parameter {
            "" => "the defaults".to_owned(),
            "BreakGlassPrincipals" => "and with `BreakGlassPrincipals`".to_owned(),
            name => format!("and with `{name}={value}`"),
        };
        let [own, member] = ["template.yaml", "member-role.yaml"].map(cell);
        page.extend(["| ", &what, " | ", &own, " | ", &member, " | ", stolen, " |\n"]);
    }
    let told: BTreeSet<_> =
        STOLEN.iter().map(|(name, value, _)| (*name, *value)).filter(|(name, _)| !name.is_empty()).collect();
    let all = PARAMETERS.iter().flat_map(|(name, values)| values[1..].iter().map(move |value| (*name, *value)));
    assert_eq!(told, all.collect(), "each value of each parameter is told");
    let path = common::root().join("docs/permissions.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let documented = std::fs::read_to_string(&path).expect("docs/permissions.md");
    assert!(documented == page, "docs/permissions.md is out of date: run UPDATE_DOCS=1 cargo test --test policies");
}
