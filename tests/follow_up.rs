//! Schedules: what is looked at once more, what is deleted later, and what a person has restored in between.

mod common;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::answers::{assert_failed, outcome, result};
use common::event;
use common::fake_iam::{FakeIam, broken, of_scheduler};
use common::findings::{role_session, user_session};
use common::ids::{KEY, OWN, ROLE_ID, SESSION, USER_ID};
use common::in_process::InProcess;
use serde_json::{Value, json};

const ROLE: (&str, &str) = ("SCHEDULER_ROLE_ARN", "arn:aws:iam::123456789012:role/key-remediator/scheduler");
const LATER: [(&str, &str); 4] =
    [ROLE, ("SCHEDULE_GROUP", "key-remediator"), ("FOLLOW_UP_AFTER", "15"), ("VERIFY_AFTER", "0")];
const DELETION: [(&str, &str); 3] = [("ACTION", "delete"), ("DELETE_AFTER_DAYS", "7"), ("FOLLOW_UP_AFTER", "0")];
const EVIDENCE: (&str, &str) = ("EVIDENCE", "true");
const NEW_KEY: &str = "AKIANEWKEYOFBOBXAMPL";

fn follow_up_name() -> String {
    format!("f-{OWN}-{KEY}")
}

fn deletion_name() -> String {
    format!("d-{OWN}-{KEY}")
}

fn function(iam: &FakeIam, more: &[(&str, &str)]) -> InProcess {
    iam.in_process(&[&LATER[..], more].concat())
}

fn finding() -> Value {
    let mut finding = event("guardduty-iam-user");
    finding["detail"]["service"]["count"] = json!(1);
    finding
}

/// Contains Bob's key and gives what its schedule sends a quarter of an hour later.
async fn contained(iam: &FakeIam) -> Value {
    let answer = function(iam, &[]).invoke(&finding()).await;
    assert_eq!(outcome(&answer), "contained", "{answer:#}");
    ago(iam, &follow_up_name(), minutes(15))
}

