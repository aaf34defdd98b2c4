//! What the answer and the log say is true in the state in which it is said, and enough for a person to act on.

mod common;

use std::time::Duration;

use common::answers::{assert_failed, outcome, result, results};
use common::fake_iam::{Answer, FakeIam, denied, error, success};
use common::findings::{finding_for, in_member, role_session};
use common::ids::{KEY, OTHER_KEY, SESSION};
use common::{event, log_lines, replaced};
use serde_json::{Value, json};

const SESSIONS: (&str, &str) = ("CONTAINMENT", "sessions");
const PRINCIPAL: (&str, &str) = ("CONTAINMENT", "principal");
const DELETE: (&str, &str) = ("ACTION", "delete");
/// So that a call that hangs is given up soon.
const TWO_SECONDS: (&str, &str) = ("AWS_LAMBDA_FUNCTION_TIMEOUT", "2");

fn hung(action: &str) -> Answer {
    success(action, "").set_delay(Duration::from_mins(1))
}

/// A failure that is not worth another attempt.
fn refused() -> Answer {
    error(400, "ValidationError", "made up")
}

/// The answer to one event, and the lines about it.
struct Told {
    answer: Value,
    lines: Vec<Value>,
}

fn told(iam: &FakeIam, variables: &[(&str, &str)], event: &Value) -> Told {
    let function = iam.function(variables);
    let answer = function.invoke(event);
    let lines = log_lines(&function.stop()).into_iter().filter(|line| line["code"] != "started").collect();
    Told { answer, lines }
}

impl Told {
    /// Level, outcome and code of each line.
    fn summary(&self) -> Vec<String> {
        let text = |line: &Value, field: &str| line[field].as_str().unwrap_or("-").to_owned();
        self.lines.iter().map(|line| ["level", "outcome", "code"].map(|field| text(line, field)).join(" ")).collect()
    }

    #[track_caller]
    fn line(&self, code: &str) -> &Value {
        let line = self.lines.iter().find(|line| line["code"] == code);
        line.unwrap_or_else(|| panic!("no line with code {code} in {:#?}", self.lines))
    }
}

#[track_caller]
fn assert_says(line: &Value, field: &str, words: &[&str], not: &[&str]) {
    let text = line[field].as_str().unwrap_or_else(|| panic!("no {field} in {line:#}"));
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text:?}");
    }
    for word in not {
        assert!(!text.contains(word), "{word:?} in {text:?}");
    }
}

#[tokio::test]
async fn a_read_that_hangs_after_the_denies_takes_nothing_back() {
    for (containment, denied) in
        [(SESSIONS, "denied the use of all temporary credentials"), (PRINCIPAL, "denied everything")]
    {
        let iam = FakeIam::of_bob().await.always("ListAccessKeys", hung("ListAccessKeys"));
        let told = told(&iam, &[containment, TWO_SECONDS], &event("guardduty-iam-user"));
        assert_eq!(outcome(&told.answer), "contained");
        assert_says(result(&told.answer), "reason", &[KEY, "was deactivated", denied], &["could not end", "may still"]);
        let summary = told.summary();
        assert_eq!(summary[..2], ["INFO contained key_deactivated", "WARN - confirm_out_of_time"]);
        assert!(summary[2..].iter().all(|line| line.starts_with("WARN - list_credentials_")), "{summary:?}");
    }
}

#[tokio::test]
async fn a_read_that_hangs_after_the_deletion_does_not_make_a_deleted_key_inactive() {
    let iam = FakeIam::of_bob().await.always("ListAccessKeys", hung("ListAccessKeys"));
    let told = told(&iam, &[DELETE, TWO_SECONDS], &event("guardduty-iam-user"));
    assert_eq!(iam.status(KEY), None);
    assert_eq!(outcome(&told.answer), "contained");
    assert_eq!(result(&told.answer)["code"], "key_deleted");
    assert_says(result(&told.answer), "reason", &["the key was deleted"], &["not deleted"]);
    assert_eq!(result(&told.answer).get("undo"), None);
}

