//! Connections.

use std::{str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::{
    Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// A connection that was not used for so long may have been lost meanwhile.
pub(super) const RESTED: Duration = Duration::from_secs(1);

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

impl DatabaseSettings {
    /// A single connection to the same database, for looking at it.
    #[must_use]
    pub fn for_watching(&self) -> Self {
        Self {
            max_connections: 1,
            ..self.clone()
        }
    }
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

/// What statements are planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// Rows are found by their keys. A statement is planned once for a connection, for to plan it costs more than to carry it
    /// out; the plan knows nothing of the values, so these statements name the keys in a way that leaves no other plan.
    Keys,
    /// Lists and sums, too.
    Lists,
}

impl Plans {
    /// Settings of the planner.
    fn settings(self) -> [(&'static str, &'static str); 2] {
        let (sequential, mode) = match self {
            Self::Keys => ("off", "force_generic_plan"),
            Self::Lists => ("on", "auto"),
        };
        [("enable_seqscan", sequential), ("plan_cache_mode", mode)]
    }
}

/// A pool that connects when it is first used.
///
/// # Errors
/// [`DatabaseError`] if the URL is none.
pub fn pool(
    settings: &DatabaseSettings,
    name: &str,
    plans: Plans,
) -> Result<PgPool, DatabaseError> {
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
        ])
        .options(plans.settings());
    Ok(PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(settings.acquire_timeout)
        // One that was just used is there; only one that rested is asked whether it still is.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > RESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}
