//! What the stock service measures.

use super::metrics;

metrics! {
    /// Stocks created.
    STOCK_CREATED: Counter "stock_created_total";
    /// Changes of stocks other than creations and reservations.
    STOCK_UPDATED: Counter "stock_updated_total";
    /// Reservations made.
    STOCK_RESERVED: Counter "stock_reserved_total";
    /// Reservations that a rule refused.
    RESERVATIONS_REJECTED: Counter "stock_reservations_rejected_total" { reason: 8 };
    /// Requests answered with the answer of an earlier one of the same idempotency key.
    IDEMPOTENT_REPLAYS: Counter "stock_idempotent_replays_total";
    /// Value of all units on hand.
    TOTAL_VALUE: Gauge "stock_total_value" { currency: 200 };
    /// Reservations that hold units.
    RESERVATIONS_HELD: Gauge "stock_reservations_held";
    /// Since when the longest overdue hold should have ended.
    EXPIRY_LAG: Gauge "stock_expiry_lag_seconds";
    /// Commands in one committed batch.
    BATCH_COMMANDS: Histogram "stock_batch_commands";
    /// Time of one batch, from its first statement to its commit.
    BATCH_DURATION: Histogram "stock_batch_duration_seconds";
    /// Events that are committed and not published; counting ends at some large number.
    OUTBOX_BACKLOG: Gauge "stock_outbox_backlog_events";
    /// Age of the oldest event that is committed and not published.
    OUTBOX_OLDEST: Gauge "stock_outbox_oldest_seconds";
    /// Bytes that the outbox takes in the database, with its indexes.
    OUTBOX_BYTES: Gauge "stock_outbox_bytes";
    /// Bytes that it may take (`outbox.max_bytes`).
    OUTBOX_LIMIT: Gauge "stock_outbox_limit_bytes";
    /// 1 on the instance that relays.
    RELAY_LEADER: Gauge "stock_relay_leader";
    /// The relay's epoch on the instance that relays: it rises whenever another one takes over.
    RELAY_EPOCH: Gauge "stock_relay_epoch";
    /// Times the relay had to start again from its checkpoint.
    RELAY_FAILURES: Counter "stock_relay_failures_total";
}
