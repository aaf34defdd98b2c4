//! Many findings in one event.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::fake_iam::FakeIam;
use super::findings::finding_for;
use super::ids::KEY;
use super::replaced;
use super::tls::tls_in_front_of;

/// How many keys one event names.
pub const FINDINGS: usize = 100;
/// How long each IAM call takes.
pub const DELAY: Duration = Duration::from_millis(200);

/// What became of such an event.
pub struct Throughput {
    pub answer: Value,
    pub took: Duration,
    pub calls: usize,
    pub most_in_flight: usize,
    pub connections: usize,
}

pub fn key(number: usize) -> String {
    format!("AKIAIOSFODNN7EXA{number:04}")
}

/// As many users with a key each, and a finding about each key.
pub fn findings(mut iam: FakeIam) -> (FakeIam, Vec<Value>) {
    let mut findings = Vec::new();
    for number in 0..FINDINGS {
        let (user, key) = (format!("user-{number}"), key(number));
        iam = iam.key(&user, &key);
        findings.push(replaced(&finding_for(&user), &[(KEY, &key)]));
    }
    (iam, findings)
}

/// All findings in one event, to an IAM that takes its time, over TLS. The runtime needs more than one thread.
pub async fn throughput() -> Throughput {
    let (iam, findings) = findings(FakeIam::start().await.slow(DELAY));
    let front = tls_in_front_of(iam.address(), "throughput").await;
    let function = FakeIam::function_at(&front.url, &[("AWS_CA_BUNDLE", &front.bundle)]);
    let started = Instant::now();
    let answer = tokio::task::block_in_place(|| function.invoke(&Value::Array(findings)));
    let took = started.elapsed();
    let calls = iam.calls();
    // No answer takes less than the delay, so the calls that arrive within it are in flight together.
    let together = |first: usize| calls[first..].iter().take_while(|call| call.at - calls[first].at < DELAY).count();
    let most_in_flight = (0..calls.len()).map(together).max().unwrap_or_default();
    Throughput { answer, took, calls: calls.len(), most_in_flight, connections: front.connections() }
}
