//! JSON log lines as Lambda's log-level filter expects them, with `timestamp` and `level` on top:
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>.

use std::error::Error;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::ConfigError;
use crate::sandbox::AnswerNotTaken;

/// Starts logging at `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets from the function's logging configuration.
///
/// Nothing below INFO is compiled in, by this crate's features of `tracing`: at DEBUG the SDK prints the role's own
/// access key ID, at TRACE the runtime prints the whole event. `RUST_LOG` is not read.
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    // What a person has to do is told in warnings.
    let level = level.max(Level::WARN);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(true)
        .with_span_list(false)
        .with_max_level(level)
        .with_writer(|| Counted)
        .finish()
        .with(filter_fn(says_something_new))
        .init();
}

static WRITTEN: AtomicUsize = AtomicUsize::new(0);

/// How many bytes this process has logged.
pub fn written() -> usize {
    WRITTEN.load(Ordering::Relaxed)
}

/// The standard output, where Lambda takes the log.
struct Counted;

impl Write for Counted {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let count = io::stdout().write(line)?;
        WRITTEN.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// The runtime logs a handler's error when each failure has had a line of its own. Its lines about a panic, which are
/// the only ones, have a field.
fn says_something_new(line: &Metadata<'_>) -> bool {
    line.target() != "lambda_runtime::layers::panic" || line.fields().field("error").is_some()
}

/// Tells why the process ends.
pub fn cannot_run(error: &(dyn Error + 'static)) {
    let code = if error.is::<ConfigError>() {
        "invalid_configuration"
    } else if error.is::<AnswerNotTaken>() {
        "answer_not_taken"
    } else {
        "cannot_start"
    };
    tracing::error!(code, "the function cannot run: {}", with_causes(error));
}

/// An error and the whole chain of its causes.
pub fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_runtimes_lines_about_a_handler_those_about_a_panic_stay() {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter_fn(says_something_new)), || {
            assert!(!tracing::enabled!(target: "lambda_runtime::layers::panic", Level::ERROR));
            assert!(tracing::enabled!(target: "lambda_runtime::layers::panic", Level::ERROR, error));
            assert!(tracing::enabled!(Level::ERROR));
        });
    }
}
