//! The real connector over TLS: which certificates the function trusts.

mod common;

use std::process::Command;

use common::event;
use common::fake_iam::FakeIam;
use common::tls::tls_in_front_of;
use serde_json::Value;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

async fn invoked_over_tls(iam: &FakeIam, name: &str, trusts_authority: bool) -> Value {
    let front = tls_in_front_of(iam.address(), name).await;
    let variables = [("AWS_CA_BUNDLE", front.bundle.as_str())];
    let function = FakeIam::function_at(&front.url, if trusts_authority { &variables } else { &[] });
    let answer = tokio::task::spawn_blocking(move || function.invoke(&event("guardduty-iam-user")));
    answer.await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_in_aws_ca_bundle_is_trusted() {
    let iam = FakeIam::start().await.key("Bob", KEY);
    let answer = invoked_over_tls(&iam, "trusted", true).await;
    assert_eq!(answer["results"][0]["outcome"], "contained", "{answer:#}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authority_is_not_trusted_and_the_invocation_fails() {
    let iam = FakeIam::start().await.key("Bob", KEY);
    let answer = invoked_over_tls(&iam, "unknown", false).await;
    assert_eq!(answer["errorType"], "StepFailed", "{answer:#}");
    assert!(answer["errorMessage"].as_str().is_some_and(|message| message.contains("AWS_CA_BUNDLE")), "{answer:#}");
    assert_eq!(iam.status(KEY).as_deref(), Some("Active"));
}

#[test]
fn a_bundle_without_certificates_stops_the_start_and_names_the_variable() {
    for path in ["/nonexistent", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let output = Command::new(env!("CARGO_BIN_EXE_key-remediator"))
            .env_clear()
            .env("AWS_CA_BUNDLE", path)
            .output()
            .expect("it runs");
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && log.contains("AWS_CA_BUNDLE") && log.contains("ERROR"), "{log}");
    }
}
