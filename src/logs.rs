//! JSON log lines as Lambda's log-level filter expects them, with `timestamp` and `level` on top:
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>.

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging at `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets from the function's logging configuration.
///
/// Only this crate goes below INFO: at DEBUG the SDK prints the role's own access key ID, at TRACE the runtime prints
/// the whole event. `RUST_LOG` is not read for the same reason.
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    let others = LevelFilter::from_level(level.min(Level::INFO));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(true)
        .with_span_list(false);
    let filter = Targets::new().with_default(others).with_target(env!("CARGO_CRATE_NAME"), level);
    tracing_subscriber::registry().with(lines).with(filter).init();
}
