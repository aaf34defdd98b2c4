//! Sessions, whole users, other accounts and root keys: what is done to whom, and that restore takes exactly it back.

mod common;

use std::time::Duration;

use common::answers::{assert_failed, outcome, outcomes, result};
use common::fake_iam::{Answer, FakeIam, OWN_ROLE_ID, denied, error, success, throttled};
use common::findings::{in_member, role_session, user_session};
use common::ids::{KEY, MEMBER, OTHER_KEY, OWN, ROLE_ID, SESSION, USER_ID};
use common::{event, log_lines, replaced};
use serde_json::{Value, json};

const DENY_ALL: &str = "key-remediator-deny-all";
const DENY_TEMPORARY: &str = "key-remediator-deny-temporary";
const DENY_SESSIONS: &str = "inline/key-remediator-deny-sessions";

const SESSIONS: &[(&str, &str)] = &[("CONTAINMENT", "sessions")];
const PRINCIPAL: &[(&str, &str)] = &[("CONTAINMENT", "principal")];
const DENY: &[(&str, &str)] = &[("ROLE_SESSIONS", "deny")];
const REVOKE: &[(&str, &str)] = &[("ROLE_SESSIONS", "revoke")];
const MEMBERS: &[(&str, &str)] = &[("MEMBER_ROLE", "key-remediator-member")];

fn full() -> Answer {
    error(409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
}

/// How the calls show the attachment of one of the stack's policies.
fn attach(policy: &str) -> String {
    format!("AttachUserPolicy Bob {policy}")
}

#[tokio::test]
async fn the_key_dies_first_and_then_its_user_is_denied_by_one_attachment() {
    for (variables, policy) in [(SESSIONS, DENY_TEMPORARY), (PRINCIPAL, DENY_ALL)] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(variables).invoke(&event("guardduty-iam-user"));
        assert_eq!(outcome(&answer), "contained");
        let calls = [format!("UpdateAccessKey Bob {KEY} Inactive"), attach(policy), "ListAccessKeys Bob".to_owned()];
        assert_eq!(iam.call_lines()[..3], calls);
        assert_eq!(iam.denials("user/Bob"), [policy]);
        let arn = format!("arn:aws:iam::{OWN}:policy/key-remediator/{policy}");
        assert_eq!(iam.attached("user/Bob"), [arn]);
    }
}

#[tokio::test]
async fn a_users_temporary_credentials_end_with_a_deny_on_the_user() {
    for (variables, policy) in [(SESSIONS, DENY_TEMPORARY), (PRINCIPAL, DENY_ALL)] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(variables).invoke(&user_session());
        assert_eq!(outcome(&answer), "contained");
        assert_eq!(iam.call_lines(), ["GetUser Bob".to_owned(), attach(policy)]);
        assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
    }
}

#[tokio::test]
async fn a_roles_sessions_are_denied_on_the_role_and_never_on_a_user_of_its_name() {
    for (variables, denial) in [(DENY, DENY_ALL), (REVOKE, DENY_SESSIONS)] {
        for containment in [None, SESSIONS.first(), PRINCIPAL.first()] {
            let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/team/");
            let variables: Vec<_> = variables.iter().chain(containment).copied().collect();
            let answer = iam.function(&variables).invoke(&role_session());
            assert_eq!(outcome(&answer), "contained", "{answer:#}");
            assert_eq!(iam.denials("role/Bob"), [denial]);
            assert_eq!(iam.denials("user/Bob"), [""; 0]);
            assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
        }
    }
}

#[tokio::test]
async fn the_sessions_of_a_role_are_a_persons_business_by_default_whatever_becomes_of_users() {
    for containment in [None, SESSIONS.first(), PRINCIPAL.first()] {
        let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
        let variables: Vec<_> = containment.into_iter().copied().collect();
        let answer = iam.function(&variables).invoke(&role_session());
        assert_eq!(result(&answer)["code"], "temporary_credentials", "{answer:#}");
        assert!(result(&answer)["reason"].as_str().is_some_and(|reason| reason.contains("ROLE_SESSIONS=deny")));
        iam.assert_no_calls();
    }
}

