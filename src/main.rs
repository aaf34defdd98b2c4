//! Wiring only: logs, configuration, clients, runtime.

use std::process::ExitCode;

use key_remediator::{App, handle, logs};
use lambda_runtime::{Error, run, service_fn};
use tokio::signal::unix::{SignalKind, signal};

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
    let mut end_of_sandbox = signal(SignalKind::terminate())?;
    let app = App::start().await?;
    tokio::select! {
        ended = run(service_fn(|event| handle(&app, event))) => ended,
        _ = end_of_sandbox.recv() => Ok(()),
    }
}
