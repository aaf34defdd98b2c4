//! What strangers tried to break: the wrong principal, silence, answers that are not IAM's.

mod common;

use common::answers::{assert_failed, outcome, outcomes, result};
use common::fake_iam::{Answer, Call, FakeIam, denied, error, success};
use common::findings::{finding_for, in_member, role_session, user_session, without_user};
use common::ids::{KEY, MEMBER, OTHER_KEY, OWN, ROLE_ID, SESSION, USER_ID};
use common::{event, log_lines, replaced};
use serde_json::{Value, json};

const SESSIONS: (&str, &str) = ("CONTAINMENT", "sessions");
const PRINCIPAL: (&str, &str) = ("CONTAINMENT", "principal");
const DELETE: (&str, &str) = ("ACTION", "delete");
const MEMBERS: (&str, &str) = ("MEMBER_ROLE", "key-remediator-member");
const DETECTOR: &str = "com.example.leak-scanner";

#[track_caller]
fn assert_nothing_changed(iam: &FakeIam) {
    let changes = ["Update", "Delete", "Put", "Attach", "Detach"];
    let is_change = |line: &String| changes.iter().any(|change| line.contains(change));
    assert_eq!(iam.call_lines().into_iter().filter(is_change).collect::<Vec<_>>(), [""; 0]);
}

/// A session of user Bob in which one detail is another.
fn session_with(field: &str, value: &str) -> Value {
    let mut finding = user_session();
    finding["detail"]["resource"]["accessKeyDetails"][field] = json!(value);
    finding
}

fn custom(user: &str, key: &str) -> Value {
    json!({"source": DETECTOR, "detail-type": "Leak", "account": OWN,
           "detail": {"accessKeyId": key, "userName": user}})
}

#[tokio::test]
async fn a_user_is_not_denied_for_a_session_that_may_be_somebody_elses() {
    for (what, finding) in [
        ("another user's identifier", session_with("principalId", "AIDAANOTHERUSEREXAMPLE")),
        ("a role's identifier", session_with("principalId", &format!("{ROLE_ID}:session"))),
        ("no identifier", session_with("principalId", "")),
        ("an account for an identifier", session_with("principalId", OWN)),
        ("another account's ARN", session_with("userName", "arn:aws:iam::111122223333:user/Bob")),
        ("a session's ARN", session_with("userName", "arn:aws:sts::123456789012:assumed-role/deploy/Bob")),
        ("no user type", custom("Bob", SESSION)),
        ("a user that is not there", session_with("userName", "Nobody")),
    ] {
        for containment in [SESSIONS, PRINCIPAL] {
            let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
            let answer = iam.function(&[containment, ("CUSTOM_SOURCES", DETECTOR)]).invoke(&finding);
            assert_eq!(outcome(&answer), "needs_attention", "{what}: {answer:#}");
            assert_nothing_changed(&iam);
        }
    }
}

#[tokio::test]
async fn a_session_with_two_holders_is_nobodys() {
    let other = replaced(&user_session(), &[("\"Bob\"", "\"Carol\""), (USER_ID, "AIDAXXXXXXXXXXXXCAROL")]);
    for findings in [json!([user_session(), other]), json!([other, user_session()])] {
        for exempt in ["", "Carol", "Bob"] {
            let iam = FakeIam::of_bob().await.key("Carol", "AKIACAROLSKEYEXAMPLE");
            let answer = iam.function(&[SESSIONS, ("EXEMPT", exempt)]).invoke(&findings);
            assert_eq!(outcome(&answer), "needs_attention", "{answer:#}");
            assert_nothing_changed(&iam);
        }
    }
    let both = json!([user_session(), role_session()]);
    let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
    assert_eq!(outcome(&iam.function(&[SESSIONS]).invoke(&both)), "needs_attention");
    assert_nothing_changed(&iam);
}

#[tokio::test]
async fn a_users_name_does_not_make_a_real_key_a_sample() {
    let iam = FakeIam::start().await.key("GeneratedFindingUserName", KEY);
    assert_eq!(outcome(&iam.function(&[]).invoke(&finding_for("GeneratedFindingUserName"))), "contained");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn a_user_called_root_is_a_user_and_an_unknown_key_of_root_is_the_root_users() {
    let variables = [("CUSTOM_SOURCES", DETECTOR)];
    let iam = FakeIam::start().await.key("root", KEY);
    assert_eq!(outcome(&iam.function(&variables).invoke(&custom("root", KEY))), "contained");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));

    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&variables).invoke(&custom("root", "AKIAFROOTUSEREXAMPLE"));
    assert_eq!((outcome(&answer), &result(&answer)["code"]), ("needs_attention", &json!("root_key")));
    assert_nothing_changed(&iam);

    let iam = FakeIam::start().await.key_in(MEMBER, "root-user", KEY);
    let variables = [("CUSTOM_SOURCES", DETECTOR), MEMBERS, ("ROOT_KEYS", "delete")];
    let answer = iam.function(&variables).invoke(&in_member(&custom("root", KEY)));
    assert_eq!(outcome(&answer), "contained", "{answer:#}");
    assert_eq!(iam.status(KEY), None);
}

