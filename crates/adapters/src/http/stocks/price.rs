//! `PUT /stocks/{id}/price`

use application::stock::{Command, Request, SetPrice};
use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use domain::stock::StockId;

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        fields::Fields,
        request::Caller,
        stocks::{JsonBody, etag, stock_id},
    },
};

pub(super) async fn set_price(
    State(api): State<StockApi>,
    Path(id): Path<String>,
    Caller(context): Caller,
    JsonBody(body): JsonBody,
) -> Result<(HeaderMap, Json<StockView>), Problem> {
    let command = Command::SetPrice(read(&body, stock_id(&id)?)?);
    let event = api.commands.execute(Request { command, context }).await?;
    Ok((etag(&event.stock), Json((&event.stock).into())))
}

fn read(body: &[u8], stock_id: StockId) -> Result<SetPrice, Problem> {
    let mut fields = Fields::parse(body)?;
    let price = fields.required("newPrice");
    let reason = fields.required("reason");
    let read = || {
        Some(SetPrice {
            stock_id,
            price: price?,
            reason: reason?,
        })
    };
    fields.finish(read())
}
