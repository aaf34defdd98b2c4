//! Takes findings about compromised AWS credentials and kills the access key that each of them names.
//!
//! Data goes one way, and each module does one thing with it:
//!
//! ```text
//! event JSON ─> event ─> Finding ─> decision ─> Plan ─> containment ─> Record ─> report
//!               (pure)              (pure)              (AWS calls)    (facts)   (pure: words)
//! ```
//!
//! `event` turns JSON into a `Finding` for each credential that it names. `decision` holds every gate and makes a plan,
//! or a reason not to act. `containment` carries the plan out through `aws`, the only module that names an SDK crate,
//! and fills a record of what AWS confirmed. `report` makes the answer, the log lines and all sentences from it.
//! [`handler`] joins them, and [`sandbox`] runs it on Lambda.

mod aws;
mod case;
pub mod config;
mod containment;
#[doc(hidden)]
pub mod credential;
#[doc(hidden)]
pub mod decision;
#[doc(hidden)]
pub mod event;
mod evidence;
mod failure;
#[doc(hidden)]
pub mod finding;
pub mod handler;
pub mod logs;
#[doc(hidden)]
pub mod names;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod record;
mod report;
pub mod sandbox;
#[doc(hidden)]
pub mod schedule;

pub use handler::{App, handle};
