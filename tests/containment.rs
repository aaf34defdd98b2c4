//! The whole function against an IAM that answers as AWS does: which calls it makes, in which order, and what it makes
//! of the answers.

mod common;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use common::answers::{assert_failed, outcome, result, results};
use common::fake_iam::{FakeIam, broken, denied, error, success, throttled};
use common::findings::{finding_for, without_user};
use common::ids::{KEY, MEMBER, OTHER_KEY};
use common::{event, replaced};
use serde_json::{Value, json};

#[tokio::test]
async fn a_finding_that_names_the_user_is_contained_by_the_first_call() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(iam.call_lines(), [format!("UpdateAccessKey Bob {KEY} Inactive"), "ListAccessKeys Bob".to_owned()]);
    assert_eq!(iam.status(OTHER_KEY).as_deref(), Some("Active"));
}

#[tokio::test]
async fn without_a_user_name_iam_is_asked_whose_key_it_is() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&[]).invoke(&without_user());
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(
        iam.call_lines(),
        [
            format!("GetAccessKeyLastUsed {KEY}"),
            format!("UpdateAccessKey Bob {KEY} Inactive"),
            "ListAccessKeys Bob".to_owned()
        ]
    );
}

#[tokio::test]
async fn a_wrong_user_name_is_followed_to_the_real_owner() {
    let iam = FakeIam::of_bob().await.key("Mallory", "AKIAMALLORYS2EXAMPLE");
    let answer = iam.function(&[]).invoke(&finding_for("Mallory"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(result(&answer)["userName"], "Bob");
    assert_eq!(
        iam.call_lines(),
        [
            format!("UpdateAccessKey Mallory {KEY} Inactive"),
            format!("GetAccessKeyLastUsed {KEY}"),
            format!("UpdateAccessKey Bob {KEY} Inactive"),
            "ListAccessKeys Bob".to_owned()
        ]
    );
    assert_eq!(iam.status("AKIAMALLORYS2EXAMPLE").as_deref(), Some("Active"));
}

#[tokio::test]
async fn an_exempt_owner_behind_a_wrong_or_missing_name_is_not_touched() {
    for finding in [finding_for("Mallory"), without_user()] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(&[("EXEMPT", "break-glass-*,bob")]).invoke(&finding);
        assert_eq!(outcome(&answer), "exempt");
        assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
    }
}

#[tokio::test]
async fn an_exempt_user_or_key_is_left_alone_whatever_the_case_of_the_name() {
    for (exempt, user) in [("Bob", "Bob"), ("Bob", "bOB"), ("b*", "Bob"), ("AKIAIOSFODNN7*", "Bob")] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(&[("EXEMPT", exempt)]).invoke(&finding_for(user));
        assert_eq!(outcome(&answer), "exempt", "EXEMPT={exempt}, user {user}");
        iam.assert_no_calls();
    }
}

#[tokio::test]
async fn a_key_that_iam_does_not_know_is_not_found() {
    let iam = FakeIam::start().await.key("Bob", OTHER_KEY);
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "not_found");
    assert_eq!(iam.status(OTHER_KEY).as_deref(), Some("Active"));
}

#[tokio::test]
async fn a_missing_permission_to_look_up_the_owner_fails_the_invocation() {
    for (policy, advice) in [
        (" because no identity-based policy allows it", "grant iam:GetAccessKeyLastUsed"),
        (" with an explicit deny in a service control policy", "lift the explicit deny"),
    ] {
        let refusal = denied(&format!("iam:GetAccessKeyLastUsed on resource: access key {KEY}{policy}"));
        let iam = FakeIam::of_bob().await.always("GetAccessKeyLastUsed", refusal);
        let answer = iam.function(&[]).invoke(&without_user());
        assert_failed(&answer, "MissingPermission", &["iam:GetAccessKeyLastUsed", KEY, advice]);
    }
}

#[tokio::test]
async fn passing_faults_do_not_keep_a_key_alive() {
    for (fault, answers) in [
        ("throttled twice", vec![throttled(), throttled()]),
        ("broken twice", vec![broken(), broken()]),
        ("hung once", vec![success("UpdateAccessKey", "").set_delay(Duration::from_mins(1))]),
    ] {
        let iam = FakeIam::of_bob().await.first("UpdateAccessKey", answers);
        let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
        assert_eq!(outcome(&answer), "contained", "{fault}");
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"), "{fault}");
    }
}

