//! What is indexed of an event.

use application::{ports::PartnerCall, trace::trace_id};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

/// The template of the indices whose names begin with `index`; `lifecycle_policy` is that of Elasticsearch, if it is not
/// empty (OpenSearch's policies name the indices themselves).
#[must_use]
pub fn index_template(index: &str, replicas: u32, lifecycle_policy: &str) -> Value {
    let keyword = || json!({"type": "keyword", "ignore_above": 1024});
    let number = || json!({"type": "long"});
    let mut settings = json!({
        "number_of_shards": 1,
        "number_of_replicas": replicas,
    });
    if !lifecycle_policy.is_empty() {
        settings["index.lifecycle.name"] = json!(lifecycle_policy);
    }
    json!({
        "index_patterns": [format!("{index}-*")],
        "priority": 200,
        "template": {
            "settings": settings,
            "mappings": {
                // What a later version adds is kept and not indexed, so that no document is refused for it.
                "dynamic": false,
                "properties": {
                    "@timestamp": {"type": "date"},
                    "eventId": keyword(),
                    "operation": keyword(),
                    "stockId": keyword(),
                    "productId": keyword(),
                    "productName": {"type": "text"},
                    "symbol": keyword(),
                    "version": number(),
                    "quantity": number(),
                    "reserved": number(),
                    "available": number(),
                    "unitPrice": {"type": "double"},
                    "currency": keyword(),
                    "status": keyword(),
                    "previousStatus": keyword(),
                    "quantityDelta": number(),
                    "reservedDelta": number(),
                    "reservationId": keyword(),
                    "units": number(),
                    "reason": {"type": "text"},
                    "actor": keyword(),
                    "correlationId": keyword(),
                    "traceId": keyword(),
                },
            },
        },
    })
}

/// What is indexed, where, under which id.
pub(in crate::partner) struct Document {
    pub(in crate::partner) index: String,
    pub(in crate::partner) id: String,
    pub(in crate::partner) source: Value,
}

/// The document of an event.
///
/// # Errors
/// Why there is none.
pub(in crate::partner) fn document(index: &str, call: &PartnerCall) -> Result<Document, String> {
    let id = call.event_id.ok_or("only events are indexed")?;
    let at = call.occurred_at.to_offset(time::UtcOffset::UTC);
    let (year, month, day) = at.to_calendar_date();
    let index = format!("{index}-{year:04}.{:02}.{day:02}", u8::from(month));
    let picture = &call.picture;
    let trace = call.traceparent.as_deref();
    let mut source = json!({
        "@timestamp": at.format(&Rfc3339).map_err(|error| error.to_string())?,
        "eventId": id,
        "operation": call.effect.operation(),
        "stockId": call.stock_id,
        "productId": picture.product_id,
        "productName": picture.product_name,
        "symbol": picture.symbol,
        "version": picture.version,
        "quantity": picture.quantity,
        "reserved": picture.reserved,
        "available": picture.available,
        "unitPrice": picture.unit_price.to_string(),
        "currency": picture.currency,
        "status": picture.status,
        "previousStatus": call.previous_status,
        "quantityDelta": call.quantity_delta,
        "reservedDelta": call.reserved_delta,
        "reason": call.reason,
        "actor": call.actor,
        "correlationId": call.correlation_id,
        "traceId": trace.and_then(trace_id),
    });
    if let Some((reservation_id, units)) = call.effect.hold() {
        source["reservationId"] = json!(reservation_id);
        source["units"] = json!(units);
    }
    Ok(Document {
        index,
        id: id.to_string(),
        source,
    })
}