#[tokio::test]
async fn of_two_claims_about_a_key_the_order_does_not_matter() {
    let (root, user) = (event("guardduty-root-key"), event("guardduty-iam-user"));
    for findings in [json!([root, user]), json!([user, root])] {
        for account in [OWN, MEMBER] {
            let iam = FakeIam::start().await.key_in(account, "Bob", KEY);
            let findings = replaced(&findings, &[(OWN, account)]);
            let answer = iam.function(&[MEMBERS, ("ROOT_KEYS", "delete")]).invoke(&findings);
            assert_eq!(outcome(&answer), "contained", "{account} {answer:#}");
            assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
        }
    }
}

#[tokio::test]
async fn what_one_finding_knows_of_a_key_is_not_lost_beside_another() {
    let gone = "AKIAFROOTUSEREXAMPLE";
    let variables = [("CUSTOM_SOURCES", DETECTOR)];
    for root in ["root", "arn:aws:iam::123456789012:root"] {
        for findings in
            [json!([custom("Bob", gone), custom(root, gone)]), json!([custom(root, gone), custom("Bob", gone)])]
        {
            let iam = FakeIam::of_bob().await;
            let answer = iam.function(&variables).invoke(&findings);
            assert_eq!(result(&answer)["code"], "root_key", "{answer:#}");
        }
    }
    let custom = custom("Bob", gone);
    let mut called_from_elsewhere = replaced(&event("guardduty-iam-user"), &[(KEY, gone)]);
    called_from_elsewhere["detail"]["service"]["action"] = json!({"actionType": "AWS_API_CALL", "awsApiCallAction":
        {"remoteAccountDetails": {"accountId": MEMBER, "affiliated": false}}});
    for findings in [json!([custom, called_from_elsewhere]), json!([called_from_elsewhere, custom])] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(&variables).invoke(&findings);
        assert_eq!(result(&answer)["code"], "not_everywhere", "{answer:#}");
    }
}