#[tokio::test]
async fn a_reset_connection_does_not_keep_a_key_alive() {
    let iam = FakeIam::of_bob().await;
    let through = resetting_once(iam.address());
    let answer = FakeIam::function_at(&through, &[]).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

/// A way to `target` that closes the first connection in the middle of the request.
fn resetting_once(target: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for (count, client) in listener.incoming().enumerate() {
            let mut client = client.expect("a connection");
            if count == 0 {
                client.read_exact(&mut [0]).expect("a request");
                continue;
            }
            let mut server = TcpStream::connect(target).expect("the fake listens");
            let (mut from, mut to) = (client.try_clone().expect("a clone"), server.try_clone().expect("a clone"));
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    url
}

#[tokio::test]
async fn an_iam_that_hangs_fails_the_invocation_before_lambda_ends_it() {
    let hung = || success("UpdateAccessKey", "").set_delay(Duration::from_mins(1));
    let iam = FakeIam::of_bob().await.always("UpdateAccessKey", hung());
    let answer = iam.function(&[("AWS_LAMBDA_FUNCTION_TIMEOUT", "2")]).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "StepFailed", &[KEY, "time of the invocation ran out"]);
}

#[tokio::test]
async fn a_confirming_read_that_hangs_does_not_undo_the_result() {
    let hung = || success("ListAccessKeys", "").set_delay(Duration::from_mins(1));
    let iam = FakeIam::of_bob().await.always("ListAccessKeys", hung());
    let answer = iam.function(&[("AWS_LAMBDA_FUNCTION_TIMEOUT", "2")]).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(result(&answer).get("confirmed"), None);
}

#[tokio::test]
async fn a_denied_kill_fails_the_invocation_and_says_what_to_do() {
    let refusal = denied(&format!("iam:UpdateAccessKey on resource: user Bob {KEY}"));
    let iam = FakeIam::of_bob().await.always("UpdateAccessKey", refusal);
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "MissingPermission", &["deactivate", KEY, "Bob", "grant iam:UpdateAccessKey"]);
}

#[tokio::test]
async fn an_iam_that_stays_broken_fails_the_invocation_after_some_attempts() {
    let iam = FakeIam::of_bob().await.always("UpdateAccessKey", broken());
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "StepFailed", &[KEY, "aws iam update-access-key --user-name Bob"]);
    assert_eq!(iam.calls().len(), 7);
}

#[tokio::test]
async fn one_failed_key_does_not_keep_the_others_alive() {
    let iam = FakeIam::start().await.key("Bob", KEY).key("Carol", OTHER_KEY);
    let iam = iam.first("UpdateAccessKey", [denied("iam:UpdateAccessKey on resource: user Bob")]);
    let answer = iam.function(&[]).invoke(&event("guardduty-attack-sequence"));
    assert_failed(&answer, "MissingPermission", &[]);
    let alive = [KEY, OTHER_KEY].iter().filter(|key| iam.status(key).as_deref() == Some("Active")).count();
    assert_eq!(alive, 1, "{:#?}", iam.call_lines());
}

#[tokio::test]
async fn delete_deactivates_first() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&[("ACTION", "delete")]).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(result(&answer)["confirmed"], true);
    assert_eq!(
        iam.call_lines(),
        [
            format!("UpdateAccessKey Bob {KEY} Inactive"),
            format!("DeleteAccessKey Bob {KEY}"),
            "ListAccessKeys Bob".to_owned()
        ]
    );
    assert_eq!(iam.status(KEY), None);
    assert_eq!(iam.status(OTHER_KEY).as_deref(), Some("Active"));
}

#[tokio::test]
async fn a_delete_that_fails_leaves_the_key_inactive_and_fails_the_invocation() {
    let refusal = denied("iam:DeleteAccessKey on resource: user Bob because no identity-based policy allows it");
    let iam = FakeIam::of_bob().await.always("DeleteAccessKey", refusal);
    let answer = iam.function(&[("ACTION", "delete")]).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "MissingPermission", &["delete", KEY, "inactive but not deleted"]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_is_a_success() {
    let gone = error(404, "NoSuchEntity", "The Access Key cannot be found.");
    let iam = FakeIam::start().await.key("Bob", KEY).first("DeleteAccessKey", [gone]);
    let iam = iam.always("ListAccessKeys", success("ListAccessKeys", "<AccessKeyMetadata/>"));
    let answer = iam.function(&[("ACTION", "delete")]).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
}

#[tokio::test]
async fn a_dry_run_asks_but_changes_nothing() {
    for (finding, command) in [(event("guardduty-iam-user"), false), (event("command-delete"), true)] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(&[("DRY_RUN", "true"), ("ACTION", "delete")]).invoke(&finding);
        assert_eq!(outcome(&answer), "planned", "command: {command}");
        assert_eq!(iam.call_lines(), [format!("GetAccessKeyLastUsed {KEY}")]);
    }
}

