//! `PUT /stocks/{id}/quantity`

use application::stock::{Command, Request, SetQuantity};
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

pub(super) async fn set_quantity(
    State(api): State<StockApi>,
    Path(id): Path<String>,
    Caller(context): Caller,
    JsonBody(body): JsonBody,
) -> Result<(HeaderMap, Json<StockView>), Problem> {
    let command = Command::SetQuantity(read(&body, stock_id(&id)?)?);
    let event = api.commands.execute(Request { command, context }).await?;
    Ok((etag(&event.stock), Json((&event.stock).into())))
}

fn read(body: &[u8], stock_id: StockId) -> Result<SetQuantity, Problem> {
    let mut fields = Fields::parse(body)?;
    let quantity = fields.required("newQuantity");
    let reason = fields.required("reason");
    let reference = fields.optional("referenceUri");
    let read = || {
        Some(SetQuantity {
            stock_id,
            quantity: quantity?,
            reason: reason?,
            reference,
        })
    };
    fields.finish(read())
}
