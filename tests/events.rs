//! Every file in `events/` through the whole function, and what IAM says afterwards.

mod common;

use common::answers::{outcomes, result};
use common::ids::{KEY, OTHER_KEY, OWN};
use common::samples::SAMPLES;
use common::stage::Stage;
use common::{Account, Moto, event, replaced};
use serde_json::{Value, json};

#[test]
fn the_table_of_samples_has_a_row_for_each_file_and_no_other() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/events")).expect("events/");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8")).collect();
    files.sort();
    let mut rows: Vec<_> = SAMPLES.iter().map(|sample| format!("{}.json", sample.event)).collect();
    rows.sort();
    assert_eq!(files, rows);
}

#[tokio::test]
async fn every_sample_leaves_iam_as_expected_however_often_it_comes() {
    for (index, sample) in SAMPLES.iter().enumerate() {
        let stage = Stage::set(Moto::shared(), &format!("5000000000{index:02}"), sample).await;
        let function = stage.account.function(sample.variables);

        let answer = function.invoke(&stage.event);
        assert_eq!(outcomes(&answer), sample.outcomes, "{}: {answer:#}", sample.event);
        for time in ["once", "twice"] {
            assert_eq!(stage.differences().await, [""; 0], "after {} came {time}", sample.event);
            let again = function.invoke(&stage.event);
            assert_eq!(again["errorType"], Value::Null, "{} again: {again:#}", sample.event);
        }
    }
}

#[tokio::test]
async fn the_answer_tells_what_was_done_and_how_to_undo_it() {
    let account = Account::new(Moto::shared(), "510000000001").await;
    let [key, sibling] = account.user("Bob").await;
    let function = account.function(&[]);
    let finding = replaced(&event("guardduty-iam-user"), &[(KEY, &key), (OWN, &account.id)]);

    let answer = function.invoke(&finding);
    let result = result(&answer);
    assert_eq!(result["accessKeyId"], key);
    assert_eq!(result["accountId"], account.id);
    assert_eq!(result["userName"], "Bob");
    assert_eq!(result["confirmed"], true);
    assert_eq!(result["status"], "Inactive");
    assert_eq!(result["siblingKeys"], json!([{"accessKeyId": sibling, "status": "Active", "ageDays": 0}]));
    assert_eq!(result["finding"]["source"], "aws.guardduty");
    assert_eq!(result["finding"]["severity"], 8.0);
    assert_eq!(answer.get("batchItemFailures"), None);

    let undone = function.invoke(&result["undo"]);
    assert_eq!(outcomes(&undone), ["restored"]);
    assert_eq!(account.keys("Bob").await[&key], "Active");
}

#[tokio::test]
async fn a_user_of_the_same_name_in_another_account_is_not_touched() {
    let own = Account::new(Moto::shared(), "510000000002").await;
    let other = Account::new(Moto::shared(), "510000000003").await;
    let [own_key] = own.user("Bob").await;
    let [other_key] = other.user("Bob").await;
    let function = own.function(&[]);
    // Named with its own account, and wrongly with the function's, where the mock, unlike AWS, says whose it is.
    for (account, ends) in [(&other.id, json!("needs_attention")), (&own.id, json!("StepFailed"))] {
        let finding = event("guardduty-iam-user");
        let finding = replaced(&finding, &[(KEY, &other_key), (OWN, account)]);
        let answer = function.invoke(&finding);
        assert!([&answer["results"][0]["outcome"], &answer["errorType"]].contains(&&ends), "{answer:#}");
        assert_eq!(own.keys("Bob").await[&own_key], "Active");
        assert_eq!(other.keys("Bob").await[&other_key], "Active");
    }
}

#[tokio::test]
async fn without_account_id_sts_tells_the_account() {
    let account = Account::new(Moto::shared(), "510000000004").await;
    let [key] = account.user("Bob").await;
    let function = account.function(&[("ACCOUNT_ID", "")]);
    let finding = event("guardduty-iam-user");
    let finding = replaced(&finding, &[(KEY, &key), (OWN, &account.id)]);
    assert_eq!(outcomes(&function.invoke(&finding)), ["contained"]);
    assert_eq!(account.keys("Bob").await[&key], "Inactive");
}

