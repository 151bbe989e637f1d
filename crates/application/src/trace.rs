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

/// Who records, and what.
pub struct Recorder {
    /// Makes spans.
    pub tracer: BoxedTracer,
    /// Whether a client decides that its request is recorded.
    pub follows_clients: bool,
}

/// Nobody while traces are off.
static RECORDER: OnceLock<Recorder> = OnceLock::new();

/// Records spans from now on; the first one of a process stays.
pub fn record_by(recorder: Recorder) {
    RECORDER.get_or_init(|| recorder);
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

/// A part of a trace that is under way; dropped, it has ended. Where traces are off, and in a trace that is not recorded, it is
/// nothing and costs nothing.
#[derive(Default)]
pub struct Span(Option<BoxedSpan>);

impl Span {
    /// What the part of `parent` causes; nothing where that is not recorded. `name` is of few values.
    pub fn within(
        parent: Option<&str>,
        kind: SpanKind,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Self {
        let begin = || {
            let recorder = RECORDER.get()?;
            let parent = Context::new().with_remote_span_context(sampled(parent?)?);
            let builder = SpanBuilder::from_name(name()).with_kind(kind);
            Some(recorder.tracer.build_with_context(builder, &parent))
        };
        Self(begin())
    }

    /// What a client's request causes. `sent` is the part of its own trace. A client is followed, or a trace begins here that
    /// points to it; which of the latter are recorded, the configured share says.
    pub fn of_request(sent: Option<&str>, name: impl FnOnce() -> Cow<'static, str>) -> Self {
        let Some(recorder) = RECORDER.get() else {
            return Self(None);
        };
        if recorder.follows_clients && sent.is_some() {
            return Self::within(sent, SpanKind::Server, name);
        }
        let builder = SpanBuilder::from_name(name()).with_kind(SpanKind::Server);
        let mut span = recorder.tracer.build_with_context(builder, &Context::new());
        if let Some(sent) = sent.and_then(sampled) {
            span.add_link(sent, Vec::new());
        }
        Self(Some(span))
    }

    /// What is done for several requests at once: a trace of its own, which points to each of theirs that is recorded.
    pub fn for_all<'a>(name: &'static str, requests: impl Iterator<Item = &'a str>) -> Self {
        Self(RECORDER.get().and_then(|recorder| {
            let links: Vec<Link> = requests
                .filter_map(|parent| Some(Link::with_context(sampled(parent)?)))
                .collect();
            (!links.is_empty()).then(|| {
                let builder = SpanBuilder::from_name(name).with_links(links);
                recorder.tracer.build_with_context(builder, &Context::new())
            })
        }))
    }

    /// Whether anybody will see it.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.0.as_ref().is_some_and(BoxedSpan::is_recording)
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
