//! Connections to the database.

use adapters::{
    kafka::KafkaProbe,
    postgres::{Plans, pool},
    telemetry::Surroundings,
};
use sqlx::PgPool;

use crate::config::Config;

/// Names of the pools, as the database sees them.
const COMMANDS: &str = "virtual-stock";
const LISTS: &str = "virtual-stock-reads";
const BY_KEY: &str = "virtual-stock-reads-by-key";
const WATCH: &str = "virtual-stock-watch";

/// Connections, each kind with plans of its own.
pub(super) struct Pools {
    pub(super) commands: PgPool,
    pub(super) lists: PgPool,
    pub(super) by_key: PgPool,
    /// For looking at the database; its user has no other work.
    pub(super) watch: PgPool,
}

impl Pools {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let reads = config.read_database();
        Ok(Self {
            commands: pool(&config.database, COMMANDS, Plans::Keys)?,
            lists: pool(&reads, LISTS, Plans::Lists)?,
            by_key: pool(&reads, BY_KEY, Plans::Keys)?,
            watch: pool(&config.database.for_watching(), WATCH, Plans::Lists)?,
        })
    }

    pub(super) fn surroundings(&self, kafka: KafkaProbe) -> Surroundings {
        Surroundings {
            pools: vec![
                (COMMANDS, self.commands.clone()),
                (LISTS, self.lists.clone()),
                (BY_KEY, self.by_key.clone()),
            ],
            database: self.watch.clone(),
            kafka,
        }
    }
}
