//! The relay's side of the outbox: windows by snapshot difference (`PgQ`).
//!
//! A row belongs to the window `(from, to)` when its transaction is visible in `to` and not in `from`: its id is at or
//! above `xmax(from)`, or among those that were running then. Every statement here is its own transaction.

mod row;

use std::time::Duration;

use application::ports::{Backlog, Continuity, Lease, Outbox, OutboxError, OutboxRow, Window};
use async_trait::async_trait;
use sqlx::PgPool;

use row::StoredRow;

/// A larger backlog is not counted further: counting must stay cheap while Kafka is away.
const MOST_COUNTED: i64 = 100_000;

/// [`Outbox`] on PostgreSQL; never on a replica.
pub struct PgOutbox {
    pool: PgPool,
    recovery: Duration,
}

impl PgOutbox {
    /// The outbox of a database with [`crate::postgres::VIRTUAL_STOCK_SCHEMA`], on connections for
    /// [`crate::postgres::Plans::Keys`]. After a restore or failover, events that
    /// are not older than `recovery` are published again.
    #[must_use]
    pub fn new(pool: PgPool, recovery: Duration) -> Self {
        Self { pool, recovery }
    }
}

fn unavailable(error: sqlx::Error) -> OutboxError {
    OutboxError::Unavailable(error.into())
}

/// One row was to be changed, the newest lease's.
fn held(rows: u64) -> Result<(), OutboxError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(OutboxError::LeaseLost)
    }
}

/// The window that is open, and whether it was opened now; no bounds: there is nothing to publish.
#[derive(sqlx::FromRow)]
struct Opened {
    window_from: String,
    window_to: String,
    first_id: Option<i64>,
    last_id: Option<i64>,
    floor_id: i64,
    was_open: bool,
    kept: bool,
}

impl Opened {
    fn window(self) -> Option<Window> {
        Some(Window {
            first: self.first_id?,
            last: self.last_id?,
            from: self.window_from,
            to: self.window_to,
            floor: self.floor_id,
        })
    }
}

impl PgOutbox {
    async fn open(&self, lease: Lease) -> Result<Opened, OutboxError> {
        sqlx::query_as(include_str!("outbox/open_window.sql"))
            .bind(lease.epoch)
            .fetch_optional(&self.pool)
            .await
            .map_err(unavailable)?
            .ok_or(OutboxError::LeaseLost)
    }

    /// Opens the first window after a rewind; false: there is nothing in it.
    async fn open_rewound(&self, lease: Lease) -> Result<bool, OutboxError> {
        let opened: Option<(Option<i64>, bool)> =
            sqlx::query_as(include_str!("outbox/open_rewound_window.sql"))
                .bind(lease.epoch)
                .fetch_optional(&self.pool)
                .await
                .map_err(unavailable)?;
        let Some((Some(_), kept)) = opened else {
            return Ok(false);
        };
        held(u64::from(kept))?;
        Ok(true)
    }
}

#[async_trait]
impl Outbox for PgOutbox {
    async fn acquire(&self, holder: &str, ttl: Duration) -> Result<Option<Lease>, OutboxError> {
        let epoch: Option<i64> = sqlx::query_scalar(
            "UPDATE relay_checkpoint
             SET holder = $1, epoch = epoch + 1, lease_until = now() + make_interval(secs => $2)
             WHERE lease_until < now() OR holder = $1
             RETURNING epoch",
        )
        .bind(holder)
        .bind(ttl.as_secs_f64())
        .fetch_optional(&self.pool)
        .await
        .map_err(unavailable)?;
        Ok(epoch.map(|epoch| Lease { epoch }))
    }

    async fn renew(&self, lease: Lease, ttl: Duration) -> Result<(), OutboxError> {
        let renewed = sqlx::query(
            "UPDATE relay_checkpoint SET lease_until = now() + make_interval(secs => $2) WHERE epoch = $1",
        )
        .bind(lease.epoch)
        .bind(ttl.as_secs_f64())
        .execute(&self.pool)
        .await
        .map_err(unavailable)?;
        held(renewed.rows_affected())
    }

    async fn release(&self, lease: Lease) -> Result<(), OutboxError> {
        let released = sqlx::query(
            "UPDATE relay_checkpoint SET lease_until = '-infinity', holder = NULL WHERE epoch = $1",
        )
        .bind(lease.epoch)
        .execute(&self.pool)
        .await
        .map_err(unavailable)?;
        held(released.rows_affected())
    }

