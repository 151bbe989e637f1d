//! `POST /reservations/{id}/extend`

use std::sync::Arc;

use application::stock::Command;
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::reservation_id;
use crate::http::{
    Problem, StockApi,
    body::body,
    caller::MayReserve,
    change::Change,
    member::Seconds,
    openapi::{
        ChangeProblems, CommonProblems, IdempotencyKeyHeader, ReservationIdPath, UnknownReservation,
    },
    views::HoldView,
};

body! {
    /// Another time for a hold.
    struct ExtendBody {
        /// How long to hold the units from now on.
        ttl_seconds: required Seconds = "ttlSeconds",
    }
}

/// Holds the units for so long from now on.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/reservations/{reservationId}/extend",
    operation_id = "extendReservation",
    tag = "reservations",
    params(ReservationIdPath, IdempotencyKeyHeader),
    request_body = ExtendBody,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownReservation,
        (status = 200, description = "The hold, with its new time.", body = HoldView),
    ),
)]
pub(in crate::http) async fn extend(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayReserve, ExtendBody>,
) -> Result<Response, Problem> {
    let command = Command::Extend {
        reservation_id: reservation_id(&id)?,
        ttl: api.defaults.ttl(Some(request.body.ttl_seconds))?,
    };
    request.submission.execute(&api, command).await
}
