//! Lists of stocks.

use application::ports::{Page, RepositoryError, StockQuery, StockSort};
use domain::stock::{Status, Stock, StockId};
use sqlx::{AssertSqlSafe, PgPool};

use crate::postgres::{
    error,
    stock_row::{STOCK_COLUMNS, StockRow},
};

/// The status of a row, as [`Stock::status`] derives it.
pub(super) fn status_sql() -> String {
    format!(
        "CASE
             WHEN discontinued THEN '{discontinued}'
             WHEN quantity = reserved THEN '{out_of_stock}'
             WHEN quantity - reserved < low_stock_threshold THEN '{low_stock}'
             ELSE '{available}'
         END",
        discontinued = Status::Discontinued.as_str(),
        out_of_stock = Status::OutOfStock.as_str(),
        low_stock = Status::LowStock.as_str(),
        available = Status::Available.as_str(),
    )
}

/// What a list is sorted by, and the type of a place's value.
fn sorted_by(sort: StockSort) -> (&'static str, &'static str) {
    match sort {
        StockSort::StockId => ("stock_id", "$6::text"),
        StockSort::ProductId => ("product_id", "$6::text"),
        StockSort::Symbol => ("symbol COLLATE \"C\"", "$6::text"),
        StockSort::UpdatedAt => (
            "updated_at",
            "('epoch'::timestamptz + $6::bigint * interval '1 microsecond')",
        ),
    }
}

pub(super) async fn list(
    pool: &PgPool,
    query: &StockQuery,
) -> Result<Page<Stock>, RepositoryError> {
    let (column, value) = sorted_by(query.sort);
    let (behind, direction) = if query.descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let sql = format!(
        "SELECT {STOCK_COLUMNS} FROM stocks
         WHERE ($1::text IS NULL OR product_id = $1)
             AND ($2::text IS NULL OR symbol COLLATE \"C\" = $2)
             AND ($3::text[] IS NULL OR {status} = ANY($3))
             AND ($4::timestamptz IS NULL OR updated_at >= $4)
             AND ($5::text IS NULL OR ({column}, stock_id) {behind} ({value}, $5))
         ORDER BY {column} {direction}, stock_id {direction}
         LIMIT $7",
        status = status_sql(),
    );
    let statuses: Vec<&str> = query
        .statuses
        .iter()
        .map(|status| status.as_str())
        .collect();
    let after = query.after.as_ref();
    let rows: Vec<StockRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(query.product_id.as_deref())
        .bind(query.symbol.as_deref())
        .bind((!statuses.is_empty()).then_some(statuses))
        .bind(query.updated_since)
        .bind(after.map(|place| StockId::as_str(&place.stock_id)))
        .bind(after.map(|place| place.value.as_str()))
        .bind(i64::from(query.limit) + 1)
        // Each combination of filters wants a plan of its own.
        .persistent(false)
        .fetch_all(pool)
        .await
        .map_err(error::repository)?;
    let stocks = rows.iter().map(Stock::try_from);
    Ok(Page::of(stocks.collect::<Result<_, _>>()?, query.limit))
}
