//! The life of a sandbox: from the first word with Lambda's runtime API to its end.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use hyper_util::client::legacy::Error as NoAnswer;
use lambda_runtime::tower::ServiceExt;
use lambda_runtime::tower::layer::layer_fn;
use lambda_runtime::{Error, LambdaInvocation, Runtime, service_fn};
use signal_hook::consts::SIGTERM;
use signal_hook::flag::register_conditional_shutdown;

use crate::{App, handle};

/// How long a new process waits for a runtime API that does not listen yet.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// What the function does.
#[derive(Clone, Copy)]
enum Doing {
    /// It has not had an invocation yet.
    Starting,
    /// It has an invocation, and the runtime API has not taken the answer.
    Answering,
    /// It waits for another invocation.
    Waiting,
}

/// The runtime API did not take an answer. What was done is in the log.
#[derive(Debug, thiserror::Error)]
#[error("the runtime API did not take the answer")]
pub struct AnswerNotTaken(#[source] Error);

/// Serves invocations until the sandbox ends.
///
/// The runtime interface emulator starts the process before its runtime API listens, so a new process tries for a while.
/// Later, a runtime API that has gone away is the end of the sandbox, unless it owes the function the receipt of an
/// answer.
///
/// # Errors
/// When the runtime API does not listen in time, does not take an answer, or does not speak as documented.
pub async fn serve(app: &App) -> Result<(), Error> {
    let started = Instant::now();
    let doing = Cell::new(Doing::Starting);
    loop {
        let Err(error) = run(app, &doing).await else { return Ok(()) };
        let no_answer = error.downcast_ref::<NoAnswer>();
        match doing.get() {
            Doing::Starting if no_answer.is_some_and(NoAnswer::is_connect) && started.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Doing::Waiting if no_answer.is_some() => return Ok(()),
            Doing::Answering => return Err(AnswerNotTaken(error).into()),
            Doing::Starting | Doing::Waiting => return Err(error),
        }
    }
}

/// The runtime until it ends, as [`lambda_runtime::run`] makes it, but that it tells what it does.
async fn run(app: &App, doing: &Cell<Doing>) -> Result<(), Error> {
    let tell = layer_fn(|service| {
        let asked = |invocation: LambdaInvocation| {
            doing.set(Doing::Answering);
            invocation
        };
        ServiceExt::<LambdaInvocation>::map_response(service, |()| doing.set(Doing::Waiting)).map_request(asked)
    });
    let runtime = Runtime::new(service_fn(|event| handle(app, event)));
    runtime.layer(lambda_runtime::layers::TracingLayer::new()).layer(tell).run().await
}

/// Ends the process without an error when it is told to, which happens between invocations.
///
/// # Errors
/// When the system does not let a process handle signals.
pub fn end_when_told() -> std::io::Result<()> {
    let always = Arc::new(AtomicBool::new(true));
    register_conditional_shutdown(SIGTERM, 0, always).map(|_| ())
}
