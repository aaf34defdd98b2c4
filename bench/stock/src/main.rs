//! What the function does about a finding, with nothing but the SDK's defaults.

use aws_config::BehaviorVersion;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::StatusType;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sdk = aws_config::defaults(BehaviorVersion::v2026_01_12());
    #[cfg(feature = "few-certificates")]
    let sdk = sdk.http_client(few_certificates::client());
    let iam = Client::new(&sdk.load().await);
    run(service_fn(|event| handle(&iam, event))).await
}

async fn handle(iam: &Client, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let details = &event.payload["detail"]["resource"]["accessKeyDetails"];
    let (user, key) = (text(&details["userName"]), text(&details["accessKeyId"]));
    iam.update_access_key().user_name(user).access_key_id(key).status(StatusType::Inactive).send().await?;
    let listed = iam.list_access_keys().user_name(user).send().await?;
    let dead = |listed: &aws_sdk_iam::types::AccessKeyMetadata| {
        listed.access_key_id() == Some(key) && listed.status() == Some(&StatusType::Inactive)
    };
    Ok(listed.access_key_metadata().iter().any(dead).into())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(feature = "few-certificates")]
mod few_certificates {
    use aws_sdk_iam::config::SharedHttpClient;
    use aws_smithy_http_client::Builder;
    use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
    use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

    pub fn client() -> SharedHttpClient {
        let bundle = std::fs::read(std::env::var("AWS_CA_BUNDLE").expect("a bundle")).expect("a file");
        let trust = TrustStore::empty().with_pem_certificate(bundle);
        let tls = TlsContext::builder().with_trust_store(trust).build().expect("a context");
        Builder::new().tls_provider(Provider::rustls(CryptoMode::AwsLc)).tls_context(tls).build_https()
    }
}
