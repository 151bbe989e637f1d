//! `POST /dead-letters/{id}/replay` and `POST /dead-letters/replay`

use super::{
    AclApi,
    dead_letters::number,
    member::{Bytes, Flag, HeaderTexts, Ids, OperationName, PartnerName, Payload, Rate, Words},
    not_handled,
    openapi::{LetterIdPath, UnknownDeadLetter, UnknownPartner},
    operator,
    views::{ReplayView, SkippedView},
};
use crate::http::{
    Problem,
    body::body,
    caller::MayOperate,
    change::Change,
    member::{Moment, Wrong},
    openapi::{ChangeProblems, CommonProblems},
};
use application::ports::{Edit, LetterQuery, LetterState, ReplayOrder, Replayed};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::stock::{Reason, StockId};

/// Most dead letters that an answer lists as skipped.
const MOST_SKIPPED: usize = 1000;

body! {
    /// What is to be replayed instead; nothing: the dead letter as it is.
    @may_be_empty
    struct ReplayOneBody {
        /// The record's value.
        payload: optional Payload = "payload",
        /// The record's value in base64, where it is no JSON.
        payload_base64: optional Bytes = "payloadBase64",
        /// Headers in place of those of the same name; the others stay.
        headers: optional HeaderTexts = "headers",
        /// Why.
        reason: optional Reason = "reason",
    }
}

body! {
    /// Which dead letters are to be replayed: those of `ids`, or all open ones that the other members mean.
    struct ReplayManyBody {
        /// These.
        ids: optional Ids = "ids",
        /// Those of this partner.
        partner: optional PartnerName = "partner",
        /// Those of this cause, as the groups name it.
        cause: optional Words = "cause",
        /// Those of this stock.
        stock_id: optional StockId = "stockId",
        /// Those of this operation.
        operation: optional OperationName = "operation",
        /// Those of the request with this name.
        correlation_id: optional Words = "correlationId",
        /// Those that died then or later.
        from: optional Moment = "from",
        /// Those that died before.
        until: optional Moment = "until",
        /// Only say how many it would be.
        dry_run: optional Flag = "dryRun",
        /// So many per second.
        rate: optional Rate = "rate",
        /// Why.
        reason: optional Reason = "reason",
    }
}

fn replay_view(order: &ReplayOrder, replayed: Replayed) -> ReplayView {
    let replaying = u64::try_from(replayed.replaying.len()).unwrap_or(u64::MAX);
    let skipped = replayed.skipped.into_iter().take(MOST_SKIPPED);
    ReplayView {
        dry_run: order.dry_run,
        matched: u64::try_from(order.ids.len()).unwrap_or(u64::MAX),
        replaying,
        skipped: skipped
            .map(|(id, why)| SkippedView {
                id,
                why: why.to_string(),
            })
            .collect(),
    }
}

/// Lets a dead letter pass the gate again, as it is or edited. It stays the same event: its id, stock and version cannot be
/// changed.
#[utoipa::path(
    post,
    path = "/api/v1/acl/dead-letters/{id}/replay",
    operation_id = "replayDeadLetter",
    tag = "dead letters",
    params(LetterIdPath),
    request_body = Option<ReplayOneBody>,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownDeadLetter,
        (status = 202, description = "It waits for its turn.", body = ReplayView),
    ),
)]
pub(in crate::http) async fn replay_one(
    State(api): State<AclApi>,
    Path(id): Path<String>,
    request: Change<MayOperate, ReplayOneBody>,
) -> Result<(StatusCode, Json<ReplayView>), Problem> {
    request.unconditional()?;
    let id = number(&id)?;
    let body = request.body;
    if body.payload.is_some() && body.payload_base64.is_some() {
        let why = "must not be given beside payload";
        let wrong = Wrong::all("given-twice", why).into_iter();
        let wrong = wrong.map(|wrong| wrong.within("payloadBase64"));
        return Err(Problem::validation(wrong.collect()));
    }
    let payload = body.payload.map(|payload| payload.0);
    let payload = payload.or(body.payload_base64.map(|bytes| bytes.0));
    let edit = Edit {
        payload,
        headers: body.headers.map(|headers| headers.0).unwrap_or_default(),
    };
    let edit = (edit != Edit::default()).then_some(edit);
    let operator = operator(&request.submission.caller, body.reason);
    let order = ReplayOrder {
        ids: vec![id],
        partners: api.names(),
        edit,
        rate: None,
        dry_run: false,
        operator,
    };
    let replayed = api.operations.replay(&order).await?;
    if let Some((id, why)) = replayed.skipped.first() {
        return Err(not_handled(*id, why));
    }
    Ok((StatusCode::ACCEPTED, Json(replay_view(&order, replayed))))
}

/// Lets many dead letters pass the gate again. By filter, those that could never be read are left out: they have to be
/// edited.
#[utoipa::path(
    post,
    path = "/api/v1/acl/dead-letters/replay",
    operation_id = "replayDeadLetters",
    tag = "dead letters",
    request_body = ReplayManyBody,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownPartner,
        (status = 200, description = "How many it would be.", body = ReplayView),
        (status = 202, description = "They wait for their turn.", body = ReplayView),
    ),
)]
pub(in crate::http) async fn replay_many(
    State(api): State<AclApi>,
    request: Change<MayOperate, ReplayManyBody>,
) -> Result<(StatusCode, Json<ReplayView>), Problem> {
    request.unconditional()?;
    let body = request.body;
    let operator = operator(&request.submission.caller, body.reason);
    let rate = body.rate.map(|rate| rate.0);
    let dry_run = body.dry_run.is_some_and(|flag| flag.0);
    let status = if dry_run {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let partner = body.partner.map(|partner| partner.0);
    let query = LetterQuery {
        partners: Some(match &partner {
            Some(name) => vec![api.partner(name)?.name.clone()],
            None => api.names(),
        }),
        state: Some(LetterState::Open),
        cause: body.cause.map(|cause| cause.0),
        stock_id: body.stock_id.map(|id| id.to_string()),
        operation: body.operation.map(|name| name.0.to_owned()),
        correlation_id: body.correlation_id.map(|id| id.0),
        from: body.from.map(|from| from.0),
        until: body.until.map(|until| until.0),
        after: None,
        limit: 0,
    };
    let everything = LetterQuery {
        partners: Some(api.names()),
        state: Some(LetterState::Open),
        ..LetterQuery::default()
    };
    let by_filter = partner.is_some() || query != everything;
    let ids_wrong = |code, why: &str| {
        let wrong = Wrong::all(code, why).into_iter();
        Problem::validation(wrong.map(|wrong| wrong.within("ids")).collect())
    };
    match body.ids {
        Some(_) if by_filter => {
            let why = "must be the only member that says which dead letters are meant";
            Err(ids_wrong("given-twice", why))
        }
        Some(ids) => {
            let order = ReplayOrder {
                ids: ids.0,
                partners: api.names(),
                edit: None,
                rate,
                dry_run,
                operator,
            };
            let replayed = api.operations.replay(&order).await?;
            Ok((status, Json(replay_view(&order, replayed))))
        }
        None if !by_filter => {
            let why = "is required, or a member that says which dead letters are meant";
            Err(ids_wrong("required", why))
        }
        None => {
            let matched = api.operations.count_letters(&query).await?;
            let replaying = if dry_run {
                0
            } else {
                api.operations.replay_found(&query, rate, &operator).await?
            };
            let view = ReplayView {
                dry_run,
                matched,
                replaying,
                skipped: Vec::new(),
            };
            Ok((status, Json(view)))
        }
    }
}
