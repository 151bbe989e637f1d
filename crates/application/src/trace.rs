//! Traces: what one request causes, from process to process. Where it goes, a W3C `traceparent` goes with it, through the
//! database and over the broker; so whoever works for it knows where its own part hangs.

use std::{borrow::Cow, sync::OnceLock};

use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId, Value,
    global::BoxedSpan,
    trace::{
        Link, Span as _, SpanBuilder, SpanContext, Status, TraceContextExt, TraceState, Tracer,
    },
};
pub use opentelemetry::{global::BoxedTracer, trace::SpanKind};
pub use opentelemetry_semantic_conventions::attribute;

/// Who records; nobody while traces are off.
static TRACER: OnceLock<BoxedTracer> = OnceLock::new();

/// Records spans from now on, by `tracer`; the first one of a process stays.
pub fn record_by(tracer: BoxedTracer) {
    TRACER.get_or_init(|| tracer);
}

/// The trace id of a `traceparent`: version-trace-span-flags.
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

/// The span that a `traceparent` names, if it is recorded.
fn sampled(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    flags.is_sampled().then_some(())?;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// A part of a trace that is under way; dropped, it has ended. Where nothing is recorded, it is nothing and costs nothing.
#[derive(Default)]
pub struct Span(Option<BoxedSpan>);

impl Span {
    /// A part that begins now. Without a `parent` a trace begins with it, which is recorded or not as the configured share says;
    /// what was recorded before it got here is recorded here, too. `name` is of few values.
    pub fn new(
        kind: SpanKind,
        parent: Option<&str>,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Self {
        Self(TRACER.get().and_then(|tracer| {
            let parent = match parent {
                Some(parent) => Context::new().with_remote_span_context(sampled(parent)?),
                None => Context::new(),
            };
            let builder = SpanBuilder::from_name(name()).with_kind(kind);
            Some(tracer.build_with_context(builder, &parent))
        }))
    }

    /// What is done for several requests at once: a trace of its own, which points to each of theirs that is recorded.
    pub fn for_all<'a>(name: &'static str, requests: impl Iterator<Item = &'a str>) -> Self {
        Self(TRACER.get().and_then(|tracer| {
            let links: Vec<Link> = requests
                .filter_map(|parent| Some(Link::with_context(sampled(parent)?)))
                .collect();
            (!links.is_empty()).then(|| {
                let builder = SpanBuilder::from_name(name).with_links(links);
                tracer.build_with_context(builder, &Context::new())
            })
        }))
    }

    /// Whether there is anything.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// The `traceparent` of what this part causes; none where there is no trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?.span_context();
        let (trace, span) = (context.trace_id(), context.span_id());
        Some(format!("00-{trace}-{span}-{:02x}", context.trace_flags()))
    }

    /// Says more about it, by a name of the semantic conventions.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Points to another part.
    pub fn link(&mut self, other: &Self) {
        if let (Some(span), Some(other)) = (&mut self.0, &other.0) {
            span.add_link(other.span_context().clone(), Vec::new());
        }
    }

    /// It went wrong. `kind` is of few values.
    pub fn fail(&mut self, kind: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.0 {
            let kind = kind.into();
            span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, kind.clone()));
            span.set_status(Status::error(kind));
        }
    }
}
