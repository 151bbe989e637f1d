//! `POST /reservations/{id}/release`

use std::sync::Arc;

use application::stock::{Command, EndReservation};
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::reservation_id;
use crate::http::{
    Problem, StockApi,
    caller::MayReserve,
    change::Change,
    openapi::{
        ChangeProblems, CommonProblems, IdempotencyKeyHeader, ReservationIdPath, UnknownReservation,
    },
    stocks::discontinue::ReasonBody,
    views::HoldView,
};

/// Gives the units of a hold back; the hold ends. Again, it answers the same.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/reservations/{reservationId}/release",
    operation_id = "releaseReservation",
    tag = "reservations",
    params(ReservationIdPath, IdempotencyKeyHeader),
    request_body = ReasonBody,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownReservation,
        (status = 200, description = "The hold, released.", body = HoldView),
    ),
)]
pub(in crate::http) async fn release(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayReserve, ReasonBody>,
) -> Result<Response, Problem> {
    let command = Command::End {
        reservation_id: reservation_id(&id)?,
        end: EndReservation::Release {
            reason: request.body.reason,
        },
    };
    request.submission.execute(&api, command).await
}
