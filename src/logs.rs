//! JSON log lines as Lambda's log-level filter expects them, with `timestamp` and `level` on top:
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>.

use std::time::Duration;

use tracing::Level;

/// Starts logging at `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets from the function's logging configuration.
///
/// Nothing below INFO is compiled in, by this crate's features of `tracing`: at DEBUG the SDK prints the role's own
/// access key ID, at TRACE the runtime prints the whole event. `RUST_LOG` is not read.
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(true)
        .with_span_list(false)
        .with_max_level(level)
        .init();
}

/// A duration as log lines tell it.
pub fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