#[tokio::test]
async fn a_dry_run_tells_of_an_exempt_owner() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&[("DRY_RUN", "true"), ("EXEMPT", "Bob")]).invoke(&finding_for("Mallory"));
    assert_eq!(outcome(&answer), "exempt");
}

#[tokio::test]
async fn without_the_confirming_read_the_key_is_contained_but_not_confirmed() {
    let iam = FakeIam::of_bob().await.always("ListAccessKeys", denied("iam:ListAccessKeys on resource: user Bob"));
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(result(&answer).get("confirmed"), None);
}

#[tokio::test]
async fn a_key_that_iam_still_lists_as_active_fails_the_invocation() {
    let listed = format!(
        "<AccessKeyMetadata><member><UserName>Bob</UserName><AccessKeyId>{KEY}</AccessKeyId><Status>Active</Status></member></AccessKeyMetadata>"
    );
    let iam = FakeIam::of_bob().await.always("ListAccessKeys", success("ListAccessKeys", &listed));
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "StepFailed", &[KEY, "activated it again"]);
}

#[tokio::test]
async fn the_same_key_twice_in_an_event_is_one_operation() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&[]).invoke(&event("array-of-events"));
    assert_eq!(results(&answer).len(), 1);
    assert_eq!(iam.call_lines().len(), 2);
}

#[tokio::test]
async fn every_key_of_an_event_is_killed_before_anything_else_is_done_and_at_most_sixteen_at_a_time() {
    let delay = Duration::from_millis(300);
    let mut iam = FakeIam::start().await.slow(delay);
    let mut findings = Vec::new();
    for number in 10..50 {
        let (user, key) = (format!("user-{number}"), format!("AKIAIOSFODNN7EXAMP{number}"));
        iam = iam.key(&user, &key);
        findings.push(replaced(&finding_for(&user), &[(KEY, &key)]));
    }
    let answer = iam.function(&[]).invoke(&Value::Array(findings));
    let results = results(&answer);
    assert_eq!(results.len(), 40);
    let in_order: Vec<_> = (10..50).map(|number| format!("user-{number}")).collect();
    assert_eq!(
        results.iter().map(|result| result["userName"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        in_order
    );

    let calls = iam.calls();
    assert!(calls[..40].iter().all(|call| call.action == "UpdateAccessKey"), "{:#?}", iam.call_lines());
    // No answer takes less than the delay, so the calls that arrive within it are in flight together.
    let together = |first: usize| calls[first..].iter().take_while(|call| call.at - calls[first].at < delay).count();
    let most = (0..calls.len()).map(together).max();
    assert_eq!(most, Some(16));
}

#[tokio::test]
async fn credentials_that_are_not_a_users_key_of_this_account_are_reported_without_a_call() {
    for name in ["guardduty-role-session", "guardduty-root-key", "guardduty-member-account"] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(&[]).invoke(&event(name));
        assert_eq!(outcome(&answer), "needs_attention", "{name}");
        iam.assert_no_calls();
    }
}

#[tokio::test]
async fn a_long_term_key_that_is_said_to_be_a_role_sessions_is_not_touched() {
    let iam = FakeIam::of_bob().await;
    let finding = replaced(&event("guardduty-iam-user"), &[("\"IAMUser\"", "\"AssumedRole\"")]);
    assert_eq!(outcome(&iam.function(&[]).invoke(&finding)), "needs_attention");
    iam.assert_no_calls();
}

#[tokio::test]
async fn an_owner_that_changes_its_mind_fails_the_invocation() {
    let gone = || error(404, "NoSuchEntity", "The Access Key cannot be found.");
    let iam = FakeIam::of_bob().await.first("UpdateAccessKey", [gone(), gone()]);
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "StepFailed", &[KEY]);
}

