//! The function in the test's own process, where time is handed in: tokio's clock stands still until all wait for it.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{AsyncSleep, Credentials, SharedAsyncSleep, SharedCredentialsProvider, Sleep};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use key_remediator::config::Config;
use key_remediator::names::AccountId;
use key_remediator::{App, handle};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::{Value, json};

use super::fake_iam::FakeIam;
use super::ids::OWN;

#[derive(Debug)]
struct TokioSleep;

impl AsyncSleep for TokioSleep {
    fn sleep(&self, duration: std::time::Duration) -> Sleep {
        Sleep::new(tokio::time::sleep(duration))
    }
}

pub struct InProcess {
    app: App,
    timeout: u64,
}

impl FakeIam {
    /// The function, of which no call goes over a network.
    pub fn in_process(&self, variables: &[(&str, &str)]) -> InProcess {
        let value = |name: &str| {
            let given = variables.iter().rev().find(|(variable, _)| *variable == name);
            let value = given.map_or(if name == "EVIDENCE" { "false" } else { "" }, |(_, value)| value);
            Some(value.to_owned())
        };
        let config = Config::from_lookup(value).expect("a configuration");
        let connector = SharedHttpConnector::new(self.connector());
        let credentials = Credentials::new("ASIAFUNCTIONSOWNROLE", "made-up-secret", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep))
            .build();
        InProcess { app: App::new(config, sdk, AccountId::new(OWN).expect("valid")), timeout: 120 }
    }
}

impl InProcess {
    /// With so many seconds for an invocation.
    pub fn timeout(self, seconds: u64) -> Self {
        Self { timeout: seconds, ..self }
    }

    /// What the emulator would give.
    pub async fn invoke(&self, event: &Value) -> Value {
        let mut context = Context::default();
        let now = u64::try_from(chrono::Utc::now().timestamp_millis()).expect("after 1970");
        context.deadline = now + self.timeout * 1_000;
        let payload = serde_json::value::to_raw_value(event).expect("JSON");
        match handle(&self.app, LambdaEvent::new(payload, context)).await {
            Ok(answer) => serde_json::to_value(answer).expect("JSON"),
            Err(failure) => {
                let Diagnostic { error_type, error_message } = failure.into();
                json!({"errorType": error_type, "errorMessage": error_message})
            }
        }
    }
}
