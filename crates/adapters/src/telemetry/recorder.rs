//! The recorder of all metrics.

use application::metric::{Kind, Metric, both};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

/// Buckets of every duration in seconds: 1 ms to 10 s.
const SECONDS: [f64; 13] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];
/// Buckets of batch sizes.
const COMMANDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The metrics of the process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    process: Collector,
}

impl Metrics {
    /// Installs the recorder of the process. `catalogue` says what is measured; what has no labels is there from now on.
    pub(super) fn install(catalogue: &[&[Metric]]) -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_commands".to_owned()), &COMMANDS)?
            .install_recorder()?;
        for metric in catalogue.iter().copied().flatten() {
            describe(metric);
        }
        let version = env!("CARGO_PKG_VERSION");
        metrics::gauge!(both::BUILD_INFO.name, "version" => version).set(1.0);
        Ok(Self {
            handle,
            process: Collector::default(),
        })
    }

    /// All metrics in Prometheus's text format.
    pub(crate) fn render(&self) -> String {
        self.process.collect();
        self.handle.render()
    }

    /// Has to be called every few seconds: values of histograms wait to be counted.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn describe(metric: &Metric) {
    let unlabelled = metric.labels.is_empty();
    match metric.kind {
        Kind::Counter => {
            metrics::describe_counter!(metric.name, metric.help);
            if unlabelled {
                metrics::counter!(metric.name).increment(0);
            }
        }
        Kind::Gauge => {
            metrics::describe_gauge!(metric.name, metric.help);
            if unlabelled {
                metrics::gauge!(metric.name).set(0.0);
            }
        }
        Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
    }
}