#[tokio::test]
async fn of_a_mixed_batch_exactly_the_messages_that_cannot_be_read_are_handed_back() {
    let account = Account::new(Moto::shared(), "510000000005").await;
    let [bob] = account.user("Bob").await;
    let [carol] = account.user("Carol").await;
    let keys = [(KEY, bob.as_str()), (OTHER_KEY, &carol), (OWN, &account.id)];
    let answer = account.function(&[]).invoke(&replaced(&event("sqs-mixed-batch"), &keys));
    assert_eq!(
        answer["batchItemFailures"],
        json!([
            {"itemIdentifier": "00000000-0000-4000-8006-000000000002"},
            {"itemIdentifier": "00000000-0000-4000-8006-000000000007"}
        ])
    );
    assert_eq!(account.keys("Bob").await[&bob], "Inactive");
    assert_eq!(account.keys("Carol").await[&carol], "Inactive");
    let good = account.function(&[]).invoke(&replaced(&event("sqs-guardduty"), &keys));
    assert_eq!(good["batchItemFailures"], json!([]));
}

#[tokio::test]
async fn in_another_account_the_member_role_kills_the_key_and_ends_the_sessions_of_its_user_alone() {
    let own = Account::new(Moto::shared(), "510000000006").await;
    let member = Account::new(Moto::shared(), "510000000007").await;
    let [own_key] = own.user("Bob").await;
    let [key, sibling] = member.user("Bob").await;
    member.deploy().await;
    let function = own.function(&[("MEMBER_ROLE", "key-remediator-member"), ("CONTAINMENT", "sessions")]);
    let finding = event("guardduty-iam-user");
    let finding = replaced(&finding, &[(KEY, &key), (OWN, &member.id)]);

    let contained = function.invoke(&finding);
    assert_eq!(outcomes(&contained), ["contained"]);
    assert_eq!(member.keys("Bob").await[&key], "Inactive");
    assert_eq!(member.keys("Bob").await[&sibling], "Active");
    assert_eq!(member.attached("Bob").await, ["key-remediator-deny-temporary"]);
    assert_eq!(own.keys("Bob").await[&own_key], "Active");
    assert_eq!(own.attached("Bob").await, [""; 0]);

    assert_eq!(outcomes(&function.invoke(&result(&contained)["undo"])), ["restored"]);
    assert_eq!(member.keys("Bob").await[&key], "Active");
    assert_eq!(member.attached("Bob").await, [""; 0]);
}

#[tokio::test]
async fn a_schedule_gives_the_function_what_it_needs_to_look_once_more_and_is_gone_afterwards() {
    let account = Account::new(Moto::shared(), "510000000008").await;
    let [key] = account.user("Bob").await;
    let role = format!("arn:aws:iam::{}:role/key-remediator/scheduler", account.id);
    let function = account.function(&[("FOLLOW_UP_AFTER", "15"), ("SCHEDULER_ROLE_ARN", &role)]);
    let finding = event("guardduty-iam-user");
    let answer = function.invoke(&replaced(&finding, &[(KEY, &key), (OWN, &account.id)]));
    assert_eq!(outcomes(&answer), ["contained"], "{answer:#}");

    let scheduler = aws_sdk_scheduler::Client::new(&account.sdk);
    let name = format!("f-{}-{key}", account.id);
    let schedule = scheduler.get_schedule().name(&name).send().await.expect("a schedule");
    let target = schedule.target().expect("a target");
    assert_eq!(target.role_arn(), role);
    let input: Value = serde_json::from_str(target.input().expect("an input")).expect("JSON");
    account.set_status("Bob", &key, "Active").await;
    let contested = function.invoke(&input);
    assert_eq!(outcomes(&contested), ["contested"], "{contested:#}");
    assert_eq!(account.keys("Bob").await[&key], "Inactive");
    let gone = scheduler.get_schedule().name(&name).send().await.expect_err("gone").into_service_error();
    assert!(gone.is_resource_not_found_exception(), "{gone:?}");
    assert_eq!(outcomes(&function.invoke(&input)), ["ignored"]);
}
