//! `POST /dead-letters/{id}/discard`

use axum::{
    Json,
    extract::{Path, State},
};

use application::ports::NotHandled;

use super::{
    AclApi,
    dead_letters::number,
    not_handled,
    openapi::{LetterIdPath, UnknownDeadLetter},
    operator,
    views::LetterDetailView,
};
use crate::http::{
    Problem,
    caller::MayOperate,
    change::Change,
    openapi::{ChangeProblems, CommonProblems},
    stocks::discontinue::ReasonBody,
};

/// Leaves a dead letter for good.
#[utoipa::path(
    post,
    path = "/api/v1/acl/dead-letters/{id}/discard",
    operation_id = "discardDeadLetter",
    tag = "dead letters",
    params(LetterIdPath),
    request_body = ReasonBody,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownDeadLetter,
        (status = 200, description = "The dead letter, discarded.", body = LetterDetailView),
    ),
)]
pub(in crate::http) async fn discard(
    State(api): State<AclApi>,
    Path(id): Path<String>,
    request: Change<MayOperate, ReasonBody>,
) -> Result<Json<LetterDetailView>, Problem> {
    request.unconditional()?;
    let id = number(&id)?;
    let operator = operator(&request.submission.caller, Some(request.body.reason));
    let discarded = api.operations.discard(id, &operator).await?;
    discarded.map_err(|why| not_handled(id, &why))?;
    let detail = api.operations.letter(id).await?;
    let detail = detail.ok_or_else(|| not_handled(id, &NotHandled::Unknown))?;
    Ok(Json((&detail).into()))
}
