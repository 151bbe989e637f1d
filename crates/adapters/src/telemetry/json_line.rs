//! A log line: one flat JSON object, the event's members first, then those of the request it belongs to.

use std::{fmt, io, str};

use serde::Serializer as _;
use serde_json::Serializer;
use tracing::{Event, Subscriber, field::Field, field::Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// What the members of a request's span take, in bytes.
const USUAL_MEMBERS: usize = 192;

/// Writes an event as a line.
pub(super) struct JsonLine;

/// Writes members as `,"name":value`, once for all lines of a span.
pub(super) struct JsonMembers;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(
            writer,
            "\",\"level\":\"{}\",\"target\":\"{}\"",
            metadata.level(),
            metadata.target()
        )?;
        write_members(writer.by_ref(), event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(members) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(members)?;
            }
        }
        writer.write_str("}\n")
    }
}

impl<'w> FormatFields<'w> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        // What a span keeps begins without room, and would grow with every piece.
        let mut members = String::with_capacity(USUAL_MEMBERS);
        write_members(Writer::new(&mut members), fields)?;
        writer.write_str(&members)
    }
}

fn write_members(writer: Writer<'_>, fields: impl RecordFields) -> fmt::Result {
    let mut members = Members {
        out: Bytes(writer),
        result: Ok(()),
    };
    fields.record(&mut members);
    members.result
}

struct Members<'w> {
    out: Bytes<'w>,
    result: fmt::Result,
}

impl Members<'_> {
    fn member(
        &mut self,
        field: &Field,
        value: impl FnOnce(&mut Serializer<&mut Bytes<'_>>) -> serde_json::Result<()>,
    ) {
        let written = self.result.and_then(|()| {
            self.out.name(field)?;
            value(&mut Serializer::new(&mut self.out)).map_err(|_| fmt::Error)
        });
        self.result = written;
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |out| out.serialize_f64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |out| out.serialize_i64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |out| out.serialize_u64(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |out| out.serialize_bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // Nearly every text is plain: ids, codes, names of routes.
        if value.bytes().any(|b| b < b' ' || b == b'"' || b == b'\\') {
            self.member(field, |out| out.serialize_str(value));
        } else {
            self.result = self.result.and_then(|()| self.out.plain(field, value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |out| out.collect_str(&format_args!("{value:?}")));
    }
}

/// Text as `serde_json` writes it: in pieces, each of whole characters.
struct Bytes<'w>(Writer<'w>);

impl Bytes<'_> {
    fn name(&mut self, field: &Field) -> fmt::Result {
        self.0.write_str(",\"")?;
        self.0.write_str(field.name())?;
        self.0.write_str("\":")
    }

    /// A member whose value needs no escapes.
    fn plain(&mut self, field: &Field, value: &str) -> fmt::Result {
        self.name(field)?;
        self.0.write_char('"')?;
        self.0.write_str(value)?;
        self.0.write_char('"')
    }
}

impl io::Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Sink {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_one_object_whatever_is_in_it() {
        let sink = Sink::default();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLine)
            .fmt_fields(JsonMembers)
            .with_writer(sink.clone())
            .finish();

        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", "requestId" = "r\"1\"\n");
            let nasty = "é\u{1}\"}\n{";
            span.in_scope(|| {
                tracing::info!(code = "A", http.status = 200_u16, part = 0.5, yes = true, none = Option::<u8>::None, debug = ?nasty, "{nasty}");
            });
            tracing::warn!(
                nan = f64::NAN,
                below = -1,
                plain = "é\u{7f}\u{2028}",
                back = "\\",
                "second"
            );
        });

        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let mut lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for line in &mut lines {
            let line = line.as_object_mut().unwrap();
            let stamp = line.remove("timestamp").unwrap();
            assert!(stamp.as_str().unwrap().ends_with('Z'), "{stamp}");
            assert_eq!(line.remove("target").unwrap(), module_path!());
        }
        assert_eq!(
            lines,
            [
                json!({
                    "level": "INFO", "message": "é\u{1}\"}\n{", "code": "A", "http.status": 200, "part": 0.5,
                    "yes": true, "debug": "\"é\\u{1}\\\"}\\n{\"", "requestId": "r\"1\"\n",
                }),
                json!({
                    "level": "WARN", "message": "second", "nan": null, "below": -1, "plain": "é\u{7f}\u{2028}",
                    "back": "\\",
                }),
            ]
        );
    }
}
