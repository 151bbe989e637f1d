//! PostgreSQL: stocks and their outbox for virtual-stock, delivery state for acl.

mod activity;
mod delivery_figures;
mod delivery_store;
mod error;
mod hold_figures;
mod idempotency_keys;
mod inspections;
mod measured;
mod migrate;
mod operations;
mod outbox;
mod outbox_partitions;
mod partner_states;
mod pool;
mod reservation_row;
mod statement;
mod stock_queries;
mod stock_repository;
mod stock_row;
mod value;

pub(crate) use activity::{ClockAndTransactions, clock_and_transactions};
pub use delivery_figures::{DeliveryFigures, OpenLetters, Waiting};
pub use delivery_store::PgDeliveryStore;
pub use hold_figures::HoldFigures;
pub use idempotency_keys::IdempotencyKeys;
pub use inspections::{delivery_inspections, stock_inspections};
pub(crate) use measured::observe_pools;
pub(crate) use migrate::fit_server;
pub use migrate::{MigrationError, UnfitServer, migrate};
pub use operations::PgOperations;
pub use outbox::PgOutbox;
pub use outbox_partitions::OutboxPartitions;
pub use partner_states::PgPartnerStates;
pub use pool::{DatabaseError, DatabaseSettings, Plans, pool};
pub use stock_queries::PgStockQueries;
pub use stock_repository::PgStockRepository;

use sqlx::migrate::Migrator;

/// The schema of virtual-stock's database.
pub static VIRTUAL_STOCK_SCHEMA: Migrator = sqlx::migrate!("migrations/virtual_stock");
/// The schema of acl's database.
pub static ACL_SCHEMA: Migrator = sqlx::migrate!("migrations/acl");