#[tokio::test]
async fn an_exempt_users_key_is_not_deleted_as_a_root_key_beside_another_finding() {
    let (root, user) = (event("guardduty-root-key"), event("guardduty-iam-user"));
    for findings in [json!([root, user]), json!([user, root])] {
        let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
        let variables = [MEMBERS, ("ROOT_KEYS", "delete"), ("EXEMPT", "Bob")];
        let answer = iam.function(&variables).invoke(&replaced(&findings, &[(OWN, MEMBER)]));
        assert_eq!(outcome(&answer), "exempt", "{answer:#}");
        assert_nothing_changed(&iam);
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_asked_is_told_for_keys_and_not_as_a_key_that_iam_was_never_asked_for() {
    let called_from_elsewhere = |mut finding: Value| {
        finding["detail"]["service"]["action"] = json!({"actionType": "AWS_API_CALL", "awsApiCallAction":
            {"remoteAccountDetails": {"accountId": "444455556666", "affiliated": false}}});
        finding
    };
    let variables = [MEMBERS, ("ACCOUNTS", "123456789012,111122223333"), ("ROOT_KEYS", "delete"), SESSIONS];
    for (finding, expected) in [
        (in_member(&event("guardduty-root-key")), "not_everywhere"),
        (session_with("userName", "Nobody"), "principal_not_here"),
    ] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(&variables).invoke(&called_from_elsewhere(finding));
        assert_eq!(result(&answer)["code"], expected, "{answer:#}");
    }
}

#[tokio::test]
async fn a_session_has_one_holder_whatever_accounts_are_named_for_it() {
    let other =
        replaced(&user_session(), &[("\"Bob\"", "\"Carol\""), (USER_ID, "AIDAXXXXXXXXXXXXCAROL"), (OWN, MEMBER)]);
    for findings in [json!([user_session(), other]), json!([other, user_session()])] {
        for members in [MEMBERS, ("MEMBER_ROLE", "")] {
            let iam = FakeIam::of_bob().await;
            let answer = iam.function(&[SESSIONS, members]).invoke(&findings);
            assert_eq!(outcome(&answer), "needs_attention", "{answer:#}");
            assert_nothing_changed(&iam);
        }
    }
}

#[tokio::test]
async fn a_key_is_not_deleted_while_it_alone_leads_to_an_owner_who_is_not_denied_yet() {
    for containment in [SESSIONS, PRINCIPAL] {
        let iam = FakeIam::of_bob().await.first("AttachUserPolicy", [error(400, "ValidationError", "made up")]);
        let function = iam.function(&[DELETE, containment]);
        assert_failed(&function.invoke(&without_user()), "StepFailed", &["AttachUserPolicy"]);
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
        assert_eq!(outcome(&function.invoke(&without_user())), "contained");
        assert_eq!(iam.status(KEY), None);
        assert!(!iam.denials("user/Bob").is_empty());
    }
}

#[tokio::test]
async fn a_list_of_another_users_keys_or_of_half_a_key_confirms_nothing() {
    let half = format!(
        "<AccessKeyMetadata><member><UserName>Bob</UserName><AccessKeyId>{KEY}</AccessKeyId></member>\
                        </AccessKeyMetadata><IsTruncated>false</IsTruncated>"
    );
    let others = format!(
        "<AccessKeyMetadata><member><UserName>Carol</UserName><AccessKeyId>{OTHER_KEY}</AccessKeyId>\
                          <Status>Active</Status></member></AccessKeyMetadata><IsTruncated>false</IsTruncated>"
    );
    for list in [half, others] {
        let iam = FakeIam::of_bob().await.always("ListAccessKeys", success("ListAccessKeys", &list));
        let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
        let result = result(&answer);
        assert_eq!(result["outcome"], "contained", "{answer:#}");
        assert_ne!(result["confirmed"], true, "{answer:#}");
        assert!(!answer.to_string().contains(OTHER_KEY), "{answer:#}");
        assert!(result["undo"].is_object(), "{answer:#}");
    }
}

#[tokio::test]
async fn a_denial_that_does_not_end_in_the_key_is_not_an_absence() {
    for message in ["", "Access denied.", "You shall not pass AKIAIOSFODNN7EXAMPLE", "… on resource: access key *"] {
        let iam = FakeIam::of_bob().await.always("GetAccessKeyLastUsed", error(403, "AccessDenied", message));
        assert_failed(&iam.function(&[]).invoke(&without_user()), "MissingPermission", &[KEY]);
    }
}

#[tokio::test]
async fn a_key_that_another_account_issued_is_not_told_as_gone() {
    // By its identifier it was issued in account 222222222222.
    let finding = replaced(&event("guardduty-iam-user"), &[(KEY, "AKIATHPL2AOHB5TUJ4JH")]);
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(&[]).invoke(&finding);
    assert_eq!(outcome(&answer), "needs_attention");
    assert!(result(&answer)["reason"].as_str().is_some_and(|reason| reason.contains("222222222222")), "{answer:#}");
    assert_nothing_changed_but_tried(&iam);
}

/// The kill itself was tried, and IAM refused it.
#[track_caller]
fn assert_nothing_changed_but_tried(iam: &FakeIam) {
    assert_eq!((iam.status(KEY).as_deref(), iam.status(OTHER_KEY).as_deref()), (Some("Active"), Some("Active")));
}

#[tokio::test]
async fn every_account_that_the_event_names_is_asked_before_a_key_is_not_found() {
    let actors = "/detail/service/detection/sequence/actors";
    let mut sequence = event("guardduty-attack-sequence");
    let first = sequence.pointer(&format!("{actors}/0")).expect("an actor").clone();
    *sequence.pointer_mut(actors).expect("actors") = json!([first]);
    for (actors_account, key_is_in, variables, expected) in [
        (MEMBER, OWN, &[MEMBERS][..], "contained"),
        (MEMBER, MEMBER, &[MEMBERS], "contained"),
        (MEMBER, "222222222222", &[MEMBERS], "not_found"),
        (MEMBER, OWN, &[], "contained"),
        (MEMBER, MEMBER, &[], "needs_attention"),
        (MEMBER, MEMBER, &[MEMBERS, ("ACCOUNTS", OWN)], "needs_attention"),
    ] {
        let mut sequence = sequence.clone();
        sequence.pointer_mut(&format!("{actors}/0/user")).expect("a user")["account"] = json!({"uid": actors_account});
        let iam = FakeIam::start().await.key_in(key_is_in, "Bob", KEY);
        let answer = iam.function(variables).invoke(&sequence);
        assert_eq!(outcome(&answer), expected, "{key_is_in} {variables:?} {answer:#}");
        if expected == "contained" {
            assert_eq!(result(&answer)["accountId"], key_is_in);
            assert_eq!(result(&answer)["confirmed"], true);
        }
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_asked_does_not_hide_a_key_that_is_in_another() {
    let mut sequence = event("guardduty-attack-sequence");
    let actors = sequence.pointer_mut("/detail/service/detection/sequence/actors").expect("actors");
    let mut actor = actors[0].clone();
    actor["user"]["account"] = json!({"uid": OWN});
    *actors = json!([actor]);
    sequence["detail"]["accountId"] = json!(MEMBER);
    let refusal = || denied(&format!("sts:AssumeRole on resource: arn:aws:iam::{MEMBER}:role/key-remediator-member"));
    let iam = FakeIam::start().await.key("Bob", KEY).always("AssumeRole", refusal());
    assert_eq!(outcome(&iam.function(&[MEMBERS]).invoke(&sequence)), "contained");
    let iam = FakeIam::start().await.key("Bob", OTHER_KEY).always("AssumeRole", refusal());
    assert_failed(&iam.function(&[MEMBERS]).invoke(&sequence), "MissingPermission", &["sts:AssumeRole", MEMBER]);
}

#[tokio::test]
async fn an_account_that_is_none_is_a_persons_business() {
    for (given, expected) in [
        (json!("1111-2222-3333"), "contained"),
        (json!("arn:aws:iam::111122223333:root"), "contained"),
        (json!(111_122_223_333_u64), "contained"),
        (json!("1234567890"), "needs_attention"),
        (json!("unknown"), "needs_attention"),
        (json!({}), "needs_attention"),
    ] {
        let mut finding = event("guardduty-iam-user");
        finding["detail"]["accountId"] = given.clone();
        let iam = FakeIam::of_bob().await.key_in(MEMBER, "Bob", KEY);
        assert_eq!(outcome(&iam.function(&[MEMBERS]).invoke(&finding)), expected, "{given}");
        let in_own = |call: &Call| call.account == OWN && call.action != "AssumeRole";
        assert!(!iam.calls().iter().any(in_own), "{given}: {:?}", iam.call_lines());
    }
}

#[tokio::test]
async fn a_deny_that_failed_beside_a_deletion_is_made_up_for_by_the_next_try() {
    for containment in [SESSIONS, PRINCIPAL] {
        let refused = error(400, "ValidationError", "made up");
        let iam = FakeIam::of_bob().await.first("AttachUserPolicy", [refused]);
        let function = iam.function(&[DELETE, containment]);
        assert_failed(&function.invoke(&event("guardduty-iam-user")), "StepFailed", &["AttachUserPolicy"]);
        assert_eq!(iam.status(KEY), None, "each step is tried");
        let answer = function.invoke(&event("guardduty-iam-user"));
        assert_eq!(outcome(&answer), "contained", "{answer:#}");
        assert!(!iam.denials("user/Bob").is_empty(), "{:?}", iam.call_lines());
    }
}

#[tokio::test]
async fn a_thief_who_deletes_the_stolen_key_does_not_keep_its_sessions() {
    for containment in [SESSIONS, PRINCIPAL] {
        let iam = FakeIam::start().await.user("Bob");
        let function = iam.function(&[containment]);
        let answer = function.invoke(&event("guardduty-iam-user"));
        assert_eq!(outcome(&answer), "contained", "{answer:#}");
        let reason = result(&answer)["reason"].as_str().expect("a reason");
        assert!(reason.contains("IAM knows no access key") && reason.contains("was denied"), "{reason}");
        assert!(!iam.denials("user/Bob").is_empty());
        assert_eq!(outcome(&function.invoke(&result(&answer)["undo"])), "restored");
        assert!(iam.denials("user/Bob").is_empty());

        // Nobody is denied whose identifier is not the event's.
        for principal in ["AIDAANOTHERUSEREXAMPLE", ""] {
            let iam = FakeIam::start().await.user("Bob");
            let finding = replaced(&event("guardduty-iam-user"), &[(USER_ID, principal)]);
            assert_eq!(outcome(&iam.function(&[containment]).invoke(&finding)), "needs_attention");
            assert!(iam.denials("user/Bob").is_empty());
        }
    }
    let iam = FakeIam::start().await.user("Bob");
    assert_eq!(outcome(&iam.function(&[]).invoke(&event("guardduty-iam-user"))), "not_found");
}

fn pages() -> [Answer; 4] {
    let page = |text: &str| Answer::new(200).set_body_string(text.to_owned());
    [
        page("<html><body>Please sign in</body></html>"),
        page(""),
        page("<ErrorResponse><Error><Code>ServiceFailure</Code><Message>no</Message></Error></ErrorResponse>"),
        page("<GetUserResponse/>"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn what_is_not_iams_answer_confirms_nothing() {
    // Each is asked for again for some seconds, so all are tried at a time.
    let tries = pages().into_iter().map(|page| tokio::spawn(confirms_nothing(page)));
    for tried in tries.collect::<Vec<_>>() {
        tried.await.expect("it confirms nothing");
    }
}

async fn confirms_nothing(page: Answer) {
    let iam = FakeIam::of_bob().await.always("UpdateAccessKey", page.clone());
    assert_failed(&iam.function(&[]).invoke(&event("guardduty-iam-user")), "StepFailed", &[KEY, "not IAM"]);

    let iam = FakeIam::of_bob().await.always("ListAccessKeys", page.clone());
    let answer = iam.function(&[]).invoke(&event("guardduty-iam-user"));
    assert_eq!((outcome(&answer), result(&answer).get("confirmed")), ("contained", None), "{answer:#}");

    let iam = FakeIam::of_bob().await.always("AttachUserPolicy", page.clone());
    assert_failed(&iam.function(&[SESSIONS]).invoke(&event("guardduty-iam-user")), "StepFailed", &["not IAM"]);

    let iam = FakeIam::start().await.key_in(MEMBER, "root-user", KEY).always("DeleteAccessKey", page);
    let answer = iam.function(&[("ROOT_KEYS", "delete")]).invoke(&in_member(&event("guardduty-root-key")));
    assert_eq!(answer["errorType"], "StepFailed", "{answer:#}");
}

#[tokio::test]
async fn a_batch_of_which_everything_failed_fails_the_invocation() {
    let message = |id: &str, body: String| json!({"messageId": id, "eventSource": "aws:sqs", "body": body});
    let bob = event("guardduty-iam-user").to_string();
    let iam = FakeIam::of_bob().await.always("UpdateAccessKey", denied("iam:UpdateAccessKey on resource: user Bob"));
    let function = iam.function(&[]);
    let all = json!({"Records": [message("1", bob.clone()), message("2", "{".to_owned())]});
    assert_failed(&function.invoke(&all), "MissingPermission", &["iam:UpdateAccessKey", "Records[1].body"]);
    let some = json!({"Records": [message("1", bob), message("2", event("unrelated-schedule").to_string())]});
    let answer = function.invoke(&some);
    assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "1"}]));
    assert_eq!(outcomes(&answer), ["ignored"]);
}

#[tokio::test]
async fn no_log_level_hides_what_a_person_has_to_do() {
    for (exempt, code) in [("", "temporary_credentials"), ("Bob", "exempt")] {
        let iam = FakeIam::of_bob().await;
        let function = iam.function(&[("AWS_LAMBDA_LOG_LEVEL", "ERROR"), ("EXEMPT", exempt)]);
        function.invoke(&user_session());
        let lines = log_lines(&function.stop());
        assert_eq!(lines.iter().map(|line| line["code"].as_str()).collect::<Vec<_>>(), [Some(code)]);
    }
}

/// Each kind of command against each gate: what is done, and that nothing but ACCOUNTS and `DRY_RUN` holds a person back.
#[tokio::test]
async fn a_command_is_held_back_by_accounts_and_dry_run_alone() {
    for (command, done) in [
        (event("command-deactivate"), "contained"),
        (event("command-restore"), "restored"),
        (event("command-delete"), "contained"),
        (json!({"RestoreSessions": {"UserName": "Bob"}}), "restored"),
        (json!({"RestoreSessions": {"RoleName": "Bob"}}), "restored"),
    ] {
        for (gate, expected) in [
            (("MIN_SEVERITY", "10"), done),
            (("FINDING_TYPES", "Recon:*"), done),
            (("EXEMPT", "*"), done),
            (("ROOT_KEYS", "delete"), done),
            (("CUSTOM_SOURCES", DETECTOR), done),
            (("DRY_RUN", "true"), "planned"),
            (("ACCOUNTS", MEMBER), "needs_attention"),
        ] {
            let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
            let answer = iam.function(&[DELETE, SESSIONS, gate]).invoke(&command);
            assert_eq!(outcome(&answer), expected, "{gate:?} {command} {answer:#}");
            if expected != done {
                assert_nothing_changed(&iam);
            }
        }
    }
}

#[tokio::test]
async fn a_second_restore_does_not_say_that_something_was_taken_away() {
    let iam = FakeIam::of_bob().await;
    let function = iam.function(&[SESSIONS]);
    function.invoke(&event("guardduty-iam-user"));
    let restore = json!({"RestoreSessions": {"UserName": "Bob"}});
    let reasons: Vec<_> = (0..2).map(|_| function.invoke(&restore)["results"][0]["reason"].to_string()).collect();
    assert!(reasons[0].contains("taken away") && !reasons[1].contains("taken away"), "{reasons:?}");
}

#[tokio::test]
async fn what_no_field_needs_does_not_make_an_event_unreadable() {
    let finding = event("guardduty-iam-user").to_string();
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (what, odd) in [("a lone surrogate", "\"\\ud800\""), ("a number out of range", "1e999"), ("depth", &deep)] {
        for place in ["\"detail\":{", "{"] {
            let text = finding.replacen(place, &format!("{place}\"odd\":{odd},"), 1);
            assert_ne!(text, finding);
            let iam = FakeIam::of_bob().await;
            let function = iam.function(&[]);
            assert_eq!(outcome(&function.invoke_raw(&text)), "contained", "{what}");
            let batch = json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": text}]});
            assert_eq!(outcome(&function.invoke(&batch)), "contained", "{what} in a message");
        }
    }
}

#[tokio::test]
async fn the_records_of_the_failure_queue_can_be_sent_back_as_they_are() {
    let record = |payload: Value| {
        json!({
            "version": "1.0", "timestamp": "2026-11-20T03:12:44.000Z",
            "requestContext": {"requestId": "1", "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
                               "condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorMessage": "…"},
        })
    };
    let in_queue =
        |record: &Value| json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": record.to_string()}]});
    let failed = record(event("guardduty-iam-user"));
    for input in [failed.clone(), in_queue(&failed), json!([failed])] {
        let iam = FakeIam::of_bob().await;
        assert_eq!(outcome(&iam.function(&[]).invoke(&input)), "contained");
    }
    let command = record(event("command-restore"));
    for input in [command.clone(), in_queue(&command)] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.function(&[]).invoke(&input);
        assert_failed(&answer, "InvalidInput", &["requestPayload", "send requestPayload alone"]);
        iam.assert_no_calls();
    }
}

/// A finding of Security Hub's about a key, in which one resource is another.
fn imported(resource: &Value) -> Value {
    let mut finding = event("security-hub-imported");
    finding["detail"]["findings"][0]["Resources"] = json!([resource]);
    finding
}

/// The same finding, of a call from another account.
fn called_from(account: &str, mut finding: Value) -> Value {
    finding["detail"]["service"]["action"] = json!({"actionType": "AWS_API_CALL", "awsApiCallAction":
        {"remoteAccountDetails": {"accountId": account, "affiliated": true}}});
    finding
}

#[tokio::test]
async fn each_place_of_an_event_can_name_the_account_of_the_key() {
    let key_arn = format!("arn:aws:iam::{MEMBER}:access-key/{KEY}");
    let user_arn = format!("arn:aws:iam::{MEMBER}:user/Bob");
    let mut health = event("health-credentials-exposed");
    health["detail"]["eventMetadata"]["accountId"] = json!(MEMBER);
    for finding in [
        imported(&json!({"Type": "AwsIamAccessKey", "Id": KEY,
                        "Details": {"AwsIamAccessKey": {"AccountId": MEMBER, "PrincipalName": "Bob"}}})),
        imported(&json!({"Type": "AwsIamAccessKey", "Id": key_arn})),
        health,
        custom("Bob", &key_arn),
        custom(&user_arn, KEY),
    ] {
        let variables = [MEMBERS, ("CUSTOM_SOURCES", DETECTOR)];
        let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
        let answer = iam.function(&variables).invoke(&finding);
        assert_eq!((outcome(&answer), &result(&answer)["accountId"]), ("contained", &json!(MEMBER)), "{finding}");
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
        let iam = FakeIam::start().await;
        assert_eq!(outcome(&iam.function(&variables).invoke(&finding)), "not_found", "{finding}");
        let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
        let answer = iam.function(&[MEMBERS, ("CUSTOM_SOURCES", DETECTOR), ("ACCOUNTS", OWN)]).invoke(&finding);
        assert_eq!(outcome(&answer), "needs_attention", "{finding}");
        assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_read_is_told_also_beside_another_finding() {
    let mut unreadable = custom("Bob", KEY);
    unreadable["detail"]["accountId"] = json!("unknown");
    let other = custom("Bob", KEY);
    for findings in [json!([unreadable, other]), json!([other, unreadable])] {
        let iam = FakeIam::start().await;
        let answer = iam.function(&[("CUSTOM_SOURCES", DETECTOR)]).invoke(&findings);
        assert_eq!(result(&answer)["code"], "not_everywhere", "{answer:#}");
        let iam = FakeIam::of_bob().await;
        assert_eq!(outcome(&iam.function(&[("CUSTOM_SOURCES", DETECTOR)]).invoke(&findings)), "contained");
    }
}

#[tokio::test]
async fn a_users_key_that_an_event_calls_the_root_users_is_deactivated_and_an_exempt_users_stays() {
    let finding = in_member(&event("guardduty-root-key"));
    for (exempt, expected, status) in [("", "contained", "Inactive"), ("bob", "exempt", "Active")] {
        let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
        let answer = iam.function(&[MEMBERS, ("ROOT_KEYS", "delete"), ("EXEMPT", exempt)]).invoke(&finding);
        assert_eq!(outcome(&answer), expected, "{answer:#}");
        assert_eq!(iam.status(KEY).as_deref(), Some(status));
    }
    let iam = FakeIam::start().await;
    let answer = iam.function(&[MEMBERS, ("ROOT_KEYS", "delete")]).invoke(&finding);
    assert_eq!(result(&answer)["code"], "no_such_root_key", "{answer:#}");
}

#[tokio::test]
async fn a_thief_who_deletes_the_key_from_his_own_account_does_not_keep_the_users_sessions() {
    let finding = || called_from(MEMBER, event("guardduty-iam-user"));
    let iam = FakeIam::start().await.user("Bob");
    let answer = iam.function(&[PRINCIPAL]).invoke(&finding());
    assert_eq!(result(&answer)["code"], "not_everywhere", "{answer:#}");
    let reason = result(&answer)["reason"].as_str().expect("a reason");
    assert!(reason.contains("user Bob was denied everything") && reason.contains(MEMBER), "{reason}");
    assert!(result(&answer)["undo"]["RestoreSessions"].is_object(), "{answer:#}");
    assert!(!iam.denials("user/Bob").is_empty());

    let refusal = denied(&format!("sts:AssumeRole on resource: arn:aws:iam::{MEMBER}:role/key-remediator-member"));
    let iam = FakeIam::start().await.user("Bob").always("AssumeRole", refusal);
    let answer = iam.function(&[PRINCIPAL, MEMBERS]).invoke(&finding());
    assert_failed(&answer, "MissingPermission", &["sts:AssumeRole", "user Bob was denied everything"]);
    assert!(!iam.denials("user/Bob").is_empty());
}

#[tokio::test]
async fn the_owner_of_a_key_that_cannot_be_deactivated_is_denied_all_the_same() {
    let refusal = || denied("iam:UpdateAccessKey on resource: user Bob with an explicit deny");
    for finding in [event("guardduty-iam-user"), without_user()] {
        let iam = FakeIam::of_bob().await.always("UpdateAccessKey", refusal());
        let answer = iam.function(&[PRINCIPAL]).invoke(&finding);
        assert_failed(&answer, "MissingPermission", &[KEY, "user Bob was denied everything"]);
        assert!(!iam.denials("user/Bob").is_empty());
    }
    let iam = FakeIam::start().await.key("Carol", KEY).always("UpdateAccessKey", refusal());
    let answer = iam.function(&[PRINCIPAL, ("EXEMPT", "Carol")]).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "MissingPermission", &[KEY]);
    assert_eq!((iam.denials("user/Carol").len(), iam.denials("user/Bob").len()), (0, 0));
}

#[tokio::test]
async fn of_a_key_that_is_gone_its_owner_is_denied_only_if_all_that_is_known_names_one_user() {
    let named = |user: &str, id: &str| {
        replaced(&event("guardduty-iam-user"), &[("\"Bob\"", &format!("\"{user}\"")), (USER_ID, id)])
    };
    let carol = named("Carol", "AIDAXXXXXXXXXXXXCAROL");
    let without_id = named("bob", "");
    let mut without_name = event("guardduty-iam-user");
    without_name["detail"]["resource"]["accessKeyDetails"].as_object_mut().expect("details").remove("userName");
    let bob = event("guardduty-iam-user");
    for (findings, exempt, is_denied) in [
        (json!([bob]), "", true),
        (json!([without_id, bob]), "", true),
        (json!([bob, without_id]), "", true),
        (json!([without_name]), "", false),
        (json!([without_id, without_name]), "", true),
        (json!([bob, carol]), "", false),
        (json!([carol, bob]), "", false),
        (json!([bob, carol]), "Carol", false),
        (json!([carol, bob]), "Carol", false),
    ] {
        let iam = FakeIam::start().await.user("Bob").user("Carol");
        let answer = iam.function(&[SESSIONS, ("EXEMPT", exempt)]).invoke(&findings);
        assert_eq!(outcome(&answer), if is_denied { "contained" } else { "needs_attention" }, "{findings} {answer:#}");
        assert_eq!(!iam.denials("user/Bob").is_empty(), is_denied, "{findings}");
        assert!(iam.denials("user/Carol").is_empty(), "{findings}");
    }
}

#[tokio::test]
async fn findings_that_agree_about_the_holder_of_a_session_end_it_in_any_order() {
    let bob = user_session();
    let renamed = session_with("userName", "bob");
    let untyped = custom("Bob", SESSION);
    let nameless = session_with("userName", "");
    let carol = replaced(&user_session(), &[("\"Bob\"", "\"Carol\""), (USER_ID, "AIDAXXXXXXXXXXXXCAROL")]);
    let of_nobody = custom("", SESSION);
    for (findings, expected) in [
        ([&bob, &renamed, &untyped], "contained"),
        ([&untyped, &nameless, &bob], "contained"),
        ([&of_nobody, &untyped, &bob], "contained"),
        ([&untyped, &carol, &bob], "needs_attention"),
        ([&of_nobody, &carol, &bob], "needs_attention"),
        ([&nameless, &untyped, &carol], "needs_attention"),
    ] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let iam = FakeIam::of_bob().await.key("Carol", "AKIACAROLSKEYEXAMPLE");
            let findings = json!(order.map(|index| findings[index]));
            let answer = iam.function(&[SESSIONS, ("CUSTOM_SOURCES", DETECTOR)]).invoke(&findings);
            assert_eq!(outcome(&answer), expected, "{order:?} {findings} {answer:#}");
            if expected == "needs_attention" {
                assert_nothing_changed(&iam);
            }
        }
    }
}

