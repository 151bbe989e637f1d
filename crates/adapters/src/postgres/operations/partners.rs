//! Partners, and how far stocks have got to them.

use std::collections::HashMap;

use application::ports::{PartnerStatus, Propagation, ResyncProgress, Standing, StoreError};
use sqlx::{FromRow, PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::positive;
use crate::postgres::error::store;

#[derive(FromRow)]
struct StandingRow {
    subscription: String,
    paused_at: Option<OffsetDateTime>,
    paused_by: Option<String>,
    pause_reason: Option<String>,
    disabled_at: Option<OffsetDateTime>,
    disabled_cause: Option<String>,
    breaker_opened_at: Option<OffsetDateTime>,
    breaker_cause: Option<String>,
    probe_at: Option<OffsetDateTime>,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        if let Some(since) = row.paused_at {
            return Self::Paused {
                since,
                by: row.paused_by.unwrap_or_default(),
                reason: row.pause_reason,
            };
        }
        if let Some(since) = row.disabled_at {
            return Self::Disabled {
                since,
                cause: row.disabled_cause.unwrap_or_default(),
            };
        }
        match (row.breaker_opened_at, row.probe_at) {
            (Some(since), Some(probe_at)) => Self::Open {
                since,
                cause: row.breaker_cause.unwrap_or_default(),
                probe_at,
            },
            _ => Self::Active,
        }
    }
}

async fn standings(
    pool: &PgPool,
    names: &[String],
) -> Result<HashMap<String, Standing>, StoreError> {
    let rows: Vec<StandingRow> = sqlx::query_as(
        "SELECT subscription, paused_at, paused_by, pause_reason, disabled_at, disabled_cause, breaker_opened_at,
             breaker_cause, probe_at
         FROM partners WHERE subscription = ANY($1)",
    )
    .bind(names)
    .fetch_all(pool)
    .await
    .map_err(store("partners"))?;
    Ok(rows
        .into_iter()
        .map(|row| (row.subscription.clone(), row.into()))
        .collect())
}

#[derive(FromRow)]
struct CountsRow {
    subscription: String,
    held: i64,
    waiting: i64,
    oldest: Option<OffsetDateTime>,
    letters: i64,
}

pub(super) async fn list(
    pool: &PgPool,
    names: &[String],
) -> Result<Vec<PartnerStatus>, StoreError> {
    let mut standings = standings(pool, names).await?;
    let counts: Vec<CountsRow> = sqlx::query_as(
        "SELECT n.subscription,
             (SELECT count(*) FROM external_stocks e
              WHERE e.subscription = n.subscription AND e.due_at IS NOT NULL AND e.wake_at IS NOT NULL) AS held,
             w.waiting, w.oldest,
             (SELECT count(*) FROM dead_letters d
              WHERE d.subscription = n.subscription AND d.state = 'OPEN') AS letters
         FROM unnest($1::text[]) WITH ORDINALITY AS n (subscription, place)
         CROSS JOIN LATERAL (
             SELECT count(*) AS waiting, min(waiting_since) AS oldest FROM waiting_events
             WHERE subscription = n.subscription
         ) w
         ORDER BY n.place",
    )
    .bind(names)
    .fetch_all(pool)
    .await
    .map_err(store("waiting_events"))?;
    let mut partners = Vec::new();
    for row in counts {
        partners.push(PartnerStatus {
            standing: standings.remove(&row.subscription).unwrap_or_default(),
            held: positive(row.held),
            waiting: positive(row.waiting),
            oldest_waiting: row.oldest,
            open_dead_letters: positive(row.letters),
            resync: resync(pool, &row.subscription).await?,
            partner: row.subscription,
        });
    }
    Ok(partners)
}

#[derive(FromRow)]
struct ResyncRow {
    id: Uuid,
    requested_by: String,
    requested_at: OffsetDateTime,
    total: i64,
    remaining: i64,
    failed: i64,
}

/// The last resynchronization of a subscription.
pub(super) async fn resync(
    executor: impl PgExecutor<'_>,
    subscription: &str,
) -> Result<Option<ResyncProgress>, StoreError> {
    let row: Option<ResyncRow> = sqlx::query_as(
        "SELECT r.id, r.requested_by, r.requested_at, r.total, r.failed,
             (SELECT count(*) FROM external_stocks e WHERE e.resync = r.id) AS remaining
         FROM resyncs r
         WHERE r.subscription = $1
         ORDER BY r.requested_at DESC
         LIMIT 1",
    )
    .bind(subscription)
    .fetch_optional(executor)
    .await
    .map_err(store("resyncs"))?;
    Ok(row.map(|row| ResyncProgress {
        id: row.id,
        requested_by: row.requested_by,
        requested_at: row.requested_at,
        total: positive(row.total),
        remaining: positive(row.remaining),
        failed: positive(row.failed),
    }))
}

#[derive(FromRow)]
struct StockRow {
    subscription: String,
    told: i64,
    acknowledged_version: i64,
    acknowledged_at: Option<OffsetDateTime>,
    held: bool,
}

pub(super) async fn propagation(
    pool: &PgPool,
    names: &[String],
    stock_id: &str,
) -> Result<Option<Vec<Propagation>>, StoreError> {
    let rows: Vec<StockRow> = sqlx::query_as(
        "SELECT e.subscription, e.acknowledged_version, e.acknowledged_at, e.due_at IS NOT NULL AS held,
             GREATEST(
                 COALESCE((e.told_picture->>'version')::bigint, 0),
                 COALESCE((
                     SELECT max(version) FROM waiting_events w
                     WHERE w.subscription = e.subscription AND w.stock_id = e.stock_id
                 ), 0)
             ) AS told
         FROM external_stocks e
         WHERE e.stock_id = $1",
    )
    .bind(stock_id)
    .fetch_all(pool)
    .await
    .map_err(store("external_stocks"))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let newest = rows.iter().map(|row| positive(row.told)).max().unwrap_or(0);
    let mut rows: HashMap<String, StockRow> = rows
        .into_iter()
        .map(|row| (row.subscription.clone(), row))
        .collect();
    let mut standings = standings(pool, names).await?;
    let propagation = names.iter().map(|name| {
        let row = rows.remove(name);
        let row = row.as_ref();
        Propagation {
            partner: name.clone(),
            version: row.map_or(0, |row| positive(row.acknowledged_version)),
            acknowledged_at: row.and_then(|row| row.acknowledged_at),
            newest,
            newest_wanted: row.map_or(0, |row| positive(row.told)),
            held: row.is_some_and(|row| row.held),
            standing: standings.remove(name).unwrap_or_default(),
        }
    });
    Ok(Some(propagation.collect()))
}
