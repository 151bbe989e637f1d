//! Logs and metrics.

pub use metrics_exporter_prometheus::PrometheusHandle as Metrics;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use serde::Deserialize;
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Buckets of every duration in seconds: 1 ms to 10 s.
const SECONDS: [f64; 13] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];
/// Buckets of batch sizes.
const COMMANDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// What is logged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// How it looks.
    pub format: LogFormat,
    /// Levels by module, as in `info,sqlx=warn`.
    pub filter: String,
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.filter` is not one.
    #[error("configuration: log.filter is not a filter")]
    Filter(#[from] ParseError),
    /// A recorder is installed already, or a bucket is wrong.
    #[error("metrics cannot be recorded")]
    Metrics(#[from] BuildError),
    /// A subscriber is installed already.
    #[error("logs cannot be written")]
    Log(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Installs logs and metrics for the process; the handle renders the metrics.
///
/// # Errors
/// [`TelemetryError`].
pub fn install(log: &LogSettings) -> Result<Metrics, TelemetryError> {
    let filter = EnvFilter::builder().parse(&log.filter)?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
    match log.format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text => subscriber.try_init(),
    }
    .map_err(TelemetryError::Log)?;
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_commands".to_owned()), &COMMANDS)?
        .install_recorder()?;
    Ok(recorder)
}
