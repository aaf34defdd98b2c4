//! `make sam-local`: every file of `events/` through `sam local invoke`, against a mock of AWS on this machine.
//!
//! `EVENT` names one of them. `ARCH` is the architecture that `sam build` was told.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use common::samples::{SAMPLES, Sample};
use common::stage::Stage;
use common::{Moto, root, temporary, tool};
use serde_json::{Map, Value, json};

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stderr, reason = "it is a demonstration")]
async fn main() -> ExitCode {
    match play().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "it is a demonstration")]
async fn play() -> Result<(), String> {
    let samples = samples()?;
    let moto = Moto::for_containers();
    println!("{:38} {:>8}  outcome", "sample", "ms");
    let mut wrong = 0_usize;
    for (index, sample) in samples.iter().enumerate() {
        let stage = Stage::set(&moto, &format!("5000000000{index:02}"), sample).await;
        let seen = Seen::of(&invoke(&moto, &stage)?, sample.event)?;
        println!("{:38} {:>8}  {}", sample.event, seen.milliseconds, seen.outcomes.join(", "));
        let mut differences = stage.differences().await;
        if seen.outcomes != sample.outcomes {
            differences.push(format!("the outcome should be {}", sample.outcomes.join(", ")));
        }
        for difference in &differences {
            println!("    wrong: {difference}");
        }
        wrong += usize::from(!differences.is_empty());
    }
    println!("\n{} of {} samples ended as expected, in IAM and in the answer.", samples.len() - wrong, samples.len());
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} samples did not end as expected")) }
}

/// All samples, or the one that `EVENT` names: by its name, or by its file.
fn samples() -> Result<Vec<&'static Sample>, String> {
    let asked = std::env::var("EVENT").unwrap_or_default();
    if asked.is_empty() {
        return Ok(SAMPLES.iter().collect());
    }
    let name = Path::new(&asked).file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let sample = SAMPLES.iter().find(|sample| sample.event == name);
    sample.map(|sample| vec![sample]).ok_or_else(|| format!("{asked} is not an event of events/"))
}

/// Sends the sample as a developer would, with the mock's credentials in place of those of the shell.
fn invoke(moto: &Moto, stage: &Stage) -> Result<Output, String> {
    let mut variables: Map<String, Value> =
        stage.sample.variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    variables.insert("ACCOUNT_ID".to_owned(), json!(stage.account.id));
    variables.insert("VERIFY_AFTER".to_owned(), json!("0"));
    variables.insert("EVIDENCE".to_owned(), json!("false"));
    variables.insert("FOLLOW_UP_AFTER".to_owned(), json!("0"));
    let variables_file = temporary("sam-local-variables.json");
    let written = std::fs::write(&variables_file, json!({"Function": variables}).to_string());
    written.map_err(|error| format!("{}: {error}", variables_file.display()))?;

    let port = moto.url.rsplit(':').next().unwrap_or_default();
    let architecture = std::env::var("ARCH").map_err(|_| "ARCH is not set: run `make sam-local`")?;
    let mut child = Command::new(tool("venv/bin/sam"))
        .args(["local", "invoke", "Function", "--template", "target/sam-local/template.yaml", "--event", "-"])
        .args(["--skip-pull-image", "--add-host", "host.docker.internal:host-gateway"])
        .arg("--env-vars")
        .arg(&variables_file)
        .arg("--parameter-overrides")
        .arg(format!("EndpointUrl=http://host.docker.internal:{port}"))
        .arg(format!("Architecture={architecture}"))
        .envs(stage.account.environment.iter().filter(|(name, _)| name != "AWS_ENDPOINT_URL").cloned())
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env_remove("AWS_PROFILE")
        .env("SAM_CLI_TELEMETRY", "0")
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("sam did not start: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    let sent = stdin.write_all(stage.event.to_string().as_bytes());
    drop(stdin);
    let output = child.wait_with_output();
    // It may have ended without reading; then its own words say why.
    let _ = (sent, std::fs::remove_file(&variables_file));
    output.map_err(|error| format!("sam gave nothing: {error}"))
}

/// What `sam local invoke` printed.
struct Seen {
    outcomes: Vec<String>,
    milliseconds: String,
}

impl Seen {
    fn of(output: &Output, sample: &str) -> Result<Self, String> {
        let (answer, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let unusable = || format!("{sample}: sam local invoke gave no results. It printed:\n{answer}\n{log}");
        // The answer is the last line.
        let answer: Value =
            answer.lines().rev().find_map(|line| serde_json::from_str(line).ok()).ok_or_else(unusable)?;
        let results = answer["results"].as_array().ok_or_else(unusable)?;
        let outcomes = results.iter().filter_map(|result| result["outcome"].as_str()).map(str::to_owned).collect();
        let report = log.lines().find(|line| line.starts_with("REPORT")).unwrap_or_default();
        let duration =
            report.split('\t').find_map(|field| field.trim().strip_prefix("Duration: ")?.strip_suffix(" ms"));
        Ok(Self { outcomes, milliseconds: duration.unwrap_or("-").to_owned() })
    }
}
