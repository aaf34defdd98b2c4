//! The second look: who works against a containment, inside a fake whose time is handed in, and who must not be touched.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::answers::{outcome, result, results};
use common::event;
use common::fake_iam::{Answer, FakeIam, broken, denied, error, success};
use common::findings::{finding_for, role_session, user_session};
use common::ids::{KEY, MEMBER, OTHER_KEY, OWN, ROLE_ID, SESSION};
use common::throughput::{FINDINGS, findings, key};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const NEW_KEY: &str = "AKIANEWKEYOFBOBXAMPL";
const BACKDOOR: &str = "AKIABACKDOORXXXXAMPL";
const SESSIONS: (&str, &str) = ("CONTAINMENT", "sessions");

/// The lags of IAM's enforcement behind its record: none, that of a key, and the longest that was measured.
const LAGS: [u64; 3] = [0, 4, 30];

/// The time that all tests begin at, and that goes on with tokio's.
struct Time {
    start: Instant,
    start_at: DateTime<Utc>,
}

impl Time {
    fn begin() -> Self {
        Self { start: Instant::now(), start_at: Utc::now() }
    }

    fn now(&self) -> DateTime<Utc> {
        self.start_at + self.start.elapsed()
    }
}

/// Whoever holds the stolen key looks each second whether it is dead. IAM's record tells at once; the key works on for as
/// long as the lag.
async fn when_it_is_seen(iam: &FakeIam, lag: u64) -> bool {
    loop {
        let is_dead = iam.status(KEY).as_deref() != Some("Active");
        if is_dead {
            // A key that is dead at once cannot do anything any more.
            return lag > 0;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// What the function says and does while somebody works against it.
async fn against(
    iam: &FakeIam,
    variables: &[(&str, &str)],
    finding: &Value,
    attacker: impl Future<Output = ()>,
) -> Value {
    let function = iam.in_process(variables);
    let mut attacker = std::pin::pin!(attacker);
    let invocation = std::pin::pin!(function.invoke(finding));
    match futures_util::future::select(invocation, &mut attacker).await {
        futures_util::future::Either::Left((answer, _)) => answer,
        futures_util::future::Either::Right(((), invocation)) => invocation.await,
    }
}

/// One that comes for the first time.
fn finding() -> Value {
    let mut finding = event("guardduty-iam-user");
    finding["detail"]["service"]["count"] = json!(1);
    finding
}

fn assert_verified(answer: &Value) {
    let result = result(answer);
    assert_eq!(result["outcome"], "contained", "{answer:#}");
    let verified = result["verifiedAt"].as_str().unwrap_or_else(|| panic!("{answer:#}"));
    DateTime::parse_from_rfc3339(verified).expect("RFC 3339");
    assert_eq!(result["notVerified"], Value::Null, "{answer:#}");
    assert_eq!(result["contested"], Value::Null, "{answer:#}");
}

#[tokio::test(start_paused = true)]
async fn what_stays_contained_is_verified_by_the_last_look_and_the_invocation_ends_after_it() {
    let time = Time::begin();
    let iam = FakeIam::of_bob().await;
    let answer = iam.in_process(&[]).invoke(&finding()).await;
    assert_verified(&answer);
    let took = time.start.elapsed().as_secs_f64();
    assert!((30.0..33.0).contains(&took), "{took}");
    assert_eq!(result(&answer)["newPrincipals"], Value::Null);
    assert_eq!(iam.status(OTHER_KEY).as_deref(), Some("Active"));
}

#[tokio::test(start_paused = true)]
async fn the_loop_of_the_public_tool_is_seen_by_its_new_user_and_role() {
    for lag in LAGS {
        let iam = FakeIam::of_bob().await;
        let time = Time::begin();
        let attacker = async {
            if when_it_is_seen(&iam, lag).await {
                iam.make_role(OWN, "escape-role", time.now());
                sleep(Duration::from_secs(3)).await;
                iam.make_key(OWN, "x7f3a91c", BACKDOOR, time.now());
            }
        };
        let answer = against(&iam, &[], &finding(), attacker).await;
        let new = &result(&answer)["newPrincipals"];
        if lag == 0 {
            assert_verified(&answer);
            assert_eq!(*new, Value::Null);
        } else {
            assert_eq!(new["users"][0]["name"], "x7f3a91c", "{lag}: {answer:#}");
            assert_eq!(new["users"][0]["keys"], json!([BACKDOOR]));
            assert_eq!(new["roles"][0]["name"], "escape-role");
            let reason = result(&answer)["reason"].as_str().expect("text");
            assert!(reason.contains("x7f3a91c") && reason.contains("escape-role"), "{reason}");
        }
        assert_eq!(iam.status(BACKDOOR).as_deref(), (lag > 0).then_some("Active"), "it may be somebody else's");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_made_active_again_is_deactivated_again_and_contested() {
    // With another credential, which does not die: once, or each second.
    for times in [1, 25] {
        let iam = FakeIam::of_bob().await;
        let attacker = async {
            for _ in 0..times {
                sleep(Duration::from_secs(1)).await;
                iam.set_status(KEY, "Active");
            }
        };
        let answer = against(&iam, &[], &finding(), attacker).await;
        assert_eq!(outcome(&answer), "contested", "{answer:#}");
        assert_eq!(result(&answer)["code"], "contested");
        assert_eq!(result(&answer)["contested"], json!({"reactivated": true}));
        assert_eq!(result(&answer)["undo"]["UpdateAccessKey"]["AccessKeyId"], KEY);
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_for_the_same_user_that_the_thief_makes_is_deactivated_and_can_be_restored() {
    for lag in LAGS {
        let iam = FakeIam::start().await.key("Bob", KEY);
        let time = Time::begin();
        let attacker = async {
            if when_it_is_seen(&iam, lag).await {
                sleep(Duration::from_secs(2)).await;
                iam.make_key(OWN, "Bob", NEW_KEY, time.now());
            }
        };
        let answer = against(&iam, &[], &finding(), attacker).await;
        if lag == 0 {
            assert_verified(&answer);
            continue;
        }
        assert_eq!(outcome(&answer), "contested", "{answer:#}");
        assert_eq!(result(&answer)["contested"], json!({"newKeys": [NEW_KEY]}));
        let undo = json!([{
            "UpdateAccessKey": {"UserName": "Bob", "AccessKeyId": NEW_KEY, "Status": "Active"}, "AccountId": OWN
        }]);
        assert_eq!(result(&answer)["newKeysUndo"], undo);
        assert_eq!(iam.status(NEW_KEY).as_deref(), Some("Inactive"), "deactivated, never deleted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deny_that_is_taken_away_is_put_back_and_contested() {
    let deny_roles = ("ROLE_SESSIONS", "deny");
    let revoke = ("ROLE_SESSIONS", "revoke");
    for (finding, variable, principal) in [
        (finding(), SESSIONS, "user/Bob"),
        (finding(), ("CONTAINMENT", "principal"), "user/Bob"),
        (user_session(), SESSIONS, "user/Bob"),
        (role_session(), deny_roles, "role/Bob"),
        (role_session(), revoke, "role/Bob"),
    ] {
        let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
        let attacker = async {
            sleep(Duration::from_secs(2)).await;
            iam.detach_all(principal);
        };
        let answer = against(&iam, &[variable], &finding, attacker).await;
        assert_eq!(outcome(&answer), "contested", "{answer:#}");
        assert_eq!(result(&answer)["contested"], json!({"denyRemoved": true}));
        assert_eq!(iam.denials(principal).len(), 1, "{:?}", iam.denials(principal));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deny_whose_document_is_changed_is_no_deny() {
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/");
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.put_policy("role/Bob", "key-remediator-deny-sessions", r#"{"Version": "2012-10-17", "Statement": []}"#);
    };
    let answer = against(&iam, &[("ROLE_SESSIONS", "revoke")], &role_session(), attacker).await;
    assert_eq!(result(&answer)["contested"], json!({"denyRemoved": true}), "{answer:#}");
    assert!(iam.policies("role/Bob")["key-remediator-deny-sessions"].contains("Deny"));
}

#[tokio::test(start_paused = true)]
async fn a_principal_that_got_the_name_of_the_contained_one_is_not_denied() {
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/");
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.detach_all("role/Bob");
        iam.give_role_id("Bob", "AROAANOTHERROLEXAMPL");
    };
    let answer = against(&iam, &[("ROLE_SESSIONS", "deny")], &role_session(), attacker).await;
    assert_eq!(iam.denials("role/Bob"), [""; 0], "{answer:#}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_thief_deletes_is_dead_and_can_not_be_restored() {
    let iam = FakeIam::of_bob().await;
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.delete_key(KEY);
    };
    let answer = against(&iam, &[], &finding(), attacker).await;
    assert_verified(&answer);
    assert_eq!(result(&answer)["undo"], Value::Null, "{answer:#}");
}

#[tokio::test(start_paused = true)]
async fn whatever_somebody_does_against_it_is_told() {
    for lag in LAGS {
        for deed in 0..5 {
            let iam = FakeIam::of_bob().await;
            let time = Time::begin();
            let has_done = std::cell::Cell::new(false);
            let attacker = async {
                if when_it_is_seen(&iam, lag).await {
                    match deed {
                        0 => iam.make_key(OWN, "new-user", BACKDOOR, time.now()),
                        1 => iam.make_role(OWN, "new-role", time.now()),
                        2 => iam.set_status(KEY, "Active"),
                        3 => iam.make_key(OWN, "Bob", NEW_KEY, time.now()),
                        _ => iam.detach_all("user/Bob"),
                    }
                    has_done.set(true);
                }
            };
            let answer = against(&iam, &[SESSIONS, ("VERIFY_AFTER", "2,10,30")], &finding(), attacker).await;
            let result = result(&answer);
            let is_told = result["outcome"] == "contested" || !result["newPrincipals"].is_null();
            // What comes before the deny is attached is no removal of it.
            let is_told = is_told || deed == 4 && iam.denials("user/Bob").len() == 1;
            assert_eq!(is_told, has_done.get() || deed == 4, "lag {lag}, deed {deed}: {answer:#}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_may_be_an_innocents_are_told_and_not_touched() {
    let minutes = TimeDelta::minutes;
    let repeated = {
        let mut finding = finding();
        finding["detail"]["service"]["count"] = json!(3);
        finding
    };
    for (what, made, finding, exempt, is_told) in [
        ("a rotation tool's of ten minutes ago", minutes(-10), finding(), "", false),
        ("a person's after an earlier finding", TimeDelta::seconds(-10), repeated, "", true),
        ("one that EXEMPT protects", TimeDelta::seconds(-10), finding(), NEW_KEY, true),
    ] {
        let iam = FakeIam::of_bob().await;
        iam.make_key(OWN, "Bob", NEW_KEY, Utc::now() + made);
        let answer = iam.in_process(&[("EXEMPT", exempt)]).invoke(&finding).await;
        assert_verified(&answer);
        assert_eq!(iam.status(NEW_KEY).as_deref(), Some("Active"), "{what}: {answer:#}");
        let told = if is_told { json!([NEW_KEY]) } else { Value::Null };
        assert_eq!(result(&answer)["newerKeys"], told, "{what}: {answer:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_makes_roles_all_day_is_told_and_not_touched() {
    let iam = FakeIam::of_bob().await;
    let time = Time::begin();
    let pipeline = async {
        for number in 0..40 {
            iam.make_role(OWN, &format!("pipeline-{number}"), time.now());
            sleep(Duration::from_secs(1)).await;
        }
    };
    let answer = against(&iam, &[], &finding(), pipeline).await;
    let new = &result(&answer)["newPrincipals"];
    assert_eq!(new["roles"].as_array().map(Vec::len), Some(20), "{answer:#}");
    assert_eq!(new["partial"], true);
    let changes: Vec<_> = iam.call_lines().into_iter().filter(|call| call.contains("pipeline")).collect();
    assert_eq!(changes, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_iam_that_lists_late_once_is_not_contested() {
    // What a late replica answers: the key as it was.
    let late = listed("Active");
    // The first list is that of the confirmation, the next those of the looks.
    for late_at in 0..3 {
        let answers = (0..late_at).map(|_| None).chain([Some(late.clone())]);
        let iam = FakeIam::of_bob().await.nth("ListAccessKeys", answers);
        let answer = iam.in_process(&[]).invoke(&finding()).await;
        assert_verified(&answer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_says_active_twice_after_the_kill_is_a_reactivation_where_looks_follow() {
    let iam = FakeIam::of_bob().await.slow(Duration::from_millis(50));
    let attacker = async {
        while iam.status(KEY).as_deref() == Some("Active") {
            sleep(Duration::from_millis(1)).await;
        }
        iam.set_status(KEY, "Active");
    };
    let answer = against(&iam, &[("VERIFY_AFTER", "5")], &finding(), attacker).await;
    assert_eq!(result(&answer)["contested"], json!({"reactivated": true}), "{answer:#}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    assert!(result(&answer)["verifiedAt"].is_string(), "the look found it dead: {answer:#}");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_said_and_the_result_stands() {
    for (action, answer) in [
        ("ListUsers", denied("iam:ListUsers on resource: *")),
        ("ListRoles", broken()),
        ("ListRoles", success("ListRoles", "").set_delay(Duration::from_hours(1))),
    ] {
        let iam = FakeIam::of_bob().await.always(action, answer);
        let time = Time::begin();
        let answer = iam.in_process(&[]).invoke(&finding()).await;
        assert_eq!(outcome(&answer), "contained", "{action}: {answer:#}");
        assert_eq!(result(&answer)["verifiedAt"], Value::Null, "{action}");
        assert_eq!(result(&answer)["notVerified"], "nobody", "{action}");
        assert_eq!(result(&answer)["newPrincipals"], json!({"partial": true}), "{action}");
        assert!(time.start.elapsed() < Duration::from_secs(45), "{action}");
    }
    let iam = FakeIam::of_bob().await.but_the_first("ListAccessKeys", broken());
    let answer = iam.in_process(&[]).invoke(&finding()).await;
    assert_eq!(outcome(&answer), "contained", "{answer:#}");
    assert_eq!(result(&answer)["confirmed"], true);
    assert_eq!(result(&answer)["verifiedAt"], Value::Null);
    assert_eq!(result(&answer)["notVerified"], "nobody");
}

#[tokio::test(start_paused = true)]
async fn what_came_back_and_cannot_be_contained_again_fails_the_invocation() {
    let iam =
        FakeIam::of_bob().await.but_the_first("UpdateAccessKey", denied("iam:UpdateAccessKey on resource: user Bob"));
    let attacker = async {
        sleep(Duration::from_secs(3)).await;
        iam.set_status(KEY, "Active");
    };
    let answer = against(&iam, &[], &finding(), attacker).await;
    common::answers::assert_failed(&answer, "MissingPermission", &[KEY, "may still be active"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_waited_for_once_a_step_failed() {
    let (iam, other) = (FakeIam::of_bob().await, finding_for("Carol"));
    let other = common::replaced(&other, &[(KEY, OTHER_KEY)]);
    let iam = iam.first_for_each_key("GetAccessKeyLastUsed", 100, broken());
    let time = Time::begin();
    let answer = iam.in_process(&[("VERIFY_AFTER", "60")]).invoke(&json!([finding(), other])).await;
    common::answers::assert_failed(&answer, "StepFailed", &[OTHER_KEY]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    assert!(time.start.elapsed() < Duration::from_secs(59), "{:?}", time.start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_persons_command_and_a_dry_run_are_not_waited_for() {
    for (input, variables) in
        [(event("command-deactivate"), &[][..]), (event("command-delete"), &[]), (finding(), &[("DRY_RUN", "true")])]
    {
        let iam = FakeIam::of_bob().await;
        let time = Time::begin();
        let answer = iam.in_process(variables).invoke(&input).await;
        assert!(time.start.elapsed() < Duration::from_secs(2), "{answer:#}");
        assert_eq!(result(&answer)["notVerified"], Value::Null);
        assert_eq!(result(&answer)["verifiedAt"], Value::Null);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_has_no_time_is_left_out_and_the_invocation_ends_in_time() {
    let iam = FakeIam::of_bob().await;
    let time = Time::begin();
    let answer = iam.in_process(&[]).timeout(20).invoke(&finding()).await;
    assert!(time.start.elapsed() < Duration::from_secs(20), "{:?}", time.start.elapsed());
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(result(&answer)["notVerified"], "nobody", "{answer:#}");
    assert_eq!(result(&answer)["verifiedAt"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_account_of_five_thousand_users_costs_less_than_two_seconds_a_look() {
    let delay = Duration::from_millis(50);
    for (users, is_partial) in [(5_000, false), (100_000, true)] {
        let iam = FakeIam::of_bob().await.crowd(users).slow(delay);
        let time = Time::begin();
        let answer = iam.in_process(&[("VERIFY_AFTER", "1")]).invoke(&finding()).await;
        let took = time.start.elapsed();
        assert!(took < Duration::from_secs(3) + 6 * delay, "{users}: {took:?}");
        assert_eq!(result(&answer)["newPrincipals"]["partial"] == true, is_partial, "{answer:#}");
        assert_eq!(result(&answer)["verifiedAt"].is_null(), is_partial, "{answer:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_waits_of_a_hundred_credentials_overlap_and_their_account_is_listed_once() {
    let mut took = Vec::new();
    for looks in ["0", "2"] {
        let (iam, findings) = findings(FakeIam::start().await.slow(Duration::from_millis(200)));
        let time = Time::begin();
        let answer = iam.in_process(&[("VERIFY_AFTER", looks)]).invoke(&Value::Array(findings)).await;
        took.push(time.start.elapsed());
        let verified = results(&answer).iter().filter(|result| result["verifiedAt"].is_string()).count();
        assert_eq!(verified, if looks == "0" { 0 } else { FINDINGS }, "{answer:#}");
        let lists = iam.calls().iter().filter(|call| call.action == "ListUsers").count();
        assert_eq!(lists, usize::from(looks != "0"));
        let dead: BTreeSet<_> = (0..FINDINGS).filter_map(|number| iam.status(&key(number))).collect();
        assert_eq!(dead, BTreeSet::from(["Inactive".to_owned()]));
    }
    let more = took[1].checked_sub(took[0]).expect("longer");
    assert!(more < Duration::from_secs(4), "{took:?}");
}

/// What a list of Bob's keys says that holds one key, made long ago.
fn listed(status: &str) -> Answer {
    success(
        "ListAccessKeys",
        &format!(
            "<AccessKeyMetadata><member><UserName>Bob</UserName><AccessKeyId>{KEY}</AccessKeyId><Status>{status}</Status>\
             <CreateDate>2020-01-02T03:04:05Z</CreateDate></member></AccessKeyMetadata><IsTruncated>false</IsTruncated>"
        ),
    )
}

fn assert_not_verified(answer: &Value) {
    assert_eq!(result(answer)["verifiedAt"], Value::Null, "{answer:#}");
    assert_eq!(result(answer)["notVerified"], "nobody", "{answer:#}");
}

#[tokio::test(start_paused = true)]
async fn a_user_with_another_name_does_not_hide_the_key_that_is_active_again() {
    let iam = FakeIam::of_bob().await;
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.rename_user("Bob", "Robert");
        iam.set_status(KEY, "Active");
    };
    let answer = against(&iam, &[SESSIONS], &finding(), attacker).await;
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"), "{answer:#}");
    assert_eq!(result(&answer)["contested"], json!({"reactivated": true}), "{answer:#}");
    assert_eq!(result(&answer)["undo"]["UpdateAccessKey"]["UserName"], "Robert");
    assert_eq!(iam.denials("user/Robert"), ["key-remediator-deny-temporary"]);
}

#[tokio::test(start_paused = true)]
async fn a_principal_that_is_gone_is_no_proof_that_it_is_denied() {
    let iam = FakeIam::of_bob().await;
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.rename_user("Bob", "Robert");
        iam.detach_all("user/Robert");
    };
    let answer = against(&iam, &[SESSIONS], &user_session(), attacker).await;
    assert_not_verified(&answer);
}

#[tokio::test(start_paused = true)]
async fn a_deny_that_cannot_be_put_back_is_tried_again_and_never_verified() {
    let full = || error(409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10");
    for finding in [finding(), user_session()] {
        let iam = FakeIam::of_bob().await.but_the_first("AttachUserPolicy", full()).always("AddUserToGroup", full());
        let attacker = async {
            sleep(Duration::from_secs(2)).await;
            iam.detach_all("user/Bob");
        };
        let answer = against(&iam, &[SESSIONS], &finding, attacker).await;
        assert_not_verified(&answer);
        assert_eq!(result(&answer)["contested"], json!({"denyRemoved": true}), "{answer:#}");
        let tries = iam.calls().iter().filter(|call| call.action == "AttachUserPolicy").count();
        assert_eq!(tries, 3, "at the kill and at both looks");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_not_listed_verifies_nothing() {
    let refused = || Some(denied("iam:UpdateAccessKey on resource: user Carol"));
    let iam = FakeIam::start().await.key("Bob", KEY).key("Carol", OTHER_KEY);
    let iam = iam.nth("UpdateAccessKey", [None, None, refused(), refused()]);
    let carols = common::replaced(&finding_for("Carol"), &[(KEY, OTHER_KEY)]);
    let mut batch = event("sqs-guardduty");
    let record = |id: &str, body: &Value| {
        let mut record = batch["Records"][0].clone();
        (record["messageId"], record["body"]) = (json!(id), json!(body.to_string()));
        record
    };
    batch["Records"] = json!([record("bobs", &finding()), record("carols", &carols)]);
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.set_status(OTHER_KEY, "Active");
    };
    let answer = against(&iam, &[("VERIFY_AFTER", "5")], &batch, attacker).await;
    assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "carols"}]), "{answer:#}");
    assert_not_verified(&answer);
}

#[tokio::test(start_paused = true)]
async fn what_came_back_is_contained_again_also_where_it_cannot_be_read_twice() {
    for timeout in [120, 6] {
        let iam = FakeIam::of_bob().await;
        let iam = iam.nth("ListAccessKeys", [None, None].into_iter().chain((0..9).map(|_| Some(broken()))));
        let function = iam.in_process(&[("VERIFY_AFTER", "5")]).timeout(timeout);
        let finding = finding();
        let attacker = async {
            sleep(Duration::from_secs(2)).await;
            iam.set_status(KEY, "Active");
            std::future::pending::<()>().await;
        };
        let (invocation, attacker) = (std::pin::pin!(function.invoke(&finding)), std::pin::pin!(attacker));
        futures_util::future::select(invocation, attacker).await;
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"), "with {timeout} s");
    }
    let iam = FakeIam::of_bob().await;
    let iam = iam.nth("ListAttachedUserPolicies", std::iter::once(None).chain((0..9).map(|_| Some(broken()))));
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.detach_all("user/Bob");
    };
    against(&iam, &[SESSIONS, ("VERIFY_AFTER", "5")], &finding(), attacker).await;
    assert_eq!(iam.denials("user/Bob").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_looks_a_list_that_says_active_fails_the_invocation_also_where_it_cannot_be_read_twice() {
    let answers = std::iter::once(Some(listed("Active"))).chain((0..9).map(|_| Some(broken())));
    let iam = FakeIam::of_bob().await.nth("ListAccessKeys", answers);
    let answer = iam.in_process(&[("VERIFY_AFTER", "0")]).invoke(&finding()).await;
    common::answers::assert_failed(&answer, "StepFailed", &[KEY, "lists it as active"]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_key_that_cannot_be_deactivated_is_named_and_fails_the_invocation() {
    let refused = denied("iam:UpdateAccessKey on resource: user Bob");
    let iam = FakeIam::start().await.key("Bob", KEY).but_the_first("UpdateAccessKey", refused);
    let time = Time::begin();
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.make_key(OWN, "Bob", NEW_KEY, time.now());
    };
    let answer = against(&iam, &[], &finding(), attacker).await;
    let by_hand = format!("--user-name Bob --access-key-id {NEW_KEY} --status Inactive");
    common::answers::assert_failed(&answer, "MissingPermission", &[NEW_KEY, &by_hand]);
    // Beside the key itself, which is tried first.
    let refused = Some(denied("iam:UpdateAccessKey on resource: user Bob"));
    let iam = FakeIam::start().await.key("Bob", KEY).nth("UpdateAccessKey", [None, refused]);
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.make_key(OWN, "Bob", NEW_KEY, time.now());
        iam.set_status(KEY, "Active");
    };
    let answer = against(&iam, &[], &finding(), attacker).await;
    common::answers::assert_failed(&answer, "MissingPermission", &["made it active again"]);
    assert_eq!(iam.status(NEW_KEY).as_deref(), Some("Inactive"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_iam_does_not_know_at_the_look_was_not_deactivated_again() {
    let unknown = || error(404, "NoSuchEntity", "The Access Key cannot be found.");
    let iam = FakeIam::of_bob().await.but_the_first("UpdateAccessKey", unknown());
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.set_status(KEY, "Active");
    };
    let answer = against(&iam, &[], &finding(), attacker).await;
    common::answers::assert_failed(&answer, "StepFailed", &[KEY]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_key_in_a_late_list_is_not_contested() {
    for late_at in [0, 1] {
        let answers = (0..late_at).map(|_| None).chain([Some(listed("Active")), Some(listed("Active"))]);
        let iam = FakeIam::of_bob().await.nth("ListAccessKeys", [None].into_iter().chain(answers));
        let answer = iam.in_process(&[("ACTION", "delete")]).invoke(&finding()).await;
        assert_eq!(result(&answer)["contested"], Value::Null, "{late_at}: {answer:#}");
        assert_ne!(outcome(&answer), "contested");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sibling_that_is_older_than_a_deleted_key_is_not_touched() {
    let iam = FakeIam::start().await;
    iam.make_key(OWN, "Bob", NEW_KEY, Utc::now() - TimeDelta::seconds(40));
    iam.make_key(OWN, "Bob", KEY, Utc::now() - TimeDelta::seconds(20));
    let answer = iam.in_process(&[("ACTION", "delete"), ("VERIFY_AFTER", "5")]).invoke(&finding()).await;
    assert_eq!(iam.status(NEW_KEY).as_deref(), Some("Active"), "{answer:#}");
    assert_verified(&answer);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_got_the_name_of_the_contained_one_is_not_touched() {
    let iam = FakeIam::start().await.key("Bob", KEY);
    let time = Time::begin();
    let admin = async {
        sleep(Duration::from_secs(2)).await;
        iam.delete_key(KEY);
        iam.detach_all("user/Bob");
        iam.give_user_id("Bob", "AIDAANOTHERUSEREXAMPL");
        iam.make_key(OWN, "Bob", NEW_KEY, time.now());
    };
    let answer = against(&iam, &[SESSIONS], &finding(), admin).await;
    assert_eq!(iam.denials("user/Bob"), [""; 0], "{answer:#}");
    assert_eq!(iam.status(NEW_KEY).as_deref(), Some("Active"), "{answer:#}");
    assert_eq!(result(&answer)["newerKeys"], json!([NEW_KEY]));
    assert_not_verified(&answer);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_thief_makes_after_deleting_the_contained_one_is_deactivated() {
    let iam = FakeIam::of_bob().await;
    let time = Time::begin();
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.delete_key(KEY);
        iam.make_key(OWN, "Bob", NEW_KEY, time.now());
    };
    let answer = against(&iam, &[], &finding(), attacker).await;
    assert_eq!(iam.status(NEW_KEY).as_deref(), Some("Inactive"), "{answer:#}");
    assert_eq!(result(&answer)["contested"], json!({"newKeys": [NEW_KEY]}));
}

#[tokio::test(start_paused = true)]
async fn a_new_root_key_is_told_also_without_a_role_in_the_account() {
    let finding = common::replaced(&event("guardduty-root-key"), &[(OWN, MEMBER)]);
    let key = finding["detail"]["resource"]["accessKeyDetails"]["accessKeyId"].as_str().expect("a key").to_owned();
    let iam = FakeIam::start().await.key_in(MEMBER, "root-user", &key);
    let time = Time::begin();
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.make_key(MEMBER, "root-user", NEW_KEY, time.now());
    };
    let answer = against(&iam, &[("ROOT_KEYS", "delete")], &finding, attacker).await;
    assert_eq!(result(&answer)["newerKeys"], json!([NEW_KEY]), "{answer:#}");
    assert_eq!(iam.assumed(), 0);
    assert_not_verified(&answer);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_cut_short_verifies_nothing() {
    let cut = success("ListUsers", "<Users/><IsTruncated>true</IsTruncated>");
    let undated = success(
        "ListRoles",
        "<Roles><member><Path>/</Path><RoleName>r</RoleName><RoleId>AROAX</RoleId><Arn>x</Arn></member></Roles>\
         <IsTruncated>false</IsTruncated>",
    );
    for (action, answer) in [("ListUsers", cut), ("ListRoles", undated)] {
        let iam = FakeIam::of_bob().await.always(action, answer);
        let answer = iam.in_process(&[]).invoke(&finding()).await;
        assert_eq!(result(&answer)["newPrincipals"], json!({"partial": true}), "{action}: {answer:#}");
        assert_not_verified(&answer);
    }
}

#[tokio::test(start_paused = true)]
async fn two_credentials_of_one_user_share_what_is_seen_of_it() {
    let others = common::replaced(&finding(), &[(KEY, OTHER_KEY)]);
    let iam = FakeIam::of_bob().await;
    let attacker = async {
        sleep(Duration::from_secs(2)).await;
        iam.detach_all("user/Bob");
    };
    let answer = against(&iam, &[SESSIONS, ("VERIFY_AFTER", "5")], &json!([finding(), others]), attacker).await;
    for result in results(&answer) {
        assert_eq!(result["contested"], json!({"denyRemoved": true}), "{answer:#}");
        assert_eq!(result["verifiedAt"], Value::Null);
    }
    // A key that the event names is no newer key of another one.
    let iam = FakeIam::start().await.key("Bob", KEY);
    iam.make_key(OWN, "Bob", OTHER_KEY, Utc::now() - TimeDelta::seconds(10));
    let answer = iam.in_process(&[("VERIFY_AFTER", "5")]).invoke(&json!([finding(), others])).await;
    assert!(results(&answer).iter().all(|result| result["newerKeys"].is_null()), "{answer:#}");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_sessions_of_one_role_are_looked_at_once() {
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/").slow(Duration::from_millis(200));
    let session = |number: usize| format!("ASIAIOSFODNN7EXA{number:04}");
    let findings: Vec<_> =
        (0..100).map(|number| common::replaced(&role_session(), &[(SESSION, &session(number))])).collect();
    let time = Time::begin();
    let variables = [("ROLE_SESSIONS", "revoke"), ("VERIFY_AFTER", "5")];
    let answer = iam.in_process(&variables).invoke(&Value::Array(findings)).await;
    assert_eq!(iam.calls().iter().filter(|call| call.action == "GetRolePolicy").count(), 1);
    assert!(results(&answer).iter().all(|result| result["verifiedAt"].is_string()), "{answer:#}");
    assert!(time.start.elapsed() < Duration::from_secs(30), "{:?}", time.start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_kill_waits_for_the_looks_of_other_accounts() {
    const ACCOUNTS: usize = 450;
    let mut iam = FakeIam::start().await.slow(Duration::from_millis(50));
    let mut all = Vec::new();
    for number in 0..ACCOUNTS {
        let account = format!("2000000{number:05}");
        iam = iam.key_in(&account, "Bob", &key(number));
        all.push(common::replaced(&finding(), &[(OWN, &account), (KEY, &key(number))]));
    }
    let time = Time::begin();
    let last_kill = std::cell::Cell::new(Duration::ZERO);
    let watch = async {
        while (0..ACCOUNTS).any(|number| iam.status(&key(number)).as_deref() == Some("Active")) {
            sleep(Duration::from_millis(100)).await;
        }
        last_kill.set(time.start.elapsed());
    };
    let variables = [("MEMBER_ROLE", "key-remediator-member"), ("VERIFY_AFTER", "5,30")];
    let answer = against(&iam, &variables, &Value::Array(all), watch).await;
    assert!(last_kill.get() < Duration::from_secs(2) && !last_kill.get().is_zero(), "{:?}", last_kill.get());
    assert!(results(&answer).iter().all(|result| result["verifiedAt"].is_string()));
    assert!(time.start.elapsed() < Duration::from_secs(40), "{:?}", time.start.elapsed());
}

/// In real time, through the emulator.
#[tokio::test]
async fn the_whole_function_looks_again_and_logs_what_it_saw() {
    let iam = FakeIam::of_bob().await;
    let function = iam.function(&[("VERIFY_AFTER", "1,2")]);
    let verified = function.invoke(&finding());
    assert_verified(&verified);
    let lines = common::log_lines(&function.stop());
    let line = lines.iter().find(|line| line["outcome"] == "contained").expect("a line");
    assert_eq!(line["verified_at"], result(&verified)["verifiedAt"]);
    assert_eq!(iam.calls().iter().filter(|call| call.action == "ListUsers").count(), 2);
}
