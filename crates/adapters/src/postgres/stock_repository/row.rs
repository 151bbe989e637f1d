//! A stock as its row has it.

use std::str::FromStr;

use application::ports::RepositoryError;
use domain::stock::{Price, Quantity, Stock, StockState, Version};
use rust_decimal::Decimal;
use time::OffsetDateTime;

#[derive(sqlx::FromRow)]
pub(super) struct StockRow {
    stock_id: String,
    product_id: String,
    symbol: String,
    product_name: String,
    quantity: i64,
    reserved: i64,
    unit_price: Decimal,
    currency: String,
    low_stock_threshold: i64,
    discontinued: bool,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

fn corrupt<E>(id: &str, column: &'static str) -> impl FnOnce(E) -> RepositoryError
where
    E: std::error::Error + Send + Sync + 'static,
{
    let id = id.to_owned();
    move |source| RepositoryError::Corrupt {
        table: "stocks",
        column,
        id,
        source: Box::new(source),
    }
}

/// The domain's value of a text column.
pub(super) fn value<T>(id: &str, column: &'static str, text: &str) -> Result<T, RepositoryError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(corrupt(id, column))
}

impl TryFrom<StockRow> for Stock {
    type Error = RepositoryError;

    fn try_from(row: StockRow) -> Result<Self, RepositoryError> {
        let id = row.stock_id.as_str();
        let units = |column, n: i64| Quantity::try_from(n).map_err(corrupt(id, column));
        let version = u64::try_from(row.version).ok().and_then(Version::new);
        let no_version = || RepositoryError::Corrupt {
            table: "stocks",
            column: "version",
            id: id.to_owned(),
            source: "is not above zero".into(),
        };
        let state = StockState {
            id: value(id, "stock_id", id)?,
            product_id: value(id, "product_id", &row.product_id)?,
            symbol: value(id, "symbol", &row.symbol)?,
            product_name: value(id, "product_name", &row.product_name)?,
            quantity: units("quantity", row.quantity)?,
            reserved: units("reserved", row.reserved)?,
            unit_price: Price::try_from(row.unit_price).map_err(corrupt(id, "unit_price"))?,
            currency: value(id, "currency", &row.currency)?,
            low_stock_threshold: units("low_stock_threshold", row.low_stock_threshold)?,
            discontinued: row.discontinued,
            version: version.ok_or_else(no_version)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Self::from_state(state).map_err(corrupt(id, "reserved"))
    }
}
