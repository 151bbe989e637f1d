//! What operators do. Every step is written down with its actor.

use std::num::NonZeroU32;

use application::{
    Causes,
    ports::{
        Edit, InboundRecord, LetterQuery, LetterState, NotHandled, Operator, ReplayOrder, Replayed,
        StoreError,
    },
};
use domain::delivery::Notification;
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
use uuid::Uuid;

use super::{letters, positive};
use crate::{
    contract,
    postgres::{
        delivery_store::form::{RecordRow, headers},
        error::store,
    },
};

/// A step to be written down.
pub(super) struct Step<'a> {
    pub(super) action: &'static str,
    pub(super) subscription: &'a str,
    pub(super) dead_letter: Option<i64>,
    pub(super) detail: Option<Value>,
}

pub(super) async fn write_down(
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

pub(super) async fn replay(pool: &PgPool, order: &ReplayOrder) -> Result<Replayed, StoreError> {
    let failed = store("dead_letters");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    let mut ids = order.ids.clone();
    ids.sort_unstable();
    ids.dedup();
    let mut replayed = Replayed::default();
    for id in ids {
        let before = u32::try_from(replayed.replaying.len()).unwrap_or(u32::MAX);
        let rate = order.rate.map(|rate| f64::from(rate.get()));
        let wait = rate.map_or(0.0, |rate| f64::from(before) / rate);
        match replay_one(&mut transaction, id, order, wait).await? {
            Ok(()) => replayed.replaying.push(id),
            Err(why) => replayed.skipped.push((id, why)),
        }
    }
    if order.dry_run {
        transaction.rollback().await.map_err(failed)?;
    } else {
        transaction.commit().await.map_err(failed)?;
    }
    Ok(replayed)
}

pub(super) async fn replay_found(
    pool: &PgPool,
    query: &LetterQuery,
    rate: Option<NonZeroU32>,
    operator: &Operator,
) -> Result<u64, StoreError> {
    let mut sql = QueryBuilder::new(
        "WITH found AS (
             SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM dead_letters WHERE event_id IS NOT NULL",
    );
    letters::conditions(&mut sql, query);
    sql.push(
        "), replaying AS (
             UPDATE dead_letters d
             SET state = 'REPLAYING', edited_headers = NULL, edited_payload = NULL,
                 replay_at = clock_timestamp() + make_interval(secs => COALESCE(found.place / ",
    );
    sql.push_bind(rate.map(|rate| f64::from(rate.get())));
    sql.push(
        ", 0)) FROM found WHERE d.id = found.id AND d.state = 'OPEN' RETURNING d.id, d.subscription
         )
         INSERT INTO operator_actions (actor, action, subscription, dead_letter_id, reason) SELECT ",
    );
    sql.push_bind(operator.actor.clone());
    sql.push(", 'REPLAY', subscription, id, ");
    sql.push_bind(operator.reason.clone());
    sql.push(" FROM replaying");
    let replaying = sql.build().execute(pool).await;
    let replaying = replaying.map_err(store("dead_letters"))?.rows_affected();
    tracing::info!(
        code = "OPERATOR_ACTION",
        action = "REPLAY",
        dead_letters = replaying,
        actor = operator.actor,
        reason = operator.reason,
        "an operator acts"
    );
    Ok(replaying)
}

async fn replay_one(
    connection: &mut PgConnection,
    id: i64,
    order: &ReplayOrder,
    wait: f64,
) -> Result<Result<(), NotHandled>, StoreError> {
    let edit = order.edit.as_ref();
    let Some(letter) = lock_letter(connection, id).await? else {
        return Ok(Err(NotHandled::Unknown));
    };
    if !order.partners.contains(&letter.subscription) {
        return Ok(Err(NotHandled::Disabled));
    }
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
    if !order.dry_run {
        write_down(connection, &order.operator, step).await?;
    }
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
