//! Logs, metrics and traces.

mod json_line;
mod paced;
mod recorder;
mod surroundings;
mod traces;

use std::{io::IsTerminal, sync::Arc};

use application::metric::Metric;
use metrics_exporter_prometheus::BuildError;
use opentelemetry_otlp::ExporterBuildError;
use serde::Deserialize;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::ParseError, fmt, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

use json_line::{JsonLine, JsonMembers};
use paced::Paced;
pub use recorder::Metrics;
pub use surroundings::{Surroundings, in_time};
use traces::Export;
pub use traces::TraceSettings;

/// Lines that wait to be written, at most.
const LINES: usize = 8192;

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
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
    /// The receiver of `traces.endpoint` cannot be used.
    #[error("configuration: traces cannot be sent")]
    Traces(#[from] ExporterBuildError),
    /// A subscriber is installed already.
    #[error("logs cannot be written")]
    Log(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is logged, while the service runs.
#[derive(Clone)]
pub struct LogControl(reload::Handle<EnvFilter, Registry>);

/// What is logged could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum LogControlError {
    /// The text is no filter.
    #[error("is not a filter: {0}")]
    Filter(#[from] ParseError),
    /// The log has ended.
    #[error("cannot be changed now")]
    Ended(#[from] reload::Error),
}

impl LogControl {
    /// Levels by module.
    #[must_use]
    pub fn filter(&self) -> String {
        let filter = self.0.with_current(ToString::to_string);
        filter.unwrap_or_default()
    }

    /// Changes the levels by module.
    ///
    /// # Errors
    /// [`LogControlError`].
    pub fn set(&self, filter: &str) -> Result<(), LogControlError> {
        let filter = EnvFilter::builder().parse(filter)?;
        Ok(self.0.reload(filter)?)
    }
}

/// Logs, metrics and traces of the process.
#[derive(Clone)]
pub struct Telemetry {
    /// Renders the metrics.
    pub metrics: Metrics,
    /// What is logged.
    pub log: LogControl,
    /// Writes and sends what is left when the last of these goes.
    _last: Arc<(Option<Export>, WorkerGuard)>,
}

/// Installs logs, metrics of the `catalogue` and traces of `service` for the process.
///
/// # Errors
/// [`TelemetryError`].
pub fn install(
    service: &'static str,
    log: &LogSettings,
    traces: &TraceSettings,
    catalogue: &[&[Metric]],
) -> Result<Telemetry, TelemetryError> {
    let (filter, control) = reload::Layer::new(EnvFilter::builder().parse(&log.filter)?);
    // Lines are written by a thread of their own, many at once: a line costs its maker no system call. Where standard output
    // is not read, makers wait; a process that is killed loses the lines of its last moment.
    let (lines, writer) = NonBlockingBuilder::default()
        .lossy(false)
        .buffered_lines_limit(LINES)
        .finish(Paced::new(std::io::stdout()));
    let text = match log.format {
        LogFormat::Auto => std::io::stdout().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let lines = if text {
        fmt::layer().with_writer(lines).boxed()
    } else {
        fmt::layer()
            .event_format(JsonLine)
            .fmt_fields(JsonMembers)
            .with_writer(lines)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|error| TelemetryError::Log(error.into()))?;
    Ok(Telemetry {
        metrics: Metrics::install(catalogue)?,
        log: LogControl(control),
        _last: Arc::new((traces::install(traces, service)?, writer)),
    })
}
