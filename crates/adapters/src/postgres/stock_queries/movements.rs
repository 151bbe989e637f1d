//! A stock's ledger.

use application::ports::{Movement, Page, RepositoryError};
use domain::stock::{Price, StockId};
use rust_decimal::Decimal;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::postgres::{error, value::Row};

#[derive(sqlx::FromRow)]
struct MovementRow {
    version: i64,
    operation: String,
    quantity_before: i64,
    quantity_after: i64,
    reserved_before: i64,
    reserved_after: i64,
    price_before: Option<Decimal>,
    price_after: Decimal,
    reason: Option<String>,
    reference: Option<String>,
    reservation_id: Option<String>,
    actor: String,
    occurred_at: OffsetDateTime,
}

fn movement(id: &StockId, stored: MovementRow) -> Result<Movement, RepositoryError> {
    let row = Row {
        table: "movements",
        id: id.as_str(),
    };
    let price_before = stored.price_before.map(Price::try_from).transpose();
    Ok(Movement {
        version: u64::try_from(stored.version).map_err(row.corrupt("version"))?,
        operation: stored.operation,
        quantity_before: row.units("quantity_before", stored.quantity_before)?,
        quantity_after: row.units("quantity_after", stored.quantity_after)?,
        reserved_before: row.units("reserved_before", stored.reserved_before)?,
        reserved_after: row.units("reserved_after", stored.reserved_after)?,
        price_before: price_before.map_err(row.corrupt("price_before"))?,
        price_after: Price::try_from(stored.price_after).map_err(row.corrupt("price_after"))?,
        reason: stored.reason,
        reference: stored.reference,
        reservation_id: stored.reservation_id,
        actor: stored.actor,
        occurred_at: stored.occurred_at,
    })
}

pub(super) async fn list(
    pool: &PgPool,
    id: &StockId,
    before: Option<u64>,
    limit: u16,
) -> Result<Option<Page<Movement>>, RepositoryError> {
    let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
    let rows: Vec<MovementRow> = sqlx::query_as(
        "SELECT version, operation, quantity_before, quantity_after, reserved_before, reserved_after, price_before,
             price_after, reason, reference, reservation_id, actor, occurred_at
         FROM movements
         WHERE stock_id = $1 AND version < $2
         ORDER BY version DESC
         LIMIT $3",
    )
    .bind(id.as_str())
    .bind(before)
    .bind(i64::from(limit) + 1)
    .fetch_all(pool)
    .await
    .map_err(error::repository)?;
    if rows.is_empty() {
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM stocks WHERE stock_id = $1)")
                .bind(id.as_str())
                .fetch_one(pool)
                .await
                .map_err(error::repository)?;
        if !exists {
            return Ok(None);
        }
    }
    let movements = rows.into_iter().map(|stored| movement(id, stored));
    let movements = movements.collect::<Result<_, _>>()?;
    Ok(Some(Page::of(movements, limit)))
}
