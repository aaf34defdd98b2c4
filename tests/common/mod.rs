//! What the tests and the demo run against: a mock of AWS, and the function under AWS's runtime interface emulator.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod answers;
pub mod cost;
pub mod decided;
pub mod fake_iam;
pub mod findings;
pub mod ids;
pub mod in_process;
pub mod runtime_api;
pub mod samples;
pub mod stage;
pub mod throughput;
pub mod tls;
pub mod wire;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::net::TcpStream;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use serde_json::Value;

/// moto, over real HTTP. It ends with the process that started it, however that ends, because its standard input
/// is closed then.
pub struct Moto {
    pub url: String,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Moto {
    pub fn start() -> Self {
        Self::listening_on("127.0.0.1")
    }

    /// The same, where a container reaches it, too.
    pub fn for_containers() -> Self {
        Self::listening_on("0.0.0.0")
    }

    fn listening_on(address: &str) -> Self {
        let mut child = Command::new(tool("venv/bin/python"))
            .arg(root().join("tools/mock_aws.py"))
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut url).expect("moto prints its address");
        let stdin = child.stdin.take();
        Self { url: url.trim().to_owned(), child, stdin }
    }

    /// One for all the tests of a binary: they keep apart by account.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Moto> = LazyLock::new(Moto::start);
        &SHARED
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// An account of the mock, with credentials in it for the test and for the function.
pub struct Account {
    pub id: String,
    pub iam: aws_sdk_iam::Client,
    pub sdk: SdkConfig,
    /// What makes a function act in this account and no other.
    pub environment: Vec<(String, String)>,
}

impl Account {
    pub async fn new(moto: &Moto, id: &str) -> Self {
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&moto.url)
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
            .build();
        let sts = aws_sdk_sts::Client::new(&sdk);
        // The mock takes the account of a role's session from the role's ARN.
        let role = format!("arn:aws:iam::{id}:role/key-remediator");
        let session = sts.assume_role().role_arn(role).role_session_name("test").send().await.expect("moto assumes");
        let session = session.credentials().expect("credentials");
        let (key, secret, token) = (session.access_key_id(), session.secret_access_key(), session.session_token());
        let credentials = Credentials::new(key, secret, Some(token.to_owned()), None, "moto");
        let sdk = sdk.into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build();
        let iam = aws_sdk_iam::Client::new(&sdk);
        let environment = [
            ("AWS_ENDPOINT_URL", moto.url.as_str()),
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_SESSION_TOKEN", token),
            ("ACCOUNT_ID", id),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { id: id.to_owned(), iam, sdk, environment }
    }

    /// Makes a user and a number of active keys.
    pub async fn user<const KEYS: usize>(&self, name: &str) -> [String; KEYS] {
        self.iam.create_user().user_name(name).send().await.expect("moto creates a user");
        let mut keys = Vec::new();
        for _ in 0..KEYS {
            let key = self.iam.create_access_key().user_name(name).send().await.expect("moto creates a key");
            keys.push(key.access_key().expect("a key").access_key_id().to_owned());
        }
        keys.try_into().expect("as many as were asked for")
    }

    pub async fn set_status(&self, user: &str, key: &str, status: &str) {
        let request = self.iam.update_access_key().user_name(user).access_key_id(key).status(status.into());
        request.send().await.expect("moto updates a key");
    }

    /// The status of every key of a user, from IAM.
    pub async fn keys(&self, user: &str) -> BTreeMap<String, String> {
        let listed = self.iam.list_access_keys().user_name(user).send().await.expect("moto lists keys");
        let key = |key: &aws_sdk_iam::types::AccessKeyMetadata| {
            (key.access_key_id().expect("id").to_owned(), key.status().expect("status").to_string())
        };
        listed.access_key_metadata().iter().map(key).collect()
    }

    /// Makes the policies of the function's stack.
    pub async fn deploy(&self) {
        let document =
            r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}"#;
        for name in ["key-remediator-deny-all", "key-remediator-deny-temporary"] {
            let policy = self.iam.create_policy().policy_name(name).path("/key-remediator/").policy_document(document);
            policy.send().await.expect("moto creates a policy");
        }
    }

    /// The names of the policies that are attached to a user, from IAM.
    pub async fn attached(&self, user: &str) -> Vec<String> {
        let listed = self.iam.list_attached_user_policies().user_name(user).send().await.expect("moto lists policies");
        listed.attached_policies().iter().filter_map(|policy| policy.policy_name().map(str::to_owned)).collect()
    }

    /// The function in this account, with more variables.
    pub fn function(&self, variables: &[(&str, &str)]) -> Function<'_> {
        let own = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Function::start(own.chain(variables.iter().copied()))
    }
}

/// The function's binary under AWS's runtime interface emulator, which runs it as Lambda does.
///
/// It may not outlive the fake that it calls: the next test would get the fake's address, and the calls.
pub struct Function<'f> {
    calls: PhantomData<&'f ()>,
    child: Child,
    url: String,
    output: Option<JoinHandle<String>>,
}

