//! `POST /stocks/{id}/reserve`

use application::stock::{Command, Request, Reserve};
use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use domain::stock::{StockId, StockUpdatedEvent};
use serde::Serialize;

use crate::http::{
    Problem, StockApi,
    fields::Fields,
    request::Caller,
    stocks::{JsonBody, etag, stock_id},
};

/// What was held.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReservedView {
    reservation_id: String,
    stock_id: String,
    /// Units held by this call.
    reserved: u64,
    /// Units that are available after it.
    remaining: u64,
    version: u64,
}

pub(super) async fn reserve(
    State(api): State<StockApi>,
    Path(id): Path<String>,
    Caller(context): Caller,
    JsonBody(body): JsonBody,
) -> Result<(HeaderMap, Json<ReservedView>), Problem> {
    let command = Command::Reserve(read(&body, stock_id(&id)?)?);
    let event = api.commands.execute(Request { command, context }).await?;
    Ok((etag(&event.stock), Json(view(&event))))
}

fn read(body: &[u8], stock_id: StockId) -> Result<Reserve, Problem> {
    let mut fields = Fields::parse(body)?;
    let quantity = fields.required("quantityToReserve");
    let reason = fields.required("reason");
    let read = || {
        Some(Reserve {
            stock_id,
            quantity: quantity?,
            reason: reason?,
        })
    };
    fields.finish(read())
}

fn view(event: &StockUpdatedEvent) -> ReservedView {
    let stock = &event.stock;
    let reservation = event.change.reservation();
    ReservedView {
        reservation_id: reservation.map_or_else(String::new, |held| held.id().to_string()),
        stock_id: stock.id.to_string(),
        reserved: reservation.map_or(0, |held| held.quantity().get().get()),
        remaining: stock.available().get(),
        version: stock.version.get(),
    }
}
