//! How the function begins and ends: with the runtime API, and when it cannot run.

mod common;

use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::fake_iam::{FakeIam, denied};
use common::ids::OWN;
use common::runtime_api::{RuntimeApi, variables};
use common::{Function, binary, event, free_addresses, log_lines, wait_until};
use serde_json::Value;

/// An event that asks nothing of AWS.
const UNRELATED: &str = "unrelated-schedule";

/// The function's process without the emulator, which never tells how a process ended.
fn process(runtime_api: &str, more: &[(&str, &str)]) -> Child {
    Command::new(binary())
        .env_clear()
        .env("VERIFY_AFTER", "0")
        .env("EVIDENCE", "false")
        .envs(variables(runtime_api))
        .env("ACCOUNT_ID", OWN)
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs")
}

async fn answer(runtime_api: &RuntimeApi, process: &mut Child) -> Value {
    loop {
        if let Some(answer) = runtime_api.answer().await {
            return serde_json::from_str(&answer).expect("JSON");
        }
        assert!(process.try_wait().expect("a process").is_none(), "it ended without an answer");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How a process ends by itself, and the lines that it has logged.
fn end(mut process: Child) -> (Output, Vec<Value>) {
    wait_until("the process ends", || process.try_wait().expect("a process").is_some());
    let output = process.wait_with_output().expect("output");
    let lines = log_lines(&String::from_utf8_lossy(&output.stdout));
    (output, lines)
}

fn errors(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["level"] == "ERROR").collect()
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_else(|| panic!("no message in {line}"))
}

#[tokio::test]
async fn a_runtime_api_that_listens_half_a_second_late_gets_its_answer() {
    let [address] = free_addresses();
    let mut process = process(&address, &[]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let runtime_api = RuntimeApi::at(&address, &event(UNRELATED)).await;
    let answer = answer(&runtime_api, &mut process).await;
    assert_eq!(answer["results"][0]["outcome"], "ignored", "{answer:#}");
    drop(runtime_api);
    end(process);
}

#[test]
fn a_runtime_api_that_never_listens_ends_the_process_after_two_seconds_and_the_log_says_why() {
    let [address] = free_addresses();
    let started = Instant::now();
    let (output, lines) = end(process(&address, &[]));
    let took = started.elapsed();
    assert!(!output.status.success());
    assert!((2.0..4.0).contains(&took.as_secs_f64()), "{took:?}");
    let [error] = errors(&lines)[..] else { panic!("{lines:#?}") };
    assert_eq!(error["code"], "cannot_start", "{error}");
    assert!(message(error).contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn a_runtime_api_that_goes_away_after_an_invocation_is_no_error() {
    let runtime_api = RuntimeApi::start(&event(UNRELATED)).await;
    let mut process = process(&runtime_api.address(), &[]);
    answer(&runtime_api, &mut process).await;
    while runtime_api.questions().await < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(runtime_api);
    let (output, lines) = end(process);
    assert!(output.status.success(), "{:?}: {lines:#?}", output.status);
    assert!(errors(&lines).is_empty(), "{lines:#?}");
}

#[tokio::test]
async fn a_failed_invocation_logs_what_failed_and_nothing_of_the_runtimes() {
    let iam = FakeIam::start().await.key("Bob", "AKIAIOSFODNN7EXAMPLE");
    let iam = iam.always("UpdateAccessKey", denied("iam:UpdateAccessKey on resource: user Bob"));
    let function = iam.function(&[]);
    let answer = function.invoke(&event("guardduty-iam-user"));
    assert_eq!(answer["errorType"], "MissingPermission", "{answer:#}");
    let log = function.stop();
    assert!(!log.contains("the invocation failed"), "{log}");
    let lines = log_lines(&log);
    let [error] = errors(&lines)[..] else { panic!("{log}") };
    assert_eq!(error["outcome"], "failed", "{error}");
    assert_eq!(error["access_key_id"], "AKIAIOSFODNN7EXAMPLE", "{error}");
}

#[test]
fn a_wrong_configuration_stops_the_start_and_the_log_names_the_variable() {
    let [address] = free_addresses();
    let (output, lines) = end(process(&address, &[("MIN_SEVERITY", "high")]));
    assert!(!output.status.success());
    let [error] = errors(&lines)[..] else { panic!("{lines:#?}") };
    assert_eq!(error["code"], "invalid_configuration", "{error}");
    assert!(message(error).contains("MIN_SEVERITY"), "{error}");
}

/// `sam local` sets `AWS_ENDPOINT_URL` to nothing, whatever its parameter says.
#[tokio::test]
async fn an_empty_endpoint_is_none_and_the_one_beside_it_is_called() {
    for name in ["ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM"] {
        let iam = FakeIam::start().await.key("Bob", "AKIAIOSFODNN7EXAMPLE");
        let url = format!("http://{}", iam.address());
        let function = iam.function(&[("AWS_ENDPOINT_URL", ""), (name, &url)]);
        let answer = function.invoke(&event("guardduty-iam-user"));
        assert_eq!(answer["results"][0]["outcome"], "contained", "{name}: {answer:#}");
        assert_eq!(iam.status("AKIAIOSFODNN7EXAMPLE").as_deref(), Some("Inactive"), "{name}");
    }
}

/// The emulator starts the process before its runtime API listens, and now and then the process is the faster one.
#[test]
#[ignore = "proves what the others show once: `make starts`"]
fn a_thousand_cold_starts_are_all_answered() {
    const STARTS: usize = 1_000;
    const AT_A_TIME: usize = 3;
    let begun = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let unrelated = event(UNRELATED);
    std::thread::scope(|threads| {
        for _ in 0..AT_A_TIME {
            threads.spawn(|| {
                while begun.fetch_add(1, Ordering::Relaxed) < STARTS {
                    let function = Function::start([("ACCOUNT_ID", OWN)]);
                    let answer = function.try_to_invoke(&unrelated);
                    if !answer.as_ref().is_ok_and(|answer| answer["results"][0]["outcome"] == "ignored") {
                        failed.lock().expect("no panic").push(format!("{answer:?}\n{}", function.stop()));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    assert!(failed.is_empty(), "{} of {STARTS} were not answered:\n{}", failed.len(), failed.join("\n"));
}
