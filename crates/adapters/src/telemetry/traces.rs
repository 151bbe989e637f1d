//! Spans, sent to an OTLP receiver (HTTP, protobuf) by a thread of its own. What cannot be sent in time is dropped: nobody waits
//! for the receiver.

use std::time::Duration;

use application::{
    ports::IdSource,
    trace::{BoxedTracer, Recorder, record_by},
};
use opentelemetry::{
    Context, KeyValue, TraceId,
    trace::{Link, SpanKind, TracerProvider},
};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SamplingResult, SdkTracerProvider, ShouldSample},
};
use serde::Deserialize;
use url::Url;

use crate::{
    clock::UuidSource,
    config::{self, ConfigError},
};
/// Longest time for one transmission, and for the last one when the process ends.
const SEND: Duration = Duration::from_secs(2);

/// Which traces are recorded, and where they go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceSettings {
    /// The receiver's whole URL; without one there are no traces.
    pub endpoint: Option<Url>,
    /// The share of traces that begin here, from 0 to 1.
    pub ratio: f64,
    /// Whether a client's own trace goes on here, and is recorded if it says so.
    pub follow_clients: bool,
}

impl TraceSettings {
    /// Says what cannot be used.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let legal = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !self.endpoint.as_ref().is_none_or(legal) {
            return Err(ConfigError::invalid(
                "traces.endpoint",
                &"must be the URL of an OTLP receiver, such as http://localhost:4318/v1/traces",
            ));
        }
        config::at_least("traces.ratio", self.ratio, 0.0)?;
        config::at_most("traces.ratio", self.ratio, 1.0)
    }
}

/// Records traces of `service` for the process from now on; none without a receiver.
pub(super) fn install(
    settings: &TraceSettings,
    service: &'static str,
) -> Result<Option<Export>, ExporterBuildError> {
    let Some(endpoint) = &settings.endpoint else {
        return Ok(None);
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.as_str())
        .with_timeout(SEND)
        .build()?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", UuidSource.next().to_string()),
        ])
        .build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Share(settings.ratio))))
        .with_resource(resource)
        // A batch points to each of its requests, of which there are as many as the executor takes at once.
        .with_max_links_per_span(u32::MAX)
        .with_batch_exporter(exporter)
        .build();
    record_by(Recorder {
        tracer: BoxedTracer::new(Box::new(provider.tracer(service))),
        follows_clients: settings.follow_clients,
    });
    Ok(Some(Export(provider)))
}

/// Spans on their way; dropped, the last ones are sent.
pub(super) struct Export(SdkTracerProvider);

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(SEND) {
            tracing::debug!(error = %error, "the last spans were not sent");
        }
    }
}

/// A share of what begins here; and what is done for several requests, if one of them is recorded.
#[derive(Debug, Clone)]
struct Share(f64);

impl ShouldSample for Share {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = if links.is_empty() {
            Sampler::TraceIdRatioBased(self.0)
        } else {
            Sampler::AlwaysOn
        };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::{
        SpanId, TraceFlags,
        trace::{SpanContext, TraceContextExt, TraceState},
    };
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;

    fn context(flags: TraceFlags) -> SpanContext {
        let (trace, span) = (TraceId::from(7), SpanId::from(7));
        SpanContext::new(trace, span, flags, true, TraceState::NONE)
    }

    fn recorded(share: f64, parent: Option<TraceFlags>, links: &[Link]) -> bool {
        let parent = parent.map(|flags| Context::new().with_remote_span_context(context(flags)));
        let sampler = Sampler::ParentBased(Box::new(Share(share)));
        let kind = SpanKind::Internal;
        let result = sampler.should_sample(parent.as_ref(), 7.into(), "x", &kind, &[], links);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_share_of_what_begins_here_is_recorded_and_all_that_belongs_to_what_is() {
        let link = Link::with_context(context(TraceFlags::SAMPLED));

        assert!(recorded(1.0, None, &[]));
        assert!(!recorded(0.0, None, &[]));
        assert!(recorded(0.0, Some(TraceFlags::SAMPLED), &[]));
        assert!(!recorded(1.0, Some(TraceFlags::NOT_SAMPLED), &[]));
        assert!(recorded(0.0, None, &[link]));
    }
}
