//! `make demo`: a finding that names one of a user's two keys, from JSON to dead key, on this machine alone.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::ids::{KEY, OWN};
use common::{Account, Moto, event, replaced};

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "it is a demonstration")]
async fn main() {
    println!("Starting a mock of AWS and the function under AWS's Lambda runtime interface emulator ...");
    let moto = Moto::start();
    let account = Account::new(&moto, OWN).await;
    let [stolen, other] = account.user("Bob").await;
    let function = account.function(&[]);
    let before = account.keys("Bob").await;

    println!("Sending events/guardduty-iam-user.json, which names {stolen} of user Bob ...\n");
    let finding = replaced(&event("guardduty-iam-user"), &[(KEY, &stolen)]);
    let started = Instant::now();
    let answer = function.invoke(&finding);
    let took = started.elapsed();
    let after = account.keys("Bob").await;

    println!("{:22} {:10} {:10}", "Bob's access keys", "before", "after");
    for key in [&stolen, &other] {
        println!("{key:22} {:10} {:10}", before[key], after[key]);
    }
    println!("\nThe function answered after {} ms, cold start included:\n{answer:#}", took.as_millis());
    assert_eq!(after[&stolen], "Inactive", "the named key is dead");
    assert_eq!(after[&other], "Active", "the other key is alive");
}
