//! Names of the headers on Kafka.

/// CloudEvents: the version of the specification.
pub const SPEC_VERSION: &str = "ce_specversion";
/// CloudEvents: the event's id.
pub const ID: &str = "ce_id";
/// CloudEvents: who sent it.
pub const SOURCE: &str = "ce_source";
/// CloudEvents: the event's type, with the contract's version.
pub const TYPE: &str = "ce_type";
/// CloudEvents: the stock's id.
pub const SUBJECT: &str = "ce_subject";
/// CloudEvents: when the change was decided.
pub const TIME: &str = "ce_time";
/// Extension: the stock's version.
pub const STOCK_VERSION: &str = "ce_stockversion";
/// Extension: the id that goes from the request to the partner.
pub const CORRELATION_ID: &str = "ce_correlationid";
/// The value's media type.
pub const CONTENT_TYPE: &str = "content-type";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// On the retry and dead-letter topics: the subscription.
pub const SUBSCRIPTION: &str = "vs_subscription";
/// On the retry and dead-letter topics: attempts made so far.
pub const ATTEMPTS: &str = "vs_attempts";
/// On the retry and dead-letter topics: the topic the record was read from.
pub const ORIGIN_TOPIC: &str = "vs_origin_topic";
/// On the retry and dead-letter topics: the partition the record was read from.
pub const ORIGIN_PARTITION: &str = "vs_origin_partition";
/// On the retry and dead-letter topics: the offset the record was read at.
pub const ORIGIN_OFFSET: &str = "vs_origin_offset";
/// On the dead-letter topic: why.
pub const REASON: &str = "vs_reason";

/// The start of every event type.
pub const TYPE_PREFIX: &str = "io.virtual-stock.stock.";

/// The end of every event type of contract version 1.
pub const TYPE_VERSION: &str = ".v1";

/// The type of an operation's event in contract version 1: `RESERVATION_EXPIRED` is
/// `io.virtual-stock.stock.reservation-expired.v1`.
#[must_use]
pub fn event_type(operation: &str) -> String {
    let name = operation.to_ascii_lowercase().replace('_', "-");
    format!("{TYPE_PREFIX}{name}{TYPE_VERSION}")
}