    async fn ensure_continuity(&self, lease: Lease) -> Result<Continuity, OutboxError> {
        // The first eight digits of a WAL file's name are the timeline.
        let (known, server, known_line, line, ahead): (
            Option<i64>,
            i64,
            Option<String>,
            String,
            bool,
        ) = sqlx::query_as(
            "SELECT c.system_identifier, s.system_identifier, c.timeline,
                     left(pg_walfile_name(pg_current_wal_lsn()), 8),
                     pg_snapshot_xmax(c.window_from) > pg_snapshot_xmax(pg_current_snapshot())
                 FROM relay_checkpoint c, pg_control_system() s",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(unavailable)?;
        let first_start = known.is_none();
        let reason = if known.is_some_and(|known| known != server) {
            format!("the checkpoint is of cluster {known:?}, this is {server}")
        } else if known_line.as_ref().is_some_and(|known| *known != line) {
            format!("the checkpoint is of timeline {known_line:?}, this is {line}")
        } else if ahead {
            "the checkpoint is ahead of the server's transactions".to_owned()
        } else if first_start {
            String::new()
        } else {
            return Ok(Continuity::Intact);
        };
        // Rows that a restore brought along carry transactions that this server has yet to reach.
        sqlx::query(
            "UPDATE outbox SET txid = '3' WHERE txid >= pg_snapshot_xmax(pg_current_snapshot())",
        )
        .execute(&self.pool)
        .await
        .map_err(unavailable)?;
        // From the recovery time on, and before that whatever the old checkpoint does not know as published.
        let adopted = sqlx::query(
            "UPDATE relay_checkpoint
             SET system_identifier = $2, timeline = $3, window_from = '1:1:', window_to = NULL, first_id = NULL,
                 floor_id = CASE WHEN $5 THEN 0 ELSE LEAST(
                     COALESCE((SELECT max(id) FROM outbox WHERE occurred_at < now() - make_interval(secs => $4)), 0),
                     COALESCE(first_id - 1, last_id),
                     (SELECT min(unseen.id + 0) - 1
                      FROM (
                          SELECT id FROM outbox WHERE txid >= pg_snapshot_xmax(window_from)
                          UNION ALL
                          SELECT id FROM outbox WHERE txid = ANY (ARRAY(SELECT pg_snapshot_xip(window_from)))
                      ) AS unseen
                      WHERE unseen.id + 0 > floor_id)
                 ) END
             WHERE epoch = $1",
        )
        .bind(lease.epoch)
        .bind(server)
        .bind(line)
        .bind(self.recovery.as_secs_f64())
        .bind(first_start)
        .execute(&self.pool)
        .await
        .map_err(unavailable)?;
        held(adopted.rows_affected())?;
        Ok(if first_start {
            Continuity::Intact
        } else {
            Continuity::Rewound { reason }
        })
    }

    async fn open_window(&self, lease: Lease) -> Result<Option<Window>, OutboxError> {
        let mut opened = self.open(lease).await?;
        if opened.first_id.is_none() && opened.floor_id > 0 && self.open_rewound(lease).await? {
            opened = self.open(lease).await?;
        }
        if opened.first_id.is_some() {
            // Otherwise it was taken over while the row was waited for.
            held(u64::from(opened.was_open || opened.kept))?;
        }
        Ok(opened.window())
    }

    async fn between(&self, from: String, to: String) -> Result<Window, OutboxError> {
        let bounds: (Option<i64>, Option<i64>) = sqlx::query_as(include_str!("outbox/between.sql"))
            .bind(&from)
            .bind(&to)
            .fetch_one(&self.pool)
            .await
            .map_err(unavailable)?;
        let (first, last) = bounds;
        Ok(Window {
            from,
            to,
            first: first.unwrap_or(1),
            last: last.unwrap_or(0),
            floor: 0,
        })
    }

    async fn read(
        &self,
        window: &Window,
        after: i64,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, OutboxError> {
        // By id, whatever size the table had when this was planned: between the bounds of a window there are few rows of
        // others.
        let rows: Vec<StoredRow> = sqlx::query_as(
            "SELECT id, event_id, stock_id, version, operation, topics, correlation_id, traceparent, payload, occurred_at,
                 COALESCE(header_list::jsonb, headers) AS headers
             FROM outbox
             WHERE id > $3 AND id <= $4
                 AND NOT pg_visible_in_snapshot(txid, $1::pg_snapshot)
                 AND pg_visible_in_snapshot(txid, $2::pg_snapshot)
             ORDER BY id
             LIMIT $5",
        )
        .bind(&window.from)
        .bind(&window.to)
        .bind(after.max(window.floor))
        .bind(window.last)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(unavailable)?;
        let rows = rows.into_iter().map(OutboxRow::try_from);
        rows.collect::<Result<_, _>>().map_err(unavailable)
    }

    async fn close_window(&self, lease: Lease, window: &Window) -> Result<(), OutboxError> {
        let closed = sqlx::query(
            // As in open_window.sql, this does not wait for the disk.
            "WITH unflushed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
             UPDATE relay_checkpoint
             SET window_from = window_to, window_to = NULL, first_id = NULL, floor_id = 0
             FROM unflushed
             WHERE epoch = $1 AND window_to::text = $2",
        )
        .bind(lease.epoch)
        .bind(&window.to)
        .execute(&self.pool)
        .await
        .map_err(unavailable)?;
        held(closed.rows_affected())
    }

    async fn snapshot(&self) -> Result<String, OutboxError> {
        sqlx::query_scalar("SELECT pg_current_snapshot()::text")
            .fetch_one(&self.pool)
            .await
            .map_err(unavailable)
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let (events, oldest): (i64, Option<f64>) =
            sqlx::query_as(include_str!("outbox/backlog.sql"))
                .bind(MOST_COUNTED)
                .fetch_one(&self.pool)
                .await
                .map_err(unavailable)?;
        Ok(Backlog {
            events: u64::try_from(events).unwrap_or(0),
            oldest: Duration::from_secs_f64(oldest.unwrap_or(0.0).max(0.0)),
        })
    }
}
