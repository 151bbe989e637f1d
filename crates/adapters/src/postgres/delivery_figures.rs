//! Deliveries in figures, for those who watch the service.

use std::time::Duration;

use sqlx::PgPool;

/// Causes of dead letters that are told apart, of one subscription.
const CAUSES: i64 = 10;

/// Looks at deliveries.
pub struct DeliveryFigures {
    /// The database.
    pub pool: PgPool,
}

/// What of a subscription waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The subscription.
    pub subscription: String,
    /// Stocks whose events wait.
    pub stocks: u64,
    /// How long the one waits that began first.
    pub oldest: Duration,
}

/// Dead letters that nobody has handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLetters {
    /// The subscription.
    pub subscription: String,
    /// Why they died; `other` for all causes that are rare.
    pub cause: String,
    /// How many.
    pub count: u64,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    subscription: String,
    stocks: i64,
    oldest: f64,
}

impl DeliveryFigures {
    /// What waits, of each of these subscriptions.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting(&self, subscriptions: &[String]) -> Result<Vec<Waiting>, sqlx::Error> {
        let rows: Vec<WaitingRow> = sqlx::query_as(
            "SELECT s.subscription,
                 (SELECT count(*) FROM external_stocks e
                  WHERE e.subscription = s.subscription AND e.wake_at IS NOT NULL AND e.due_at IS NOT NULL) AS stocks,
                 COALESCE((SELECT extract(epoch FROM now() - min(w.waiting_since)) FROM waiting_events w
                           WHERE w.subscription = s.subscription), 0)::float8 AS oldest
             FROM unnest($1::text[]) AS s (subscription)",
        )
        .bind(subscriptions)
        .fetch_all(&self.pool)
        .await?;
        let waiting = rows.into_iter().map(|row| Waiting {
            subscription: row.subscription,
            stocks: row.stocks.unsigned_abs(),
            oldest: Duration::try_from_secs_f64(row.oldest).unwrap_or_default(),
        });
        Ok(waiting.collect())
    }

    /// Dead letters by cause.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_letters(&self) -> Result<Vec<OpenLetters>, sqlx::Error> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT subscription, cause, sum(count)::bigint
             FROM (
                 SELECT subscription, count(*) AS count,
                     CASE WHEN row_number() OVER (PARTITION BY subscription ORDER BY count(*) DESC, cause) <= $1
                         THEN cause ELSE 'other' END AS cause
                 FROM dead_letters WHERE state = 'OPEN' GROUP BY subscription, cause
             ) AS letters
             GROUP BY subscription, cause",
        )
        .bind(CAUSES)
        .fetch_all(&self.pool)
        .await?;
        let letters = rows
            .into_iter()
            .map(|(subscription, cause, count)| OpenLetters {
                subscription,
                cause,
                count: count.unsigned_abs(),
            });
        Ok(letters.collect())
    }
}
