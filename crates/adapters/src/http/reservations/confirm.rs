//! `POST /reservations/{id}/confirm`

use std::sync::Arc;

use application::stock::{Command, EndReservation};
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::stock::PositiveQuantity;

use super::reservation_id;
use crate::http::{
    Problem, StockApi,
    body::body,
    caller::MayReserve,
    change::Change,
    openapi::{
        ChangeProblems, CommonProblems, IdempotencyKeyHeader, ReservationIdPath, UnknownReservation,
    },
    views::HoldView,
};

body! {
    /// The end of a hold.
    @may_be_empty
    struct ConfirmBody {
        /// Units to take, if not all of them; the others can be reserved again.
        quantity: optional PositiveQuantity = "quantity",
    }
}

/// Takes the units of a hold, or some of them; the hold ends. Again, it answers the same.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/reservations/{reservationId}/confirm",
    operation_id = "confirmReservation",
    tag = "reservations",
    params(ReservationIdPath, IdempotencyKeyHeader),
    request_body = ConfirmBody,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownReservation,
        (status = 200, description = "The hold, confirmed.", body = HoldView),
    ),
)]
pub(in crate::http) async fn confirm(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayReserve, ConfirmBody>,
) -> Result<Response, Problem> {
    let command = Command::End {
        reservation_id: reservation_id(&id)?,
        end: EndReservation::Confirm {
            units: request.body.quantity,
        },
    };
    request.submission.execute(&api, command).await
}
