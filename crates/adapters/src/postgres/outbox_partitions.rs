//! Keeps the outbox's partitions: makes those of the days ahead, drops those that are old and wholly published.

use application::Causes;
use sqlx::{AssertSqlSafe, PgPool};
use time::{Date, Duration, OffsetDateTime, macros::format_description};

/// The outbox's partitions.
pub struct OutboxPartitions {
    /// The database.
    pub pool: PgPool,
    /// Days to keep what is published.
    pub keep_days: u16,
}

/// Days for which partitions are made in advance; each is looked into for every window of the relay.
const AHEAD: i64 = 3;

impl OutboxPartitions {
    /// Makes and drops what is due on the day of `now`.
    ///
    /// # Errors
    /// The database's error. Writes go on all the same: the default partition takes them.
    pub async fn maintain(&self, now: OffsetDateTime) -> Result<(), sqlx::Error> {
        let today = now.date();
        for offset in 0..=AHEAD {
            let day = today + Duration::days(offset);
            if let Err(error) = self.create(day).await {
                tracing::warn!(
                    code = "OUTBOX_PARTITION_NOT_MADE",
                    error = %Causes(&error),
                    table = name(day),
                    "the default partition of the outbox takes this day's events"
                );
            }
        }
        let oldest = today - Duration::days(i64::from(self.keep_days));
        for name in self.older_than(oldest).await? {
            self.drop_published(&name).await?;
        }
        Ok(())
    }

    /// Bytes that all partitions and their indexes take.
    ///
    /// # Errors
    /// The database's.
    pub async fn bytes(&self) -> Result<u64, sqlx::Error> {
        let bytes: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM pg_partition_tree('outbox')",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(bytes.unsigned_abs())
    }

    async fn create(&self, day: Date) -> Result<(), sqlx::Error> {
        let name = name(day);
        let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(&name)
            .fetch_one(&self.pool)
            .await?;
        if exists {
            return Ok(());
        }
        let next = day + Duration::days(1);
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {name} PARTITION OF outbox
             FOR VALUES FROM ('{day} 00:00:00+00') TO ('{next} 00:00:00+00')"
        );
        self.change(sql).await
    }

    /// Changes the partitions, if the table is free: every write waits behind a change that waits. The next round tries
    /// again.
    async fn change(&self, sql: String) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET LOCAL lock_timeout = '200ms'")
            .execute(&mut *transaction)
            .await?;
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    async fn older_than(&self, day: Date) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'outbox'::regclass
                 AND c.relname ~ '^outbox_[0-9]{8}$'
                 AND c.relname < $1
             ORDER BY c.relname",
        )
        .bind(name(day))
        .fetch_all(&self.pool)
        .await
    }

    async fn drop_published(&self, name: &str) -> Result<(), sqlx::Error> {
        let waiting = format!(
            "SELECT EXISTS (
                 SELECT FROM relay_checkpoint AS c
                 CROSS JOIN LATERAL (
                     SELECT txid FROM {name} WHERE txid >= pg_snapshot_xmax(c.window_from)
                     UNION ALL
                     SELECT txid FROM {name} WHERE txid = ANY (ARRAY(SELECT pg_snapshot_xip(c.window_from)))
                 ) AS waiting
             )"
        );
        let waiting: bool = sqlx::query_scalar(AssertSqlSafe(waiting))
            .fetch_one(&self.pool)
            .await?;
        if waiting {
            tracing::error!(
                code = "OUTBOX_PARTITION_KEPT",
                table = name,
                "an old partition of the outbox is not published yet"
            );
            return Ok(());
        }
        let sql = format!("DROP TABLE {name}");
        self.change(sql).await?;
        tracing::info!(
            code = "OUTBOX_PARTITION_DROPPED",
            table = name,
            "dropped a published partition of the outbox"
        );
        Ok(())
    }
}

fn name(day: Date) -> String {
    let digits = day.format(format_description!("[year][month][day]"));
    format!(
        "outbox_{}",
        digits.unwrap_or_else(|_| day.to_string().replace('-', ""))
    )
}
