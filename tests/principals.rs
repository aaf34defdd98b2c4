//! Sessions, whole users, other accounts and root keys: what is done to whom, and that restore takes exactly it back.

mod common;

use common::answers::{assert_failed, outcome, outcomes, result};
use common::fake_iam::{FakeIam, OWN_ROLE_ID, denied, error};
use common::findings::{in_member, role_session, user_session};
use common::ids::{KEY, MEMBER, OTHER_KEY, OWN, ROLE_ID};
use common::{event, replaced};
use serde_json::{Value, json};

const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";

const SESSIONS: &[(&str, &str)] = &[("CONTAINMENT", "sessions")];
const PRINCIPAL: &[(&str, &str)] = &[("CONTAINMENT", "principal")];
const MEMBERS: &[(&str, &str)] = &[("MEMBER_ROLE", "key-remediator-member")];

fn names(iam: &FakeIam, principal: &str) -> Vec<String> {
    iam.policies(principal).into_keys().collect()
}

fn full() -> wiremock::ResponseTemplate {
    error(409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
}

#[tokio::test]
async fn the_key_dies_first_and_then_the_sessions_of_its_user_are_denied() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(SESSIONS).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(
        iam.call_lines(),
        [
            format!("UpdateAccessKey Bob {KEY} Inactive"),
            "PutUserPolicy Bob key-remediator-deny-sessions".to_owned(),
            "ListAccessKeys Bob".to_owned()
        ]
    );
    let policy: Value = serde_json::from_str(&iam.policies("user/Bob")["key-remediator-deny-sessions"]).expect("JSON");
    let cutoff = policy["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"].as_str().expect("a time");
    let cutoff = chrono::DateTime::parse_from_rfc3339(cutoff).expect("RFC 3339").to_utc();
    let ahead = (cutoff - chrono::Utc::now()).num_seconds();
    assert!((20..=30).contains(&ahead), "{ahead} seconds ahead");
}

#[tokio::test]
async fn a_users_temporary_credentials_end_with_the_sessions_of_the_user() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(SESSIONS).invoke(&user_session());
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(iam.call_lines(), ["GetUser Bob", "PutUserPolicy Bob key-remediator-deny-sessions"]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
}

#[tokio::test]
async fn a_roles_sessions_are_denied_on_the_role_and_never_on_a_user_of_its_name() {
    let iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/team/");
    for variables in [SESSIONS, PRINCIPAL] {
        let answer = iam.function(variables).invoke(&role_session());
        assert_eq!(outcome(&answer), "contained", "{answer:#}");
        assert_eq!(names(&iam, "role/Bob"), ["key-remediator-deny-sessions"]);
        assert_eq!(names(&iam, "user/Bob"), [""; 0]);
        assert_eq!(iam.attached("user/Bob"), [""; 0]);
        assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
    }
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
        let iam = FakeIam::start().await;
        let iam = if id.is_empty() { iam } else { iam.role(name, id, path) };
        let session = replaced(&role_session(), &[("\"Bob\"", &format!("\"{name}\"")), (ROLE_ID, claimed)]);
        let answer = iam.function(SESSIONS).invoke(&session);
        assert_eq!(outcome(&answer), "needs_attention", "{path}{name} {id}");
        assert!(!iam.call_lines().iter().any(|call| call.starts_with("Put")), "{:?}", iam.call_lines());
    }
}

#[tokio::test]
async fn a_role_without_a_principal_id_is_not_touched() {
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/");
    let session = replaced(&role_session(), &[(ROLE_ID, "unknown")]);
    assert_eq!(outcome(&iam.function(SESSIONS).invoke(&session)), "needs_attention");
    iam.assert_no_calls();
}