#[tokio::test]
async fn a_deny_that_fails_after_the_kill_does_not_hide_that_the_key_was_killed_or_how_to_undo_it() {
    for (containment, step) in [(SESSIONS, "deny_sessions"), (PRINCIPAL, "deny_principal")] {
        for (fault, kind, time) in [
            (denied("iam:AttachUserPolicy on resource: user Bob"), "not_permitted", "60"),
            (refused(), "failed", "60"),
            (hung("AttachUserPolicy"), "out_of_time", "2"),
        ] {
            let iam = FakeIam::of_bob().await.always("AttachUserPolicy", fault);
            let variables = [containment, ("AWS_LAMBDA_FUNCTION_TIMEOUT", time)];
            let told = told(&iam, &variables, &event("guardduty-iam-user"));
            assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
            let message = &["was deactivated", "{\"AccountId\":", "\"Status\":\"Active\"", "may still work"];
            let error_type = if kind == "not_permitted" { "MissingPermission" } else { "StepFailed" };
            assert_failed(&told.answer, error_type, message);
            let code = format!("{step}_{kind}");
            let summary = &told.summary()[..2];
            assert_eq!(summary, ["INFO contained key_deactivated".to_owned(), format!("ERROR failed {code}")]);
            for line in [told.line("key_deactivated"), told.line(&code)] {
                assert_says(line, "undo", &["aws lambda invoke", "UpdateAccessKey", KEY, "Active"], &[]);
            }
            assert_says(told.line("key_deactivated"), "message", &["denying", "failed"], &["denied everything"]);
        }
    }
}

#[tokio::test]
async fn of_a_message_that_is_handed_back_the_answer_says_what_was_done() {
    let iam = FakeIam::of_bob().await.always("AttachUserPolicy", refused());
    let mut batch = event("sqs-guardduty");
    let mut harmless = batch["Records"][0].clone();
    harmless["messageId"] = json!("harmless");
    harmless["body"] = json!(event("unrelated-schedule").to_string());
    batch["Records"].as_array_mut().expect("records").push(harmless);
    let told = told(&iam, &[SESSIONS], &batch);
    assert_eq!(results(&told.answer)[0]["outcome"], "contained");
    assert_eq!(told.answer["batchItemFailures"].as_array().map(Vec::len), Some(1), "{:#}", told.answer);
}

