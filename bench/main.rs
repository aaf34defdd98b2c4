//! `make bench`: a cold start of the function beside its peers, in turns, against the same mock over TLS.

#[path = "../tests/common/mod.rs"]
mod common;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use common::cost::{Target, amazon_trust_services, two_roots, valgrind, zipped_size};
use common::root;
use common::throughput::{DELAY, FINDINGS, Throughput, throughput};

const ROUNDS: usize = 15;

/// A program that does the function's job.
struct Peer {
    name: &'static str,
    command: Vec<String>,
    variables: Vec<(&'static str, String)>,
    /// The certificates that it trusts by default.
    trusted: PathBuf,
    zipped: Option<u64>,
}

impl Peer {
    fn of_binary(name: &'static str, path: &str, trusted: PathBuf) -> Self {
        let binary = root().join(path);
        let zipped = Some(zipped_size(&binary));
        Self { name, command: vec![binary.display().to_string()], variables: vec![], trusted, zipped }
    }

    fn command(&self) -> Vec<&str> {
        self.command.iter().map(String::as_str).collect()
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

#[derive(Default)]
struct Figures {
    walls: Vec<Duration>,
    peak_memory: u64,
    instructions: Option<u64>,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it is a bench")]
async fn main() {
    let peers = peers();
    let mut figures: Vec<_> = peers.iter().map(|_| Figures::default()).collect();
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS}", round + 1);
        for (peer, figures) in peers.iter().zip(&mut figures) {
            let target = Target::start("bench", &peer.trusted).await;
            let cost = tokio::task::block_in_place(|| target.cost(&peer.command(), &peer.variables()));
            figures.walls.push(cost.wall);
            figures.peak_memory = figures.peak_memory.max(cost.peak_memory);
        }
    }
    if let Some(valgrind) = valgrind() {
        for (peer, figures) in peers.iter().zip(&mut figures) {
            println!("counting the instructions of {}", peer.name);
            let target = Target::start("bench", &peer.trusted).await;
            figures.instructions = Some(target.instructions(&valgrind, &peer.command(), &peer.variables()).await);
        }
    }
    let results = format!("{}\n{}\n{}", heading(), table(&peers, &figures), many_findings().await);
    println!("\n{results}");
    std::fs::write(root().join("bench/RESULTS.md"), results).expect("bench/RESULTS.md is written");
}

fn peers() -> Vec<Peer> {
    let python = root().join(".tools/bench/bin/python").display().to_string();
    let system = system_certificates();
    vec![
        Peer::of_binary("key-remediator", "target/lambda/key-remediator/bootstrap", two_roots()),
        Peer::of_binary("the SDK's defaults", "target/bench/release/stock", system.clone()),
        Peer::of_binary(
            "the same, no jitter entropy, few certificates",
            "target/bench-no-jitter/release/stock",
            amazon_trust_services(),
        ),
        Peer {
            name: "boto3",
            command: [&python, "-m", "awslambdaric", "handler.handler"].map(str::to_owned).to_vec(),
            variables: vec![("PYTHONPATH", root().join("bench/boto3").display().to_string())],
            trusted: system,
            zipped: None,
        },
    ]
}

/// The peers take their certificates from `SSL_CERT_FILE` and `AWS_CA_BUNDLE`, so that they read what they read by
/// default and the mock's beside it.
fn system_certificates() -> PathBuf {
    let places = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("the system's certificates, from the package ca-certificates")
}

fn heading() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let date = chrono::Utc::now().format("%Y-%m-%d");
    format!(
        "# Bench\n\nWritten by `make bench` on {date}, on {cores} cores of {model}.\n\n\
         A GuardDuty finding through a new sandbox of AWS's runtime interface emulator to a dead key: the process \
         starts, calls `UpdateAccessKey` and `ListAccessKeys` of the same mock of IAM over TLS and answers. Peers take \
         turns, {ROUNDS} rounds; times are medians from the invocation to the answer, the emulator's share included, and \
         compare only within this run. Instructions are all that valgrind counts from the start of the process to its \
         end, nothing subtracted. Each peer reads as many certificates as by default.\n"
    )
}

fn table(peers: &[Peer], figures: &[Figures]) -> String {
    let own = median(&figures[0].walls);
    let mut table = String::from(
        "| | time | against key-remediator | fastest | instructions | peak memory | zipped |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (peer, figures) in peers.iter().zip(figures) {
        let wall = median(&figures.walls);
        let fastest = figures.walls.iter().min().expect("a round");
        let instructions = figures.instructions.map_or("-".to_owned(), millions);
        let zipped =
            peer.zipped.map_or("-".to_owned(), |bytes| format!("{} MB", millions(bytes).trim_end_matches(" M")));
        let memory = format!("{:.1} MB", kib_in_mb(figures.peak_memory));
        let ratio = wall.as_secs_f64() / own.as_secs_f64();
        let (wall, fastest) = (milliseconds(wall), milliseconds(*fastest));
        let name = peer.name;
        writeln!(table, "| {name} | {wall} | {ratio:.1} | {fastest} | {instructions} | {memory} | {zipped} |")
            .expect("text");
    }
    table
}

async fn many_findings() -> String {
    let Throughput { answer, took, calls, most_in_flight, connections } = throughput().await;
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(FINDINGS), "{answer:#}");
    let (delay, took) = (DELAY.as_millis(), took.as_secs_f64());
    format!(
        "{FINDINGS} findings in one event, each IAM call taking {delay} ms: {took:.2} s for {calls} calls, \
         {most_in_flight} in flight, over {connections} connections.\n"
    )
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn millions(count: u64) -> String {
    format!("{:.2} M", count as f64 / 1e6)
}

#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn kib_in_mb(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
