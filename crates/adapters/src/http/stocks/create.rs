//! `POST /stocks`

use std::sync::Arc;

use application::stock::{Command, CreateStock};
use axum::{extract::State, response::Response};
use domain::stock::{Currency, Price, ProductId, ProductName, Quantity, StockId, Symbol};

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        api::StockDefaults,
        body::body,
        caller::MayWrite,
        change::Change,
        openapi::{ChangeProblems, CommonProblems},
    },
};

body! {
    /// A new stock.
    struct CreateStockBody {
        /// The client's own name of the product, unique over all stocks.
        product_id: required ProductId = "productId",
        /// Units on hand.
        quantity: required Quantity = "quantity",
        /// Price of one unit: a string, or a number with at most four decimals.
        price: required Price = "price",
        /// What partners trade it under; otherwise the product id.
        symbol: optional Symbol = "symbol",
        /// Its name for people; otherwise the product id.
        product_name: optional ProductName = "productName",
        /// ISO 4217 code of the price's currency; otherwise the service's.
        currency: optional Currency = "currency",
        /// Below so many available units the stock is low; otherwise 10.
        low_stock_threshold: optional Quantity = "lowStockThreshold",
        /// The client's own id of the stock; otherwise one is made.
        stock_id: optional StockId = "stockId",
    }
}

impl CreateStockBody {
    pub(in crate::http) fn command(self, defaults: &StockDefaults) -> Command {
        Command::Create(CreateStock {
            stock_id: self.stock_id,
            product_id: self.product_id,
            symbol: self.symbol,
            product_name: self.product_name,
            quantity: self.quantity,
            price: self.price,
            currency: self.currency.unwrap_or_else(|| defaults.currency.clone()),
            low_stock_threshold: self
                .low_stock_threshold
                .unwrap_or_else(StockDefaults::threshold),
        })
    }
}

/// Creates a stock.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/stocks",
    operation_id = "createStock",
    tag = "stocks",
    params(crate::http::openapi::IdempotencyKeyHeader),
    request_body = CreateStockBody,
    responses(
        CommonProblems,
        ChangeProblems,
        (status = 201, description = "The stock was created.", body = StockView, headers(
            ("Location" = String, description = "Where the stock is."),
            ("ETag" = String, description = "The stock's version."),
        )),
    ),
)]
pub(in crate::http) async fn create(
    State(api): State<Arc<StockApi>>,
    change: Change<MayWrite, CreateStockBody>,
) -> Result<Response, Problem> {
    let Change {
        body, submission, ..
    } = change;
    let command = body.command(&api.defaults);
    submission.execute(&api, command).await
}
