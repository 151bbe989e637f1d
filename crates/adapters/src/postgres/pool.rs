//! Connections.

use std::{str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How to reach the database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// Most connections at once.
    pub max_connections: u32,
    /// Longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// Longest wait for a lock.
    #[serde(with = "humantime_serde")]
    pub lock_timeout: Duration,
    /// Longest time for a statement; none: as long as it takes.
    #[serde(default, with = "humantime_serde::option")]
    pub statement_timeout: Option<Duration>,
}

/// The settings name no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Another scheme, or none.
    #[error("configuration: database.url must begin with postgres:// or postgresql://")]
    Scheme,
    /// The rest of it.
    #[error("configuration: database.url is not a PostgreSQL URL")]
    Url(#[source] sqlx::Error),
}

/// A pool that connects when it is first used.
///
/// # Errors
/// [`DatabaseError`] if the URL is none.
pub fn pool(settings: &DatabaseSettings, name: &str) -> Result<PgPool, DatabaseError> {
    let url = settings.url.expose_secret();
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err(DatabaseError::Scheme);
    }
    let lock_timeout = format!("{}ms", settings.lock_timeout.as_millis());
    // 0 is none.
    let statement_timeout = settings.statement_timeout.unwrap_or_default();
    let statement_timeout = format!("{}ms", statement_timeout.as_millis());
    let options = PgConnectOptions::from_str(url)
        .map_err(DatabaseError::Url)?
        .application_name(name)
        .options([
            ("lock_timeout", lock_timeout.as_str()),
            ("statement_timeout", statement_timeout.as_str()),
            ("idle_in_transaction_session_timeout", "30s"),
            // Unlike the planner's estimate for it, no statement here runs long enough to earn compilation.
            ("jit", "off"),
        ]);
    Ok(PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(settings.acquire_timeout)
        .connect_lazy_with(options))
}
