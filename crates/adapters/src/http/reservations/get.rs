//! `GET /reservations/{id}`

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};

use super::reservation_id;
use crate::http::{
    Problem, StockApi,
    caller::{Caller, MayRead},
    openapi::{CommonProblems, ReservationIdPath, UnknownReservation},
    views::HoldView,
};

/// A reservation.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/reservations/{reservationId}",
    operation_id = "getReservation",
    tag = "reservations",
    params(ReservationIdPath),
    responses(
        CommonProblems,
        UnknownReservation,
        (status = 200, description = "The reservation.", body = HoldView),
    ),
)]
pub(in crate::http) async fn get(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    _caller: Caller<MayRead>,
) -> Result<Json<HoldView>, Problem> {
    let found = api.queries.reservation(&reservation_id(&id)?).await?;
    let held = found.ok_or_else(|| Problem::unknown_reservation(&id))?;
    Ok(Json((&held).into()))
}