#[tokio::test]
async fn a_user_who_is_named_only_by_a_resources_arn_saves_the_question_whose_key_it_is() {
    let id = format!("arn:aws:iam::{OWN}:user/team/Bob");
    let mut v2 = event("security-hub-v2");
    v2["detail"]["findings"][0]["resources"] =
        json!([{"type": "AWS::IAM::AccessKey", "uid": id, "data": {"access_key_id": KEY}}]);
    let v1 =
        imported(&json!({"Type": "AwsIamAccessKey", "Id": id, "Details": {"AwsIamAccessKey": {"AccessKeyId": KEY}}}));
    for finding in [v1, v2] {
        let iam = FakeIam::of_bob().await;
        assert_eq!(outcome(&iam.function(&[]).invoke(&finding)), "contained");
        assert_eq!(iam.call_lines()[0], format!("UpdateAccessKey Bob {KEY} Inactive"));
    }
}

#[tokio::test]
async fn a_message_that_a_topic_brought_is_handed_back_to_nobody_and_fails_the_invocation() {
    let bob = event("guardduty-iam-user");
    let inner = json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": bob.to_string()},
                                   {"messageId": "2", "eventSource": "aws:sqs", "body": "{"}]});
    let published = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": inner.to_string()}}]});
    let record = json!({"requestContext": {}, "requestPayload": inner});
    for input in [published, record] {
        let iam = FakeIam::of_bob().await;
        assert_failed(&iam.function(&[]).invoke(&input), "InvalidInput", &["Records[1].body"]);
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    }
}

