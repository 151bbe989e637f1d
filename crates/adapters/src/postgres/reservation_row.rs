//! A reservation as its row has it.

use application::ports::RepositoryError;
use domain::stock::{OrderLine, Reservation, ReservationData, ReservationState};
use time::OffsetDateTime;

use crate::postgres::value::Row;

/// The columns of [`ReservationRow`].
pub(super) const RESERVATION_COLUMNS: &str = "reservation_id, stock_id, quantity, state, confirmed, expires_at, \
                                              holder, client_order_id, line, created_at, updated_at";

#[derive(sqlx::FromRow)]
pub(super) struct ReservationRow {
    reservation_id: String,
    stock_id: String,
    quantity: i64,
    state: String,
    confirmed: i64,
    expires_at: OffsetDateTime,
    holder: String,
    client_order_id: Option<String>,
    line: Option<i16>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<ReservationRow> for Reservation {
    type Error = RepositoryError;

    fn try_from(stored: ReservationRow) -> Result<Self, RepositoryError> {
        let row = Row {
            table: "reservations",
            id: &stored.reservation_id,
        };
        let state = row.named(
            "state",
            &stored.state,
            &ReservationState::ALL,
            ReservationState::as_str,
        )?;
        let order = match (stored.client_order_id, stored.line) {
            (Some(order), Some(line)) => Some(OrderLine {
                order: row.value("client_order_id", &order)?,
                line: u16::try_from(line).map_err(row.corrupt("line"))?,
            }),
            _ => None,
        };
        Ok(Self::from(ReservationData {
            id: row.value("reservation_id", &stored.reservation_id)?,
            stock_id: row.value("stock_id", &stored.stock_id)?,
            quantity: row.units("quantity", stored.quantity)?,
            state,
            confirmed: row.units("confirmed", stored.confirmed)?,
            expires_at: stored.expires_at,
            holder: row.value("holder", &stored.holder)?,
            order,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        }))
    }
}
