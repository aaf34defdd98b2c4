//! How AWS is reached: one HTTP client for all services, its trust, its time limits and its retries.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::SharedHttpClient;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use futures_util::FutureExt;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::partition::{self, partition};

/// The roots of Amazon's own authority: <https://www.amazontrust.com/repository/>.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("amazon-trust-services.pem");

const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// The file that `AWS_CA_BUNDLE` names cannot be used:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>.
#[derive(Debug, thiserror::Error)]
#[error("AWS_CA_BUNDLE names {path:?}, {problem}: name a readable file of PEM certificates or unset the variable")]
pub struct CaBundleError {
    path: String,
    problem: String,
}

/// Region, credentials and endpoints as the SDK finds them, with this function's HTTP client. `ENDPOINT_URL` comes before
/// the SDK's own variables.
///
/// Lambda gives the region and the credentials in the environment, which is also where the SDK's chains look first:
/// where they are set, the other links of the chains, each with clients of its own, are not built.
///
/// # Errors
/// When `AWS_CA_BUNDLE` is set to a file without certificates.
pub async fn sdk_config() -> Result<SdkConfig, CaBundleError> {
    let region = variable("AWS_REGION");
    let trust = trust_store(variable("AWS_CA_BUNDLE"), region.as_deref().unwrap_or_default())?;
    let mut sdk = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https_client(trust))
        .timeout_config(time_limits())
        .retry_config(retries());
    if let Some(region) = region {
        sdk = sdk.region(Region::new(region));
    }
    if variable("AWS_ACCESS_KEY_ID").is_some() && variable("AWS_SECRET_ACCESS_KEY").is_some() {
        sdk = sdk.credentials_provider(EnvironmentVariableCredentialsProvider::new());
    }
    if let Some(url) = variable("ENDPOINT_URL") {
        sdk = sdk.endpoint_url(url);
    }
    let sdk = sdk.load().boxed().await;
    let is_empty = std::env::var_os("AWS_ENDPOINT_URL").is_some_and(|url| url.is_empty());
    Ok(if is_empty { sdk.into_builder().service_config(NotEmpty).build() } else { sdk })
}

/// An endpoint from the environment. The SDK takes an empty `AWS_ENDPOINT_URL`, which `sam local` sets, for an endpoint.
#[derive(Debug)]
struct NotEmpty;

impl LoadServiceConfig for NotEmpty {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let of_service = format!("{}_{}", key.env(), key.service_id().to_uppercase().replace(' ', "_"));
        variable(&of_service).or_else(|| variable(key.env()))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// One connector for all services, made at start: the SDK's own client makes a second one as a test.
fn https_client(trust: TrustStore) -> SharedHttpClient {
    let tls = TlsContext::builder().with_trust_store(trust).build().expect("a trust store is all that a context needs");
    let connections = SharedHttpConnector::new(Connections::new(tls));
    http_client_fn(move |_, _| connections.clone())
}

/// Connections that are kept while they are in use. Those that lie idle die unnoticed while Lambda freezes the sandbox, and
/// each would eat an attempt of a call.
#[derive(Debug)]
struct Connections {
    tls: TlsContext,
    kept: Mutex<Kept>,
    /// For what is tried again: a connection for each attempt, and none is kept.
    alone: OnceLock<SharedHttpConnector>,
}

#[derive(Debug)]
struct Kept {
    connector: SharedHttpConnector,
    /// By the clock on the wall: the other one stands still in a frozen sandbox.
    used: SystemTime,
}

/// How long connections are kept that nobody uses.
const KEPT_IDLE: Duration = Duration::from_secs(1);

impl Connections {
    fn new(tls: TlsContext) -> Self {
        let kept = Mutex::new(Kept { connector: connector(&tls, usize::MAX), used: SystemTime::now() });
        Self { tls, kept, alone: OnceLock::new() }
    }

    fn for_attempt(&self, is_first: bool, now: SystemTime) -> SharedHttpConnector {
        if !is_first {
            return self.alone.get_or_init(|| connector(&self.tls, 0)).clone();
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back tells nothing of how long they lay idle.
        if now.duration_since(kept.used).is_ok_and(|idle| idle > KEPT_IDLE) {
            kept.connector = connector(&self.tls, usize::MAX);
        }
        kept.used = now;
        kept.connector.clone()
    }
}

impl HttpConnector for Connections {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // The SDK counts its attempts: `attempt=2; max=5`.
        let attempt = request.headers().get("amz-sdk-request").unwrap_or_default();
        self.for_attempt(!attempt.contains("attempt=") || attempt.contains("attempt=1;"), SystemTime::now())
            .call(request)
    }
}

fn connector(tls: &TlsContext, kept_idle: usize) -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_LIMIT).build();
    let connector = Connector::builder().tls_provider(Provider::rustls(CryptoMode::Ring)).tls_context(tls.clone());
    SharedHttpConnector::new(connector.connector_settings(settings).pool_max_idle_per_host(kept_idle).build())
}

/// A first retry comes soon, as every moment counts; all of them together take about half of a call's time.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(7)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(3))
}

/// A connection that does not answer is given up and tried again: without a limit for each attempt the SDK waits for ever.
fn time_limits() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(15))
        .build()
}

/// Amazon Trust Services signs for the endpoints of the `aws` partition. The others, such as China and the European
/// sovereign cloud, have authorities of their own, which are looked for among the system's, as are those of a region
/// that is not known.
///
/// The bundle replaces the certificates that are trusted otherwise, as in the other SDKs. The HTTP client panics on a
/// certificate that it cannot read, so each is read here first.
fn trust_store(bundle: Option<String>, region: &str) -> Result<TrustStore, CaBundleError> {
    let Some(path) = bundle else {
        return Ok(match partition(region) {
            Some(partition::AWS) => TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES),
            _ => TrustStore::default(),
        });
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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    use sha2::{Digest, Sha256};

    use super::AMAZON_TRUST_SERVICES;

    #[test]
    fn the_authorities_that_are_trusted_are_those_that_amazon_publishes() {
        let certificates = CertificateDer::pem_slice_iter(AMAZON_TRUST_SERVICES);
        let fingerprints: Vec<_> =
            certificates.map(|certificate| HEXLOWER.encode(&Sha256::digest(certificate.expect("PEM")))).collect();
        assert_eq!(
            fingerprints,
            [
                "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e", // Amazon Root CA 1
                "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4", // Amazon Root CA 2
                "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4", // Amazon Root CA 3
                "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092", // Amazon Root CA 4
                "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5", // Starfield Services Root CA - G2
            ]
        );
    }
}
