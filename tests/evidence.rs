//! What a contained credential did, by CloudTrail: counted, bounded in time and size, and never in the way.

mod common;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::answers::{outcome, result, results};
use common::event;
use common::fake_iam::{Answer, FakeIam};
use common::findings::{finding_for, role_session};
use common::ids::{KEY, OTHER_KEY, ROLE_ID, SESSION};
use serde_json::{Value, json};
use tokio::time::Instant;

const EVIDENCE: (&str, &str) = ("EVIDENCE", "true");
const OPENED: &str = "ASIAOPENEDBYTHEKEYXX";

fn finding() -> Value {
    let mut finding = event("guardduty-iam-user");
    finding["detail"]["service"]["count"] = json!(1);
    finding["detail"]["region"] = json!("eu-west-1");
    finding
}

fn ago(minutes: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::minutes(minutes)
}

fn refusal(code: &str) -> Answer {
    let body = json!({"__type": code, "message": "made up"}).to_string();
    Answer::new(400).set_body_raw(body, "application/x-amz-json-1.1")
}

#[tokio::test(start_paused = true)]
async fn it_is_told_what_the_key_and_the_sessions_that_it_opened_made_in_all_regions() {
    let iam = FakeIam::of_bob().await;
    let credentials = json!({"responseElements": {"credentials": {"accessKeyId": OPENED}},
                             "requestParameters": {"roleArn": "arn:aws:iam::123456789012:role/admin"}});
    iam.record("eu-west-1", KEY, "ListBuckets", ago(50), &json!({}));
    iam.record("eu-west-1", KEY, "ListBuckets", ago(49), &json!({"sourceIPAddress": "203.0.113.9"}));
    iam.record("eu-west-1", KEY, "DescribeInstances", ago(48), &json!({"errorCode": "Client.UnauthorizedOperation"}));
    iam.record("eu-west-1", KEY, "AssumeRole", ago(40), &credentials);
    iam.record("us-east-1", KEY, "CreateUser", ago(45), &json!({"requestParameters": {"userName": "eve\u{202e}"}}));
    iam.record(
        "us-east-1",
        KEY,
        "CreateRole",
        ago(44),
        &json!({"errorCode": "AccessDenied", "requestParameters": {"roleName": "x"}}),
    );
    let made = json!({"responseElements": {"accessKey": {"accessKeyId": "AKIABACKDOORXXXXAMPL"}}});
    iam.record("us-east-1", OPENED, "CreateAccessKey", ago(39), &made);
    iam.record("us-east-1", OTHER_KEY, "CreateUser", ago(39), &json!({"requestParameters": {"userName": "innocent"}}));

    let answer = iam.in_process(&[EVIDENCE]).invoke(&finding()).await;
    let evidence = &result(&answer)["evidence"];
    assert_eq!(outcome(&answer), "contained", "{answer:#}");
    assert_eq!(evidence["partial"], Value::Null, "{answer:#}");
    let told: Vec<_> =
        evidence["made"].as_array().expect("a list").iter().map(|made| (&made["kind"], &made["name"])).collect();
    let text = |kind: &str, name: &str| (json!(kind), json!(name));
    let expected = [
        text("CreateUser", "eve\\u{202e}"),
        text("AssumeRole", "arn:aws:iam::123456789012:role/admin"),
        text("CreateAccessKey", "AKIABACKDOORXXXXAMPL"),
    ];
    assert_eq!(told, expected.iter().map(|(kind, name)| (kind, name)).collect::<Vec<_>>());
    assert_eq!(evidence["calls"]["ListBuckets"], 2);
    let last_used = json!({"at": "2026-11-20T03:04:05Z", "service": "s3", "region": "us-east-1"});
    assert_eq!(result(&answer)["lastUsed"], last_used);
    assert_eq!(evidence["refused"], json!({"CreateRole": 1, "DescribeInstances": 1}));
    assert_eq!(evidence["sourceAddresses"], json!(["198.51.100.7", "203.0.113.9"]));
    assert_eq!(evidence["regions"], json!(["eu-west-1", "us-east-1"]));
    let reason = result(&answer)["reason"].as_str().expect("text");
    assert!(reason.contains("CreateUser eve") && !reason.contains("innocent"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn the_kill_comes_before_cloudtrail_is_asked() {
    let iam = FakeIam::of_bob().await;
    iam.in_process(&[EVIDENCE]).invoke(&finding()).await;
    let calls: Vec<_> = iam.calls().into_iter().map(|call| call.action).collect();
    assert_eq!(calls[0], "UpdateAccessKey");
    let first = calls.iter().position(|call| call == "LookupEvents").expect("asked");
    assert!(calls[..first].contains(&"ListAccessKeys".to_owned()), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn cloudtrail_is_asked_twice_a_second_and_no_longer_than_to_the_last_look() {
    let iam = FakeIam::of_bob().await;
    for minute in 0..20_000 {
        iam.record("us-east-1", KEY, "ListBuckets", ago(minute % 1_000), &json!({}));
    }
    let start = Instant::now();
    let answer = iam.in_process(&[EVIDENCE]).invoke(&finding()).await;
    let took = start.elapsed().as_secs_f64();
    assert!(took < 33.0, "{took}");
    assert_eq!(result(&answer)["evidence"]["partial"], true, "{answer:#}");
    assert!(result(&answer)["verifiedAt"].is_string(), "evidence that is partial is no look that failed");
    let asked = iam.calls().iter().filter(|call| call.action == "LookupEvents").count();
    assert!((55..=65).contains(&asked), "{asked} questions in 30 seconds");
}

#[tokio::test(start_paused = true)]
async fn what_cloudtrail_does_not_answer_makes_it_partial_and_nothing_fails() {
    let hung = Answer::new(200).set_delay(Duration::from_hours(1));
    let broken = Answer::new(500).set_body_string("{}");
    let nonsense =
        Answer::new(200).set_body_raw(r#"{"Events": [{"CloudTrailEvent": "x"}]}"#, "application/x-amz-json-1.1");
    for (what, fault) in [
        ("denied", refusal("AccessDeniedException")),
        ("throttled", refusal("ThrottlingException")),
        ("broken", broken),
        ("hung", hung),
        ("nonsense", nonsense),
    ] {
        for looks in ["0", "5,30"] {
            let iam = FakeIam::of_bob().await.always("LookupEvents", fault.clone());
            let start = Instant::now();
            let answer = iam.in_process(&[EVIDENCE, ("VERIFY_AFTER", looks)]).invoke(&finding()).await;
            let most = if looks == "0" { 6 } else { 33 };
            assert!(start.elapsed() < Duration::from_secs(most), "{what}: {:?}", start.elapsed());
            assert_eq!(outcome(&answer), "contained", "{what}: {answer:#}");
            assert_eq!(result(&answer)["evidence"]["partial"], true, "{what}: {answer:#}");
            assert_eq!(result(&answer)["verifiedAt"].is_string(), looks != "0", "{what}: {answer:#}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_nothing_it_does_not_wait() {
    let iam = FakeIam::of_bob().await;
    let start = Instant::now();
    let answer = iam.in_process(&[EVIDENCE, ("VERIFY_AFTER", "0")]).invoke(&finding()).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(result(&answer)["evidence"]["partial"], Value::Null, "{answer:#}");
    assert_eq!(result(&answer)["evidence"]["made"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_was_used_when_it_should_have_been_dead_is_contested() {
    let deny = ("ROLE_SESSIONS", "deny");
    let late = |seconds| Utc::now() + TimeDelta::seconds(seconds);
    let refused = json!({"errorCode": "AccessDenied"});
    for (what, finding, key, at, more, is_contested) in [
        ("a call after 12 s", finding(), KEY, late(12), json!({}), true),
        ("a call after 5 s", finding(), KEY, late(5), json!({}), false),
        ("a refused call of a key", finding(), KEY, late(12), refused.clone(), true),
        ("a session after 70 s", role_session(), SESSION, late(70), json!({}), true),
        ("a session after 50 s", role_session(), SESSION, late(50), json!({}), false),
        ("a refused call of a session", role_session(), SESSION, late(70), refused, false),
    ] {
        let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
        iam.record("us-east-1", key, "ListBuckets", at, &more);
        let answer = iam.in_process(&[EVIDENCE, deny]).invoke(&finding).await;
        assert_eq!(outcome(&answer) == "contested", is_contested, "{what}: {answer:#}");
        assert_eq!(result(&answer)["contested"]["usedAfter"].is_string(), is_contested, "{what}");
        assert_eq!(result(&answer)["verifiedAt"].is_null(), is_contested, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_share_the_pace_and_each_gets_its_first_page_before_another_gets_its_second() {
    let iam = FakeIam::of_bob().await.key("Carol", "AKIACAROLSKEYEXAMPLE");
    for _ in 0..500 {
        iam.record("us-east-1", KEY, "ListBuckets", ago(10), &json!({}));
    }
    iam.record("us-east-1", "AKIACAROLSKEYEXAMPLE", "CreateUser", ago(9), &json!({}));
    let carols = common::replaced(&finding_for("Carol"), &[(KEY, "AKIACAROLSKEYEXAMPLE")]);
    let answer = iam.in_process(&[EVIDENCE]).invoke(&json!([finding(), carols])).await;
    let asked: Vec<_> = iam.calls().into_iter().filter(|call| call.action == "LookupEvents").collect();
    let global: Vec<_> = asked.iter().filter(|call| call.parameters["Region"] == "us-east-1").collect();
    assert_eq!(global[0].parameters["AccessKeyId"], KEY);
    assert_eq!(global[1].parameters["AccessKeyId"], "AKIACAROLSKEYEXAMPLE");
    assert_eq!(results(&answer)[1]["evidence"]["calls"], json!({"CreateUser": 1}), "{answer:#}");
    assert_eq!(results(&answer)[0]["evidence"]["calls"], json!({"ListBuckets": 500}));
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_none_is_not_asked_and_commands_and_dry_runs_ask_nothing() {
    let mut hostile = finding();
    hostile["detail"]["region"] = json!("evil.example.com/");
    hostile["region"] = json!("us-east-1.evil");
    let iam = FakeIam::of_bob().await;
    iam.in_process(&[EVIDENCE]).invoke(&hostile).await;
    let asked: Vec<_> = iam.calls().into_iter().filter(|call| call.action == "LookupEvents").collect();
    assert!(asked.iter().all(|call| call.parameters["Region"] == "us-east-1") && !asked.is_empty(), "{asked:?}");
    for (input, dry_run) in [(event("command-deactivate"), "false"), (finding(), "true")] {
        let iam = FakeIam::of_bob().await;
        let answer = iam.in_process(&[EVIDENCE, ("DRY_RUN", dry_run)]).invoke(&input).await;
        assert!(!iam.calls().iter().any(|call| call.action == "LookupEvents"), "{answer:#}");
        assert_eq!(result(&answer)["evidence"], Value::Null);
    }
}
