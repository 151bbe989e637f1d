//! `POST /stocks/batch`

use std::sync::Arc;

use application::stock::Command;
use axum::{extract::State, response::Response};
use serde_json::value::RawValue;
use utoipa::openapi::{
    RefOr,
    schema::{ArrayBuilder, Schema},
};

use super::operation::Operation;
use crate::http::{
    Problem, StockApi,
    body::body,
    caller::MayWrite,
    change::Change,
    member::{Member, Wrong, list},
    openapi::{ChangeProblems, CommonProblems, IdempotencyKeyHeader, UnconditionalProblems},
    views::BatchView,
};

/// The most operations of a batch.
const MOST_OPERATIONS: usize = 500;

/// Several operations.
#[derive(Debug)]
pub(in crate::http) struct Operations(Vec<Operation>);

impl Member for Operations {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Operation::schema())
            .min_items(Some(1))
            .max_items(Some(MOST_OPERATIONS))
            .into()
    }

    fn from_text(_: &str) -> Result<Self, Vec<Wrong>> {
        Err(Wrong::all("wrong-type", "must be an array"))
    }

    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        list(raw, MOST_OPERATIONS, Operation::from_json).map(Self)
    }
}

body! {
    /// Several operations.
    struct BatchBody {
        /// What to do, in this order; each is decided by itself, after those before it.
        operations: required Operations = "operations",
    }
}

/// Carries out several operations in one transaction. Each is decided by itself: one that is refused keeps no other from
/// being carried out. A body with an unusable value is refused as a whole.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/stocks/batch",
    operation_id = "batch",
    tag = "stocks",
    params(IdempotencyKeyHeader),
    request_body = BatchBody,
    responses(
        CommonProblems,
        ChangeProblems,
        UnconditionalProblems,
        (status = 200, description = "A result per operation.", body = BatchView),
    ),
)]
pub(in crate::http) async fn batch(
    State(api): State<Arc<StockApi>>,
    request: Change<MayWrite, BatchBody>,
) -> Result<Response, Problem> {
    let operations = request.body.operations.0;
    for scope in operations.iter().filter_map(Operation::scope) {
        request.submission.caller.require(scope)?;
    }
    let commands = operations.into_iter();
    let commands = commands.map(|operation| operation.command(&api.defaults));
    let commands = commands.collect::<Result<_, _>>()?;
    request
        .submission
        .execute(&api, Command::Batch(commands))
        .await
}
