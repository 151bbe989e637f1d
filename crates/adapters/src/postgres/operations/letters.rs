//! Dead letters.

use application::ports::{
    InboundRecord, Letter, LetterDetail, LetterGroup, LetterQuery, LetterState, OperatorAction,
    Origin, Page, StoreError,
};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    attempts::{self, and},
    positive,
};
use crate::postgres::{
    delivery_store::form::{RecordRow, unsigned},
    error::store,
};

const COLUMNS: &str = "SELECT id, subscription, event_id, stock_id, version, operation, correlation_id, topic, partition, \
     \"offset\", reason, cause, attempts, died_at, state, outcome, resolved_at";

#[derive(FromRow)]
struct LetterRow {
    id: i64,
    subscription: String,
    event_id: Option<Uuid>,
    stock_id: Option<String>,
    version: Option<i64>,
    operation: Option<String>,
    correlation_id: Option<String>,
    topic: String,
    partition: i32,
    offset: i64,
    reason: String,
    cause: String,
    attempts: i32,
    died_at: OffsetDateTime,
    state: String,
    outcome: Option<String>,
    resolved_at: Option<OffsetDateTime>,
}

/// The state of this name; the table knows no other.
pub(super) fn state(name: &str) -> LetterState {
    let mut all = LetterState::ALL.into_iter();
    all.find(|state| state.as_str() == name)
        .unwrap_or(LetterState::Open)
}

impl From<LetterRow> for Letter {
    fn from(row: LetterRow) -> Self {
        Self {
            id: row.id,
            partner: row.subscription,
            event_id: row.event_id,
            stock_id: row.stock_id,
            version: row.version.map(positive),
            operation: row.operation,
            correlation_id: row.correlation_id,
            origin: Origin {
                topic: row.topic,
                partition: row.partition,
                offset: row.offset,
            },
            reason: row.reason,
            cause: row.cause,
            attempts: unsigned(row.attempts),
            died_at: row.died_at,
            state: state(&row.state),
            outcome: row.outcome,
            resolved_at: row.resolved_at,
        }
    }
}

pub(super) fn conditions(sql: &mut QueryBuilder<Postgres>, query: &LetterQuery) {
    if let Some(partners) = &query.partners {
        sql.push(" AND subscription = ANY(")
            .push_bind(partners.clone())
            .push(")");
    }
    and(sql, "state =", query.state.map(LetterState::as_str));
    and(sql, "cause =", query.cause.clone());
    and(sql, "stock_id =", query.stock_id.clone());
    and(sql, "operation =", query.operation.clone());
    and(sql, "correlation_id =", query.correlation_id.clone());
    and(sql, "died_at >=", query.from);
    and(sql, "died_at <", query.until);
}

pub(super) async fn list(pool: &PgPool, query: &LetterQuery) -> Result<Page<Letter>, StoreError> {
    let mut sql = QueryBuilder::new(COLUMNS);
    sql.push(" FROM dead_letters WHERE true");
    conditions(&mut sql, query);
    and(&mut sql, "id >", query.after);
    sql.push(" ORDER BY id LIMIT ")
        .push_bind(i64::from(query.limit) + 1);
    let rows: Vec<LetterRow> = sql
        .build_query_as()
        .fetch_all(pool)
        .await
        .map_err(store("dead_letters"))?;
    let found = rows.into_iter().map(Into::into).collect();
    Ok(Page::of(found, query.limit))
}

pub(super) async fn count(pool: &PgPool, query: &LetterQuery) -> Result<u64, StoreError> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM dead_letters WHERE true");
    conditions(&mut sql, query);
    let count: i64 = sql
        .build_query_scalar()
        .fetch_one(pool)
        .await
        .map_err(store("dead_letters"))?;
    Ok(positive(count))
}

#[derive(FromRow)]
struct ActionRow {
    at: OffsetDateTime,
    actor: String,
    action: String,
    reason: Option<String>,
}

pub(super) async fn detail(pool: &PgPool, id: i64) -> Result<Option<LetterDetail>, StoreError> {
    let mut sql = QueryBuilder::new(COLUMNS);
    sql.push(" FROM dead_letters WHERE id = ").push_bind(id);
    let row: Option<LetterRow> = sql
        .build_query_as()
        .fetch_optional(pool)
        .await
        .map_err(store("dead_letters"))?;
    let Some(row) = row else { return Ok(None) };
    let letter = Letter::from(row);
    let record: RecordRow = sqlx::query_as(
        "SELECT topic, partition, \"offset\", key, headers, payload FROM dead_letters WHERE id = $1",
    )
    .bind(id)
    .fetch_one(pool)
    .await
    .map_err(store("dead_letters"))?;
    let record = InboundRecord::from(record);
    let actions: Vec<ActionRow> = sqlx::query_as(
        "SELECT at, actor, action, reason FROM operator_actions WHERE dead_letter_id = $1 ORDER BY id",
    )
    .bind(id)
    .fetch_all(pool)
    .await
    .map_err(store("operator_actions"))?;
    let actions = actions.into_iter().map(|row| OperatorAction {
        at: row.at,
        actor: row.actor,
        action: row.action,
        reason: row.reason,
    });
    let attempts = attempts::of(pool, &letter.partner, letter.event_id, &letter.origin).await?;
    Ok(Some(LetterDetail {
        letter,
        record,
        attempts,
        actions: actions.collect(),
    }))
}

#[derive(FromRow)]
struct GroupRow {
    subscription: String,
    cause: String,
    count: i64,
    oldest: OffsetDateTime,
    newest: OffsetDateTime,
    example: i64,
}

pub(super) async fn groups(pool: &PgPool) -> Result<Vec<LetterGroup>, StoreError> {
    let rows: Vec<GroupRow> = sqlx::query_as(
        "SELECT subscription, cause, count(*) AS count, min(died_at) AS oldest, max(died_at) AS newest,
             max(id) AS example
         FROM dead_letters
         WHERE state = 'OPEN'
         GROUP BY subscription, cause
         ORDER BY count(*) DESC, subscription, cause
         LIMIT 1000",
    )
    .fetch_all(pool)
    .await
    .map_err(store("dead_letters"))?;
    let groups = rows.into_iter().map(|row| LetterGroup {
        partner: row.subscription,
        cause: row.cause,
        count: positive(row.count),
        oldest: row.oldest,
        newest: row.newest,
        example: row.example,
    });
    Ok(groups.collect())
}
