//! Names of all metrics of both services. Labels are bounded: no ids, quantities or symbols.

/// Requests answered, by method, route template (`endpoint`) and status.
pub const HTTP_REQUESTS: &str = "http_requests_total";
/// Requests refused because their client sent too many.
pub const RATE_LIMITED: &str = "http_requests_rate_limited_total";
/// Requests refused because too many were under way.
pub const SHED: &str = "http_requests_shed_total";
/// Time to answer a request in seconds, by method and route template.
pub const HTTP_REQUEST_DURATION: &str = "http_request_duration_seconds";
/// Stocks created.
pub const STOCK_CREATED: &str = "stock_created_total";
/// Changes of stocks other than these.
pub const STOCK_UPDATED: &str = "stock_updated_total";
/// Reservations made.
pub const STOCK_RESERVED: &str = "stock_reserved_total";
/// Reservations refused, by reason.
pub const RESERVATIONS_REJECTED: &str = "stock_reservations_rejected_total";
/// Requests answered with the answer of an earlier one of the same idempotency key.
pub const IDEMPOTENT_REPLAYS: &str = "stock_idempotent_replays_total";
/// Commands in one committed batch.
pub const BATCH_COMMANDS: &str = "stock_batch_commands";
/// Events that are committed and not published.
pub const OUTBOX_BACKLOG: &str = "stock_outbox_backlog_events";
/// Age of the oldest event that is committed and not published.
pub const OUTBOX_OLDEST: &str = "stock_outbox_oldest_seconds";
/// 1 on the instance that relays.
pub const RELAY_LEADER: &str = "stock_relay_leader";
/// Times the relay had to start again.
pub const RELAY_FAILURES: &str = "stock_relay_failures_total";
/// Records acknowledged by the broker, by topic and partition.
pub const KAFKA_SENT: &str = "kafka_messages_sent_total";
/// Records read from the broker, by topic, partition and consumer group.
pub const KAFKA_CONSUMED: &str = "kafka_messages_consumed_total";
/// Calls to partners, by endpoint and status.
pub const EXTERNAL_CALLS: &str = "external_api_calls_total";
/// Time of a call to a partner in seconds, by endpoint.
pub const EXTERNAL_CALL_DURATION: &str = "external_api_call_duration_seconds";
/// Attempts of the anti-corruption layer, by subscription and status.
pub const DELIVERIES: &str = "acl_deliveries_total";
/// Time from the change of a stock to the partner's acknowledgement in seconds, by subscription.
pub const DELIVERY_AGE: &str = "acl_delivery_age_seconds";
/// Dead letters, by subscription.
pub const DEAD_LETTERS: &str = "acl_dead_letters_total";
/// 1 while the breaker of a subscription's partner is open.
pub const BREAKER_OPEN: &str = "acl_breaker_open";
/// 1 while an operator, or the partner itself, wants no calls, by subscription.
pub const PARTNER_HALTED: &str = "acl_partner_halted";
