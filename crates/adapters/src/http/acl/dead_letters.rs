//! `GET /dead-letters`, `/dead-letters/groups` and `/dead-letters/{id}`

use application::ports::{LetterQuery, LetterState, NotHandled};
use axum::{
    Json,
    extract::{Path, State},
    http::Uri,
    response::Response,
};
use domain::stock::StockId;

use super::{
    AclApi,
    member::{OperationName, PartnerName, Words},
    not_handled,
    openapi::{LetterIdPath, UnknownDeadLetter},
    views::{GroupView, LetterDetailView, LetterView},
};
use crate::http::{
    Problem,
    caller::{Caller, MayReadDeliveries},
    member::{Cursor, Limit, Moment},
    openapi::CommonProblems,
    paging,
    query::{Parameters, query},
    views::Page,
};

query! {
    /// Which dead letters.
    struct LettersParameters {
        /// Only those of this partner.
        partner: PartnerName = "partner",
        /// Only those in this state.
        state: LetterState = "state",
        /// Only those of this cause, as the groups name it.
        cause: Words = "cause",
        /// Only those of this stock.
        stock_id: StockId = "stockId",
        /// Only those of this operation.
        operation: OperationName = "operation",
        /// Only those of the request with this name.
        correlation_id: Words = "correlationId",
        /// Only those that died then or later.
        from: Moment = "from",
        /// Only those that died before.
        until: Moment = "until",
        /// The most items of a page; 50 if it is not given.
        limit: Limit = "limit",
        /// Where to go on.
        cursor: Cursor = "cursor",
    }
}

/// The position that a cursor names.
pub(super) fn place(cursor: Option<&Cursor>) -> Result<Option<i64>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let [place] = paging::decode(cursor)?;
    place.parse().map(Some).map_err(|_| paging::bad_cursor())
}

/// The number of a dead letter in a path.
pub(super) fn number(id: &str) -> Result<i64, Problem> {
    let number = id.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| not_handled(0, &NotHandled::Unknown))
}

/// Dead letters, the oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/acl/dead-letters",
    operation_id = "listDeadLetters",
    tag = "dead letters",
    params(LettersParameters),
    responses(
        CommonProblems,
        (status = 200, description = "A page of dead letters.", body = Page<LetterView>, headers(
            ("Link" = String, description = "The next page, if there is one."),
        )),
    ),
)]
pub(in crate::http) async fn list_letters(
    State(api): State<AclApi>,
    uri: Uri,
    _caller: Caller<MayReadDeliveries>,
    Parameters(parameters): Parameters<LettersParameters>,
) -> Result<Response, Problem> {
    let query = LetterQuery {
        partners: parameters.partner.map(|partner| vec![partner.0]),
        state: parameters.state,
        cause: parameters.cause.map(|cause| cause.0),
        stock_id: parameters.stock_id.map(|id| id.to_string()),
        operation: parameters.operation.map(|name| name.0.to_owned()),
        correlation_id: parameters.correlation_id.map(|id| id.0),
        from: parameters.from.map(|from| from.0),
        until: parameters.until.map(|until| until.0),
        after: place(parameters.cursor.as_ref())?,
        limit: parameters.limit.unwrap_or_default().0,
    };
    let found = api.operations.letters(&query).await?;
    let last = found.items.last().filter(|_| found.more);
    let next = last.map(|letter| paging::encode(&[&letter.id.to_string()]));
    let items: Vec<LetterView> = found.items.iter().map(Into::into).collect();
    Ok(paging::page(&uri, items, next))
}

/// Open dead letters by cause, the most first.
#[utoipa::path(
    get,
    path = "/api/v1/acl/dead-letters/groups",
    operation_id = "groupDeadLetters",
    tag = "dead letters",
    responses(
        CommonProblems,
        (status = 200, description = "All groups, at most 1,000.", body = Page<GroupView>),
    ),
)]
pub(in crate::http) async fn group_letters(
    State(api): State<AclApi>,
    uri: Uri,
    _caller: Caller<MayReadDeliveries>,
) -> Result<Response, Problem> {
    let groups = api.operations.groups().await?;
    let items: Vec<GroupView> = groups.iter().map(Into::into).collect();
    Ok(paging::page(&uri, items, None))
}

/// A dead letter: its bytes, every attempt, and what operators did about it.
#[utoipa::path(
    get,
    path = "/api/v1/acl/dead-letters/{id}",
    operation_id = "getDeadLetter",
    tag = "dead letters",
    params(LetterIdPath),
    responses(
        CommonProblems,
        UnknownDeadLetter,
        (status = 200, description = "The dead letter.", body = LetterDetailView),
    ),
)]
pub(in crate::http) async fn get_letter(
    State(api): State<AclApi>,
    _caller: Caller<MayReadDeliveries>,
    Path(id): Path<String>,
) -> Result<Json<LetterDetailView>, Problem> {
    let id = number(&id)?;
    let found = api.operations.letter(id).await?;
    let detail = found.ok_or_else(|| not_handled(id, &NotHandled::Unknown))?;
    Ok(Json((&detail).into()))
}
