//! Metrics and logs.

mod datasource;
mod families;
pub mod logging;
mod metrics;
mod rate;
#[cfg(test)]
mod tests;

pub use datasource::{DatasourceMetrics, RecordOutcome};
pub use families::Family;
pub use metrics::{LeaseEvent, Metrics, Told};
pub use rate::{DecayedMean, DecayedRate, TIME_CONSTANT};
