//! After a bad minute the next finding is contained as if nothing had happened.

mod common;

use std::time::{Duration, Instant};

use common::answers::{assert_failed, outcome, outcomes};
use common::fake_iam::{Answer, FakeIam, broken, denied, error, success, throttled};
use common::findings::in_member;
use common::ids::{KEY, MEMBER, OTHER_KEY};
use common::wire::Wire;
use common::{event, log_lines, raw_log_lines, replaced};
use serde_json::{Value, json};

const SESSIONS: (&str, &str) = ("CONTAINMENT", "sessions");
const MEMBERS: (&str, &str) = ("MEMBER_ROLE", "key-remediator-member");

fn key(number: usize) -> String {
    format!("AKIAIOSFODNN7EX{number:05}")
}

/// As many findings, each with a key of Bob's.
fn findings(count: usize) -> Vec<Value> {
    (0..count).map(|number| replaced(&event("guardduty-iam-user"), &[(KEY, &key(number))])).collect()
}

async fn with_keys(count: usize) -> FakeIam {
    (0..count).fold(FakeIam::start().await, |iam, number| iam.key("Bob", &key(number)))
}

fn hung(action: &str) -> Answer {
    success(action, "").set_delay(Duration::from_mins(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_pass_leave_no_key_alive_however_many_findings_meet_them() {
    for (count, fault) in [(60, broken()), (130, throttled())] {
        let iam = with_keys(2 * count).await.first_for_each_key("UpdateAccessKey", 2, fault);
        let function = iam.function(&[]);
        let findings = findings(2 * count);
        for half in [&findings[..count], &findings[count..]] {
            let answer = function.invoke(&json!(half));
            assert_eq!(outcomes(&answer), vec!["contained"; count]);
        }
        assert!((0..2 * count).all(|number| iam.status(&key(number)).as_deref() == Some("Inactive")));
    }
}

#[tokio::test]
async fn errors_of_iam_that_pass_are_tried_again() {
    for code in ["ConcurrentModification", "EntityTemporarilyUnmodifiable"] {
        let passing = || [error(409, code, "made up"), error(409, code, "made up")];
        let iam = FakeIam::of_bob().await.first("UpdateAccessKey", passing()).first("AttachUserPolicy", passing());
        assert_eq!(outcome(&iam.function(&[SESSIONS]).invoke(&event("guardduty-iam-user"))), "contained", "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_off_or_not_iams_is_asked_for_again() {
    let page = || Answer::new(200).set_body_raw("<html>busy</html>", "text/html");
    let iam = FakeIam::of_bob().await.first("UpdateAccessKey", [page(), Answer::new(200)]);
    assert_eq!(outcome(&iam.function(&[]).invoke(&event("guardduty-iam-user"))), "contained");
    let iam = FakeIam::of_bob().await;
    let wire = Wire::to(iam.address()).await;
    wire.cut_answers(2);
    let answer = FakeIam::function_at(&wire.url, &[]).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_a_role_may_not_make_takes_no_session_from_the_other_keys() {
    let in_member: Vec<_> = findings(40).iter().map(in_member).collect();
    let member = || async {
        let keys = |iam: FakeIam| (0..40).fold(iam, |iam, number| iam.key_in(MEMBER, "Bob", &key(number)));
        keys(FakeIam::start().await)
    };
    // Nobody may list: one session more to find out.
    let iam = member().await.always("ListAccessKeys", denied("iam:ListAccessKeys on resource: user Bob"));
    assert_eq!(outcomes(&iam.function(&[MEMBERS]).invoke(&json!(in_member))), vec!["contained"; 40]);
    assert!(iam.assumed() <= 2, "{}", iam.assumed());
    // A call is refused, and STS has no other session to give.
    for outage in [broken(), hung("AssumeRole")] {
        let iam = member().await.first("UpdateAccessKey", [denied("iam:UpdateAccessKey on resource: user Bob")]);
        let iam = iam.but_the_first("AssumeRole", outage);
        assert_eq!(outcomes(&iam.function(&[MEMBERS]).invoke(&json!(in_member))), vec!["contained"; 40]);
    }
}

#[tokio::test]
async fn a_session_that_iam_refuses_is_made_anew_once_and_the_call_repeated() {
    let finding = in_member(&event("guardduty-iam-user"));
    for (code, message) in [
        ("ExpiredToken", "The security token included in the request is expired"),
        ("InvalidClientTokenId", "The security token included in the request is invalid"),
        ("AccessDenied", "User is not authorized to perform: iam:UpdateAccessKey with an explicit deny"),
    ] {
        let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
        let function = iam.function(&[MEMBERS]);
        for round in 1..=3 {
            let answer = function.invoke(&finding);
            assert!(
                answer["results"].is_array(),
                "{round} {code} {:#?}",
                iam.calls().iter().map(|call| (call.action.clone(), call.signer.clone())).collect::<Vec<_>>()
            );
            assert_eq!(outcome(&answer), "contained", "{code}");
            assert_eq!(iam.assumed(), round, "{code}");
            iam.refuse_sessions(code, message);
        }
    }
    // A permission that is missing is missing with every session.
    let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY);
    let iam = iam.always("UpdateAccessKey", denied("iam:UpdateAccessKey on resource: user Bob"));
    assert_failed(&iam.function(&[MEMBERS]).invoke(&finding), "MissingPermission", &["iam:UpdateAccessKey"]);
    assert_eq!(iam.assumed(), 2);
    // That IAM does not know a key is no refusal.
    let iam = FakeIam::start().await;
    assert_eq!(outcome(&iam.function(&[MEMBERS]).invoke(&finding)), "not_found");
    assert_eq!(iam.assumed(), 1);
}

#[tokio::test]
async fn a_session_is_used_no_longer_than_sts_says() {
    let finding = in_member(&event("guardduty-iam-user"));
    for (seconds, expected) in [(60, 3), (3_600, 1)] {
        let iam = FakeIam::start().await.key_in(MEMBER, "Bob", KEY).sessions_end_in(seconds);
        let function = iam.function(&[MEMBERS]);
        for _ in 0..3 {
            assert_eq!(outcome(&function.invoke(&finding)), "contained");
        }
        let of_an_invocation = iam.assumed() / 3;
        assert!(if expected == 1 { iam.assumed() == 1 } else { of_an_invocation >= 1 }, "{seconds}: {}", iam.assumed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_in_a_freeze_do_not_keep_the_next_key_alive() {
    let iam = with_keys(40).await;
    let wire = Wire::to(iam.address()).await;
    let function = FakeIam::function_at(&wire.url, &[]);
    let findings = findings(40);
    assert_eq!(outcomes(&function.invoke(&json!(findings[..16]))), vec!["contained"; 16]);
    wire.let_connections_die();
    let started = Instant::now();
    assert_eq!(outcomes(&function.invoke(&json!(findings[16..]))), vec!["contained"; 24]);
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_hang_do_not_delay_the_own_account_or_each_other() {
    let accounts: Vec<_> = (0..150).map(|number| format!("222222222{number:03}")).collect();
    let mut findings: Vec<_> = accounts
        .iter()
        .enumerate()
        .flat_map(|(index, account)| (0..2).map(move |number| (100 * index + number, account)))
        .map(|(number, account)| {
            replaced(&event("guardduty-iam-user"), &[("123456789012", account), (KEY, &key(number))])
        })
        .collect();
    findings.push(event("guardduty-iam-user"));
    let iam = FakeIam::of_bob().await.always("AssumeRole", hung("AssumeRole"));
    let started = Instant::now();
    let answer = iam.function(&[MEMBERS, SESSIONS, ("AWS_LAMBDA_FUNCTION_TIMEOUT", "6")]).invoke(&json!(findings));
    assert_failed(&answer, "StepFailed", &["the time of the invocation ran out"]);
    let at = |action: &str| iam.calls().iter().find(|call| call.action == action).map(|call| call.at - started);
    for action in ["UpdateAccessKey", "AttachUserPolicy", "ListAccessKeys"] {
        assert!(at(action).is_some_and(|at| at < Duration::from_secs(2)), "{action}: {:?}", at(action));
    }
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_be_in_an_account_that_hangs_do_not_delay_the_others() {
    let gone = |number: usize| {
        let mut finding = replaced(&event("guardduty-iam-user"), &[(KEY, &key(number))]);
        finding["detail"]["service"]["action"] =
            json!({"awsApiCallAction": {"remoteAccountDetails": {"accountId": MEMBER}}});
        finding
    };
    let mut findings: Vec<_> = (0..40).map(gone).collect();
    findings.push(event("guardduty-iam-user"));
    let iam = FakeIam::of_bob().await.always("AssumeRole", hung("AssumeRole"));
    let started = Instant::now();
    let answer = iam.function(&[MEMBERS, SESSIONS, ("AWS_LAMBDA_FUNCTION_TIMEOUT", "4")]).invoke(&json!(findings));
    assert_failed(&answer, "StepFailed", &["the time of the invocation ran out"]);
    let about_it = |call: &&common::fake_iam::Call| call.parameters.get("AccessKeyId").is_some_and(|key| key == KEY);
    let kill = iam.calls().iter().find(about_it).map(|call| call.at - started);
    let deny = iam.calls().iter().find(|call| call.action == "AttachUserPolicy").map(|call| call.at - started);
    assert!([kill, deny].iter().all(|at| at.is_some_and(|at| at < Duration::from_secs(2))), "{kill:?} {deny:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_informs_holds_the_answer_for_a_few_seconds_at_most_and_fails_nothing() {
    let iam = with_keys(30).await.always("ListAccessKeys", hung("ListAccessKeys"));
    let iam = iam.always("GetLoginProfile", hung("GetLoginProfile"));
    let started = Instant::now();
    let answer = iam.function(&[("CONTAINMENT", "principal")]).invoke(&json!(findings(30)));
    assert_eq!(outcomes(&answer), vec!["contained"; 30]);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_not_held_by_what_only_informs() {
    let iam = FakeIam::of_bob().await.always("ListGroupsForUser", hung("ListGroupsForUser"));
    let iam = iam.always("ListUserPolicies", hung("ListUserPolicies"));
    let function = iam.function(&[SESSIONS]);
    function.invoke(&event("guardduty-iam-user"));
    let started = Instant::now();
    assert_eq!(outcome(&function.invoke(&event("command-restore"))), "restored");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(iam.denials("user/Bob"), [""; 0]);
}

/// A megabyte of JSON that holds nothing but `part`, and what stands round it.
fn megabyte(before: &str, part: &str, after: &str) -> String {
    let count = (1_000_000 - before.len() - after.len()) / (part.len() + 1);
    format!("{before}{}{after}", vec![part; count].join(","))
}

#[tokio::test]
async fn input_that_cannot_be_read_is_told_in_a_few_words_and_little_memory() {
    let event = r#"{"source":"com.example","detail-type":"x","detail":{"accessKeyId":"x","odd":["#;
    for input in [
        format!("{}{}", "[".repeat(500_000), "]".repeat(500_000)),
        format!("{}1{}", r#"{"Records":["#.repeat(60_000), "]}".repeat(60_000)),
        megabyte("[", "1", "]"),
        megabyte("[", "{}", "]"),
        megabyte("[", r#"{"a":1}"#, "]"),
        megabyte("[", r#"{"source":1}"#, "]"),
        megabyte("[", r#"{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{}}"#, "]"),
        megabyte(r#"{"Records":["#, r#"{"eventSource":"aws:sqs","messageId":"1","body":"x"}"#, "]}"),
        megabyte(event, r#"{"a":1}"#, "]}}"),
        megabyte(event, "[[]]", "]}}"),
        megabyte(event, r#"{"a":{"b":{"c":1}}}"#, "]}}"),
        megabyte(event, r#"{"a":{"a":{"a":{"a":{}}}}}"#, "]}}"),
        megabyte(event, r#""a""#, "]}}"),
        megabyte(r#"{"source":"x","#, r#""a":1"#, "}"),
    ] {
        let iam = FakeIam::start().await;
        let function = iam.function(&[]);
        let answer = function.invoke_raw(&input).to_string();
        let start = &input[..100];
        assert!(answer.len() < 256_000, "{start}: an answer of {} bytes", answer.len());
        let memory = function.peak_memory().expect("the process lives");
        assert!(memory < 100_000, "{start}: {memory} KiB");
        let log = function.stop();
        assert!(log.len() < 1_000_000, "{start}: a log of {} bytes", log.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_parts_hides_a_key() {
    let health = event("health-two-entities").to_string().replace("RESOLVED", "IMPAIRED");
    let padded = |part: &str, count: usize| {
        let padding = format!(r#""detail":{{"a":[{}0],"#, format!("{part},").repeat(count));
        health.replacen(r#""detail":{"#, &padding, 1)
    };
    let keys = [KEY, OTHER_KEY];
    for (part, count, is_read) in [("{}", 80_000, true), (r#"{"":1}"#, 37_000, true), (r#"{"":1}"#, 70_000, false)] {
        let iam = FakeIam::start().await.key("Bob", keys[0]).key("Bob", keys[1]);
        let input = padded(part, count);
        let answer = iam.function(&[]).invoke_raw(&input);
        if is_read {
            assert!(keys.iter().all(|key| iam.status(key).as_deref() == Some("Inactive")), "{part} {count}: {answer}");
        } else {
            assert_failed(&answer, "InvalidInput", &["holds too many objects"]);
        }
        let message = json!({"eventSource": "aws:sqs", "messageId": "1", "body": input});
        let answer =
            iam.function(&[]).invoke(&json!({"Records": [message, {"eventSource": "aws:sqs", "messageId": "2",
            "body": event("unrelated-schedule").to_string()}]}));
        assert_eq!(
            answer["batchItemFailures"].as_array().map(Vec::len),
            Some(usize::from(!is_read)),
            "{part}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_flood_of_findings_is_answered_and_logged_in_bounds_and_what_a_person_must_do_comes_first() {
    // What is escaped takes more space than it seems to.
    let ignored = json!({"source": "com.example", "detail-type": "x", "id": "\"\u{1}".repeat(10),
                         "detail": {"accessKeyId": KEY}});
    let ignored = ignored.to_string();
    let events: Vec<_> = (0..20_000).map(|number| ignored.replace(KEY, &key(number))).collect();
    let last = json!({"source": "aws.health", "detail-type": "AWS Health Event",
                      "detail": {"eventTypeCode": "AWS_RISK_IAM_QUARANTINE", "affectedEntities": [{"entityValue": OTHER_KEY}]}});
    let input = format!("[{},{last}]", events.join(","));
    let iam = FakeIam::start().await;
    let function = iam.function(&[]);
    let started = Instant::now();
    let answer = function.invoke_raw(&input);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(answer.to_string().len() < 5_000_000);
    let told = answer["results"].as_array().expect("results").len();
    assert_eq!(answer["omittedResults"].as_u64(), u64::try_from(20_001 - told).ok());
    assert!(function.peak_memory().is_some_and(|memory| memory < 100_000), "{:?}", function.peak_memory());
    let log = function.stop();
    assert!(raw_log_lines(&log).map(str::len).sum::<usize>() < 1_000_000);
    let lines = log_lines(&log);
    assert!(lines.iter().any(|line| line["code"] == "only_reported" && line["access_key_id"] == OTHER_KEY));
    let omitted = lines.iter().find(|line| line["code"] == "lines_omitted").expect("a summary");
    assert!(omitted["message"].as_str().is_some_and(|message| message.contains("ignored")), "{omitted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_findings_begin_to_be_contained_at_once() {
    let named = |number: usize| {
        json!({"source": "com.example.leak-scanner", "detail-type": "x",
               "detail": {"accessKeyId": key(number), "userName": "Bob"}})
    };
    let input = Value::Array((0..10_000).map(named).collect());
    let iam = with_keys(1).await;
    let variables = [("CUSTOM_SOURCES", "com.example.leak-scanner"), ("AWS_LAMBDA_FUNCTION_TIMEOUT", "10")];
    let function = iam.function(&variables);
    let started = Instant::now();
    let answer = function.invoke(&input);
    assert!(answer.to_string().len() < 5_000_000);
    let first = iam.calls()[0].at - started;
    // A debug build; bench/RESULTS.md has the release build's time.
    assert!(first < Duration::from_secs(5), "{first:?}");
}
