//! What operators do. Every step is written down with its actor.

use std::num::NonZeroU32;

use application::{
    Causes,
    ports::{
        Edit, IdSource, InboundRecord, LetterState, NotHandled, Operator, Pace, Replayed,
        ResyncProgress, StoreError,
    },
};
use domain::delivery::Notification;
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::{letters, partners, positive};
use crate::{
    clock::UuidSource,
    contract,
    postgres::{
        delivery_store::form::{RecordRow, headers},
        error::store,
    },
};

/// A step to be written down.
struct Step<'a> {
    action: &'static str,
    subscription: &'a str,
    dead_letter: Option<i64>,
    detail: Option<Value>,
}

async fn write_down(
    connection: &mut PgConnection,
    operator: &Operator,
    step: Step<'_>,
) -> Result<(), StoreError> {
    tracing::info!(
        code = "OPERATOR_ACTION",
        action = step.action,
        subscription = step.subscription,
        dead_letter = step.dead_letter,
        actor = operator.actor,
        reason = operator.reason,
        "an operator acts"
    );
    sqlx::query(
        "INSERT INTO operator_actions (actor, action, subscription, dead_letter_id, reason, detail)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&operator.actor)
    .bind(step.action)
    .bind(step.subscription)
    .bind(step.dead_letter)
    .bind(operator.reason.as_deref())
    .bind(step.detail)
    .execute(connection)
    .await
    .map_err(store("operator_actions"))
    .map(drop)
}

#[derive(FromRow)]
struct LetterRow {
    subscription: String,
    state: String,
    event_id: Option<Uuid>,
    stock_id: Option<String>,
    version: Option<i64>,
    #[sqlx(flatten)]
    record: RecordRow,
}

async fn lock_letter(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<LetterRow>, StoreError> {
    sqlx::query_as(
        "SELECT subscription, state, event_id, stock_id, version, topic, partition, \"offset\", key, headers, payload
         FROM dead_letters WHERE id = $1 FOR UPDATE",
    )
    .bind(id)
    .fetch_optional(connection)
    .await
    .map_err(store("dead_letters"))
}

fn edited(mut record: InboundRecord, edit: &Edit) -> InboundRecord {
    if let Some(payload) = &edit.payload {
        record.payload.clone_from(payload);
    }
    for (name, value) in &edit.headers {
        record.headers.retain(|(there, _)| there != name);
        record.headers.push((name.clone(), value.clone()));
    }
    record
}

/// A replay keeps the event: an edit mends what is wrong with it, and makes no other one of it.
fn same_event(letter: &LetterRow, notification: &Notification) -> Result<(), NotHandled> {
    let same = |what, same: bool| {
        if same {
            Ok(())
        } else {
            Err(NotHandled::Another(what))
        }
    };
    let version = letter.version.map(positive);
    same(
        "the event's id",
        letter.event_id.is_none_or(|id| id == notification.event_id),
    )?;
    same(
        "the stock",
        letter
            .stock_id
            .as_ref()
            .is_none_or(|id| *id == notification.stock_id),
    )?;
    same(
        "the stock's version",
        version.is_none_or(|version| version == notification.version()),
    )
}

pub(super) async fn replay(
    pool: &PgPool,
    ids: &[i64],
    edit: Option<&Edit>,
    pace: Option<Pace>,
    operator: &Operator,
) -> Result<Replayed, StoreError> {
    let failed = store("dead_letters");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut replayed = Replayed::default();
    for id in ids {
        let before = u64::try_from(replayed.replaying.len()).unwrap_or(u64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "no list is so long")]
        let wait = pace.map_or(0.0, |pace| {
            pace.done.saturating_add(before) as f64 / f64::from(pace.per_second.get())
        });
        match replay_one(&mut transaction, id, edit, wait, operator).await? {
            Ok(()) => replayed.replaying.push(id),
            Err(why) => replayed.skipped.push((id, why)),
        }
    }
    transaction.commit().await.map_err(failed)?;
    Ok(replayed)
}

async fn replay_one(
    connection: &mut PgConnection,
    id: i64,
    edit: Option<&Edit>,
    wait: f64,
    operator: &Operator,
) -> Result<Result<(), NotHandled>, StoreError> {
    let Some(letter) = lock_letter(connection, id).await? else {
        return Ok(Err(NotHandled::Unknown));
    };
    let state = letters::state(&letter.state);
    if state != LetterState::Open {
        return Ok(Err(NotHandled::State(state)));
    }
    let record = InboundRecord::from(letter.record.clone());
    let replaced = edit.map(|edit| edited(record.clone(), edit));
    let notification = match contract::decode(replaced.as_ref().unwrap_or(&record)) {
        Ok(notification) => notification,
        Err(error) => {
            let why = contract::printable(&Causes(&error).to_string());
            return Ok(Err(NotHandled::Unreadable(why)));
        }
    };
    if let Err(another) = same_event(&letter, &notification) {
        return Ok(Err(another));
    }
    sqlx::query(
        "UPDATE dead_letters
         SET state = 'REPLAYING', replay_at = clock_timestamp() + make_interval(secs => $2),
             event_id = $3, stock_id = $4, version = $5, operation = $6, correlation_id = $7,
             edited_headers = $8, edited_payload = $9
         WHERE id = $1",
    )
    .bind(id)
    .bind(wait)
    .bind(notification.event_id)
    .bind(&notification.stock_id)
    .bind(i64::try_from(notification.version()).unwrap_or(i64::MAX))
    .bind(notification.effect.operation())
    .bind(&notification.correlation_id)
    .bind(replaced.as_ref().map(headers))
    .bind(replaced.as_ref().map(|record| record.payload.as_slice()))
    .execute(&mut *connection)
    .await
    .map_err(store("dead_letters"))?;
    let detail = edit.map(|edit| {
        let names = edit.headers.iter().map(|(name, _)| name);
        json!({"payload": edit.payload.is_some(), "headers": names.collect::<Vec<_>>()})
    });
    let step = Step {
        action: if edit.is_some() {
            "EDIT_AND_REPLAY"
        } else {
            "REPLAY"
        },
        subscription: &letter.subscription,
        dead_letter: Some(id),
        detail,
    };
    write_down(connection, operator, step).await?;
    Ok(Ok(()))
}

pub(super) async fn discard(
    pool: &PgPool,
    id: i64,
    operator: &Operator,
) -> Result<Result<(), NotHandled>, StoreError> {
    let failed = store("dead_letters");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    let Some(letter) = lock_letter(&mut transaction, id).await? else {
        return Ok(Err(NotHandled::Unknown));
    };
    let state = letters::state(&letter.state);
    if state != LetterState::Open {
        return Ok(Err(NotHandled::State(state)));
    }
    sqlx::query(
        "WITH discarded AS (
             UPDATE dead_letters SET state = 'DISCARDED', resolved_at = clock_timestamp() WHERE id = $1 RETURNING *
         )
         INSERT INTO consumption_log (
             subscription, event_id, correlation_id, topic, partition, \"offset\", stock_id, operation, version, attempt,
             status, error, message_hash
         )
         SELECT subscription, event_id, correlation_id, topic, partition, \"offset\", stock_id, operation, version, 0,
             'DISCARDED', $2, sha256(payload)
         FROM discarded",
    )
    .bind(id)
    .bind(operator.reason.as_deref())
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    let step = Step {
        action: "DISCARD",
        subscription: &letter.subscription,
        dead_letter: Some(id),
        detail: None,
    };
    write_down(&mut transaction, operator, step).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(Ok(()))
}

