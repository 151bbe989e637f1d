//! What a batch loads.

use std::{collections::HashMap, sync::Arc};

use application::{
    Causes,
    ports::{InboundRecord, Resync, StoreError, Turn},
};
use domain::delivery::{ExternalStock, Notification, Picture};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    contract,
    postgres::{
        delivery_store::{
            REDISPATCH,
            batch::Batch,
            form::{StoredPicture, WaitingRow, unsigned},
            rows::{Stock, Waiting},
        },
        error::store,
    },
};

/// Most waiting events of one stock that are looked at in one transaction.
const WAITING_PER_STOCK: i64 = 20;

#[derive(sqlx::FromRow)]
struct StockRow {
    place: String,
    stock_id: String,
    external_id: Option<String>,
    told_picture: Option<Json<StoredPicture>>,
    acknowledged_version: i64,
    claim: Option<Uuid>,
    claimed: bool,
    due_at: Option<OffsetDateTime>,
    resync: Option<Uuid>,
    resync_attempts: i32,
    now: OffsetDateTime,
}

fn corrupt(
    table: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Corrupt {
        table,
        source: Box::new(source),
    }
}

/// Locks the stocks, in the order of their ids, makes rows for those that have none, and loads them.
pub(super) async fn lock_stocks(
    connection: &mut PgConnection,
    subscription: &str,
    stocks: &[String],
    batch: &mut Batch<'_>,
) -> Result<(), StoreError> {
    lock(connection, subscription, stocks, batch).await?;
    let missing: Vec<String> = stocks
        .iter()
        .filter(|stock| !batch.stocks.contains_key(*stock))
        .cloned()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO external_stocks (subscription, stock_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
    )
    .bind(subscription)
    .bind(&missing)
    .execute(&mut *connection)
    .await
    .map_err(store("external_stocks"))?;
    lock(connection, subscription, &missing, batch).await?;
    match missing
        .iter()
        .find(|stock| !batch.stocks.contains_key(*stock))
    {
        None => Ok(()),
        // Nothing may be decided without the row; under a stricter isolation than READ COMMITTED it may be invisible.
        Some(stock) => {
            let why =
                format!("the row of {stock} was made by another transaction and is not visible");
            Err(StoreError::Unavailable(why.into()))
        }
    }
}

async fn lock(
    connection: &mut PgConnection,
    subscription: &str,
    stocks: &[String],
    batch: &mut Batch<'_>,
) -> Result<(), StoreError> {
    if stocks.is_empty() {
        return Ok(());
    }
    let rows: Vec<StockRow> = sqlx::query_as(
        "SELECT ctid::text AS place, stock_id, external_id, told_picture, acknowledged_version, claim,
             COALESCE(claim_until > clock_timestamp(), false) AS claimed, due_at, resync_attempts,
             CASE WHEN resync_at <= clock_timestamp() + make_interval(secs => $3) THEN resync END AS resync,
             clock_timestamp() AS now
         FROM external_stocks
         WHERE subscription = $1 AND stock_id = ANY($2)
         ORDER BY stock_id
         FOR UPDATE",
    )
    .bind(subscription)
    .bind(stocks)
    // One that is handed out is put off by so much.
    .bind(REDISPATCH.as_secs_f64())
    .fetch_all(connection)
    .await
    .map_err(store("external_stocks"))?;
    for row in rows {
        let external_id = row.external_id.map(|id| id.parse()).transpose();
        let told = row
            .told_picture
            .map(|json| Picture::try_from(json.0).map(Arc::new));
        let external = ExternalStock {
            external_id: external_id.map_err(|error| corrupt("external_stocks", error))?,
            told: told
                .transpose()
                .map_err(|error| corrupt("external_stocks", error))?,
            acknowledged: u64::try_from(row.acknowledged_version).unwrap_or(0),
            claimed: row.claimed,
            held: row.due_at.is_some(),
        };
        batch.now = batch.now.max(row.now);
        batch.stocks.insert(
            row.stock_id,
            Stock {
                place: row.place,
                external,
                claim: row.claim,
                due_at: row.due_at,
                resync: row.resync.map(|id| Resync {
                    id,
                    attempts: unsigned(row.resync_attempts),
                }),
                changed: false,
                told_changed: false,
                claim_changed: false,
            },
        );
    }
    Ok(())
}

/// Which of these events have their outcome already.
pub(super) async fn settled(
    connection: &mut PgConnection,
    subscription: &str,
    events: &[&Notification],
    batch: &mut Batch<'_>,
) -> Result<(), StoreError> {
    let (stocks, versions): (Vec<&str>, Vec<i64>) = events
        .iter()
        .map(|event| {
            let version = i64::try_from(event.version()).unwrap_or(i64::MAX);
            (event.stock_id.as_str(), version)
        })
        .unzip();
    if stocks.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT e.stock_id, e.version
         FROM unnest($2::text[], $3::bigint[]) AS e (stock_id, version)
         CROSS JOIN LATERAL (
             SELECT FROM outcomes
             WHERE subscription = $1 AND stock_id = e.stock_id AND version = e.version
             LIMIT 1
         ) AS o",
    )
    .bind(subscription)
    .bind(stocks)
    .bind(versions)
    .fetch_all(connection)
    .await
    .map_err(store("outcomes"))?;
    let settled = rows
        .into_iter()
        .map(|(stock, version)| (stock, u64::try_from(version).unwrap_or(0)));
    batch.settled.extend(settled);
    Ok(())
}

/// The first events that wait for these stocks. One that was tried comes before all others: its outcome is unknown, and
/// the same call has to be repeated before anything else is said.
pub(super) async fn waiting(
    connection: &mut PgConnection,
    subscription: &str,
    stocks: &[String],
    batch: &mut Batch<'_>,
) -> Result<(), StoreError> {
    if stocks.is_empty() {
        return Ok(());
    }
    let rows: Vec<WaitingRow> = sqlx::query_as(
        "SELECT w.*, w.next_at <= clock_timestamp() AS due
         FROM unnest($2::text[]) AS s (stock_id)
         CROSS JOIN LATERAL (
             SELECT stock_id, version, topic, partition, \"offset\", key, headers, payload, attempts, counted, next_at
             FROM waiting_events
             WHERE subscription = $1 AND stock_id = s.stock_id
             ORDER BY attempts = 0, version
             LIMIT $3
         ) w",
    )
    .bind(subscription)
    .bind(stocks)
    .bind(WAITING_PER_STOCK)
    .fetch_all(connection)
    .await
    .map_err(store("waiting_events"))?;
    let mut waiting: HashMap<String, Vec<Waiting>> = HashMap::new();
    let mut loaded: HashMap<String, i64> = HashMap::new();
    for row in rows {
        let stock_id = row.stock_id.clone();
        let count = loaded.entry(stock_id.clone()).or_default();
        *count += 1;
        if *count == WAITING_PER_STOCK {
            batch.overfull.insert(stock_id.clone());
        }
        let (attempts, counted) = (unsigned(row.attempts), unsigned(row.counted));
        let (next_at, due) = (row.next_at, row.due);
        let version = row.version();
        let record = Arc::new(InboundRecord::from(row.record));
        let notification = match contract::decode(&record) {
            Ok(notification) => notification,
            Err(error) => {
                let cause = contract::printable(&Causes(&error).to_string());
                batch.bury_waiting(stock_id, version, record, cause);
                continue;
            }
        };
        waiting.entry(stock_id).or_default().push(Waiting {
            turn: Turn {
                record,
                notification: notification.into(),
                attempts,
                counted,
            },
            next_at,
            due,
        });
    }
    batch.waiting = waiting;
    Ok(())
}