impl Function<'_> {
    pub fn start<'e>(variables: impl IntoIterator<Item = (&'e str, &'e str)>) -> Self {
        Self::run(&[&binary()], variables)
    }

    /// Any program that talks to Lambda's runtime interface, with its arguments.
    pub fn run<'e>(command: &[&str], variables: impl IntoIterator<Item = (&'e str, &'e str)>) -> Self {
        let [invoke, runtime] = free_addresses();
        let mut child = Command::new(tool("aws-lambda-rie"))
            .args(["--runtime-interface-emulator-address", &invoke, "--runtime-api-address", &runtime])
            .args(command)
            .env_clear()
            .env("AWS_REGION", "us-east-1")
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "60")
            // Where a test says nothing of looks and evidence it does not wait for them.
            .env("VERIFY_AFTER", "0")
            .env("EVIDENCE", "false")
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulator starts");
        let mut stdout = child.stdout.take().expect("piped");
        let output = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stdout.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        wait_until("the emulator listens", || TcpStream::connect(&invoke).is_ok());
        let url = format!("http://{invoke}/2015-03-31/functions/function/invocations");
        Self { calls: PhantomData, child, url, output: Some(output) }
    }

    /// Sends a text, which may be JSON that no `Value` holds.
    pub fn invoke_raw(&self, event: &str) -> Value {
        let response = ureq::post(&self.url).send(event.as_bytes()).expect("the emulator answers");
        serde_json::from_str(&response.into_body().read_to_string().expect("text")).expect("JSON")
    }

    /// Sends one event and gives the answer, which is an object with `errorType` when the invocation failed.
    pub fn invoke(&self, event: &Value) -> Value {
        self.try_to_invoke(event).expect("the emulator answers")
    }

    /// The same where the function may not be able to start.
    pub fn try_to_invoke(&self, event: &Value) -> Result<Value, ureq::Error> {
        let body = serde_json::to_vec(event).expect("JSON");
        let text = ureq::post(&self.url).send(body)?.into_body().read_to_string()?;
        Ok(serde_json::from_str(&text).expect("JSON"))
    }

    /// The most memory that the function ever held, in KiB.
    pub fn peak_memory(&self) -> Option<u64> {
        let field = |status: &str, name: &str| -> Option<u64> {
            status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        };
        let processes = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
        let statuses = processes.filter_map(|process| std::fs::read_to_string(process.path().join("status")).ok());
        let own = u64::from(self.child.id());
        statuses.filter(|status| field(status, "PPid:") == Some(own)).find_map(|status| field(&status, "VmHWM:"))
    }

    /// Ends the sandbox as Lambda does and gives what the function printed.
    pub fn stop(mut self) -> String {
        self.end();
        self.output.take().expect("stopped once").join().expect("output")
    }

    fn end(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a process as Lambda does.
fn end(process: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
    let _ = process.wait();
}

impl Drop for Function<'_> {
    fn drop(&mut self) {
        if self.output.is_some() {
            self.end();
        }
    }
}

/// An event of `events/`.
pub fn event(name: &str) -> Value {
    let path = root().join("events").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same event with other identifiers in it, wherever they stand.
pub fn replaced(event: &Value, replacements: &[(&str, &str)]) -> Value {
    let mut text = event.to_string();
    for (from, to) in replacements {
        text = text.replace(from, to);
    }
    serde_json::from_str(&text).expect("JSON")
}

/// The function's own lines of what it and the emulator printed, as they were printed.
pub fn raw_log_lines(output: &str) -> impl Iterator<Item = &str> {
    output.lines().filter(|line| line.starts_with("{\"timestamp\""))
}

/// The same, read.
pub fn log_lines(output: &str) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    raw_log_lines(output).map(read).collect()
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The function's binary: the one beside the tests, or another that `FUNCTION_BINARY` names.
pub fn binary() -> String {
    std::env::var("FUNCTION_BINARY").unwrap_or_else(|_| {
        // Tests and examples lie one folder below the binaries of their profile.
        let own = std::env::current_exe().expect("a path");
        own.ancestors().nth(2).expect("a target folder").join(env!("CARGO_PKG_NAME")).display().to_string()
    })
}

/// Addresses that were free a moment ago, for programs that cannot choose a port of their own. They lie below the ports
/// that the kernel gives out, so that no server or connection of another test can take them in between.
pub fn free_addresses<const COUNT: usize>() -> [String; COUNT] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const PORTS: Range<u16> = 10_000..32_000;
    let start = u16::try_from(std::process::id() % 220).expect("small") * 100;
    std::array::from_fn(|_| {
        let mut addresses = std::iter::from_fn(|| {
            let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start);
            Some(format!("127.0.0.1:{}", PORTS.start + offset))
        });
        // Not by listening there: a process that another thread starts just then holds the listener for a moment longer.
        addresses.find(|address| TcpStream::connect(address).is_err()).expect("a free port")
    })
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file in a folder that git ignores.
pub fn temporary(name: &str) -> PathBuf {
    let folder = root().join("target/tmp");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

pub fn tool(name: &str) -> PathBuf {
    let path = root().join(".tools").join(name);
    assert!(path.exists(), "{} is missing: run `make tools`", path.display());
    path
}

/// A template as JSON.
pub fn template(name: &str) -> Value {
    let mut command = Command::new(tool("venv/bin/python"));
    let output = command.arg(root().join("tools/template.py")).arg(root().join(name)).output();
    let output = output.expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