/// The same as if it had been contained so long ago, in the schedule, too.
fn ago(iam: &FakeIam, name: &str, time: TimeDelta) -> Value {
    let mut input = iam.schedules()[name].clone();
    input["FollowUp"]["ContainedAt"] = json!(Utc::now() - time);
    iam.plan(name, &iam.planned(name), &input);
    input
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

#[tokio::test(start_paused = true)]
async fn a_contained_key_has_a_schedule_for_a_quarter_of_an_hour_later() {
    let iam = FakeIam::of_bob().await;
    let now = Utc::now();
    let answer = function(&iam, &[("VERIFY_AFTER", "5")]).timeout(4).invoke(&finding()).await;
    assert_eq!(result(&answer)["notVerified"], "followUp", "{answer:#}");
    let calls = iam.calls();
    assert_eq!(calls[0].action, "UpdateAccessKey");
    let made = calls.iter().find(|call| call.action == "CreateSchedule").expect("a schedule");
    assert_eq!(made.parameters["Name"], follow_up_name());
    assert_eq!(made.parameters["GroupName"], "key-remediator");
    assert_eq!(made.parameters["ActionAfterCompletion"], "NONE");
    let planned = iam.planned(&follow_up_name());
    let planned = planned.trim_start_matches("at(").trim_end_matches(')');
    let planned = DateTime::parse_from_rfc3339(&format!("{planned}Z")).expect("a time").to_utc();
    assert!((planned - now - minutes(15)).abs() < TimeDelta::seconds(5), "{planned}");
}

#[tokio::test(start_paused = true)]
async fn commands_and_dry_runs_are_not_followed_up() {
    for (input, more) in [(event("command-deactivate"), &[][..]), (finding(), &[("DRY_RUN", "true")])] {
        let iam = FakeIam::of_bob().await;
        function(&iam, more).invoke(&input).await;
        assert!(iam.schedules().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_that_finds_everything_in_place_verifies_it_and_takes_its_schedule_away() {
    let iam = FakeIam::of_bob().await;
    let input = contained(&iam).await;
    let answer = function(&iam, &[EVIDENCE]).invoke(&input).await;
    assert_eq!(outcome(&answer), "contained", "{answer:#}");
    assert!(result(&answer)["verifiedAt"].is_string(), "{answer:#}");
    assert!(iam.schedules().is_empty());
    // Lambda may deliver it twice.
    let again = function(&iam, &[]).invoke(&input).await;
    assert_eq!((outcome(&again), &result(&again)["code"]), ("ignored", &json!("no_schedule")), "{again:#}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_active_or_was_used_is_contested_and_contained_again() {
    let iam = FakeIam::of_bob().await;
    let input = contained(&iam).await;
    iam.set_status(KEY, "Active");
    let answer = function(&iam, &[]).invoke(&input).await;
    assert_eq!(result(&answer)["contested"], json!({"reactivated": true}), "{answer:#}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));

    let iam = FakeIam::of_bob().await;
    let input = contained(&iam).await;
    iam.record("us-east-1", KEY, "ListBuckets", Utc::now() - minutes(5), &json!({}));
    let answer = function(&iam, &[EVIDENCE]).invoke(&input).await;
    assert!(result(&answer)["contested"]["usedAfter"].is_string(), "{answer:#}");
    assert_eq!(outcome(&answer), "contested");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_used_after_its_deny_is_contested() {
    let deny = ("ROLE_SESSIONS", "deny");
    for (late, is_contested) in [(TimeDelta::seconds(90), true), (TimeDelta::seconds(30), false)] {
        let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/");
        function(&iam, &[deny]).invoke(&role_session()).await;
        let input = ago(&iam, &format!("f-{OWN}-{ROLE_ID}"), minutes(15));
        iam.record("us-east-1", SESSION, "ListBuckets", Utc::now() - minutes(15) + late, &json!({}));
        let answer = function(&iam, &[deny, EVIDENCE]).invoke(&input).await;
        assert_eq!(result(&answer)["contested"]["usedAfter"].is_string(), is_contested, "{answer:#}");
    }
}

/// The escape of the public tool: a role, a session in it, and a user under a new name, whose key is made by the session.
#[tokio::test(start_paused = true)]
async fn the_new_user_of_the_public_tool_is_named_under_made() {
    let iam = FakeIam::of_bob().await;
    let input = contained(&iam).await;
    let session = "ASIAOFTHEESCAPEROLEX";
    let opened = json!({"responseElements": {"credentials": {"accessKeyId": session}}});
    let then = Utc::now() - minutes(14);
    iam.record("us-east-1", KEY, "AssumeRole", then, &opened);
    iam.make_key(OWN, "x7f3a91c", NEW_KEY, then);
    iam.record("us-east-1", session, "CreateUser", then, &json!({"requestParameters": {"userName": "x7f3a91c"}}));
    let answer = function(&iam, &[EVIDENCE]).invoke(&input).await;
    let made = result(&answer)["evidence"]["made"].as_array().expect("a list");
    let named: Vec<_> = made.iter().map(|made| (&made["kind"], &made["name"])).collect();
    assert!(named.contains(&(&json!("CreateUser"), &json!("x7f3a91c"))), "{answer:#}");
    assert_eq!(result(&answer)["newPrincipals"]["users"][0]["name"], "x7f3a91c", "{answer:#}");
}

#[tokio::test(start_paused = true)]
async fn a_newer_key_is_deactivated_only_if_the_contained_one_made_it() {
    for is_its in [true, false] {
        let iam = FakeIam::of_bob().await;
        let input = contained(&iam).await;
        iam.make_key(OWN, "Bob", NEW_KEY, Utc::now() - minutes(10));
        let by = if is_its { KEY } else { "AKIAOFAPERSONXXXXXXX" };
        let made = json!({"responseElements": {"accessKey": {"accessKeyId": NEW_KEY}}});
        iam.record("us-east-1", by, "CreateAccessKey", Utc::now() - minutes(10), &made);
        let answer = function(&iam, &[EVIDENCE]).invoke(&input).await;
        let status = iam.status(NEW_KEY);
        assert_eq!(status.as_deref(), Some(if is_its { "Inactive" } else { "Active" }), "{answer:#}");
        let told = if is_its { &result(&answer)["contested"]["newKeys"] } else { &result(&answer)["newerKeys"] };
        assert_eq!(*told, json!([NEW_KEY]), "{answer:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_a_person_has_restored_is_never_killed_by_a_late_follow_up() {
    let iam = FakeIam::of_bob().await;
    let input = contained(&iam).await;
    let restored = function(&iam, &[]).invoke(&event("command-restore")).await;
    assert_eq!(outcome(&restored), "restored", "{restored:#}");
    let calls: Vec<_> = iam.calls().into_iter().map(|call| call.action).collect();
    let removed = calls.iter().position(|call| call == "DeleteSchedule").expect("removed");
    let activated = calls.iter().rposition(|call| call == "UpdateAccessKey").expect("activated");
    assert!(removed < activated, "{calls:?}");
    assert!(iam.schedules().is_empty());
    let late = function(&iam, &[]).invoke(&input).await;
    assert_eq!(outcome(&late), "ignored", "{late:#}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_away_or_read_changes_nothing_and_fails() {
    let refused = || of_scheduler(403, "AccessDeniedException");
    let iam = FakeIam::of_bob().await.always("DeleteSchedule", refused());
    contained(&iam).await;
    let answer = function(&iam, &[]).invoke(&event("command-restore")).await;
    assert_failed(&answer, "MissingPermission", &[KEY, "scheduler:DeleteSchedule", "nothing was restored"]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));

    for answer in [refused(), broken()] {
        let iam = FakeIam::of_bob().await.always("GetSchedule", answer);
        let input = contained(&iam).await;
        iam.set_status(KEY, "Active");
        let answer = function(&iam, &[]).invoke(&input).await;
        assert!(answer["errorType"].is_string(), "{answer:#}");
        assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
        assert!(!iam.schedules().is_empty(), "a retry finds it");
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_is_dead_and_the_invocation_fails_where_nothing_can_be_scheduled() {
    let iam = FakeIam::of_bob().await.always("CreateSchedule", of_scheduler(403, "AccessDeniedException"));
    let answer = function(&iam, &[]).invoke(&finding()).await;
    assert_failed(&answer, "MissingPermission", &["scheduler:CreateSchedule", KEY]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_is_still_to_come_stands_and_another_is_replaced() {
    let to_come = "at(2099-01-01T00:00:00)";
    for (planned, stands) in [(to_come, true), ("at(2020-01-01T00:00:00)", false)] {
        let iam = FakeIam::of_bob().await;
        iam.plan(&follow_up_name(), planned, &json!({"earlier": true}));
        contained(&iam).await;
        assert_eq!(iam.planned(&follow_up_name()) == planned, stands, "{planned}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_are_followed_up_by_their_principal_and_a_restore_of_it_ends_that() {
    for (finding, variable, name, restore) in [
        (role_session(), ("ROLE_SESSIONS", "deny"), ROLE_ID, json!({"RestoreSessions": {"RoleName": "Bob"}})),
        (user_session(), ("CONTAINMENT", "sessions"), USER_ID, json!({"RestoreSessions": {"UserName": "Bob"}})),
        (finding(), ("CONTAINMENT", "sessions"), USER_ID, event("command-restore")),
    ] {
        let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
        let principal = if name == ROLE_ID { "role/Bob" } else { "user/Bob" };
        function(&iam, &[variable]).invoke(&finding).await;
        let name = format!("f-{OWN}-{name}");
        let input = ago(&iam, &name, minutes(15));
        iam.detach_all(principal);
        let answer = function(&iam, &[variable]).invoke(&input).await;
        assert_eq!(result(&answer)["contested"], json!({"denyRemoved": true}), "{answer:#}");
        assert_eq!(iam.denials(principal).len(), 1);

        function(&iam, &[variable]).invoke(&finding).await;
        assert!(iam.schedules().contains_key(&name));
        let restored = function(&iam, &[variable]).invoke(&restore).await;
        assert_eq!(outcome(&restored), "restored", "{restored:#}");
        assert!(!iam.schedules().contains_key(&name), "{:?}", iam.schedules());
        let late = function(&iam, &[variable]).invoke(&input).await;
        assert_eq!(outcome(&late), "ignored", "{late:#}");
        assert_eq!(iam.denials(principal), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_is_taken_alone_or_in_the_record_of_its_failure_and_nowhere_else() {
    let iam = FakeIam::of_bob().await;
    let input = contained(&iam).await;
    let mut queued = event("sqs-guardduty");
    queued["Records"][0]["body"] = json!(input.to_string());
    let mut notified = event("sns-guardduty");
    notified["Records"][0]["Sns"]["Message"] = json!(input.to_string());
    let before = iam.calls().len();
    for elsewhere in [json!([input]), queued, notified] {
        let answer = function(&iam, &[]).invoke(&elsewhere).await;
        assert_eq!(answer["errorType"], "InvalidInput", "{answer:#}");
    }
    assert_eq!(iam.calls().len(), before);
    let mut failed = event("failed-invocation");
    failed["requestPayload"] = input;
    let answer = function(&iam, &[]).invoke(&failed).await;
    assert_eq!(outcome(&answer), "contained", "{answer:#}");
}

#[tokio::test(start_paused = true)]
async fn what_no_schedule_of_this_function_can_send_is_refused() {
    let iam = FakeIam::of_bob().await;
    let input = contained(&iam).await;
    let before = iam.calls().len();
    for (field, value) in [
        ("ContainedAt", json!((Utc::now() + minutes(5)).to_rfc3339())),
        ("ContainedAt", json!((Utc::now() - TimeDelta::hours(25)).to_rfc3339())),
        ("ContainedAt", json!("yesterday")),
        ("AccountId", json!("1234")),
        ("AccessKeyId", json!("ASIAIOSFODNN7EXAMPLE")),
        ("UserName", json!("a b")),
        ("Task", json!("Restore")),
        ("Status", json!("Active")),
    ] {
        let mut wrong = input.clone();
        wrong["FollowUp"][field] = value.clone();
        let answer = function(&iam, &[]).invoke(&wrong).await;
        assert_failed(&answer, "InvalidInput", &[field]);
    }
    assert_eq!(iam.calls().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_that_is_not_what_the_schedule_sends_changes_nothing() {
    let iam = FakeIam::of_bob().await.key("Carol", "AKIACAROLSKEYEXAMPLE");
    let input = contained(&iam).await;
    iam.set_status(KEY, "Active");
    let before = iam.call_lines().len();
    for (field, value) in [
        ("AccessKeyId", json!("AKIACAROLSKEYEXAMPLE")),
        ("UserName", json!("Carol")),
        ("ContainedAt", json!(Utc::now() - minutes(3))),
        ("Deleted", json!("true")),
        ("Task", json!("Delete")),
    ] {
        let mut forged = input.clone();
        forged["FollowUp"][field] = value;
        let answer = function(&iam, &[]).invoke(&forged).await;
        assert_eq!(result(&answer)["code"], "no_schedule", "{field}: {answer:#}");
    }
    let calls: Vec<_> = iam.calls().split_off(before).into_iter().map(|call| call.action).collect();
    assert!(calls.iter().all(|call| call == "GetSchedule"), "{calls:?}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_hangs_holds_up_no_kill_and_no_look_for_long() {
    let hung = common::fake_iam::of_scheduler(200, "").set_delay(Duration::from_hours(1));
    let iam = FakeIam::of_bob().await.always("CreateSchedule", hung);
    let started = tokio::time::Instant::now();
    let answer = function(&iam, &[]).invoke(&finding()).await;
    assert_failed(&answer, "StepFailed", &[KEY]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_obeys_exempt_accounts_and_dry_run_and_needs_no_commands() {
    for (variable, expected) in [
        (("EXEMPT", "bob"), "exempt"),
        (("EXEMPT", KEY), "exempt"),
        (("ACCOUNTS", "111122223333"), "needs_attention"),
        (("DRY_RUN", "true"), "planned"),
        (("COMMANDS", "false"), "contested"),
    ] {
        let iam = FakeIam::of_bob().await;
        let input = contained(&iam).await;
        iam.set_status(KEY, "Active");
        let answer = function(&iam, &[variable]).invoke(&input).await;
        assert_eq!(outcome(&answer), expected, "{variable:?}: {answer:#}");
        let is_dead = iam.status(KEY).as_deref() == Some("Inactive");
        assert_eq!(is_dead, expected == "contested", "{variable:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_deleted_when_its_schedule_is_due_and_it_is_inactive_and_not_before() {
    let days = TimeDelta::days;
    let iam = FakeIam::of_bob().await;
    let answer = function(&iam, &DELETION).invoke(&finding()).await;
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"), "{answer:#}");
    let delete_on = result(&answer)["deleteOn"].as_str().expect("a time").to_owned();
    let delete_on = DateTime::parse_from_rfc3339(&delete_on).expect("RFC 3339").to_utc();
    assert!((delete_on - Utc::now() - days(7)).abs() < TimeDelta::seconds(5), "{delete_on}");
    let input = ago(&iam, &deletion_name(), days(7));
    // A second finding does not move it.
    let planned = iam.planned(&deletion_name());
    tokio::time::sleep(Duration::from_hours(1)).await;
    function(&iam, &DELETION).invoke(&finding()).await;
    assert_eq!(iam.planned(&deletion_name()), planned);

    let early = function(&iam, &DELETION).invoke(&input).await;
    assert_eq!(result(&early)["code"], "not_due", "{early:#}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    iam.plan(&deletion_name(), "at(2020-01-01T00:00:00)", &input);
    let recent = ago(&iam, &deletion_name(), minutes(30));
    let no_more = function(&iam, &[("ACTION", "deactivate")]).invoke(&recent).await;
    assert_eq!(result(&no_more)["code"], "not_deleting", "{no_more:#}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
    iam.plan(&deletion_name(), "at(2020-01-01T00:00:00)", &input);
    let deleted = function(&iam, &DELETION).invoke(&input).await;
    assert_eq!(result(&deleted)["code"], "key_deleted", "{deleted:#}");
    assert_eq!(iam.status(KEY), None);
    assert!(!iam.schedules().contains_key(&deletion_name()));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_active_when_it_was_to_be_deleted_is_left_alone() {
    let iam = FakeIam::of_bob().await;
    function(&iam, &DELETION).invoke(&finding()).await;
    let input = ago(&iam, &deletion_name(), TimeDelta::days(7));
    iam.plan(&deletion_name(), "at(2020-01-01T00:00:00)", &input);
    iam.set_status(KEY, "Active");
    let answer = function(&iam, &DELETION).invoke(&input).await;
    assert_eq!(outcome(&answer), "needs_attention", "{answer:#}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
}

#[tokio::test(start_paused = true)]
async fn a_restore_ends_the_deletion_too() {
    let iam = FakeIam::of_bob().await;
    function(&iam, &DELETION).invoke(&finding()).await;
    let restored = function(&iam, &DELETION).invoke(&event("command-restore")).await;
    assert_eq!(outcome(&restored), "restored", "{restored:#}");
    assert!(iam.schedules().is_empty());
}
