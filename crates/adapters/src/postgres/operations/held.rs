//! Stocks that are held.

use application::ports::{HeldQuery, HeldStock, Page, StoreError};
use sqlx::{FromRow, PgPool};
use time::OffsetDateTime;

use super::positive;
use crate::postgres::{delivery_store::form::unsigned, error::store};

#[derive(FromRow)]
struct HeldRow {
    subscription: String,
    stock_id: String,
    since: OffsetDateTime,
    waiting: i64,
    version: i64,
    attempts: i32,
    last_error: Option<String>,
    next_at: OffsetDateTime,
}

pub(super) async fn list(pool: &PgPool, query: &HeldQuery) -> Result<Page<HeldStock>, StoreError> {
    let (partner, stock) = query.after.clone().unwrap_or_default();
    let rows: Vec<HeldRow> = sqlx::query_as(
        "SELECT e.subscription, e.stock_id, w.since, w.waiting, h.version, h.attempts, h.last_error, h.next_at
         FROM external_stocks e
         CROSS JOIN LATERAL (
             SELECT min(waiting_since) AS since, count(*) AS waiting FROM waiting_events
             WHERE subscription = e.subscription AND stock_id = e.stock_id
         ) w
         CROSS JOIN LATERAL (
             SELECT version, attempts, last_error, next_at FROM waiting_events
             WHERE subscription = e.subscription AND stock_id = e.stock_id
             ORDER BY attempts = 0, version
             LIMIT 1
         ) h
         WHERE e.due_at IS NOT NULL AND e.wake_at IS NOT NULL AND ($1::text IS NULL OR e.subscription = $1)
             AND (e.subscription, e.stock_id) > ($2, $3 COLLATE \"C\")
         ORDER BY e.subscription, e.stock_id
         LIMIT $4",
    )
    .bind(query.partner.as_deref())
    .bind(partner)
    .bind(stock)
    .bind(i64::from(query.limit) + 1)
    .fetch_all(pool)
    .await
    .map_err(store("waiting_events"))?;
    let held = rows.into_iter().map(|row| HeldStock {
        partner: row.subscription,
        stock_id: row.stock_id,
        since: row.since,
        why: row.last_error,
        waiting: positive(row.waiting),
        attempts: unsigned(row.attempts),
        version: positive(row.version),
        next_at: row.next_at,
    });
    Ok(Page::of(held.collect(), query.limit))
}