#[tokio::test]
async fn an_owner_that_iam_names_and_then_does_not_know_is_no_absence() {
    let owner = success("GetAccessKeyLastUsed", "<UserName>Bob</UserName>");
    let iam = FakeIam::start().await.key("Bob", OTHER_KEY).always("GetAccessKeyLastUsed", owner);
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "StepFailed", &[KEY, "no such key"]);
}

#[tokio::test]
async fn a_command_for_another_users_key_changes_nothing_and_names_the_owner() {
    for name in ["command-deactivate", "command-restore", "command-delete"] {
        let iam = FakeIam::of_bob().await;
        let command = replaced(&event(name), &[("Bob", "Mallory")]);
        let answer = iam.function(&[]).invoke(&command);
        assert_eq!(outcome(&answer), "needs_attention", "{name}");
        assert!(result(&answer)["reason"].as_str().is_some_and(|reason| reason.contains("Bob")), "{answer:#}");
        assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
    }
}

#[tokio::test]
async fn a_command_passes_gates_and_exempt_but_not_accounts() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&[("EXEMPT", "*"), ("MIN_SEVERITY", "10")]).invoke(&event("command-deactivate"));
    assert_eq!(outcome(&answer), "contained");

    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&[("ACCOUNTS", MEMBER)]).invoke(&event("command-deactivate"));
    assert_eq!(outcome(&answer), "needs_attention");
    iam.assert_no_calls();
}

#[tokio::test]
async fn input_that_cannot_be_read_fails_the_invocation_and_names_the_field() {
    let iam = FakeIam::of_bob().await;
    let function = iam.function(&[]);
    let command = |parameters: Value| json!({"UpdateAccessKey": parameters});
    for (input, words) in [
        (event("guardduty-iam-user")["detail"].clone(), &["detail-type", "transformer"][..]),
        (json!({"detail": event("guardduty-iam-user")["detail"]}), &["transformer"]),
        (json!([]), &["empty"]),
        (json!([1]), &["[0]"]),
        (json!(null), &["the input"]),
        (json!({"source": "aws.guardduty", "detail-type": "GuardDuty Finding"}), &["detail is missing"]),
        (json!({"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": "x"}), &["detail"]),
        (without_severity(), &["detail.severity"]),
        (command(json!({"UserName": "Bob", "Status": "Inactive"})), &["UpdateAccessKey.AccessKeyId is missing"]),
        (command(json!({"UserName": "Bob", "AccessKeyId": KEY})), &["UpdateAccessKey.Status is missing"]),
        (command(json!({"UserName": "", "AccessKeyId": KEY, "Status": "Inactive"})), &["UpdateAccessKey.UserName"]),
        (command(json!({"UserName": null, "AccessKeyId": KEY, "Status": "Inactive"})), &["UpdateAccessKey.UserName"]),
        (command(json!({"UserName": "a/b", "AccessKeyId": KEY, "Status": "Inactive"})), &["UpdateAccessKey.UserName"]),
        (command(json!({"AccessKeyId": "short", "Status": "Inactive"})), &["UpdateAccessKey.AccessKeyId"]),
        (command(json!({"AccessKeyId": KEY, "Status": "Expired"})), &["UpdateAccessKey.Status", "Active or Inactive"]),
        (command(json!({"AccessKeyId": KEY, "Status": "Inactive", "User": "Bob"})), &["UpdateAccessKey.User "]),
        (command(json!("Bob")), &["UpdateAccessKey is not an object"]),
        (json!({"DeleteAccessKey": {"UserName": "Bob", "AccessKeyId": KEY, "Status": "Inactive"}}), &["Status"]),
        (
            json!({"DeleteAccessKey": {"AccessKeyId": KEY}, "UpdateAccessKey": {"AccessKeyId": KEY, "Status": "Active"}}),
            &["DeleteAccessKey"],
        ),
        (json!({"DeleteAccessKey": {"AccessKeyId": KEY}, "AccountId": "1234"}), &["AccountId", "12 digits"]),
        (json!({"DeleteAccessKey": {"AccessKeyId": KEY}, "Profile": "x"}), &["Profile"]),
        (json!({"CreateAccessKey": {"UserName": "Bob"}}), &["no command"]),
        (json!([event("command-deactivate")]), &["[0]"]),
    ] {
        assert_failed(&function.invoke(&input), "InvalidInput", words);
    }
    iam.assert_no_calls();
}