#[tokio::test]
async fn a_role_that_iam_refuses_to_change_is_reported() {
    let protected = error(400, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'Bob'");
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/").always("PutRolePolicy", protected);
    assert_eq!(outcome(&iam.function(SESSIONS).invoke(&role_session())), "needs_attention");
}

#[tokio::test]
async fn sessions_that_cannot_be_denied_for_want_of_room_are_reported_beside_the_dead_key() {
    let iam = FakeIam::of_bob().await.with_policy_of(2_000, "user/Bob", "a-policy");
    let answer = iam.function(SESSIONS).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "needs_attention");
    assert_eq!(result(&answer)["status"], "Inactive");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn a_deny_that_is_not_permitted_fails_the_invocation_with_the_key_dead() {
    let iam = FakeIam::of_bob().await.always("PutUserPolicy", denied("iam:PutUserPolicy on resource: user Bob"));
    let answer = iam.function(SESSIONS).invoke(&event("guardduty-iam-user"));
    assert_failed(&answer, "MissingPermission", &[]);
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test]
async fn a_whole_user_is_denied_by_awss_policy_and_its_other_credentials_are_listed() {
    let iam = FakeIam::of_bob().await;
    let answer = iam.function(PRINCIPAL).invoke(&event("guardduty-iam-user"));
    assert_eq!(outcome(&answer), "contained");
    assert_eq!(result(&answer)["otherCredentials"]["consolePassword"], false);
    assert_eq!(result(&answer)["otherCredentials"]["sshPublicKeys"], json!([]));
    assert_eq!(iam.call_lines()[0], format!("UpdateAccessKey Bob {KEY} Inactive"));
    assert_eq!(iam.attached("user/Bob"), [DENY_ALL]);
    assert_eq!(names(&iam, "user/Bob"), ["key-remediator-deny-all", "key-remediator-deny-all-attached"]);
}

#[tokio::test]
async fn a_users_temporary_credentials_are_denied_everything_by_the_first_change() {
    let iam = FakeIam::of_bob().await;
    assert_eq!(outcome(&iam.function(PRINCIPAL).invoke(&user_session())), "contained");
    assert_eq!(iam.call_lines()[..2], ["GetUser Bob", "PutUserPolicy Bob key-remediator-deny-all"]);
}

#[tokio::test]
async fn a_whole_user_is_denied_as_long_as_there_is_room_for_either_policy() {
    const ALL: &str = "key-remediator-deny-all";
    const MARK: &str = "key-remediator-deny-all-attached";
    for (used, attach, expected, attached, inline) in [
        (0, true, "contained", &[DENY_ALL][..], &[ALL, MARK][..]),
        (0, false, "contained", &[], &[ALL]),
        // Without room for the mark, restore could not tell whose the attachment is.
        (1_900, true, "contained", &[], &[ALL]),
        (2_048, true, "contained", &[DENY_ALL], &[]),
        (2_048, false, "needs_attention", &[], &[]),
    ] {
        let mut iam = FakeIam::of_bob().await.with_policy_of(used, "user/Bob", "a-policy");
        if !attach {
            iam = iam.always("AttachUserPolicy", full());
        }
        let answer = iam.function(PRINCIPAL).invoke(&event("guardduty-iam-user"));
        let place = format!("{used} characters used, room to attach: {attach}: {answer:#}");
        assert_eq!(outcome(&answer), expected, "{place}");
        assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"), "{place}");
        assert_eq!(iam.attached("user/Bob"), attached, "{place}");
        assert_eq!(names(&iam, "user/Bob")[1..], *inline, "{place}");
    }
}

#[tokio::test]
async fn an_attachment_that_restore_cannot_know_for_its_own_is_left_and_told_of() {
    let iam = FakeIam::of_bob().await.with_policy_of(2_048, "user/Bob", "a-policy");
    let function = iam.function(PRINCIPAL);
    let contained = function.invoke(&event("guardduty-iam-user"));
    let restored = function.invoke(&result(&contained)["undo"]);
    assert_eq!(outcome(&restored), "restored");
    assert_eq!(iam.attached("user/Bob"), [DENY_ALL]);
    for answer in [contained, restored] {
        assert!(
            result(&answer)["reason"].as_str().is_some_and(|reason| reason.contains("detach it by hand")),
            "{answer:#}"
        );
    }
}

/// All that restore could leave behind or take away: keys, inline and attached policies.
fn state(iam: &FakeIam) -> impl PartialEq + std::fmt::Debug {
    let keys = [KEY, OTHER_KEY].map(|key| iam.status(key));
    let principals = ["user/Bob", "role/Bob"].map(|principal| (iam.policies(principal), iam.attached(principal)));
    (keys, principals)
}

#[tokio::test]
async fn contained_and_restored_a_principal_is_as_it_was() {
    for variables in [&[][..], SESSIONS, PRINCIPAL] {
        for contain in [event("guardduty-iam-user"), user_session(), role_session()] {
            for attached in [&["arn:aws:iam::aws:policy/ReadOnlyAccess"][..], &[DENY_ALL]] {
                let mut iam = FakeIam::of_bob().await.role("Bob", ROLE_ID, "/");
                iam = iam.with_policy("user/Bob", "own").with_policy("role/Bob", "own");
                for arn in attached {
                    iam = iam.with_attached("user/Bob", arn);
                }
                let before = state(&iam);
                let function = iam.function(variables);
                let contained = function.invoke(&contain);
                function.invoke(&contain);
                let undo = &result(&contained)["undo"];
                if outcome(&contained) == "contained" {
                    assert!(state(&iam) != before || attached == [DENY_ALL], "{contained:#}");
                    let restored = function.invoke(undo);
                    assert_eq!(outcome(&restored), "restored", "{restored:#}");
                }
                assert_eq!(state(&iam), before, "{variables:?} {attached:?} {contain:#}");
            }
        }
    }
}

#[tokio::test]
async fn restore_takes_away_what_an_earlier_version_put_there_under_another_name() {
    let iam = FakeIam::of_bob()
        .await
        .with_policy("user/Bob", "key-remediator-deny-older-sessions")
        .with_policy("user/Bob", "own");
    iam.function(SESSIONS).invoke(&event("command-restore"));
    assert_eq!(names(&iam, "user/Bob"), ["own"]);
}

#[tokio::test]
async fn a_role_is_restored_by_a_command_of_its_own() {
    let iam = FakeIam::start().await.role("Bob", ROLE_ID, "/").with_policy("role/Bob", "key-remediator-deny-sessions");
    let answer = iam.function(SESSIONS).invoke(&json!({"RestoreSessions": {"RoleName": "Bob"}}));
    assert_eq!(outcome(&answer), "restored");
    assert_eq!(names(&iam, "role/Bob"), [""; 0]);
    let answer = iam.function(SESSIONS).invoke(&json!({"RestoreSessions": {"RoleName": "Nobody"}}));
    assert_eq!(outcome(&answer), "not_found");
    for (command, words) in [
        (json!({}), "RestoreSessions.RoleName is missing"),
        (json!({"RoleName": "a", "UserName": "b"}), "give one of them"),
        (json!({"RoleName": "a/b"}), "RestoreSessions.RoleName must be"),
    ] {
        let answer = iam.function(SESSIONS).invoke(&json!({"RestoreSessions": command}));
        assert_failed(&answer, "InvalidInput", &[words]);
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
        assert_eq!(attached.parameters["PolicyArn"], format!("arn:{partition}:iam::aws:policy/AWSDenyAll"));
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
        (role_session(), SESSIONS[0]),
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
