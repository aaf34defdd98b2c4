//! What a cold start costs: one finding through a new sandbox, over TLS, to a dead key.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fake_iam::{FakeIam, success};
use super::ids::{KEY, OWN};
use super::runtime_api::RuntimeApi;
use super::tls::{Front, tls_in_front_of};
use super::{Function, end, event, root, temporary};

/// Where a new sandbox finds IAM, and which certificates it finds there.
pub struct Target {
    iam: FakeIam,
    front: Front,
    bundle: String,
}

/// What one cold start took.
pub struct Cost {
    /// From the invocation, which starts the process, to the answer.
    pub wall: Duration,
    /// In KiB.
    pub peak_memory: u64,
}

impl Target {
    /// IAM with an active key of Bob's, over TLS. A client has to read `trusted` beside the authority's certificate, as
    /// it would read its default certificates.
    pub async fn start(name: &str, trusted: &Path) -> Self {
        Self::of(FakeIam::start().await.key("Bob", KEY), name, trusted).await
    }

    /// The same, where the kill is never answered.
    pub async fn that_hangs_at_the_kill(name: &str, trusted: &Path) -> Self {
        let hung = success("UpdateAccessKey", "").set_delay(Duration::from_hours(1));
        Self::of(FakeIam::start().await.key("Bob", KEY).always("UpdateAccessKey", hung), name, trusted).await
    }

    async fn of(iam: FakeIam, name: &str, trusted: &Path) -> Self {
        let front = tls_in_front_of(iam.address(), name).await;
        let bundle = temporary(&format!("{name}-bundle.pem"));
        let text =
            |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        std::fs::write(&bundle, text(trusted) + &text(front.bundle.as_ref())).expect("a file");
        Self { iam, front, bundle: bundle.display().to_string() }
    }

    fn variables<'e>(&'e self, variables: &[(&'e str, &'e str)]) -> Vec<(&'e str, &'e str)> {
        let own = [
            ("AWS_ENDPOINT_URL", self.front.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIAFUNCTIONSOWNROLE"),
            ("AWS_SECRET_ACCESS_KEY", "made-up-secret"),
            ("AWS_SESSION_TOKEN", "made-up-token"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("ACCOUNT_ID", OWN),
            ("AWS_CA_BUNDLE", &self.bundle),
            ("SSL_CERT_FILE", &self.bundle),
        ];
        [&own, variables].concat()
    }

    fn assert_key_is_dead(&self, answer: impl Debug) {
        assert_eq!(self.iam.status(KEY).as_deref(), Some("Inactive"), "{answer:?}");
    }

    /// The time and the memory of one cold start under the emulator, which starts the process on the first invocation.
    pub fn cost(&self, command: &[&str], variables: &[(&str, &str)]) -> Cost {
        let function = Function::run(command, self.variables(variables));
        let started = Instant::now();
        let answer = function.invoke(&event("guardduty-iam-user"));
        let wall = started.elapsed();
        self.assert_key_is_dead(answer);
        Cost { wall, peak_memory: function.peak_memory().expect("the process still runs") }
    }

    /// The instructions from the start of the process until the mock sees `UpdateAccessKey`, which it never answers. The
    /// looks of the default configuration are ahead then.
    pub async fn instructions_to_the_kill(&self, valgrind: &str, command: &[&str]) -> u64 {
        let runtime = RuntimeApi::start(&event("guardduty-iam-user")).await;
        let counts = self.counts();
        let looks = [("VERIFY_AFTER", "5,30"), ("EVIDENCE", "true")];
        let mut process = self.under(valgrind, &counts, &runtime, command, &looks);
        while !self.iam.calls().iter().any(|call| call.action == "UpdateAccessKey") {
            assert!(process.try_wait().expect("a process").is_none(), "{command:?} ended without a kill");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        end(&mut process);
        total(&counts)
    }

    fn counts(&self) -> PathBuf {
        let counts = PathBuf::from(format!("{}.callgrind", self.bundle));
        let _ = std::fs::remove_file(&counts);
        counts
    }

    fn under(
        &self,
        valgrind: &str,
        counts: &Path,
        runtime: &RuntimeApi,
        command: &[&str],
        variables: &[(&str, &str)],
    ) -> Child {
        Command::new(valgrind)
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", counts.display()))
            .args(command)
            .env_clear()
            .env("VERIFY_AFTER", "0")
            .env("EVIDENCE", "false")
            .envs(runtime.variables())
            .envs(self.variables(variables))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("valgrind starts")
    }

    /// The instructions of one cold start, from the start of the process to its end after the answer.
    pub async fn instructions(&self, valgrind: &str, command: &[&str], variables: &[(&str, &str)]) -> u64 {
        let counts = self.counts();
        let runtime = RuntimeApi::start(&event("guardduty-iam-user")).await;
        let mut process = self.under(valgrind, &counts, &runtime, command, variables);
        let answer = loop {
            if let Some(answer) = runtime.answer().await {
                break answer;
            }
            assert!(process.try_wait().expect("a process").is_none(), "{command:?} ended without an answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        end(&mut process);
        self.assert_key_is_dead(answer);
        total(&counts)
    }
}

fn total(counts: &Path) -> u64 {
    let counts = std::fs::read_to_string(counts).expect("callgrind has written its counts");
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).expect("callgrind gives a total")
}

/// The five roots that are compiled into the function.
pub fn amazon_trust_services() -> PathBuf {
    root().join("src/aws/amazon-trust-services.pem")
}

/// As many of them as give the function the work of the five: it reads a bundle twice, once to check it, and those
/// that are compiled in once. With the mock's own, three are read twice.
pub fn two_roots() -> PathBuf {
    const END: &str = "-----END CERTIFICATE-----\n";
    let all = std::fs::read_to_string(amazon_trust_services()).expect("the roots");
    let two: String = all.split_inclusive(END).take(2).collect();
    let file = temporary("two-roots.pem");
    std::fs::write(&file, two).expect("a file");
    file
}

/// The bytes of the bundle that is deployed, which is the zipped binary.
pub fn zipped_size(binary: &Path) -> u64 {
    let bundle = temporary("bundle.zip");
    let _ = std::fs::remove_file(&bundle);
    let zipped = Command::new("python3").args(["-m", "zipfile", "-c"]).arg(&bundle).arg(binary).status();
    assert!(zipped.is_ok_and(|status| status.success()), "python3 zips {}", binary.display());
    bundle.metadata().expect("a file").len()
}

/// The path of valgrind, where it is installed.
pub fn valgrind() -> Option<String> {
    let paths = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&paths).map(|path| path.join("valgrind")).find(|path| path.exists());
    found.map(|path| path.display().to_string())
}
