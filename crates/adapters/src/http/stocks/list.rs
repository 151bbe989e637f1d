//! `GET /stocks`

use std::sync::Arc;

use application::ports::{StockPlace, StockQuery};
use axum::{extract::State, http::Uri, response::Response};
use domain::stock::{ProductId, Status, StockId, Symbol};

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        caller::{Caller, MayRead},
        member::{Cursor, Limit, Moment, Several, Sort},
        openapi::CommonProblems,
        paging,
        query::{Parameters, query},
        views::StockPage,
    },
};

query! {
    /// Which stocks.
    struct StocksParameters {
        /// Only the stock of this product.
        product_id: ProductId = "productId",
        /// Only stocks of this symbol.
        symbol: Symbol = "symbol",
        /// Only stocks that stand here; several names may be separated by commas.
        status: Several<Status> = "status",
        /// Only stocks that changed at this time or later.
        updated_since: Moment = "updatedSince",
        /// The order; with a hyphen in front the other way round.
        sort: Sort = "sort",
        /// The most items of a page; 50 if it is not given.
        limit: Limit = "limit",
        /// Where to go on.
        cursor: Cursor = "cursor",
    }
}

/// Stocks, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/stocks",
    operation_id = "listStocks",
    tag = "stocks",
    params(StocksParameters),
    responses(
        CommonProblems,
        (status = 200, description = "A page of stocks.", body = StockPage, headers(
            ("Link" = String, description = "The next page, if there is one."),
        )),
    ),
)]
pub(in crate::http) async fn list(
    State(api): State<Arc<StockApi>>,
    uri: Uri,
    _caller: Caller<MayRead>,
    Parameters(parameters): Parameters<StocksParameters>,
) -> Result<Response, Problem> {
    let sort = parameters.sort.unwrap_or_default();
    let query = StockQuery {
        product_id: parameters.product_id.map(|id| id.to_string()),
        symbol: parameters.symbol.map(|symbol| symbol.to_string()),
        statuses: parameters
            .status
            .map(|several| several.0)
            .unwrap_or_default(),
        updated_since: parameters.updated_since.map(|moment| moment.0),
        sort: sort.by,
        descending: sort.descending,
        after: None,
        limit: parameters.limit.unwrap_or_default().0,
    };
    page(&api, &uri, query, parameters.cursor.as_ref()).await
}

/// The page of a query behind a cursor.
pub(super) async fn page(
    api: &StockApi,
    uri: &Uri,
    mut query: StockQuery,
    cursor: Option<&Cursor>,
) -> Result<Response, Problem> {
    // A cursor is good for the order that it was made for alone.
    let order = format!("{:?}{}", query.sort, query.descending);
    query.after = cursor.map(|cursor| place(cursor, &order)).transpose()?;
    let found = api.queries.stocks(&query).await?;
    let last = found.items.last().filter(|_| found.more);
    let next = last.map(|stock| {
        let place = StockPlace::of(stock, query.sort);
        paging::encode(&[&order, &place.value, place.stock_id.as_str()])
    });
    let items: Vec<StockView> = found.items.iter().map(Into::into).collect();
    Ok(paging::page(uri, items, next))
}

fn place(cursor: &Cursor, order: &str) -> Result<StockPlace, Problem> {
    let [made_for, value, stock_id] = paging::decode(cursor)?;
    let stock_id: Option<StockId> = stock_id.parse().ok();
    // What was sorted by a time is microseconds, up to the year 9999.
    let years = 0..=253_402_300_799_999_999_i64;
    let time = value.parse().is_ok_and(|micros| years.contains(&micros));
    let number = !order.starts_with("UpdatedAt") || time;
    let usable = made_for == order && number && !value.contains('\0');
    let stock_id = stock_id.filter(|_| usable).ok_or_else(paging::bad_cursor)?;
    Ok(StockPlace { value, stock_id })
}
