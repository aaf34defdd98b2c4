//! The real connector over TLS: which certificates the function trusts.

mod common;

use std::process::Command;

use common::answers::{assert_failed, outcome};
use common::event;
use common::fake_iam::FakeIam;
use common::ids::KEY;
use common::tls::tls_in_front_of;
use serde_json::Value;

/// A finding over TLS, with the authority of IAM's certificate in the file that `named_by` names.
async fn invoked_over_tls(iam: &FakeIam, region: &str, named_by: &str) -> Value {
    let front = tls_in_front_of(iam.address(), &format!("tls-{region}-{named_by}")).await;
    let variables = [("AWS_REGION", region), (named_by, front.bundle.as_str())];
    let function = FakeIam::function_at(&front.url, &variables);
    let answer = tokio::task::spawn_blocking(move || function.invoke(&event("guardduty-iam-user")));
    answer.await.expect("an answer")
}

/// `SSL_CERT_FILE` stands for the system's certificates.
#[tokio::test(flavor = "multi_thread")]
async fn the_bundle_is_trusted_everywhere_and_the_systems_certificates_in_other_partitions_only() {
    for (region, named_by, trusted) in [
        ("us-east-1", "AWS_CA_BUNDLE", true),
        ("cn-north-1", "AWS_CA_BUNDLE", true),
        ("cn-north-1", "SSL_CERT_FILE", true),
        ("eusc-de-east-1", "SSL_CERT_FILE", true),
        ("us-east-1", "SSL_CERT_FILE", false),
    ] {
        let iam = FakeIam::start().await.key("Bob", KEY);
        let answer = invoked_over_tls(&iam, region, named_by).await;
        let place = format!("{region} {named_by}: {answer:#}");
        if trusted {
            assert_eq!(outcome(&answer), "contained", "{place}");
            assert_eq!(iam.status(KEY).as_deref(), Some("Inactive"), "{place}");
        } else {
            assert_failed(&answer, "StepFailed", &["AWS_CA_BUNDLE"]);
            assert_eq!(iam.status(KEY).as_deref(), Some("Active"), "{place}");
        }
    }
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
