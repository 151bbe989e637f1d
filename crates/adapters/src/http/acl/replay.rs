//! `POST /dead-letters/{id}/replay` and `POST /dead-letters/replay`

use std::num::NonZeroU32;

use super::{
    AclApi,
    dead_letters::number,
    member::{Bytes, Flag, HeaderTexts, Ids, OperationName, PartnerName, Payload, Rate, Words},
    not_handled,
    openapi::{LetterIdPath, UnknownDeadLetter},
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
use application::ports::{Edit, LetterQuery, LetterState, Operator, Pace, Replayed};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::stock::{Reason, StockId};

/// Dead letters in one transaction.
const CHUNK: u16 = 500;
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

fn replay_view(matched: u64, replayed: Replayed) -> ReplayView {
    let replaying = u64::try_from(replayed.replaying.len()).unwrap_or(u64::MAX);
    let skipped = replayed.skipped.into_iter().take(MOST_SKIPPED);
    ReplayView {
        dry_run: false,
        matched,
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
    path = "/dead-letters/{id}/replay",
    operation_id = "replayDeadLetter",
    tag = "dead letters",
    params(LetterIdPath),
    request_body = ReplayOneBody,
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
    let replayed = api
        .operations
        .replay(&[id], edit.as_ref(), None, &operator)
        .await?;
    if let Some((id, why)) = replayed.skipped.first() {
        return Err(not_handled(*id, why));
    }
    Ok((StatusCode::ACCEPTED, Json(replay_view(1, replayed))))
}

/// Lets many dead letters pass the gate again.
#[utoipa::path(
    post,
    path = "/dead-letters/replay",
    operation_id = "replayDeadLetters",
    tag = "dead letters",
    request_body = ReplayManyBody,
    responses(
        CommonProblems,
        ChangeProblems,
        (status = 200, description = "How many it would be.", body = ReplayView),
        (status = 202, description = "They wait for their turn.", body = ReplayView),
    ),
)]
pub(in crate::http) async fn replay_many(
    State(api): State<AclApi>,
    request: Change<MayOperate, ReplayManyBody>,
) -> Result<(StatusCode, Json<ReplayView>), Problem> {
    let body = request.body;
    let operator = operator(&request.submission.caller, body.reason);
    let rate = body.rate.map(|rate| rate.0);
    let dry_run = body.dry_run.is_some_and(|flag| flag.0);
    let query = LetterQuery {
        partner: body.partner.map(|partner| partner.0),
        state: Some(LetterState::Open),
        cause: body.cause.map(|cause| cause.0),
        stock_id: body.stock_id.map(|id| id.to_string()),
        operation: body.operation.map(|name| name.0.to_owned()),
        correlation_id: body.correlation_id.map(|id| id.0),
        from: body.from.map(|from| from.0),
        until: body.until.map(|until| until.0),
        after: None,
        limit: CHUNK,
    };
    let anything = LetterQuery {
        state: Some(LetterState::Open),
        limit: CHUNK,
        ..LetterQuery::default()
    };
    let by_filter = query != anything;
    let Some(ids) = body.ids else {
        if !by_filter {
            let why = "is required, or a member that says which dead letters are meant";
            let wrong = Wrong::all("required", why).into_iter();
            let wrong = wrong.map(|wrong| wrong.within("ids"));
            return Err(Problem::validation(wrong.collect()));
        }
        let matched = api.operations.count_letters(&query).await?;
        if dry_run {
            return Ok((StatusCode::OK, Json(dry(matched))));
        }
        let replayed = replay_found(&api, query, rate, &operator).await?;
        return Ok((StatusCode::ACCEPTED, Json(replay_view(matched, replayed))));
    };
    if by_filter {
        let why = "must be the only member that says which dead letters are meant";
        let wrong = Wrong::all("given-twice", why).into_iter();
        let wrong = wrong.map(|wrong| wrong.within("ids"));
        return Err(Problem::validation(wrong.collect()));
    }
    let matched = u64::try_from(ids.0.len()).unwrap_or(u64::MAX);
    if dry_run {
        return Ok((StatusCode::OK, Json(dry(matched))));
    }
    let pace = rate.map(|per_second| Pace {
        per_second,
        done: 0,
    });
    let replayed = api.operations.replay(&ids.0, None, pace, &operator).await?;
    Ok((StatusCode::ACCEPTED, Json(replay_view(matched, replayed))))
}

fn dry(matched: u64) -> ReplayView {
    ReplayView {
        dry_run: true,
        matched,
        replaying: 0,
        skipped: Vec::new(),
    }
}

/// Everything that the query means, one chunk after the other.
async fn replay_found(
    api: &AclApi,
    mut query: LetterQuery,
    rate: Option<NonZeroU32>,
    operator: &Operator,
) -> Result<Replayed, Problem> {
    let mut all = Replayed::default();
    loop {
        let found = api.operations.letters(&query).await?;
        let ids: Vec<i64> = found.items.iter().map(|letter| letter.id).collect();
        let Some(last) = ids.last().copied() else {
            return Ok(all);
        };
        let pace = rate.map(|per_second| Pace {
            per_second,
            done: u64::try_from(all.replaying.len()).unwrap_or(u64::MAX),
        });
        let replayed = api.operations.replay(&ids, None, pace, operator).await?;
        all.replaying.extend(replayed.replaying);
        all.skipped.extend(replayed.skipped);
        if !found.more {
            return Ok(all);
        }
        query.after = Some(last);
    }
}
