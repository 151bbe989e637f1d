//! Loads what a batch touches.

use application::ports::{Answered, Loaded, RepositoryError, Touched};
use domain::stock::{Actor, ClientOrderId, ProductId, Reservation, ReservationId, Stock, StockId};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::postgres::{
    error,
    reservation_row::ReservationRow,
    stock_row::{STOCK_COLUMNS, StockRow},
    value::Row,
};

use super::places::{Place, Places};

/// Due holds that a batch ends at most, where no sale needs their units.
const EXPIRED_AT_ONCE: usize = 2000;
/// Due holds of one stock that a batch ends at most, where a sale needs their units.
const RECLAIMED_AT_ONCE: i64 = 5000;

/// A stock, where its row is, and the server's time after it was read.
#[derive(sqlx::FromRow)]
struct Found {
    #[sqlx(flatten)]
    stock: StockRow,
    place: String,
    writer: i64,
    read_at: OffsetDateTime,
}

/// How stocks are read.
#[derive(Clone, Copy)]
pub(super) enum Reading {
    /// Locked, in the order of their ids.
    Locked,
    /// Without a lock: they may be changed meanwhile.
    Free,
}

/// Loads the touched stocks and the places of their rows, and which products and orders are taken.
pub(super) async fn load(
    connection: &mut PgConnection,
    touched: &Touched,
    answered: Vec<Answered>,
    reading: Reading,
) -> Result<(Loaded, Places), RepositoryError> {
    let mut loaded = Loaded {
        // Where no stock is found and no product is asked for, nothing can be decided that has a time.
        now: OffsetDateTime::UNIX_EPOCH,
        answered,
        stocks: Vec::new(),
        taken_products: Vec::new(),
        taken_orders: Vec::new(),
        reservations: Vec::new(),
    };
    let mut places = Places::default();
    if !(touched.stock_ids.is_empty() && touched.reservation_ids.is_empty()) {
        places = stocks(connection, touched, reading, &mut loaded).await?;
    }
    if !touched.product_ids.is_empty() {
        products(connection, &touched.product_ids, &mut loaded).await?;
    }
    if !touched.orders.is_empty() {
        loaded.taken_orders = orders(connection, &touched.orders).await?;
    }
    Ok((loaded, places))
}

async fn stocks(
    connection: &mut PgConnection,
    touched: &Touched,
    reading: Reading,
    loaded: &mut Loaded,
) -> Result<Places, RepositoryError> {
    let lock = match reading {
        Reading::Locked => "FOR NO KEY UPDATE",
        Reading::Free => "",
    };
    // The time is taken row by row as they come out of the set, so the latest is after the last one was locked and read.
    let stock_ids: Vec<&str> = touched.stock_ids.iter().map(StockId::as_str).collect();
    let reservation_ids = reservation_ids(touched);
    let wanted = if reservation_ids.is_empty() {
        "$1"
    } else {
        "$1::text[] || ARRAY(SELECT stock_id FROM reservations WHERE reservation_id = ANY($2))"
    };
    let sql = format!(
        "WITH found AS MATERIALIZED (
             SELECT {STOCK_COLUMNS}, ctid::text AS place, xmin::text::bigint AS writer FROM stocks
             WHERE stock_id = ANY({wanted})
             ORDER BY stock_id
             {lock}
         )
         SELECT *, clock_timestamp() AS read_at FROM found"
    );
    let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(stock_ids);
    if !reservation_ids.is_empty() {
        query = query.bind(reservation_ids);
    }
    let rows: Vec<Found> = query
        .fetch_all(connection)
        .await
        .map_err(error::repository)?;
    let mut places = Places::default();
    for row in rows {
        loaded.now = loaded.now.max(row.read_at);
        let stock = Stock::try_from(&row.stock)?;
        places.insert(
            stock.id.clone(),
            Place::new(row.place, row.writer, stock.updated_at),
        );
        loaded.stocks.push(stock);
    }
    Ok(places)
}

fn reservation_ids(touched: &Touched) -> Vec<&str> {
    let ids = touched.reservation_ids.iter();
    ids.map(ReservationId::as_str).collect()
}

