//! All stocks in figures.

use application::ports::{RepositoryError, StockStats};
use domain::stock::Status;
use sqlx::{AssertSqlSafe, PgPool};

use super::stocks::status_sql;
use crate::postgres::{error, value::Row};

/// A group of stocks: by status, or by currency.
#[derive(sqlx::FromRow)]
struct Group {
    status: Option<String>,
    currency: Option<String>,
    stocks: i64,
    reserved: String,
    value: String,
}

pub(super) async fn stats(pool: &PgPool) -> Result<StockStats, RepositoryError> {
    // One scan for everything, so that all figures are of one moment. Sums may be longer than any number of ours.
    let sql = format!(
        "SELECT status, currency, count(*) AS stocks, sum(reserved)::text AS reserved,
             (CASE WHEN scale(trim_scale(sum(value))) < 2 THEN round(sum(value), 2) ELSE trim_scale(sum(value)) END)::text
                 AS value
         FROM (
             SELECT {status} AS status, currency, reserved, quantity * unit_price AS value FROM stocks
         ) AS stock
         GROUP BY GROUPING SETS ((status), (currency))
         ORDER BY currency",
        status = status_sql()
    );
    let groups: Vec<Group> = sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(pool)
        .await
        .map_err(error::repository)?;
    let mut figures = StockStats::default();
    for group in groups {
        let row = Row {
            table: "stocks",
            id: "all",
        };
        if let Some(name) = &group.status {
            let status = row.named("status", name, &Status::ALL, Status::as_str)?;
            let stocks = u64::try_from(group.stocks).map_err(row.corrupt("count"))?;
            figures.by_status.push((status, stocks));
            let reserved: u128 = row.value("reserved", &group.reserved)?;
            let reserved = u64::try_from(reserved).unwrap_or(u64::MAX);
            figures.units_reserved = figures.units_reserved.saturating_add(reserved);
        }
        if let Some(currency) = group.currency {
            figures.total_value.push((currency, group.value));
        }
    }
    Ok(figures)
}
