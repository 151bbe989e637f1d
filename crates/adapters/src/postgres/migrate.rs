//! Brings a database's tables up to date, on a server that can be trusted with them.

use sqlx::{
    PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
};

/// The oldest server, as `server_version_num` has it.
const OLDEST: i32 = 150_000;
/// The servers of 18 before this one lose changes.
const MENDED: i32 = 180_002;

/// Why a server cannot be used; its `server_version_num`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitServer {
    /// It lacks what the statements need.
    #[error("PostgreSQL {} is too old: 15 or newer is needed", .0 / 10_000)]
    TooOld(i32),
    /// An `UPDATE` or `DELETE` that joins passes over a row that another transaction changes meanwhile
    /// (`docs/adr/0014-servers-that-lose-changes.md`).
    #[error(
        "PostgreSQL {major}.{minor} loses changes of rows that change at the same time: 18.2 or newer is needed, or an older \
         major version",
        major = .0 / 10_000, minor = .0 % 10_000
    )]
    LosesChanges(i32),
}

/// The tables could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The server is not there, or a step failed.
    #[error("the database of database.url cannot be reached or brought up to date")]
    Failed(#[from] MigrateError),
    /// The server is refused.
    #[error("the server of database.url cannot be used")]
    Unfit(#[from] UnfitServer),
}

/// Whether the server can be used. It is asked, for what a connection began with may be a pooler's memory.
///
/// # Errors
/// The server does not answer.
pub(crate) async fn fit_server(
    connection: &mut PgConnection,
) -> Result<Result<(), UnfitServer>, sqlx::Error> {
    let version = sqlx::query_scalar("SELECT current_setting('server_version_num')::integer");
    Ok(fit_version(version.fetch_one(connection).await?))
}

fn fit_version(version: i32) -> Result<(), UnfitServer> {
    match version {
        ..OLDEST => Err(UnfitServer::TooOld(version)),
        180_000..MENDED => Err(UnfitServer::LosesChanges(version)),
        _ => Ok(()),
    }
}

/// Brings the tables up to date.
///
/// # Errors
/// [`MigrationError`]; the steps before the failed one stay.
pub async fn migrate(pool: &PgPool, schema: &Migrator) -> Result<(), MigrationError> {
    let mut connection = pool.acquire().await.map_err(MigrateError::from)?;
    let fit = fit_server(&mut connection).await;
    fit.map_err(MigrateError::from)??;
    Ok(schema.run(&mut *connection).await?)
}

#[cfg(test)]
mod tests {
    use super::fit_version;

    #[test]
    fn servers_that_are_too_old_or_lose_changes_are_refused() {
        let old = fit_version(140_022).map_err(|error| error.to_string());
        assert_eq!(
            old,
            Err("PostgreSQL 14 is too old: 15 or newer is needed".to_owned())
        );
        for good in [150_000, 160_004, 170_009, 180_002, 190_000] {
            assert_eq!(fit_version(good), Ok(()), "{good}");
        }
        for bad in [180_000, 180_001] {
            let refused = fit_version(bad).map_err(|error| error.to_string());
            let expected = format!("PostgreSQL 18.{} loses", bad - 180_000);
            assert!(refused.is_err_and(|why| why.starts_with(&expected)));
        }
    }
}
