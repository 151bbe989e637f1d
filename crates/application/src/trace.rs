//! W3C trace context.

/// The trace id of a `traceparent`: version-trace-span-flags.
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}