async fn products(
    connection: &mut PgConnection,
    wanted: &[ProductId],
    loaded: &mut Loaded,
) -> Result<(), RepositoryError> {
    let wanted: Vec<&str> = wanted.iter().map(ProductId::as_str).collect();
    let (now, taken): (OffsetDateTime, Vec<String>) = sqlx::query_as(
        "SELECT clock_timestamp(), ARRAY(SELECT product_id FROM stocks WHERE product_id = ANY($1))",
    )
    .bind(wanted)
    .fetch_one(connection)
    .await
    .map_err(error::repository)?;
    loaded.now = loaded.now.max(now);
    let table = "stocks";
    let product = |id: &String| Row { table, id }.value("product_id", id);
    loaded.taken_products = taken.iter().map(product).collect::<Result<_, _>>()?;
    Ok(())
}

async fn orders(
    connection: &mut PgConnection,
    wanted: &[(Actor, ClientOrderId)],
) -> Result<Vec<(Actor, ClientOrderId)>, RepositoryError> {
    let (holders, names): (Vec<&str>, Vec<&str>) = wanted
        .iter()
        .map(|(holder, order)| (holder.as_str(), order.as_str()))
        .unzip();
    // Every order has a first line.
    let taken: Vec<(String, String)> = sqlx::query_as(
        "SELECT wanted.holder, wanted.name
         FROM unnest($1::text[], $2::text[]) AS wanted (holder, name)
         CROSS JOIN LATERAL (
             SELECT FROM reservations AS r
             WHERE r.holder = wanted.holder AND r.client_order_id = wanted.name AND r.line = 0
             LIMIT 1
         ) AS taken",
    )
    .bind(holders)
    .bind(names)
    .fetch_all(connection)
    .await
    .map_err(error::repository)?;
    let table = "reservations";
    let order = |(holder, name): &(String, String)| {
        let row = Row { table, id: name };
        Ok((
            row.value("holder", holder)?,
            row.value("client_order_id", name)?,
        ))
    };
    taken.iter().map(order).collect()
}

/// Stocks that have fewer units available than are wanted, and how many fewer.
fn short<'a>(touched: &Touched, loaded: &'a Loaded) -> impl Iterator<Item = (&'a str, i64)> {
    loaded.stocks.iter().filter_map(|stock| {
        let wanted = *touched.wanted.get(&stock.id)?;
        let missing = wanted.checked_sub(stock.available().get())?;
        let missing = i64::try_from(missing).unwrap_or(i64::MAX);
        (missing > 0).then_some((stock.id.as_str(), missing))
    })
}

/// Whether more is wanted of a stock than it has: holds that are due may make up for it.
pub(super) fn is_short(touched: &Touched, loaded: &Loaded) -> bool {
    short(touched, loaded).next().is_some()
}

/// Loads the holds that belong to what was loaded; their stocks have to be locked.
pub(super) async fn holds(
    connection: &mut PgConnection,
    touched: &Touched,
    loaded: &mut Loaded,
) -> Result<(), RepositoryError> {
    let (short_ids, missing): (Vec<&str>, Vec<i64>) = short(touched, loaded).unzip();
    let nothing =
        short_ids.is_empty() && touched.expiring.is_empty() && touched.reservation_ids.is_empty();
    if nothing {
        return Ok(());
    }
    let each = EXPIRED_AT_ONCE / touched.expiring.len().max(1);
    let each = i64::try_from(each.max(1)).unwrap_or(i64::MAX);
    let expiring: Vec<&str> = touched.expiring.iter().map(StockId::as_str).collect();
    let rows: Vec<ReservationRow> = sqlx::query_as(include_str!("load_holds.sql"))
        .bind(short_ids)
        .bind(missing)
        .bind(loaded.now)
        .bind(expiring)
        .bind(each)
        .bind(RECLAIMED_AT_ONCE)
        .bind(reservation_ids(touched))
        .fetch_all(connection)
        .await
        .map_err(error::repository)?;
    let reservations = rows.into_iter().map(Reservation::try_from);
    loaded.reservations = reservations.collect::<Result<_, _>>()?;
    Ok(())
}