/// The time until which sessions are denied, against the clock of the machine.
fn seconds_ahead(document: &str) -> i64 {
    let policy: Value = serde_json::from_str(document).expect("JSON");
    let cutoff = policy["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"].as_str().expect("a time");
    let cutoff = chrono::DateTime::parse_from_rfc3339(cutoff).expect("RFC 3339").to_utc();
    (cutoff - chrono::Utc::now()).num_seconds()
}

#[tokio::test]
async fn the_cutoff_of_a_roles_sessions_is_made_when_the_document_is_sent() {
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/");
    let late = || throttled().set_delay(Duration::from_millis(1_100));
    let iam = iam.first("PutRolePolicy", [late(), late()]);
    let answer = iam.function(REVOKE).invoke(&role_session());
    assert_eq!(outcome(&answer), "contained", "{answer:#}");
    let documents: Vec<_> =
        iam.calls().iter().filter_map(|call| call.parameters.get("PolicyDocument").cloned()).collect();
    assert_eq!(documents.len(), 3);
    assert_ne!(documents[0], documents[2], "each attempt has a time of its own");
    let ahead = seconds_ahead(&documents[2]);
    assert!((28..=30).contains(&ahead), "{ahead} seconds ahead");
}

#[tokio::test]
async fn roles_that_are_not_the_sessions_own_or_that_nobody_may_change_are_not_written_to() {
    let other = "AROAANOTHERROLEXAMPLE";
    for (name, id, path, claimed) in [
        ("Bob", other, "/", ROLE_ID),
        ("Bob", ROLE_ID, "/aws-service-role/example.amazonaws.com/", ROLE_ID),
        ("Bob", ROLE_ID, "/aws-reserved/sso.amazonaws.com/", ROLE_ID),
        ("Bob", OWN_ROLE_ID, "/", OWN_ROLE_ID),
        ("AWSReservedSSO_Admin_0123456789abcdef", ROLE_ID, "/aws-reserved/sso.amazonaws.com/", ROLE_ID),
        ("AWSServiceRoleForExample", ROLE_ID, "/aws-service-role/example.amazonaws.com/", ROLE_ID),
        ("Nobody", "", "", ROLE_ID),
    ] {
        for variables in [DENY, REVOKE] {
            let iam = FakeIam::start().await;
            let iam = if id.is_empty() { iam } else { iam.role(name, id, path) };
            let session = replaced(&role_session(), &[("\"Bob\"", &format!("\"{name}\"")), (ROLE_ID, claimed)]);
            let answer = iam.function(variables).invoke(&session);
            assert_eq!(outcome(&answer), "needs_attention", "{path}{name} {id}");
            let is_write = |call: &String| call.starts_with("Put") || call.starts_with("Attach");
            assert!(!iam.call_lines().iter().any(is_write), "{:?}", iam.call_lines());
        }
    }
}

#[tokio::test]
async fn a_role_without_a_principal_id_is_not_touched() {
    for variables in [DENY, REVOKE] {
        let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/");
        let session = replaced(&role_session(), &[(ROLE_ID, "unknown")]);
        assert_eq!(outcome(&iam.function(variables).invoke(&session)), "needs_attention");
        iam.assert_no_calls();
    }
}

