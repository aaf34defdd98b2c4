//! Lambda's runtime interface for one event, where the emulator is of no use: it kills the process when it ends, before
//! valgrind has written what it counted. <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::ids::OWN;

const INVOCATION: &str = "/2018-06-01/runtime/invocation";

/// Gives one event to the process that asks for one, and takes its answer.
pub struct RuntimeApi {
    server: MockServer,
}

impl RuntimeApi {
    pub async fn start(event: &Value) -> Self {
        Self::at("127.0.0.1:0", event).await
    }

    /// The same at an address of one's choice.
    pub async fn at(address: &str, event: &Value) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        // One of its own, not of the pool, so that it ends where it is dropped.
        let server = MockServer::builder().listener(listener).start().await;
        let deadline = SystemTime::now() + Duration::from_mins(10);
        let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_millis();
        let event = ResponseTemplate::new(200)
            .insert_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000000")
            .insert_header("Lambda-Runtime-Deadline-Ms", deadline.to_string())
            .insert_header("Lambda-Runtime-Invoked-Function-Arn", format!("arn:aws:lambda:us-east-1:{OWN}:function:f"))
            .insert_header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000")
            .set_body_json(event);
        let next = || Mock::given(method("GET")).and(path(format!("{INVOCATION}/next")));
        next().respond_with(event).up_to_n_times(1).mount(&server).await;
        next().respond_with(ResponseTemplate::new(200).set_delay(Duration::from_hours(1))).mount(&server).await;
        let answer = Mock::given(method("POST")).and(path_regex(format!("^{INVOCATION}/.*/(response|error)$")));
        answer.respond_with(ResponseTemplate::new(202)).mount(&server).await;
        Self { server }
    }

    pub fn variables(&self) -> Vec<(&'static str, String)> {
        variables(&self.address())
    }

    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// How often the process has asked for an event.
    pub async fn questions(&self) -> usize {
        let requests = self.server.received_requests().await.expect("requests are recorded");
        requests.iter().filter(|request| request.method.as_str() == "GET").count()
    }

    /// The answer, or the error, once there is one.
    pub async fn answer(&self) -> Option<String> {
        let requests = self.server.received_requests().await.expect("requests are recorded");
        let answer = requests.iter().find(|request| request.method.as_str() == "POST");
        answer.map(|request| String::from_utf8_lossy(&request.body).into_owned())
    }
}

/// What Lambda sets for a custom runtime.
pub fn variables(address: &str) -> Vec<(&'static str, String)> {
    let variables = [
        ("AWS_LAMBDA_RUNTIME_API", address),
        ("AWS_LAMBDA_FUNCTION_NAME", "function"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/function"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
        ("AWS_REGION", "us-east-1"),
    ];
    variables.map(|(name, value)| (name, value.to_owned())).to_vec()
}
