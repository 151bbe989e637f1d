//! `POST /stocks`

use application::stock::{Command, CreateStock, Request};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use domain::stock::{Quantity, Stock};

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        fields::Fields,
        request::Caller,
        stocks::{JsonBody, etag},
    },
};

pub(super) async fn create(
    State(api): State<StockApi>,
    Caller(context): Caller,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, HeaderMap, Json<StockView>), Problem> {
    let create = read(&body, &api)?;
    let command = Command::Create(create);
    let event = api.commands.execute(Request { command, context }).await?;
    let mut headers = etag(&event.stock);
    let location = format!("/api/v1/virtual-stock/stocks/{}", event.stock.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    Ok((StatusCode::CREATED, headers, Json((&event.stock).into())))
}

fn read(body: &[u8], api: &StockApi) -> Result<CreateStock, Problem> {
    let mut fields = Fields::parse(body)?;
    let product_id = fields.required("productId");
    let quantity = fields.required("quantity");
    let price = fields.required("price");
    let symbol = fields.optional("symbol");
    let product_name = fields.optional("productName");
    let currency = fields.optional("currency");
    let threshold = fields.optional("lowStockThreshold");
    let stock_id = fields.optional("stockId");
    let default_threshold = Quantity::try_from(Stock::DEFAULT_LOW_STOCK_THRESHOLD).ok();
    let read = || {
        Some(CreateStock {
            stock_id,
            product_id: product_id?,
            symbol,
            product_name,
            quantity: quantity?,
            price: price?,
            currency: currency.unwrap_or_else(|| api.default_currency.clone()),
            low_stock_threshold: threshold.or(default_threshold)?,
        })
    };
    fields.finish(read())
}