#[tokio::test]
async fn a_role_that_iam_refuses_to_change_or_that_is_full_is_reported() {
    let protected = || error(400, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'Bob'");
    for (variables, call) in [(DENY, "AttachRolePolicy"), (REVOKE, "PutRolePolicy")] {
        for refusal in [protected(), full()] {
            let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/").always(call, refusal);
            assert_eq!(outcome(&iam.function(variables).invoke(&role_session())), "needs_attention");
        }
    }
}

#[tokio::test]
async fn a_user_who_can_hold_no_more_policies_is_put_into_the_group_that_carries_the_deny() {
    for (variables, policy) in [(SESSIONS, DENY_TEMPORARY), (PRINCIPAL, DENY_ALL)] {
        let iam = FakeIam::of_bob().await.always("AttachUserPolicy", full());
        let function = iam.function(variables);
        let answer = function.invoke(&event("guardduty-iam-user"));
        assert_eq!(outcome(&answer), "contained", "{answer:#}");
        assert_eq!(iam.denials("user/Bob"), [format!("group/{policy}")]);
        assert_eq!(outcome(&function.invoke(&result(&answer)["undo"])), "restored");
        assert_eq!(iam.denials("user/Bob"), [""; 0]);

        let iam = FakeIam::of_bob().await.always("AttachUserPolicy", full()).always("AddUserToGroup", full());
        let answer = iam.function(variables).invoke(&event("guardduty-iam-user"));
        assert_eq!(result(&answer)["code"], "quota_full", "{answer:#}");
        assert_eq!(result(&answer)["status"], "Inactive");
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    }
}

#[tokio::test]
async fn an_account_without_the_stacks_policies_fails_loudly_and_says_what_to_deploy() {
    let words = ["deploy this function's stack", "key-remediator-deny-", OWN];
    for (variables, finding) in
        [(SESSIONS, event("guardduty-iam-user")), (PRINCIPAL, user_session()), (DENY, role_session())]
    {
        let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/").without_policies();
        assert_failed(&iam.function(variables).invoke(&finding), "StepFailed", &words);
    }
    let iam = FakeIam::of_bob().await.without_groups().always("AttachUserPolicy", full());
    assert_failed(&iam.function(SESSIONS).invoke(&event("guardduty-iam-user")), "StepFailed", &words);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn a_user_who_is_gone_is_told_from_a_policy_that_is_not_there_by_reads() {
    let unknown = error(404, "NoSuchEntity", "There is nothing of that name.");
    let iam = FakeIam::start().await.user("Bob").always("AttachUserPolicy", unknown.clone());
    let iam = iam.first("GetUser", [user_answer(), unknown.clone()]);
    assert_eq!(result(&iam.function(SESSIONS).invoke(&user_session()))["code"], "principal_not_here");
    // IAM has attached it all the same.
    let arn = format!("arn:aws:iam::{OWN}:policy/key-remediator/{DENY_TEMPORARY}");
    let iam = FakeIam::of_bob().await.with_attached("user/Bob", &arn).always("AttachUserPolicy", unknown);
    assert_eq!(outcome(&iam.function(SESSIONS).invoke(&user_session())), "contained");
}

fn user_answer() -> Answer {
    success(
        "GetUser",
        &format!(
            "<User><Path>/</Path><UserName>Bob</UserName><UserId>{USER_ID}</UserId>\
                                 <Arn>arn:aws:iam::{OWN}:user/Bob</Arn><CreateDate>2020-01-02T03:04:05Z</CreateDate></User>"
        ),
    )
}

#[tokio::test]
async fn a_deny_that_is_not_permitted_fails_the_invocation_with_the_key_dead() {
    let iam = FakeIam::of_bob().await.always("AttachUserPolicy", denied("iam:AttachUserPolicy on resource: user Bob"));
    let answer = iam.function(SESSIONS).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "MissingPermission", &[]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn of_a_user_who_is_denied_everything_the_other_credentials_are_listed() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(PRINCIPAL).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(result(&answer)["otherCredentials"]["consolePassword"], false);
    assert_eq!(result(&answer)["otherCredentials"]["sshPublicKeys"], json!([]));
}

#[tokio::test]
async fn two_keys_of_one_user_in_one_event_do_not_write_the_user_at_the_same_time() {
    let other = replaced(&event("guardduty-iam-user"), &[(KEY, OTHER_KEY), ("\"Bob\"", "\"bob\"")]);
    let iam = FakeIam::of_bob().await.slow(Duration::from_millis(100));
    let function = iam.function(&[PRINCIPAL[0], ("ACTION", "delete")]);
    let answer = function.invoke(&json!([event("guardduty-iam-user"), other]));
    assert_eq!(outcomes(&answer), ["contained", "contained"]);
    let calls = iam.calls();
    let writes = calls.iter().filter(|call| ["AttachUserPolicy", "DeleteAccessKey"].contains(&call.action.as_str()));
    let times: Vec<_> = writes.map(|call| call.at).collect();
    assert_eq!(times.len(), 3, "one deny and two deletions");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(95)), "{times:?}");
}

