//! What a service needs around it, in figures: database, brokers, memory.

use std::time::Duration;

use application::{metric::both, ports::Cause};
use sqlx::PgPool;

use crate::{
    kafka::KafkaProbe,
    postgres::{ClockAndTransactions, clock_and_transactions, observe_pools},
};

/// Longest time for the database's answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where Linux says how much memory the process's group may take: control groups, version 2.
const GROUP_LIMIT: &str = "/sys/fs/cgroup/memory.max";
/// And how much there is at all, in kibibytes.
const MEMORY: &str = "/proc/meminfo";

/// A look at the database that takes longer has failed.
const LOOK: Duration = Duration::from_secs(10);

/// What a look gives, if it is over in time: a server that has vanished says nothing.
///
/// # Errors
/// Its own, or that it took too long.
pub async fn in_time<T, E: Into<Cause>>(
    look: impl Future<Output = Result<T, E>>,
) -> Result<T, Cause> {
    tokio::time::timeout(LOOK, look).await?.map_err(Into::into)
}

/// What a service needs around it.
pub struct Surroundings {
    /// Pools of connections, each with its name.
    pub pools: Vec<(&'static str, PgPool)>,
    /// A connection to the database that nobody else uses: a pool that is used up says nothing of the server.
    pub database: PgPool,
    /// Asks the brokers.
    pub kafka: KafkaProbe,
}

impl Surroundings {
    /// Looks at everything once.
    pub async fn observe(&self) {
        observe_pools(self.pools.iter().map(|(name, pool)| (*name, pool)));
        if let Some(limit) = memory_limit() {
            metrics::gauge!(both::MEMORY_LIMIT.name).set(limit);
        }
        let asked = tokio::time::timeout(PATIENCE, clock_and_transactions(&self.database));
        let (database, kafka) = tokio::join!(asked, self.kafka.ask());
        let database = database.ok().and_then(Result::ok);
        metrics::gauge!(both::DATABASE_UP.name).set(f64::from(u8::from(database.is_some())));
        metrics::gauge!(both::KAFKA_UP.name).set(f64::from(u8::from(kafka.is_ok())));
        if let Some(ClockAndTransactions { ahead, oldest, .. }) = database {
            metrics::gauge!(both::CLOCK_SKEW.name).set(ahead);
            metrics::gauge!(both::OLDEST_TRANSACTION.name).set(oldest);
        }
    }
}

/// Bytes that the process may take.
fn memory_limit() -> Option<f64> {
    let of_group = std::fs::read_to_string(GROUP_LIMIT).ok();
    let of_group = of_group.and_then(|text| text.trim().parse().ok());
    of_group.or_else(|| {
        let text = std::fs::read_to_string(MEMORY).ok()?;
        let total = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: f64 = total.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024.0)
    })
}