#[tokio::test]
async fn an_owner_in_one_account_is_never_a_user_of_the_same_name_in_another() {
    let refusal = || denied("iam:UpdateAccessKey on resource: user Bob with an explicit deny");
    let finding = called_from(MEMBER, without_user());
    for containment in [SESSIONS, PRINCIPAL] {
        // IAM of the own account does not answer, and that of the other names the owner.
        let broken = error(400, "ValidationError", "made up");
        let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY).user("Bob");
        let iam = iam.first("GetAccessKeyLastUsed", [broken]).always("UpdateAccessKey", refusal());
        let answer = iam.function(&[containment, MEMBERS]).invoke(&finding);
        assert_failed(&answer, "MissingPermission", &[&format!("account {MEMBER}"), "user Bob was denied"]);
        assert_eq!(iam.denials("user/Bob"), [""; 0], "{:?}", iam.call_lines());
        let attached = iam.calls().into_iter().filter(|call| call.action == "AttachUserPolicy");
        assert_eq!(attached.map(|call| call.account).collect::<Vec<_>>(), [MEMBER]);
    }
}

#[tokio::test]
async fn a_key_is_kept_for_the_next_try_unless_the_event_identifies_the_owner_who_is_not_denied_yet() {
    let carol = replaced(&event("guardduty-iam-user"), &[("\"Bob\"", "\"Carol\""), (USER_ID, "AIDAXXXXXXXXXXXXCAROL")]);
    let without_id = replaced(&event("guardduty-iam-user"), &[(USER_ID, "")]);
    let root = in_member(&event("guardduty-root-key"));
    for (finding, account) in [(&carol, OWN), (&without_id, OWN), (&without_user(), OWN), (&root, MEMBER)] {
        let iam = FakeIam::start().await.key_in(account, "Bob", KEY).user("Carol");
        let iam = iam.first("AttachUserPolicy", [error(400, "ValidationError", "made up")]);
        let function = iam.function(&[DELETE, PRINCIPAL, MEMBERS, ("ROOT_KEYS", "delete")]);
        assert_failed(&function.invoke(finding), "StepFailed", &["AttachUserPolicy"]);
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"), "{finding}");
        let answer = function.invoke(finding);
        assert_eq!((outcome(&answer), &result(&answer)["userName"]), ("contained", &json!("Bob")), "{answer:#}");
        assert_eq!(iam.status(KEY), None);
        assert_eq!(iam.denials("user/Carol"), [""; 0]);
    }
}