/// All that restore could leave behind or take away: keys, policies and groups.
fn state(iam: &FakeIam) -> impl PartialEq + std::fmt::Debug {
    let keys = [KEY, OTHER_KEY].map(|key| iam.status(key));
    let of = |principal| (iam.policies(principal), iam.attached(principal), iam.denials(principal));
    (keys, ["user/Bob", "role/Bob"].map(of))
}

#[tokio::test]
async fn contained_and_restored_a_principal_is_as_it_was() {
    let aws = |name: &str| format!("arn:aws:iam::aws:policy/{name}");
    for variables in [&[][..], SESSIONS, PRINCIPAL, DENY, REVOKE] {
        for contain in [event("guardduty-iam-user"), user_session(), role_session()] {
            for attached in ["ReadOnlyAccess", "AWSDenyAll"] {
                let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
                let iam = iam.with_policy("user/Bob", "own").with_policy("role/Bob", "own");
                let iam = iam.with_attached("user/Bob", &aws(attached)).with_attached("role/Bob", &aws(attached));
                let before = state(&iam);
                let function = iam.function(variables);
                let contained = function.invoke(&contain);
                function.invoke(&contain);
                let undo = &result(&contained)["undo"];
                if outcome(&contained) == "contained" {
                    assert!(state(&iam) != before, "{contained:#}");
                    let restored = function.invoke(undo);
                    assert_eq!(outcome(&restored), "restored", "{restored:#}");
                }
                assert_eq!(state(&iam), before, "{variables:?} {attached} {contain:#}");
            }
        }
    }
}

#[tokio::test]
async fn restore_takes_away_attachments_and_groups_and_tells_what_an_earlier_version_left() {
    let own = |policy: &str| format!("arn:aws:iam::{OWN}:policy/key-remediator/{policy}");
    for command in [event("command-restore"), json!({"RestoreSessions": {"UserName": "Bob"}})] {
        let iam = FakeIam::of_bob().await.with_policy("user/Bob", "key-remediator-deny-sessions");
        let iam = iam.with_policy("user/Bob", "own").with_attached("user/Bob", &own(DENY_ALL));
        let iam = iam.with_attached("user/Bob", &own(DENY_TEMPORARY)).with_group("Bob", DENY_ALL);
        let iam = iam.with_group("Bob", DENY_TEMPORARY).with_group("Bob", "developers");
        let answer = iam.function(SESSIONS).invoke(&command);
        assert_eq!(outcome(&answer), "restored");
        assert_eq!(iam.denials("user/Bob"), ["inline/key-remediator-deny-sessions"]);
        let reason = result(&answer)["reason"].as_str().expect("a reason");
        assert!(reason.contains("remove by hand") && reason.contains("key-remediator-deny-sessions"), "{reason}");
        assert!(iam.groups("Bob").contains(&"developers".to_owned()));
    }
}

#[tokio::test]
async fn a_part_of_a_restore_that_fails_does_not_keep_the_others_and_is_made_up_for() {
    for action in ["DetachUserPolicy", "RemoveUserFromGroup"] {
        let own = |policy: &str| format!("arn:aws:iam::{OWN}:policy/key-remediator/{policy}");
        let iam = FakeIam::of_bob().await.with_attached("user/Bob", &own(DENY_ALL));
        let iam = iam.with_attached("user/Bob", &own(DENY_TEMPORARY)).with_group("Bob", DENY_TEMPORARY);
        let iam = iam.first(action, [error(400, "ValidationError", "made up")]);
        let function = iam.function(SESSIONS);
        let command = json!({"RestoreSessions": {"UserName": "Bob"}});
        assert_failed(&function.invoke(&command), "StepFailed", &[action, "may still be in place"]);
        assert!(iam.denials("user/Bob").len() <= 1, "{:?}", iam.denials("user/Bob"));
        assert_eq!(outcome(&function.invoke(&command)), "restored");
        assert_eq!(iam.denials("user/Bob"), [""; 0]);
    }
}

