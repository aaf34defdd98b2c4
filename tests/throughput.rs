//! Many findings in one event: how long they take, how hard they press on IAM, and what becomes of them when IAM
//! throttles.

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::answers::results;
use common::event;
use common::fake_iam::{FakeIam, throttled};
use common::throughput::{FINDINGS, Throughput, findings, key, throughput};
use serde_json::{Value, json};

const MOST_IN_FLIGHT: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_findings_take_less_than_four_seconds_over_a_few_connections() {
    let Throughput { answer, took, calls, most_in_flight, connections } = throughput().await;
    let results = results(&answer);
    assert!(results.iter().all(|result| result["outcome"] == "contained" && result["confirmed"] == true), "{answer:#}");
    assert_eq!(results.len(), FINDINGS);
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(most_in_flight, MOST_IN_FLIGHT);
    assert!(connections <= MOST_IN_FLIGHT, "{connections} connections for {calls} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_credentials_are_looked_at_again_in_little_time() {
    let (iam, findings) = findings(FakeIam::start().await);
    let function = iam.function(&[("VERIFY_AFTER", "2")]);
    let started = Instant::now();
    let answer = tokio::task::block_in_place(|| function.invoke(&Value::Array(findings)));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(results(&answer).iter().all(|result| result["verifiedAt"].is_string()), "{answer:#}");
}

/// IAM answers every other call with `Throttling`. What the SDK's attempts do not get through is handed back to SQS.
#[tokio::test]
async fn while_iam_throttles_half_of_the_calls_every_key_is_contained_or_handed_back() {
    let (iam, findings) = findings(FakeIam::start().await.every_other_call(throttled()));
    let records: Vec<_> = findings.iter().enumerate().map(|(number, finding)| message(number, finding)).collect();
    let answer = iam.function(&[]).invoke(&json!({ "Records": records }));

    let handed_back: BTreeSet<_> = answer["batchItemFailures"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:#}"))
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().expect("an identifier").to_owned())
        .collect();
    let contained: BTreeSet<_> = results(&answer)
        .iter()
        .filter(|result| result["outcome"] == "contained")
        .map(|result| result["accessKeyId"].as_str().expect("a key").to_owned())
        .collect();
    for number in 0..FINDINGS {
        let key = key(number);
        if contained.contains(&key) {
            assert_eq!(iam.status(&key).as_deref(), Some("Inactive"), "{key}");
        } else {
            assert!(handed_back.contains(&message_id(number)), "{key} is neither contained nor handed back");
        }
    }
    assert!(contained.len() > FINDINGS / 2, "{answer:#}");
}

fn message_id(number: usize) -> String {
    format!("message-{number}")
}

fn message(number: usize, finding: &Value) -> Value {
    let mut record = event("sqs-guardduty")["Records"][0].clone();
    record["messageId"] = message_id(number).into();
    record["body"] = finding.to_string().into();
    record
}