async fn stand(
    pool: &PgPool,
    partner: &str,
    action: &'static str,
    sql: &'static str,
    operator: &Operator,
) -> Result<(), StoreError> {
    let failed = store("partners");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    sqlx::query(sql)
        .bind(partner)
        .bind(&operator.actor)
        .bind(operator.reason.as_deref())
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
    let step = Step {
        action,
        subscription: partner,
        dead_letter: None,
        detail: None,
    };
    write_down(&mut transaction, operator, step).await?;
    transaction.commit().await.map_err(failed)
}

pub(super) async fn pause(
    pool: &PgPool,
    partner: &str,
    operator: &Operator,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO partners (subscription, paused_at, paused_by, pause_reason)
         VALUES ($1, clock_timestamp(), $2, $3)
         ON CONFLICT (subscription) DO UPDATE
         SET paused_at = COALESCE(partners.paused_at, EXCLUDED.paused_at), paused_by = EXCLUDED.paused_by,
             pause_reason = EXCLUDED.pause_reason";
    stand(pool, partner, "PAUSE", sql, operator).await
}

pub(super) async fn resume(
    pool: &PgPool,
    partner: &str,
    operator: &Operator,
) -> Result<(), StoreError> {
    let sql = "UPDATE partners
         SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, disabled_at = NULL, disabled_cause = NULL,
             breaker_opened_at = NULL, breaker_cause = NULL, probe_at = NULL
         WHERE subscription = $1 AND ($2::text IS NOT NULL OR $3::text IS NOT NULL)";
    stand(pool, partner, "RESUME", sql, operator).await
}

pub(super) async fn resync(
    pool: &PgPool,
    partner: &str,
    rate: Option<NonZeroU32>,
    operator: &Operator,
) -> Result<ResyncProgress, StoreError> {
    let failed = store("resyncs");
    let id = UuidSource.next();
    let mut transaction = pool.begin().await.map_err(&failed)?;
    // What any partner was told is the newest state that is known here. One that this partner does not know yet is
    // created there.
    let marked = sqlx::query(
        "INSERT INTO external_stocks AS e (subscription, stock_id, told_picture, resync, resync_at)
         SELECT $1, n.stock_id, n.told_picture, $2,
             clock_timestamp() + make_interval(secs => COALESCE((row_number() OVER (ORDER BY n.stock_id) - 1) / $3, 0))
         FROM (
             SELECT DISTINCT ON (stock_id) stock_id, told_picture
             FROM external_stocks
             WHERE told_picture IS NOT NULL
             ORDER BY stock_id, (told_picture->>'version')::bigint DESC
         ) n
         ORDER BY n.stock_id
         ON CONFLICT (subscription, stock_id) DO UPDATE
         SET resync = EXCLUDED.resync, resync_at = EXCLUDED.resync_at,
             told_picture = CASE
                 WHEN (e.told_picture->>'version')::bigint >= (EXCLUDED.told_picture->>'version')::bigint
                 THEN e.told_picture ELSE EXCLUDED.told_picture
             END",
    )
    .bind(partner)
    .bind(id)
    .bind(rate.map(|rate| f64::from(rate.get())))
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    sqlx::query(
        "INSERT INTO resyncs (id, subscription, requested_by, reason, total) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(partner)
    .bind(&operator.actor)
    .bind(operator.reason.as_deref())
    .bind(i64::try_from(marked.rows_affected()).unwrap_or(i64::MAX))
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    let step = Step {
        action: "RESYNC",
        subscription: partner,
        dead_letter: None,
        detail: Some(json!({"resync": id, "stocks": marked.rows_affected()})),
    };
    write_down(&mut transaction, operator, step).await?;
    let progress = partners::resync(&mut *transaction, partner).await?;
    transaction.commit().await.map_err(failed)?;
    progress.ok_or_else(|| StoreError::Unavailable("the resynchronization is not visible".into()))
}
