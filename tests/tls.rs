//! The real connector over TLS: which certificates the function trusts.

mod common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use common::event;
use common::fake_iam::FakeIam;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// Puts TLS in front of `target`, with a certificate for `localhost` from an authority of its own.
async fn tls_in_front_of(target: SocketAddr, name: &str) -> (String, PathBuf) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = certificate.signed_by(&key, &authority).expect("a certificate");
    let bundle = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
    std::fs::write(&bundle, authority.pem()).expect("a file");

    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
        .expect("a certificate that fits its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = tokio::net::TcpStream::connect(target).await.expect("the fake listens");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (url, bundle)
}

async fn invoked_over_tls(iam: &FakeIam, name: &str, trusts_authority: bool) -> Value {
    let (url, bundle) = tls_in_front_of(iam.address(), name).await;
    let bundle = bundle.to_str().expect("UTF-8");
    let variables = [("AWS_CA_BUNDLE", bundle)];
    let function = FakeIam::function_at(&url, if trusts_authority { &variables } else { &[] });
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
    assert!(answer["errorMessage"].as_str().is_some_and(|message| message.contains("certificate")), "{answer:#}");
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
