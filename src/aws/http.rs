//! How AWS is reached: one HTTP client for all services, its trust, its time limits and its retries.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_iam::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The file that `AWS_CA_BUNDLE` names cannot be used:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>.
#[derive(Debug, thiserror::Error)]
#[error("AWS_CA_BUNDLE names {path:?}, {problem}: name a readable file of PEM certificates or unset the variable")]
pub struct CaBundleError {
    path: String,
    problem: String,
}

/// Region, credentials and endpoints as the SDK finds them, with this function's HTTP client.
///
/// # Errors
/// When `AWS_CA_BUNDLE` is set to a file without certificates.
pub async fn sdk_config() -> Result<SdkConfig, CaBundleError> {
    let trust = trust_store(std::env::var("AWS_CA_BUNDLE").ok().filter(|path| !path.is_empty()))?;
    Ok(aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https_client(trust))
        .timeout_config(time_limits())
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .load()
        .await)
}

fn https_client(trust: TrustStore) -> SharedHttpClient {
    let tls = TlsContext::builder().with_trust_store(trust).build().expect("a trust store is all that a context needs");
    Builder::new().tls_provider(Provider::rustls(CryptoMode::Ring)).tls_context(tls).build_https()
}

/// A hung connection is given up and tried again: without a limit on the attempt the SDK waits for ever.
fn time_limits() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(15))
        .build()
}

/// The bundle replaces the system's certificates, as in the other SDKs. The HTTP client panics on a certificate that
/// it cannot read, so each is read here first.
fn trust_store(bundle: Option<String>) -> Result<TrustStore, CaBundleError> {
    let Some(path) = bundle else {
        return Ok(TrustStore::default());
    };
    let fail = |problem: String| CaBundleError { path: path.clone(), problem };
    let pem = std::fs::read(&path).map_err(|error| fail(format!("which cannot be read ({error})")))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| fail(format!("which is not PEM ({error})")))?;
        webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|error| fail(format!("which holds a certificate that cannot be read ({error})")))?;
        count += 1;
    }
    if count == 0 {
        return Err(fail("which holds no certificate".to_owned()));
    }
    Ok(TrustStore::empty().with_pem_certificate(pem))
}
