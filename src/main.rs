//! Wiring only: logs, configuration, clients, runtime.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use key_remediator::{App, handle, logs};
use lambda_runtime::{Error, run, service_fn};
use signal_hook::consts::SIGTERM;
use signal_hook::flag::register_conditional_shutdown;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    logs::init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the function cannot run: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Error> {
    end_with_the_sandbox()?;
    let app = App::start().await?;
    run(service_fn(|event| handle(&app, event))).await
}

/// Ends the process without an error when it is told to, which happens between invocations.
fn end_with_the_sandbox() -> std::io::Result<()> {
    let always = Arc::new(AtomicBool::new(true));
    register_conditional_shutdown(SIGTERM, 0, always).map(|_| ())
}
