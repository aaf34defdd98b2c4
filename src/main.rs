//! Wiring only: logs, configuration, clients, runtime.

use std::process::ExitCode;

use key_remediator::{App, logs, sandbox};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    logs::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logs::cannot_run(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    sandbox::end_when_told()?;
    let app = App::start().await?;
    sandbox::serve(&app).await
}