fn without_severity() -> Value {
    let mut finding = event("guardduty-iam-user");
    finding["detail"].as_object_mut().expect("detail").remove("severity");
    finding
}

#[tokio::test]
async fn the_readable_events_of_an_array_are_acted_on_before_the_invocation_fails() {
    let iam = FakeIam::of_bob().await;
    let answer = iam
        .function(&[])
        .invoke(&json!([{"source": 1, "detail-type": "x", "detail": {}}, event("guardduty-iam-user")]));
    assert_failed(&answer, "InvalidInput", &["[0].source"]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn hostile_text_reaches_neither_answer_nor_log_unescaped() {
    let iam = FakeIam::of_bob().await;
    let mut finding = event("guardduty-iam-user");
    let hostile = "x\n{\"level\":\"INFO\"}\u{1b}[2J\u{202e}\u{9b}";
    for field in ["id", "title", "description"] {
        finding["detail"][field] = json!(hostile);
    }
    finding["detail"]["resource"]["accessKeyDetails"]["userName"] = json!(hostile);
    finding["detail"]["service"]["secret"] = json!("made-up-secret-in-the-event");
    let function = iam.function(&[]);
    let answer = function.invoke(&finding);
    assert_eq!(outcome(&answer), "contained");
    let id = result(&answer)["finding"]["id"].as_str().expect("id");
    assert!(!id.contains(['\n', '\u{1b}', '\u{202e}', '\u{9b}']), "{id:?}");

    let log = function.stop();
    assert!(log.contains(KEY), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{log}");
    assert!(!log.contains("made-up-secret"), "{log}");
    for line in log.lines().filter(|line| line.contains("level")) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string() && line["message"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn at_no_log_level_does_the_log_hold_the_event_or_the_functions_own_credentials() {
    let iam = FakeIam::of_bob().await;
    let mut finding = event("guardduty-iam-user");
    finding["detail"]["service"]["secret"] = json!("made-up-secret-in-the-event");
    let function = iam.function(&[("AWS_LAMBDA_LOG_LEVEL", "TRACE"), ("RUST_LOG", "trace")]);
    assert_eq!(outcome(&function.invoke(&finding)), "contained");
    let log = function.stop();
    assert!(log.contains(KEY), "{log}");
    for kept in ["made-up-secret", "ASIAFUNCTIONSOWNROLE"] {
        assert!(!log.contains(kept), "{kept} in {log}");
    }
}

#[tokio::test]
async fn the_end_of_the_sandbox_is_not_an_error() {
    let iam = FakeIam::of_bob().await;
    let function = iam.function(&[]);
    function.invoke(&event("guardduty-iam-user"));
    let log = function.stop();
    assert!(log.contains("contained") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn every_message_that_names_a_key_whose_step_failed_is_handed_back_and_no_other() {
    let iam = FakeIam::start().await.key("Bob", KEY).key("Carol", OTHER_KEY);
    let iam = iam.first("UpdateAccessKey", [denied("iam:UpdateAccessKey on resource: user Bob")]);
    let message =
        |id: &str, event: &Value| json!({"messageId": id, "eventSource": "aws:sqs", "body": event.to_string()});
    let (bob, carol) = (finding_for("Bob"), replaced(&finding_for("Carol"), &[(KEY, OTHER_KEY)]));
    let batch = json!({"Records": [
        message("1", &bob), message("2", &carol), message("3", &json!([carol, bob])), message("4", &event("unrelated-schedule")),
    ]});
    let answer = iam.function(&[]).invoke(&batch);
    assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "1"}, {"itemIdentifier": "3"}]));
    assert_eq!(iam.status(OTHER_KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn records_of_another_source_fail_the_invocation() {
    let s3 = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]});
    let answer = FakeIam::of_bob().await.function(&[]).invoke(&s3);
    assert_failed(&answer, "InvalidInput", &["Records[0]"]);
}

#[tokio::test]
async fn a_command_inside_an_envelope_is_not_obeyed() {
    let iam = FakeIam::of_bob().await;
    let message = json!({"messageId": "1", "eventSource": "aws:sqs", "body": event("command-restore").to_string()});
    let answer = iam.function(&[]).invoke(&json!({"Records": [message]}));
    assert_failed(&answer, "InvalidInput", &["Records[0].body"]);
    iam.assert_no_calls();
}