#[tokio::test]
async fn a_role_is_restored_by_a_command_of_its_own_whatever_it_was_denied_by() {
    let arn = format!("arn:aws:iam::{OWN}:policy/key-remediator/{DENY_ALL}");
    for variables in [DENY, REVOKE] {
        let iam =
            FakeIam::start().await.role("Bob", ROLE_ID, "/").with_policy("role/Bob", "key-remediator-deny-sessions");
        let iam = iam.with_attached("role/Bob", &arn);
        let function = iam.function(variables);
        let answer = function.invoke(&json!({"RestoreSessions": {"RoleName": "Bob"}}));
        assert_eq!(result(&answer)["code"], "denies_lifted");
        assert_eq!(iam.denials("role/Bob"), [""; 0]);
        let answer = function.invoke(&json!({"RestoreSessions": {"RoleName": "Bob"}}));
        assert_eq!(result(&answer)["code"], "nothing_to_lift");
        for nobody in [json!({"RoleName": "Nobody"}), json!({"UserName": "Nobody"})] {
            let answer = function.invoke(&json!({"RestoreSessions": nobody}));
            assert_eq!(outcome(&answer), "not_found", "{answer:#}");
        }
        for (command, words) in [
            (json!({}), "RestoreSessions.RoleName is missing"),
            (json!({"RoleName": "a", "UserName": "b"}), "give one of them"),
            (json!({"RoleName": "a/b"}), "RestoreSessions.RoleName must be"),
        ] {
            let answer = function.invoke(&json!({"RestoreSessions": command}));
            assert_failed(&answer, "InvalidInput", &[words]);
        }
    }
}

#[tokio::test]
async fn commands_can_be_switched_off() {
    for command in [
        event("command-deactivate"),
        event("command-restore"),
        event("command-delete"),
        json!({"RestoreSessions": {"UserName": "Bob"}}),
    ] {
        let iam = FakeIam::of_bob().await;
        assert_failed(&iam.function(&[("COMMANDS", "false")]).invoke(&command), "InvalidInput", &["COMMANDS"]);
        iam.assert_no_calls();
    }
    let iam = FakeIam::of_bob().await;
    assert_eq!(outcome(&iam.function(&[("COMMANDS", "false")]).invoke(&event("guardduty-iam-user"))), "contained");
}

