//! What the anti-corruption layer measures.

use super::metrics;

metrics! {
    /// When the certificate ends that a partner's server shows, since 1970; only of partners over TLS.
    CERTIFICATE_END: Gauge "acl_partner_certificate_end_timestamp_seconds" { subscription: 12 };
    /// Records read from the broker.
    KAFKA_CONSUMED: Counter "kafka_messages_consumed_total" { topic: 10, partition: 64, consumer_group: 12 };
    /// Records behind the last one that is finished, by partition of this member; 0 of what it has no more. It stands still while its topic is paused.
    KAFKA_LAG: Gauge "kafka_consumer_lag" { topic: 10, partition: 64, consumer_group: 12 };
    /// Changes of the partitions that this member of the group reads.
    REBALANCES: Counter "kafka_rebalances_total" { consumer_group: 12 };
    /// Time from when a stock's events were taken in hand to when their outcomes are written.
    PROCESSING_DURATION: Histogram "message_processing_duration_seconds" { subscription: 12 };
    /// Calls to partners; `none` is the status of one without an answer.
    EXTERNAL_CALLS: Counter "external_api_calls_total" { endpoint: 60, status: 60 };
    /// Time of a call to a partner.
    EXTERNAL_CALL_DURATION: Histogram "external_api_call_duration_seconds" { endpoint: 60 };
    /// Events and attempts, by what came of them.
    DELIVERIES: Counter "acl_deliveries_total" { subscription: 12, status: 8 };
    /// Time from the change of a stock to the partner's acknowledgement.
    DELIVERY_AGE: Histogram "acl_delivery_age_seconds" { subscription: 12 };
    /// Rows written to the consumption log.
    AUDIT_ROWS: Counter "acl_audit_rows_written_total" { subscription: 12 };
    /// When the consumer last asked for records, since 1970.
    LAST_POLL: Gauge "acl_consumer_last_poll_timestamp_seconds" { subscription: 12, consumer_group: 12 };
    /// Age of the oldest event that was read and not yet taken in hand.
    OLDEST_QUEUED: Gauge "acl_oldest_queued_seconds" { subscription: 12 };
    /// How long the event waits that began first to wait for another attempt, or for one that does.
    OLDEST_WAITING: Gauge "acl_oldest_waiting_seconds" { subscription: 12 };
    /// Stocks whose events wait.
    HELD_STOCKS: Gauge "acl_held_stocks" { subscription: 12 };
    /// Dead letters that nobody has handled, by cause; causes beyond the most frequent ones are `other`.
    DEAD_LETTERS: Gauge "acl_dead_letters" { subscription: 12, cause: 11 };
    /// 1 while the breaker of a subscription's partner is open.
    BREAKER_OPEN: Gauge "acl_breaker_open" { subscription: 12 };
    /// 1 while an operator, or the partner itself, wants no calls.
    PARTNER_HALTED: Gauge "acl_partner_halted" { subscription: 12 };
}
