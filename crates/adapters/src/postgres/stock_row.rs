//! A stock as its row has it.

use application::ports::RepositoryError;
use domain::stock::{Price, Stock, StockState, Version};
use rust_decimal::Decimal;
use time::OffsetDateTime;

use crate::postgres::value::Row;

/// The columns of [`StockRow`].
pub(super) const STOCK_COLUMNS: &str = "stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, \
                                        currency, low_stock_threshold, discontinued, version, created_at, updated_at";

#[derive(sqlx::FromRow)]
pub(super) struct StockRow {
    pub(super) stock_id: String,
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

impl TryFrom<&StockRow> for Stock {
    type Error = RepositoryError;

    fn try_from(stored: &StockRow) -> Result<Self, RepositoryError> {
        let row = Row {
            table: "stocks",
            id: &stored.stock_id,
        };
        let version = u64::try_from(stored.version).ok().and_then(Version::new);
        let state = StockState {
            id: row.value("stock_id", &stored.stock_id)?,
            product_id: row.value("product_id", &stored.product_id)?,
            symbol: row.value("symbol", &stored.symbol)?,
            product_name: row.value("product_name", &stored.product_name)?,
            quantity: row.units("quantity", stored.quantity)?,
            reserved: row.units("reserved", stored.reserved)?,
            unit_price: Price::try_from(stored.unit_price).map_err(row.corrupt("unit_price"))?,
            currency: row.value("currency", &stored.currency)?,
            low_stock_threshold: row.units("low_stock_threshold", stored.low_stock_threshold)?,
            discontinued: stored.discontinued,
            version: version.ok_or_else(|| row.corrupt("version")("is not above zero"))?,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        };
        Self::from_state(state).map_err(row.corrupt("reserved"))
    }
}