#[tokio::test]
async fn an_exemption_that_ends_soon_or_has_ended_is_told() {
    let today = chrono::Utc::now().date_naive();
    let day = |days: i64| (today + chrono::TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    // The day may change while the test runs: no entry is within a day of a limit.
    for (days, expected, told) in
        [(30, "exempt", None), (5, "exempt", Some("exemption_ends")), (-3, "contained", Some("exemption_expired"))]
    {
        let iam = FakeIam::of_bob().await;
        let function = iam.function(&[("EXEMPT", &format!("Bob until {}", day(days)))]);
        assert_eq!(outcome(&function.invoke(&event("guardduty-iam-user"))), expected, "{days}");
        let lines = log_lines(&function.stop());
        let warnings =
            lines.iter().filter(|line| line["code"].as_str().is_some_and(|code| code.starts_with("exemption_")));
        let warnings: Vec<_> = warnings.map(|line| (line["level"].as_str(), line["code"].as_str())).collect();
        assert_eq!(warnings, told.map(|code| (Some("WARN"), Some(code))).into_iter().collect::<Vec<_>>(), "{days}");
    }
}

#[tokio::test]
async fn a_key_in_another_account_is_killed_there_through_the_member_role() {
    let iam = FakeIam::of_bob().await.key_in(MEMBER, "Bob", "AKIAMEMBERSKEYEXAMPL");
    let finding = replaced(&in_member(&event("guardduty-iam-user")), &[(KEY, "AKIAMEMBERSKEYEXAMPL")]);
    let function = iam.function(MEMBERS);
    for _ in 0..2 {
        let answer = function.invoke(&finding);
        assert_eq!(outcome(&answer), "contained", "{answer:#}");
        assert_eq!(result(&answer)["accountId"], MEMBER);
    }
    let calls = [
        format!("{MEMBER}: UpdateAccessKey Bob AKIAMEMBERSKEYEXAMPL Inactive"),
        format!("{MEMBER}: ListAccessKeys Bob"),
    ];
    let assumed = format!("AssumeRole arn:aws:iam::{MEMBER}:role/key-remediator-member");
    assert_eq!(iam.call_lines(), [&[assumed][..], &calls, &calls].concat());
    assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
}

#[tokio::test]
async fn the_partition_is_that_of_the_functions_region() {
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")] {
        let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
        let variables = [MEMBERS[0], PRINCIPAL[0], ("AWS_REGION", region)];
        let answer = iam.function(&variables).invoke(&in_member(&event("guardduty-iam-user")));
        assert_eq!(outcome(&answer), "contained", "{answer:#}");
        let calls = iam.calls();
        assert_eq!(calls[0].parameters["RoleArn"], format!("arn:{partition}:iam::{MEMBER}:role/key-remediator-member"));
        let attached = calls.iter().find(|call| call.action == "AttachUserPolicy").expect("attached");
        let arn = format!("arn:{partition}:iam::{MEMBER}:policy/key-remediator/{DENY_ALL}");
        assert_eq!(attached.parameters["PolicyArn"], arn);
    }
}

#[tokio::test]
async fn many_findings_of_an_account_at_once_assume_its_role_once_and_do_not_delay_the_own_account() {
    let mut iam = FakeIam::start().await.key("Bob", KEY);
    let mut findings = vec![];
    for number in 10..40 {
        let key = format!("AKIAIOSFODNN7EXAMP{number}");
        iam = iam.key_in(MEMBER, "Bob", &key);
        findings.push(replaced(&in_member(&event("guardduty-iam-user")), &[(KEY, &key)]));
    }
    findings.push(event("guardduty-iam-user"));
    let answer = iam.function(MEMBERS).invoke(&Value::Array(findings));
    assert_eq!(outcomes(&answer).iter().filter(|outcome| **outcome == "contained").count(), 31);
    let assumed = iam.calls().iter().filter(|call| call.action == "AssumeRole").count();
    assert_eq!(assumed, 1);
}

