//! What a cold start may cost: the figures of `bench/budget.json` with a tenth on top, and never more than the most that
//! stands beside them.
//!
//! Instructions and not seconds, because they are the same on a busy machine. They need valgrind and are those of
//! `x86_64`; the size of the bundle is checked everywhere.

mod common;

use std::path::PathBuf;

use common::answers::results;
use common::cost::{Target, two_roots, valgrind, zipped_size};
use common::fake_iam::FakeIam;
use common::throughput::findings;
use common::{Function, root};
use serde_json::Value;

const FILE: &str = "bench/budget.json";

/// Where the header of a binary says which processor it is for, and what it says there.
const E_MACHINE: usize = 18;
const EM_X86_64: u8 = 62;
const EM_AARCH64: u8 = 183;

fn assert_within_budget(name: &str, measured: u64) {
    let text = std::fs::read_to_string(root().join(FILE)).expect("the budget");
    let budget: Value = serde_json::from_str(&text).expect("JSON");
    let number = |field: &str| budget[name][field].as_u64().unwrap_or_else(|| panic!("no {name}.{field} in {FILE}"));
    let (figure, most) = (number("figure"), number("most"));
    let limit = most.min(figure + figure / 10);
    tell(&format!("{name}: {measured}, figure {figure}, limit {limit}"));
    assert!(
        measured <= limit,
        "{name} is {measured}, over {limit}, the limit from {FILE} (its figure and a tenth, {most} at most): find what \
         was added to the cold start, or edit that file if it is worth its cost"
    );
}

#[allow(clippy::print_stdout, reason = "the figures are of use when nothing fails, too")]
fn tell(text: &str) {
    println!("{text}");
}

fn release_binary() -> PathBuf {
    let binary = root().join("target/lambda/key-remediator/bootstrap");
    assert!(binary.exists(), "{} is missing: run `make build`", binary.display());
    // `make build ARCH=arm64` leaves its binary at the same path.
    let is_for = std::fs::read(&binary).expect("a file")[E_MACHINE];
    let here = if std::env::consts::ARCH == "aarch64" { EM_AARCH64 } else { EM_X86_64 };
    assert_eq!(is_for, here, "{} is for another processor: run `make build`", binary.display());
    binary
}

#[test]
#[ignore = "measures the release binary: `make budget`"]
fn the_bundle_is_within_its_budget() {
    assert_within_budget("zippedBytes", zipped_size(&release_binary()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures the release binary: `make budget`"]
async fn a_hundred_credentials_with_a_look_are_within_their_budget() {
    let (iam, findings) = findings(FakeIam::start().await);
    let binary = release_binary().display().to_string();
    let variables = iam.variables(&[("VERIFY_AFTER", "2")]);
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let function = Function::run(&[&binary], variables);
    let answer = tokio::task::block_in_place(|| function.invoke(&Value::Array(findings)));
    assert!(results(&answer).iter().all(|result| result["verifiedAt"].is_string()), "{answer:#}");
    assert_within_budget("peakMemoryOfAHundredKiB", function.peak_memory().expect("the process still runs"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures the release binary: `make budget`"]
async fn a_cold_start_is_within_its_budget() {
    if std::env::consts::ARCH != "x86_64" {
        tell("skipped: the figures are those of x86_64");
        return;
    }
    let target = Target::start("budget", &two_roots()).await;
    let binary = release_binary().display().to_string();
    let cost = tokio::task::block_in_place(|| target.cost(&[&binary], &[]));
    match valgrind() {
        Some(valgrind) => {
            assert_within_budget("instructions", target.instructions(&valgrind, &[&binary], &[]).await);
            let hanging = Target::that_hangs_at_the_kill("budget-kill", &two_roots()).await;
            let measured = hanging.instructions_to_the_kill(&valgrind, &[&binary]).await;
            assert_within_budget("instructionsToTheKill", measured);
        }
        None => tell("instructions: skipped, because valgrind is not installed"),
    }
    assert_within_budget("peakMemoryKiB", cost.peak_memory);
}
