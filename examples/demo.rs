//! `make demo`: a finding that names one of a user's two keys, from JSON to dead key, on this machine alone.
//!
//! `EVENT` names another event of `events/`, or a file. The function's own variables are handed to it.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::time::Instant;

use common::ids::{KEY, OTHER_KEY, OWN};
use common::{Account, Moto, raw_log_lines, replaced, root};
use key_remediator::config::VARIABLES;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "it is a demonstration")]
async fn main() -> Result<(), String> {
    let asked = variable("EVENT");
    let file = file(asked.as_deref().unwrap_or("guardduty-iam-user"))?;
    let event = event(&file)?;
    let variables = configuration();

    println!("Starting a mock of AWS and the function under AWS's Lambda runtime interface emulator ...");
    let moto = Moto::start();
    let account = Account::new(&moto, OWN).await;
    account.deploy().await;
    let [named, other] = account.user("Bob").await;
    let settings: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let function = account.function(&settings);
    let before = account.keys("Bob").await;

    for (name, value) in &variables {
        println!("With {name}={value}");
    }
    println!("Sending {}, with {named} of user Bob as its key ...\n", file.display());
    let event = replaced(&event, &[(KEY, &named), (OTHER_KEY, &other)]);
    let started = Instant::now();
    let answer = function.try_to_invoke(&event);
    let took = started.elapsed();
    let after = account.keys("Bob").await;

    println!("{:22} {:10} {:10}", "Bob's access keys", "before", "after");
    for key in [&named, &other] {
        println!("{key:22} {:10} {:10}", before[key], after.get(key).map_or("deleted", String::as_str));
    }
    if let Ok(answer) = &answer {
        println!("\nThe function answered after {} ms, cold start included:\n{answer:#}", took.as_millis());
    }
    println!("\nIts log:");
    for line in raw_log_lines(&function.stop()) {
        println!("{line}");
    }
    println!("\nThe tools that this has installed, sam and cargo-lambda among them, are in .tools/venv/bin.");

    if asked.is_none() && variables.is_empty() {
        assert_eq!(after[&named], "Inactive", "the named key is dead");
        assert_eq!(after[&other], "Active", "the other key is alive");
    }
    answer.map(drop).map_err(|error| format!("the function gave no answer ({error})"))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variables of the function that are set here. `ACCOUNT_ID` is the mock's.
fn configuration() -> Vec<(&'static str, String)> {
    let names = VARIABLES.iter().map(|(name, _)| *name).filter(|name| *name != "ACCOUNT_ID");
    names.filter_map(|name| Some((name, variable(name)?))).collect()
}

/// The file of an event that is given by its name in `events/`, or by its path.
fn file(event: &str) -> Result<PathBuf, String> {
    let named = Path::new("events").join(event).with_extension("json");
    let files = [PathBuf::from(event), named];
    let found = files.into_iter().find(|file| root().join(file).is_file());
    found.ok_or_else(|| format!("{event} is neither a file nor the name of an event in events/"))
}

fn event(file: &Path) -> Result<Value, String> {
    let text = std::fs::read(root().join(file)).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{} is not JSON: {error}", file.display()))
}
