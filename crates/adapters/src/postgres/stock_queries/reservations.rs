//! Lists of reservations.

use application::ports::{Page, RepositoryError, ReservationQuery};
use domain::stock::{Actor, ClientOrderId, Reservation, ReservationId, ReservationState, StockId};
use sqlx::{AssertSqlSafe, PgPool};

use crate::postgres::{
    error,
    reservation_row::{RESERVATION_COLUMNS, ReservationRow},
};

/// Which reservations, and in which order.
type Part = (&'static str, &'static str);

/// Those of a stock that hold units. In an order that begins with the stock, and without an equation that would take it out again,
/// they are found by their own index: walking the key from its end, as the planner likes to for a few rows, would pass all that is
/// newer and of other stocks.
const HELD: Part = (
    "state = 'HELD' AND stock_id BETWEEN $1 AND $1",
    "stock_id DESC, reservation_id DESC",
);
/// Those of a stock that have ended, in the same way.
const ENDED: Part = (
    "state <> 'HELD' AND stock_id BETWEEN $1 AND $1",
    "stock_id DESC, reservation_id DESC",
);
/// Those of all stocks.
const ALL: Part = ("$1::text IS NULL", "reservation_id DESC");

/// What is to be read.
fn parts(query: &ReservationQuery) -> &'static [Part] {
    match (&query.stock_id, query.state) {
        (None, _) => &[ALL],
        (Some(_), None) => &[HELD, ENDED],
        (Some(_), Some(ReservationState::Held)) => &[HELD],
        (Some(_), Some(_)) => &[ENDED],
    }
}

pub(super) async fn list(
    pool: &PgPool,
    query: &ReservationQuery,
) -> Result<Page<Reservation>, RepositoryError> {
    let newest = parts(query).iter().map(|(part, order)| {
        format!(
            "(SELECT {RESERVATION_COLUMNS} FROM reservations
              WHERE {part}
                  AND ($2::text IS NULL OR state = $2)
                  AND ($3::text IS NULL OR holder = $3)
                  AND ($4::text IS NULL OR client_order_id = $4)
                  AND ($5::text IS NULL OR reservation_id < $5)
              ORDER BY {order}
              LIMIT $6)"
        )
    });
    let newest = newest.collect::<Vec<_>>().join(" UNION ALL ");
    let sql = format!("SELECT * FROM ({newest}) AS newest ORDER BY reservation_id DESC LIMIT $6");
    let rows: Vec<ReservationRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(query.stock_id.as_ref().map(StockId::as_str))
        .bind(query.state.map(ReservationState::as_str))
        .bind(query.holder.as_ref().map(Actor::as_str))
        .bind(query.client_order_id.as_ref().map(ClientOrderId::as_str))
        .bind(query.after.as_ref().map(ReservationId::as_str))
        .bind(i64::from(query.limit) + 1)
        // Each combination of filters wants a plan of its own.
        .persistent(false)
        .fetch_all(pool)
        .await
        .map_err(error::repository)?;
    let reservations = rows.into_iter().map(Reservation::try_from);
    let reservations = reservations.collect::<Result<_, _>>()?;
    Ok(Page::of(reservations, query.limit))
}