#[tokio::test]
async fn a_deny_by_a_group_is_told_with_the_reason() {
    let full = error(409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10");
    let iam = FakeIam::of_bob().await.always("AttachUserPolicy", full);
    let told = told(&iam, &[PRINCIPAL], &event("guardduty-iam-user"));
    let words = ["user Bob was denied everything by a group", "no more policies can be attached"];
    assert_says(told.line("key_deactivated"), "message", &words, &[]);
}

#[tokio::test]
async fn a_deletion_that_is_refused_is_not_told_as_done() {
    let iam = FakeIam::of_bob().await.always("DeleteAccessKey", denied("iam:DeleteAccessKey on resource: user Bob"));
    let told = told(&iam, &[DELETE], &event("guardduty-iam-user"));
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    assert_says(
        told.line("key_deactivated"),
        "message",
        &["was deactivated", "deleting the key failed"],
        &["was deleted"],
    );
    assert_says(told.line("delete_key_not_permitted"), "message", &["inactive but not deleted"], &["was deleted"]);
}

#[tokio::test]
async fn after_a_refused_deny_the_key_is_deleted_all_the_same_and_after_a_refused_deletion_the_owner_is_denied() {
    for (refused, deleted, denies) in [("AttachUserPolicy", true, 0), ("DeleteAccessKey", false, 1)] {
        let iam = FakeIam::of_bob().await.always(refused, denied(&format!("iam:{refused} on resource: user Bob")));
        let told = told(&iam, &[DELETE, SESSIONS], &event("guardduty-iam-user"));
        assert_failed(&told.answer, "MissingPermission", &[refused]);
        assert_eq!(iam.status(KEY).is_none(), deleted, "{:?}", iam.call_lines());
        assert_eq!(iam.denials("user/Bob").len(), denies, "{:?}", iam.call_lines());
    }
}

#[tokio::test]
async fn a_deleted_key_of_a_denied_user_is_undone_by_lifting_the_deny() {
    let iam = FakeIam::of_bob().await;
    let function = iam.function(&[DELETE, SESSIONS]);
    let answer = function.invoke(&event("guardduty-iam-user"));
    let undo = &result(&answer)["undo"];
    assert_eq!(undo, &json!({"RestoreSessions": {"UserName": "Bob"}, "AccountId": "123456789012"}));
    assert_eq!(outcome(&function.invoke(undo)), "restored");
    assert!(iam.denials("user/Bob").is_empty());
}

#[tokio::test]
async fn a_key_that_is_listed_as_active_is_nowhere_told_as_contained() {
    let active = format!(
        "<AccessKeyMetadata><member><UserName>Bob</UserName><AccessKeyId>{KEY}</AccessKeyId><Status>Active</Status>\
         </member></AccessKeyMetadata>"
    );
    for containment in [("CONTAINMENT", "key"), SESSIONS] {
        let iam = FakeIam::of_bob().await.always("ListAccessKeys", success("ListAccessKeys", &active));
        let told = told(&iam, &[containment], &event("guardduty-iam-user"));
        assert_failed(&told.answer, "StepFailed", &["may still be active"]);
        assert_eq!(told.summary(), ["ERROR failed deactivate_key_contradicted"]);
        let line = told.line("deactivate_key_contradicted");
        assert_says(
            line,
            "message",
            &["IAM confirmed that", "was deactivated, but lists it as active"],
            &["contained"],
        );
        // It may be dead, and then a person has to be able to take that back.
        assert_says(line, "undo", &["UpdateAccessKey", "Active"], &[]);
        let lists = iam.calls().iter().filter(|call| call.action == "ListAccessKeys").count();
        assert_eq!(lists, 2, "read once more");
    }
}

#[tokio::test]
async fn a_root_key_whose_deletion_was_confirmed_is_dead_whatever_becomes_of_the_list() {
    let iam = FakeIam::start().await.key_in("111122223333", "root-user", KEY).always("ListAccessKeys", refused());
    let told = told(&iam, &[("ROOT_KEYS", "delete")], &in_member(&event("guardduty-root-key")));
    assert_eq!(outcome(&told.answer), "contained");
    assert_eq!(result(&told.answer).get("confirmed"), None);
    assert_eq!(told.summary(), ["INFO contained root_key_deleted", "WARN - confirm_failed"]);
}

#[tokio::test]
async fn a_lift_that_fails_names_the_principal_and_all_that_may_still_be_there() {
    let iam = FakeIam::start().await.role("Bob", "AROACKCEVSQ6C2EXAMPLE", "/").always("ListRolePolicies", refused());
    let told = told(&iam, &[SESSIONS], &json!({"RestoreSessions": {"RoleName": "Bob"}}));
    let message = told.answer["errorMessage"].as_str().expect("a message");
    assert!(message.contains("role Bob") && message.contains("key-remediator-deny-"), "{message}");
    assert!(!message.contains("owner of"), "{message}");
}

#[tokio::test]
async fn nobody_is_told_that_a_command_is_tried_again() {
    for name in ["command-deactivate", "command-restore", "command-delete"] {
        let iam = FakeIam::of_bob().await.always("UpdateAccessKey", refused());
        let told = told(&iam, &[DELETE], &event(name));
        let message = told.answer["errorMessage"].as_str().expect("a message");
        assert!(message.contains("give the command again") && !message.contains("tried again"), "{message}");
    }
}

#[tokio::test]
async fn a_command_for_an_account_out_of_reach_is_told_to_do_what_it_meant() {
    for (name, operation) in [
        ("command-deactivate", "--status Inactive"),
        ("command-restore", "--status Active"),
        ("command-delete", "delete-access-key"),
    ] {
        let iam = FakeIam::of_bob().await;
        let mut command = event(name);
        command["AccountId"] = json!("111122223333");
        let told = told(&iam, &[], &command);
        assert_says(result(&told.answer), "reason", &[operation, "111122223333"], &[]);
        iam.assert_no_calls();
    }
}

#[tokio::test]
async fn a_failed_invocation_logs_what_was_done_for_every_other_credential() {
    let iam = FakeIam::start().await.key("Bob", KEY).key("Carol", OTHER_KEY);
    let iam = iam.first("UpdateAccessKey", [refused()]);
    let told = told(&iam, &[], &event("guardduty-attack-sequence"));
    assert_eq!(told.answer["errorType"], "StepFailed");
    let mut summary = told.summary();
    summary.sort();
    assert_eq!(
        summary,
        [
            "ERROR failed deactivate_key_failed",
            "INFO contained key_deactivated",
            "WARN needs_attention temporary_credentials"
        ]
    );
}

#[tokio::test]
async fn a_kill_says_what_it_does_not_end() {
    let iam = FakeIam::of_bob().await;
    let told_of = told(&iam, &[], &event("guardduty-iam-user"));
    assert_says(result(&told_of.answer), "reason", &["36 hours", OTHER_KEY, "is still active"], &[]);
    let iam = FakeIam::start().await.key("Bob", KEY);
    let told_of = told(&iam, &[], &event("guardduty-iam-user"));
    assert_says(result(&told_of.answer), "reason", &["36 hours", "no other active key"], &[]);
}

#[tokio::test]
async fn an_exempt_key_is_told_as_active_with_the_entry_and_the_command_that_kills_it() {
    let iam = FakeIam::of_bob().await;
    for finding in [finding_for("Bob"), finding_for("Mallory")] {
        let told = told(&iam, &[("EXEMPT", "break-glass-*, b?b")], &finding);
        let words = [KEY, "is still active", "b?b", "aws iam update-access-key --user-name Bob", "--status Inactive"];
        assert_says(result(&told.answer), "reason", &words, &[]);
        assert_eq!(told.lines[0]["level"], "WARN");
    }
}

#[tokio::test]
async fn what_is_below_a_gate_says_first_that_nothing_was_changed_and_names_what_decided() {
    let iam = FakeIam::of_bob().await;
    for (variables, words) in [
        (("MIN_SEVERITY", "9"), &["severity 8", "MIN_SEVERITY", "9"][..]),
        (("FINDING_TYPES", "*,!UnauthorizedAccess:*"), &["!UnauthorizedAccess:*", "UnauthorizedAccess:IAMUser/"]),
        (("FINDING_TYPES", "Recon:*"), &["FINDING_TYPES", "UnauthorizedAccess:IAMUser/"]),
    ] {
        let told = told(&iam, &[variables], &event("guardduty-iam-user"));
        let reason = result(&told.answer)["reason"].as_str().expect("a reason").to_owned();
        assert!(reason.starts_with("nothing was changed"), "{reason}");
        assert_says(result(&told.answer), "reason", words, &[]);
    }
    iam.assert_no_calls();
}

#[tokio::test]
async fn what_lies_in_the_failure_queue_is_not_said_to_be_the_event() {
    let iam = FakeIam::of_bob().await.always("UpdateAccessKey", denied("iam:UpdateAccessKey on resource: user Bob"));
    let told_of = told(&iam, &[], &event("guardduty-iam-user"));
    assert_failed(&told_of.answer, "MissingPermission", &["requestPayload"]);
    let told_of = told(&iam, &[], &json!([]));
    assert_failed(&told_of.answer, "InvalidInput", &["requestPayload"]);
}

#[tokio::test]
async fn a_line_holds_what_a_person_needs_to_find_the_finding_and_to_undo_the_kill() {
    let iam = FakeIam::of_bob().await;
    let mut finding = event("guardduty-iam-user");
    let arn = "arn:aws:guardduty:eu-west-1:123456789012:detector/1/finding/2";
    finding["detail"]["arn"] = json!(arn);
    finding["detail"]["region"] = json!("eu-west-1");
    finding["detail"]["service"]["count"] = json!(3);
    let told = told(&iam, &[], &finding);
    let line = told.line("key_deactivated");
    let answer = result(&told.answer);
    for (field, expected) in [
        ("outcome", json!("contained")),
        ("account_id", json!("123456789012")),
        ("access_key_id", json!(KEY)),
        ("user_name", json!("Bob")),
        ("finding_source", json!("aws.guardduty")),
        ("finding_id", answer["finding"]["id"].clone()),
        ("finding_type", answer["finding"]["type"].clone()),
        ("finding_arn", json!(arn)),
        ("region", json!("eu-west-1")),
        ("severity", json!(8.0)),
        ("repeat", json!(true)),
        ("confirmed", json!(true)),
        ("sibling_keys", json!(format!("{OTHER_KEY} Active"))),
        ("code", answer["code"].clone()),
        ("message", answer["reason"].clone()),
    ] {
        assert_eq!(line[field], expected, "{field} of {line:#}");
    }
    assert!(line["duration_ms"].is_u64(), "{line:#}");
    for absent in ["dry_run", "role_name", "session"] {
        assert_eq!(line.get(absent), None, "{line:#}");
    }
    // The command that is ready to paste holds the answer's.
    let (_, payload) = line["undo"].as_str().and_then(|undo| undo.split_once("--payload '")).expect("a payload");
    let (payload, _) = payload.split_once('\'').expect("quoted");
    assert_eq!(serde_json::from_str::<Value>(payload).expect("JSON"), answer["undo"]);
}

#[tokio::test]
async fn the_line_of_a_roles_session_names_role_and_session() {
    let iam = FakeIam::start().await;
    let finding =
        replaced(&role_session(), &[("AROACKCEVSQ6C2EXAMPLE:", "AROACKCEVSQ6C2EXAMPLE:i-0123456789abcdef0:")]);
    let told = told(&iam, &[("DRY_RUN", "true"), SESSIONS], &finding);
    let line = &told.lines[0];
    assert_eq!((&line["role_name"], &line["access_key_id"]), (&json!("Bob"), &json!(SESSION)));
    assert!(line["session"].as_str().is_some_and(|session| session.starts_with("i-0123456789abcdef0")), "{line:#}");
    assert_eq!(line.get("user_name"), None);
}

#[tokio::test]
async fn a_cold_start_tells_the_version_and_the_configuration_once() {
    let iam = FakeIam::of_bob().await;
    let function = iam.function(&[("EXEMPT", "break-glass-*")]);
    function.invoke(&event("guardduty-iam-user"));
    function.invoke(&event("guardduty-iam-user"));
    let lines = log_lines(&function.stop());
    let started: Vec<_> = lines.iter().filter(|line| line["code"] == "started").collect();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_says(started[0], "configuration", &["ACTION=deactivate", "EXEMPT=break-glass-*", "MIN_SEVERITY=4"], &[]);
}

#[tokio::test]
async fn every_line_and_every_result_has_a_code() {
    let iam = FakeIam::start().await.key("Bob", KEY).first("ListAccessKeys", [refused()]);
    let function = iam.function(&[]);
    let answer = function.invoke(&event("sqs-mixed-batch"));
    assert!(results(&answer).iter().all(|result| result["code"].is_string()), "{answer:#}");
    let lines = log_lines(&function.stop());
    assert!(lines.len() > results(&answer).len() && lines.iter().all(|line| line["code"].is_string()), "{lines:#?}");
}

#[tokio::test]
async fn a_list_that_lags_for_a_moment_does_not_fail_the_invocation() {
    let active = format!(
        "<AccessKeyMetadata><member><UserName>Bob</UserName><AccessKeyId>{KEY}</AccessKeyId><Status>Active</Status>\
         </member></AccessKeyMetadata>"
    );
    let iam = FakeIam::of_bob().await.first("ListAccessKeys", [success("ListAccessKeys", &active)]);
    let told = told(&iam, &[], &event("guardduty-iam-user"));
    assert_eq!((outcome(&told.answer), &result(&told.answer)["confirmed"]), ("contained", &json!(true)));
}

#[tokio::test]
async fn what_a_list_does_not_hold_is_neither_confirmed_nor_told_as_safe() {
    let only_the_key = format!(
        "<AccessKeyMetadata><member><UserName>Bob</UserName><AccessKeyId>{KEY}</AccessKeyId><Status>Inactive</Status>\
         </member></AccessKeyMetadata><IsTruncated>true</IsTruncated><Marker>x</Marker>"
    );
    for (answer, confirmed) in [
        (error(404, "NoSuchEntity", "The user with name Bob cannot be found."), Value::Null),
        (success("ListAccessKeys", &only_the_key), json!(true)),
        (success("ListAccessKeys", "<AccessKeyMetadata/><IsTruncated>true</IsTruncated>"), Value::Null),
    ] {
        let iam = FakeIam::of_bob().await.always("ListAccessKeys", answer);
        let told = told(&iam, &[], &event("guardduty-iam-user"));
        assert_eq!((outcome(&told.answer), &result(&told.answer)["confirmed"]), ("contained", &confirmed));
        assert_says(result(&told.answer), "reason", &["could not be read"], &["no other active key"]);
    }
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_told_by_what_the_list_shows() {
    // It took effect and nobody was told.
    let iam = FakeIam::start().await.key("Bob", KEY).always("DeleteAccessKey", refused());
    let gone = success("ListAccessKeys", "<AccessKeyMetadata/><IsTruncated>false</IsTruncated>");
    let iam = iam.always("ListAccessKeys", gone);
    let lost = told(&iam, &[DELETE], &event("guardduty-iam-user"));
    assert_eq!((outcome(&lost.answer), &result(&lost.answer)["code"]), ("contained", &json!("key_deleted")));
    assert_eq!(result(&lost.answer).get("undo"), None);
    // Nobody knows.
    let iam = FakeIam::of_bob().await.always("DeleteAccessKey", refused()).always("ListAccessKeys", refused());
    let unknown = told(&iam, &[DELETE], &event("guardduty-iam-user"));
    assert_failed(&unknown.answer, "StepFailed", &["did not confirm", "inactive or deleted"]);
    // IAM says that the key is gone, and it is not.
    let nothing = || error(404, "NoSuchEntity", "The Access Key cannot be found.");
    let iam = FakeIam::of_bob().await.always("DeleteAccessKey", nothing());
    let denied = told(&iam, &[DELETE], &event("guardduty-iam-user"));
    assert_failed(&denied.answer, "StepFailed", &["at the same time"]);
    assert_says(denied.line("key_deactivated"), "message", &["was deactivated"], &["was deleted"]);
}

#[tokio::test]
async fn a_deletion_cannot_be_taken_back_and_nobody_says_so() {
    let iam = FakeIam::of_bob().await;
    let told = told(&iam, &[PRINCIPAL, DELETE], &event("guardduty-iam-user"));
    assert_says(result(&told.answer), "reason", &["the key was deleted", "user Bob was denied everything"], &[]);
    let undo = &result(&told.answer)["undo"];
    assert!(undo["RestoreSessions"].is_object() && undo.get("UpdateAccessKey").is_none(), "{undo}");
}

#[tokio::test]
async fn a_lift_that_iam_denies_or_does_by_half_is_told_as_such() {
    let nobody = error(404, "NoSuchEntity", "The user with name Bob cannot be found.");
    let iam = FakeIam::of_bob().await.always("ListUserPolicies", nobody);
    let told_of = told(&iam, &[SESSIONS], &event("command-restore"));
    assert_failed(&told_of.answer, "StepFailed", &["no user Bob", "made active again"]);

    let iam = FakeIam::of_bob().await;
    iam.function(&[PRINCIPAL]).invoke(&event("guardduty-iam-user"));
    let iam = iam.with_group("Bob", "key-remediator-deny-all").always("RemoveUserFromGroup", refused());
    let told_of = told(&iam, &[PRINCIPAL], &json!({"RestoreSessions": {"UserName": "Bob"}}));
    assert_failed(&told_of.answer, "StepFailed", &["a part of what was put on user Bob was taken away"]);
}

#[tokio::test]
async fn a_key_that_cannot_be_killed_does_not_keep_its_known_owner_from_being_denied() {
    let refusal = denied("iam:UpdateAccessKey on resource: user Bob");
    let iam = FakeIam::of_bob().await.always("UpdateAccessKey", refusal);
    let mut nameless = event("guardduty-iam-user");
    nameless["detail"]["resource"]["accessKeyDetails"].as_object_mut().expect("details").remove("userName");
    let told = told(&iam, &[SESSIONS], &nameless);
    assert_failed(&told.answer, "MissingPermission", &["could not deactivate", "user Bob was denied"]);
    assert!(!iam.denials("user/Bob").is_empty());
}

#[tokio::test]
async fn an_exemption_does_not_hide_what_aws_reports() {
    let iam = FakeIam::of_bob().await;
    let told = told(&iam, &[("EXEMPT", "Bob")], &event("cloudtrail-quarantine-attached"));
    assert_eq!(outcome(&told.answer), "needs_attention");
}

#[tokio::test]
async fn a_user_who_could_not_be_denied_is_told_beside_what_a_kill_does_not_end() {
    let full = error(409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10");
    let aws_only = error(400, "UnmodifiableEntity", "only AWS may change it");
    for (answer, code) in [(full, "quota_full"), (aws_only, "unmodifiable")] {
        let iam = FakeIam::of_bob().await.always("AttachUserPolicy", answer.clone()).always("AddUserToGroup", answer);
        let told = told(&iam, &[SESSIONS], &event("guardduty-iam-user"));
        let line = told.line(code);
        assert_says(line, "message", &["was deactivated", "up to 36 hours", OTHER_KEY], &[]);
        assert_says(line, "undo", &["UpdateAccessKey"], &[]);
    }
}

#[tokio::test]
async fn temporary_credentials_that_a_person_wants_back_are_not_told_to_be_denied() {
    let restore = json!({"UpdateAccessKey": {"UserName": "Bob", "AccessKeyId": SESSION, "Status": "Active"}});
    let iam = FakeIam::of_bob().await;
    let told = told(&iam, &[], &restore);
    assert_says(result(&told.answer), "reason", &[SESSION, "RestoreSessions"], &["deny"]);
}

#[tokio::test]
async fn a_key_of_root_that_cannot_be_reached_is_told_with_both_that_it_can_be() {
    let event = json!({"source": "com.example", "detail-type": "Leak", "account": "111122223333",
                       "detail": {"accessKeyId": KEY, "userName": "root"}});
    let iam = FakeIam::of_bob().await;
    let told = told(&iam, &[("CUSTOM_SOURCES", "com.example")], &event);
    let words = ["account 111122223333", "sign in as the root user", "if it is the key of a user"];
    assert_says(result(&told.answer), "reason", &words, &[]);
}

#[tokio::test]
async fn a_principal_that_is_not_found_is_told_with_the_account_that_could_not_be_asked() {
    let mut session = role_session();
    session["detail"]["service"]["action"] = json!({"awsApiCallAction":
        {"remoteAccountDetails": {"accountId": "111122223333"}}});
    for iam in [FakeIam::of_bob().await, FakeIam::of_bob().await.role("Bob", "AROAANOTHERROLEXAMPLE", "/")] {
        let told = told(&iam, &[("ROLE_SESSIONS", "deny")], &session);
        assert_says(result(&told.answer), "reason", &["role Bob", "account 123456789012", "account 111122223333"], &[]);
    }
}

#[tokio::test]
async fn a_vanished_key_is_told_also_where_its_user_is_gone_too() {
    let iam = FakeIam::start().await;
    let told = told(&iam, &[SESSIONS], &event("guardduty-iam-user"));
    assert_says(result(&told.answer), "reason", &["IAM knows no access key", "there is no user Bob"], &[]);
}

#[tokio::test]
async fn the_issuer_of_a_key_is_told_once() {
    // By its identifier it was issued in account 222222222222.
    let finding = replaced(&event("guardduty-iam-user"), &[(KEY, "AKIATHPL2AOHB5TUJ4JH")]);
    let iam = FakeIam::of_bob().await;
    let reason = told(&iam, &[], &finding).answer["results"][0]["reason"].to_string();
    assert_eq!(reason.matches("222222222222").count(), 1, "{reason}");
}

#[tokio::test]
async fn a_users_key_that_was_called_the_root_users_is_told_as_the_users() {
    let iam = FakeIam::start().await.key_in("111122223333", "Bob", KEY);
    let variables = [("MEMBER_ROLE", "member"), ("ROOT_KEYS", "delete")];
    let told = told(&iam, &variables, &in_member(&event("guardduty-root-key")));
    assert_says(result(&told.answer), "reason", &["of user Bob was deactivated"], &["of the root user"]);
    assert_eq!(result(&told.answer)["undo"]["UpdateAccessKey"]["UserName"], "Bob");
}

#[tokio::test]
async fn advice_fits_the_command_also_where_the_owner_could_not_be_found() {
    let nameless = |mut command: Value| {
        let operation = command.as_object_mut().expect("a command").values_mut().next().expect("an operation");
        operation.as_object_mut().expect("parameters").remove("UserName");
        command
    };
    for (command, advice, not) in [
        ("command-restore", "--status Active", "--status Inactive"),
        ("command-deactivate", "--status Inactive", "--status Active"),
        ("command-delete", "delete-access-key", "--status"),
    ] {
        for action in ["GetAccessKeyLastUsed", "UpdateAccessKey"] {
            let iam = FakeIam::of_bob().await.always(action, denied(&format!("iam:{action} on resource: user Bob")));
            let told = told(&iam, &[], &nameless(event(command)));
            let message = told.answer["errorMessage"].as_str().expect("a message");
            assert!(message.contains(advice) && !message.contains(not), "{command} {action}: {message}");
        }
    }
    let iam = FakeIam::of_bob().await.always("UpdateAccessKey", refused());
    let told = told(&iam, &[PRINCIPAL], &event("command-restore"));
    assert_failed(&told.answer, "StepFailed", &["--status Active", "detach the policies"]);
}

#[tokio::test]
async fn a_deleted_root_key_is_told_with_what_it_leaves() {
    let iam = FakeIam::start().await.key_in("111122223333", "root-user", KEY);
    let iam = iam.key_in("111122223333", "root-user", OTHER_KEY);
    let told = told(&iam, &[("ROOT_KEYS", "delete")], &in_member(&event("guardduty-root-key")));
    let words = ["up to an hour", "the root user's access key AKIAI44QH8DHBEXAMPLE is still active"];
    assert_says(result(&told.answer), "reason", &words, &[]);
    assert_eq!(result(&told.answer)["siblingKeys"][0]["accessKeyId"], OTHER_KEY);
}

#[tokio::test]
async fn a_restore_speaks_of_other_keys_only_where_there_are_some() {
    for (iam, words, not) in [
        (FakeIam::of_bob().await, &["other keys, too"][..], &[][..]),
        (FakeIam::start().await.key("Bob", KEY), &["taken away"], &["other keys"]),
    ] {
        let function = iam.function(&[PRINCIPAL]);
        function.invoke(&event("guardduty-iam-user"));
        assert_says(result(&function.invoke(&event("command-restore"))), "reason", words, not);
    }
}

#[tokio::test]
async fn a_failed_restore_of_sessions_names_the_account() {
    let refusal = denied("sts:AssumeRole on resource: arn:aws:iam::111122223333:role/member");
    let iam = FakeIam::start().await.always("AssumeRole", refusal);
    let command = json!({"RestoreSessions": {"RoleName": "Bob"}, "AccountId": "111122223333"});
    let told = told(&iam, &[("MEMBER_ROLE", "member")], &command);
    assert_failed(&told.answer, "MissingPermission", &["in account 111122223333 detach"]);
}

#[tokio::test]
async fn an_account_that_may_not_be_touched_is_told_as_a_field_too() {
    let iam = FakeIam::of_bob().await;
    let told = told(&iam, &[("ACCOUNTS", "111122223333")], &event("command-deactivate"));
    assert_eq!(result(&told.answer)["accountId"], "123456789012");
    assert_eq!(told.line("account_not_listed")["account_id"], "123456789012");
}

#[tokio::test]
async fn a_user_whom_iam_does_not_know_after_the_kill_is_told() {
    let nobody = error(404, "NoSuchEntity", "The user with name Bob cannot be found.");
    let iam = FakeIam::of_bob().await.always("ListAccessKeys", nobody);
    let told = told(&iam, &[], &event("guardduty-iam-user"));
    assert_eq!(told.summary(), ["INFO contained key_deactivated", "WARN - confirm_contradicted"]);
}
