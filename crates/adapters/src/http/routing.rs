//! `POST /routing/explain`

use std::sync::Arc;

use application::Causes;
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, State},
};

use crate::{
    contract::explain::{ExplainError, ExplainedEvent, Explanation, explain, read},
    http::{
        Problem, StockApi,
        caller::{Caller, MayAdminister},
        change::{self, media_type},
        member::Wrong,
        openapi::{CommonProblems, TooLarge, UnsupportedMediaType, Validation},
        problem::kind,
    },
};

/// Says which rules an event matches and which topics it goes to. Nothing is sent.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/routing/explain",
    operation_id = "explainRouting",
    tag = "operation",
    request_body(content = ExplainedEvent, content_type = "application/json", description = "An event's value; members that are not listed do not matter."),
    responses(
        CommonProblems,
        UnsupportedMediaType,
        TooLarge,
        Validation,
        (status = 200, description = "The rules and the topics.", body = Explanation),
    ),
)]
pub(super) async fn explain_routing(
    State(api): State<Arc<StockApi>>,
    _caller: Caller<MayAdminister>,
    request: Request,
) -> Result<Json<Explanation>, Problem> {
    let headers = request.headers().clone();
    let bytes = Bytes::from_request(request, &api).await;
    let bytes = bytes.map_err(|error| change::unread(&error))?;
    if media_type(&headers).as_deref() != Some("application/json") {
        let detail = "Content-Type must be application/json.";
        return Err(Problem::new(&kind::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let facts = read(&bytes).map_err(|error| match error {
        ExplainError::Json(_) => Problem::malformed(format!("{}.", Causes(&error))),
        ExplainError::Value { pointer, why } => Problem::validation(vec![Wrong {
            pointer: pointer.to_owned(),
            code: "unusable".to_owned(),
            message: why,
        }]),
    })?;
    Ok(Json(explain(facts, &api.routing, &api.topics)))
}
