//! What must never be in the tables: walks by primary key, a page in one statement and so in one snapshot. What belongs to a row
//! is looked up by a lateral query with a limit, which is planned by key for all but tiny tables: a join may read the whole table for each
//! page.

use application::ports::{Cause, Inspected, Inspection, Position, Violation};
use async_trait::async_trait;
use sqlx::PgPool;

/// A walk whose statement names, of each row behind `($1, $2)` and up to `$3` of them in order, its position, a name for people,
/// and whether it breaks the first and the second invariant.
struct Walk {
    pool: PgPool,
    invariants: &'static [&'static str],
    statement: &'static str,
}

#[derive(sqlx::FromRow)]
struct Looked {
    key: String,
    number: i64,
    subject: String,
    breaks: Vec<bool>,
}

#[async_trait]
impl Inspection for Walk {
    fn invariants(&self) -> &'static [&'static str] {
        self.invariants
    }

    async fn inspect(&self, from: &Position, limit: u32) -> Result<Inspected, Cause> {
        let rows: Vec<Looked> = sqlx::query_as(self.statement)
            .bind(&from.key)
            .bind(from.number)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        let mut violations = Vec::new();
        for row in &rows {
            for (invariant, broken) in self.invariants.iter().zip(&row.breaks) {
                if *broken {
                    let subject = row.subject.clone();
                    violations.push(Violation { invariant, subject });
                }
            }
        }
        let full = u32::try_from(rows.len()).is_ok_and(|rows| rows >= limit);
        Ok(Inspected {
            rows: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            next: rows.last().filter(|_| full).map(|last| Position {
                key: last.key.clone(),
                number: last.number,
            }),
            violations,
        })
    }
}

fn walk(
    pool: &PgPool,
    invariants: &'static [&'static str],
    statement: &'static str,
) -> Box<dyn Inspection> {
    Box::new(Walk {
        pool: pool.clone(),
        invariants,
        statement,
    })
}

/// The walks over a database with [`crate::postgres::VIRTUAL_STOCK_SCHEMA`].
#[must_use]
pub fn stock_inspections(pool: &PgPool) -> Vec<Box<dyn Inspection>> {
    vec![
        walk(
            pool,
            &["stock-is-its-last-movement", "reserved-is-what-is-held"],
            include_str!("inspections/stocks.sql"),
        ),
        walk(
            pool,
            &[
                "movements-have-no-gap",
                "movement-begins-where-the-last-ended",
            ],
            include_str!("inspections/movements.sql"),
        ),
        walk(
            pool,
            &["event-has-its-movement"],
            include_str!("inspections/events.sql"),
        ),
    ]
}

/// The walks over a database with [`crate::postgres::ACL_SCHEMA`].
#[must_use]
pub fn delivery_inspections(pool: &PgPool) -> Vec<Box<dyn Inspection>> {
    vec![
        walk(
            pool,
            &["event-has-an-outcome-or-waits"],
            include_str!("inspections/attempts.sql"),
        ),
        walk(
            pool,
            &["dead-letter-has-its-outcome"],
            include_str!("inspections/letters.sql"),
        ),
        walk(
            pool,
            &["acknowledged-was-told"],
            include_str!("inspections/external_stocks.sql"),
        ),
    ]
}
