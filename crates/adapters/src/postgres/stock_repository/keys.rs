//! Requests that clients have named.

use std::collections::HashSet;

use application::ports::{Answered, IdempotencyKey, RepositoryError, StoredAnswer};
use sqlx::{PgConnection, types::Json};

use super::answers::Answers;
use crate::postgres::{error, value::Row};

#[derive(sqlx::FromRow)]
struct AnsweredRow {
    principal: String,
    key: String,
    fingerprint: Vec<u8>,
    status: i16,
    headers: Json<Vec<(String, String)>>,
    body: Vec<u8>,
}

impl TryFrom<AnsweredRow> for Answered {
    type Error = RepositoryError;

    fn try_from(stored: AnsweredRow) -> Result<Self, RepositoryError> {
        let row = Row {
            table: "idempotency_keys",
            id: &stored.key,
        };
        let wrong_length = |_| row.corrupt("fingerprint")("is not 32 bytes long");
        Ok(Self {
            fingerprint: stored.fingerprint.try_into().map_err(wrong_length)?,
            answer: StoredAnswer {
                status: u16::try_from(stored.status).map_err(row.corrupt("status"))?,
                headers: stored.headers.0,
                body: stored.body,
            },
            key: IdempotencyKey {
                principal: row.value("principal", &stored.principal)?,
                key: stored.key.clone(),
            },
        })
    }
}

fn columns<'a>(keys: impl IntoIterator<Item = &'a IdempotencyKey>) -> (Vec<&'a str>, Vec<&'a str>) {
    keys.into_iter()
        .map(|key| (key.principal.as_str(), key.key.as_str()))
        .unzip()
}

/// Takes the keys, in their order; returns the answers of those that were taken before. Where another transaction is
/// taking one of them, this waits for it.
pub(super) async fn claim(
    connection: &mut PgConnection,
    keys: &[IdempotencyKey],
) -> Result<Vec<Answered>, RepositoryError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (principals, names) = columns(keys);
    let claimed = sqlx::query(
        "INSERT INTO idempotency_keys (principal, key)
         SELECT k.principal, k.key FROM unnest($1::text[], $2::text[]) AS k (principal, key)
         ORDER BY k.principal COLLATE \"C\", k.key COLLATE \"C\"
         ON CONFLICT DO NOTHING",
    )
    .bind(&principals)
    .bind(&names)
    .execute(&mut *connection)
    .await
    .map_err(error::key)?;
    if usize::try_from(claimed.rows_affected()) == Ok(keys.len()) {
        return Ok(Vec::new());
    }
    answered(connection, keys).await
}

/// The answers of those that were taken before.
pub(super) async fn answered(
    connection: &mut PgConnection,
    keys: &[IdempotencyKey],
) -> Result<Vec<Answered>, RepositoryError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (principals, names) = columns(keys);
    let rows: Vec<AnsweredRow> = sqlx::query_as(
        "SELECT taken.*
         FROM unnest($1::text[], $2::text[]) AS k (principal, key)
         CROSS JOIN LATERAL (
             SELECT principal, key, fingerprint, status, headers, body
             FROM idempotency_keys AS i
             WHERE i.principal = k.principal AND i.key = k.key AND fingerprint IS NOT NULL
             LIMIT 1
         ) AS taken",
    )
    .bind(principals)
    .bind(names)
    .fetch_all(connection)
    .await
    .map_err(error::repository)?;
    rows.into_iter().map(Answered::try_from).collect()
}

/// Keeps the answers; gives those keys free that were taken and have none.
pub(super) async fn keep(
    connection: &mut PgConnection,
    keys: &[IdempotencyKey],
    answered: &[Answered],
) -> Result<(), RepositoryError> {
    if keys.is_empty() {
        return Ok(());
    }
    if !answered.is_empty() {
        let keep = sqlx::query_as(
            "WITH kept AS (
                 UPDATE idempotency_keys AS k
                 SET fingerprint = a.fingerprint, status = a.status, headers = a.headers, body = a.body
                 FROM unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::jsonb[], $6::bytea[])
                     AS a (principal, key, fingerprint, status, headers, body)
                 WHERE k.principal = a.principal AND k.key = a.key AND k.fingerprint IS NULL
                     AND k.principal = ANY($1) AND k.key = ANY($2)
                 RETURNING 1
             )
             SELECT count(*) FROM kept",
        );
        let (kept,): (i64,) = Answers::of(answered)
            .bind(keep)
            .fetch_one(&mut *connection)
            .await
            .map_err(error::repository)?;
        if usize::try_from(kept) != Ok(answered.len()) {
            let wrong = format!("{} answers were to be kept", answered.len());
            return Err(RepositoryError::Inconsistent(wrong.into()));
        }
    }
    let kept: HashSet<_> = answered.iter().map(|answered| &answered.key).collect();
    let (principals, names) = columns(keys.iter().filter(|key| !kept.contains(key)));
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM idempotency_keys AS k
         USING unnest($1::text[], $2::text[]) AS free (principal, key)
         WHERE k.principal = free.principal AND k.key = free.key AND k.fingerprint IS NULL
             AND k.principal = ANY($1) AND k.key = ANY($2)",
    )
    .bind(principals)
    .bind(names)
    .execute(connection)
    .await
    .map(drop)
    .map_err(error::repository)
}
