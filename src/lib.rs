//! Takes findings about compromised AWS credentials and kills the access key that each of them names.
//!
//! Data goes one way, and each module does one thing with it:
//!
//! ```text
//! event JSON ──> event ──> Finding ──> decision ──> Plan ──> containment ──> Outcome ──> report
//!               (pure)                  (pure)              (calls to AWS)              (pure)
//! ```
//!
//! [`event`] turns JSON into a [`finding::Finding`] for each credential that it names. [`decision`] holds every gate
//! and makes a plan or a reason not to act. [`containment`] carries the plan out through [`aws`], the only module that
//! names an SDK crate. [`report`] makes the answer. [`handler`] joins them, and [`sandbox`] runs it on Lambda.

pub mod aws;
pub mod config;
pub mod containment;
pub mod decision;
pub mod event;
pub mod finding;
pub mod handler;
pub mod logs;
pub mod report;
pub mod sandbox;

pub use handler::{App, handle};