#[tokio::test]
async fn a_member_role_that_cannot_be_assumed_fails_the_invocation_and_only_for_its_account() {
    let refusal = denied(&format!("sts:AssumeRole on resource: arn:aws:iam::{MEMBER}:role/key-remediator-member"));
    let iam = FakeIam::start().await.key("Bob", KEY).key_in(MEMBER, "Bob", OTHER_KEY).always("AssumeRole", refusal);
    let other = replaced(&in_member(&event("guardduty-iam-user")), &[(KEY, OTHER_KEY)]);
    let answer = iam.function(MEMBERS).invoke(&json!([other, event("guardduty-iam-user")]));
    assert_failed(&answer, "MissingPermission", &["sts:AssumeRole"]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    assert_eq!(iam.status(OTHER_KEY).as_deref(), Some("Active"));
}

#[tokio::test]
async fn accounts_limits_where_the_member_role_is_used() {
    let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
    let variables = [MEMBERS[0], ("ACCOUNTS", &format!("{OWN},222222222222"))];
    let answer = iam.function(&variables).invoke(&in_member(&event("guardduty-iam-user")));
    assert_eq!(outcome(&answer), "needs_attention");
    iam.assert_no_calls();
}

#[tokio::test]
async fn a_command_reaches_another_account() {
    let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
    let mut command = event("command-deactivate");
    command["AccountId"] = json!(MEMBER);
    assert_eq!(outcome(&iam.function(MEMBERS).invoke(&command)), "contained");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

const ROOT_KEYS: &[(&str, &str)] = &[("ROOT_KEYS", "delete")];

#[tokio::test]
async fn a_member_accounts_root_key_is_deleted_through_a_session_that_can_do_nothing_else() {
    let iam = FakeIam::start().await.key_in(MEMBER, "root-user", KEY).key_in(MEMBER, "root-user", OTHER_KEY);
    let answer = iam.function(ROOT_KEYS).invoke(&in_member(&event("guardduty-root-key")));
    assert_eq!(outcome(&answer), "contained", "{answer:#}");
    assert_eq!(result(&answer)["confirmed"], true);
    assert_eq!(
        iam.call_lines(),
        [
            format!("AssumeRoot {MEMBER}"),
            format!("{MEMBER}: DeleteAccessKey {KEY}"),
            format!("{MEMBER}: ListAccessKeys")
        ]
    );
    let task = &iam.calls()[0].parameters["TaskPolicyArn.arn"];
    assert_eq!(task, "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials");
    assert_eq!((iam.status(KEY), iam.status(OTHER_KEY).as_deref()), (None, Some("Active")));
}

#[tokio::test]
async fn root_keys_are_left_to_a_person_unless_they_can_be_deleted() {
    for (variables, finding) in [
        (&[][..], in_member(&event("guardduty-root-key"))),
        (ROOT_KEYS, event("guardduty-root-key")),
        (&[("ROOT_KEYS", "delete"), ("ACCOUNTS", OWN)], in_member(&event("guardduty-root-key"))),
    ] {
        let iam = FakeIam::start().await;
        assert_eq!(outcome(&iam.function(variables).invoke(&finding)), "needs_attention");
        iam.assert_no_calls();
    }
    let iam = FakeIam::start().await.always("AssumeRoot", denied("sts:AssumeRoot on resource: root"));
    let answer = iam.function(ROOT_KEYS).invoke(&in_member(&event("guardduty-root-key")));
    assert_failed(&answer, "MissingPermission", &[]);
}

#[tokio::test]
async fn a_dry_run_denies_nobody() {
    for (finding, variables) in [
        (event("guardduty-iam-user"), PRINCIPAL[0]),
        (user_session(), SESSIONS[0]),
        (role_session(), DENY[0]),
        (role_session(), REVOKE[0]),
        (in_member(&event("guardduty-root-key")), ROOT_KEYS[0]),
        (json!({"RestoreSessions": {"RoleName": "Bob"}}), SESSIONS[0]),
    ] {
        let iam =
            FakeIam::of_bob().await.role("Bob", ROLE_ID, "/").with_policy("role/Bob", "key-remediator-deny-sessions");
        let before = state(&iam);
        let answer = iam.function(&[variables, ("DRY_RUN", "true")]).invoke(&finding);
        assert_eq!(outcome(&answer), "planned", "{answer:#}");
        assert_eq!(state(&iam), before);
    }
}

#[tokio::test]
async fn no_kill_waits_for_a_deny_and_a_principal_is_denied_once_in_an_event() {
    let session = |number: u32| replaced(&user_session(), &[(SESSION, &format!("ASIAIOSFODNN7EXAM{number:03}"))]);
    let gone = |number: u32| replaced(&event("guardduty-iam-user"), &[(KEY, &format!("AKIAIOSFODNN7EXAM{number:03}"))]);
    let mut findings: Vec<_> = (0..30).map(session).chain((30..60).map(gone)).collect();
    findings.push(replaced(&event("guardduty-iam-user"), &[("\"Bob\"", "\"Alice\""), (KEY, "AKIAALICESKEYEXAMPLE")]));
    for faults in [vec![], vec![error(400, "ValidationError", "made up")]] {
        let is_faulty = !faults.is_empty();
        let iam = FakeIam::start().await.user("Bob").key("Alice", "AKIAALICESKEYEXAMPLE");
        let iam = iam.first("AttachUserPolicy", faults);
        let answer = iam.function(SESSIONS).invoke(&Value::Array(findings.clone()));
        assert_eq!(answer["errorType"].is_null(), !is_faulty, "{answer:#}");
        let calls = iam.call_lines();
        let killed = calls.iter().position(|call| call.starts_with("UpdateAccessKey Alice")).expect("a kill");
        let denied = calls.iter().position(|call| call.starts_with("AttachUserPolicy Bob")).expect("a deny");
        assert!(killed < denied, "{calls:?}");
        assert_eq!(calls.iter().filter(|call| call.starts_with("AttachUserPolicy Bob")).count(), 1);
        if !is_faulty {
            assert!(outcomes(&answer).iter().all(|outcome| *outcome == "contained"), "{answer:#}");
        }
    }
}

#[tokio::test]
async fn a_role_named_like_the_place_of_the_time_in_a_document_is_revoked_too() {
    let name = "aTheTimeAtWhichItIsSent00b";
    let iam = FakeIam::start().await.role(name, ROLE_ID, "/");
    let session = replaced(&role_session(), &[("\"Bob\"", &format!("\"{name}\""))]);
    assert_eq!(outcome(&iam.function(REVOKE).invoke(&session)), "contained", "{:?}", iam.call_lines());
    let ahead = seconds_ahead(&iam.policies(&format!("role/{name}"))["key-remediator-deny-sessions"]);
    assert!((28..=30).contains(&ahead), "{ahead} seconds ahead");

    let unknown = error(404, "NoSuchEntity", "There is nothing of that name.");
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/").always("PutRolePolicy", unknown);
    assert_failed(&iam.function(REVOKE).invoke(&role_session()), "StepFailed", &["no role Bob, and at the same time"]);
}

#[tokio::test]
async fn what_the_guard_denies_is_told_to_be_exempted() {
    let refusal =
        |call: &str| denied(&format!("{call} on resource: user Bob with an explicit deny in an identity-based policy"));
    for (call, variables, finding) in
        [("AttachUserPolicy", PRINCIPAL, user_session()), ("AttachRolePolicy", DENY, role_session())]
    {
        let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/").always(call, refusal(&format!("iam:{call}")));
        let answer = iam.function(variables).invoke(&finding);
        assert_failed(&answer, "MissingPermission", &["BreakGlassPrincipals", "name it in Exempt"]);
    }
}

#[tokio::test]
async fn what_a_mode_before_left_on_a_role_and_may_not_be_taken_away_is_told() {
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/").with_policy("role/Bob", "key-remediator-deny-sessions");
    let iam = iam.with_attached("role/Bob", &format!("arn:aws:iam::{OWN}:policy/key-remediator/{DENY_ALL}"));
    let iam = iam.always("DeleteRolePolicy", denied("iam:DeleteRolePolicy on resource: role Bob"));
    let answer = iam.function(DENY).invoke(&json!({"RestoreSessions": {"RoleName": "Bob"}}));
    assert_eq!(result(&answer)["code"], "denies_lifted", "{answer:#}");
    assert!(result(&answer)["reason"].as_str().is_some_and(|reason| reason.contains("remove by hand")), "{answer:#}");
    assert_eq!(iam.denials("role/Bob"), [DENY_SESSIONS]);
}

#[tokio::test]
async fn a_membership_that_was_not_there_is_not_told_as_taken_away() {
    let iam = FakeIam::of_bob().await.always("RemoveUserFromGroup", success("RemoveUserFromGroup", ""));
    let answer = iam.function(PRINCIPAL).invoke(&json!({"RestoreSessions": {"UserName": "Bob"}}));
    assert_eq!(result(&answer)["code"], "nothing_to_lift", "{answer:#}");
    // What was taken away was a user's, whatever IAM says next.
    let nobody = error(404, "NoSuchEntity", "The user with name Bob cannot be found.");
    let iam = FakeIam::of_bob().await.with_group("Bob", DENY_ALL).always("ListUserPolicies", nobody);
    let answer = iam.function(PRINCIPAL).invoke(&json!({"RestoreSessions": {"UserName": "Bob"}}));
    assert_eq!(result(&answer)["code"], "denies_lifted", "{answer:#}");
}