#[tokio::test]
async fn what_another_finding_says_of_a_key_is_not_lost_where_it_is_in_none_of_the_accounts() {
    let in_own = custom("Carol", KEY);
    let mut contradictory = custom(&format!("arn:aws:iam::{MEMBER}:user/Bob"), KEY);
    contradictory["detail"]["accountId"] = json!(OWN);
    let exempt = called_from(MEMBER, event("guardduty-iam-user"));
    for (other, code) in [(&contradictory, "contradictory"), (&exempt, "not_everywhere")] {
        for findings in [json!([in_own, other]), json!([other, in_own])] {
            let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
            let variables = [MEMBERS, ("CUSTOM_SOURCES", DETECTOR), ("EXEMPT", "Bob")];
            let answer = iam.function(&variables).invoke(&findings);
            assert_eq!(result(&answer)["code"], code, "{answer:#}");
            assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
        }
    }
}

#[tokio::test]
async fn a_key_is_one_credential_whatever_accounts_its_findings_name_and_in_any_order() {
    let (own, member) = (event("guardduty-iam-user"), in_member(&event("guardduty-iam-user")));
    let both = called_from(MEMBER, event("guardduty-iam-user"));
    let findings = [&own, &member, &both];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for account in [OWN, MEMBER] {
            let iam = FakeIam::start().await.key_in(account, "Bob", KEY);
            let answer = iam.function(&[MEMBERS]).invoke(&json!(order.map(|index| findings[index])));
            assert_eq!((outcome(&answer), &result(&answer)["accountId"]), ("contained", &json!(account)), "{order:?}");
        }
    }
}

#[tokio::test]
async fn a_sequences_key_is_looked_for_in_the_account_of_the_envelope_too() {
    let mut sequence = event("guardduty-attack-sequence");
    let actors = sequence.pointer_mut("/detail/service/detection/sequence/actors").expect("actors");
    *actors = json!([actors[0]]);
    let mut elsewhere = in_member(&sequence);
    elsewhere["account"] = json!(OWN);
    let iam = FakeIam::start().await.key("Bob", KEY);
    assert_eq!(outcome(&iam.function(&[MEMBERS]).invoke(&elsewhere)), "contained");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn an_exempt_root_user_keeps_its_key() {
    for exempt in ["root", "Root*"] {
        let iam = FakeIam::start().await.key_in(MEMBER, "root-user", KEY);
        let answer = iam
            .function(&[("ROOT_KEYS", "delete"), ("EXEMPT", exempt)])
            .invoke(&in_member(&event("guardduty-root-key")));
        assert_eq!(outcome(&answer), "exempt", "{answer:#}");
        iam.assert_no_calls();
    }
}
