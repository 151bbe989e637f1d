//! What PostgreSQL's errors mean to the ports.

use std::{borrow::Cow, sync::Arc};

use application::ports::{Cause, RepositoryError, StoreError};

/// SQLSTATE of a lock that was not had within `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The SQLSTATE, if the server said one.
fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// What an error says of the transaction it happened in.
enum Kind {
    Conflict,
    Contention,
    Unavailable,
    Inconsistent,
}

/// Classes of SQLSTATE (PostgreSQL, Appendix A). What says nothing about the database itself is a lost connection.
fn kind(error: &sqlx::Error) -> Kind {
    let Some(database) = error.as_database_error() else {
        return match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::RowNotFound => Kind::Inconsistent,
            _ => Kind::Unavailable,
        };
    };
    match database.code().as_deref() {
        Some("23505") => Kind::Conflict,
        // Serialization failure, deadlock: the next attempt may work at once.
        Some("40001" | "40P01") => Kind::Contention,
        // Somebody holds a lock for longer than lock_timeout: each attempt would wait as long again.
        Some(LOCK_NOT_AVAILABLE) => Kind::Unavailable,
        // Connection exceptions, lack of resources, operator intervention, system errors.
        Some(code)
            if ["08", "53", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class)) =>
        {
            Kind::Unavailable
        }
        // Read-only for now; the session idled in a transaction for too long.
        Some("25006" | "25P03") => Kind::Unavailable,
        _ => Kind::Inconsistent,
    }
}

/// An error before the commit was sent: nothing was kept.
pub(super) fn repository(error: sqlx::Error) -> RepositoryError {
    of(&kind(&error), error.into())
}

/// The same for an error that several have met together.
pub(super) fn shared(error: &Arc<sqlx::Error>) -> RepositoryError {
    of(&kind(error), Arc::clone(error).into())
}

fn of(kind: &Kind, cause: Cause) -> RepositoryError {
    match kind {
        Kind::Conflict => RepositoryError::Conflict,
        Kind::Contention => RepositoryError::Contention(cause),
        Kind::Unavailable => RepositoryError::Unavailable(cause),
        Kind::Inconsistent => RepositoryError::Inconsistent(cause),
    }
}

/// An error while taking idempotency keys: who waits too long, waits for a request of the same key.
pub(super) fn key(error: sqlx::Error) -> RepositoryError {
    if code(&error).as_deref() == Some(LOCK_NOT_AVAILABLE) {
        return RepositoryError::KeyInUse(error.into());
    }
    repository(error)
}

/// An error of a statement that commits itself, which waits for nobody long: what the server refuses was undone; whatever else
/// happens leaves the outcome open.
pub(super) fn committing(error: sqlx::Error) -> RepositoryError {
    match code(&error).as_deref() {
        Some(LOCK_NOT_AVAILABLE) => RepositoryError::Contention(error.into()),
        Some(code) if !(code.starts_with("08") || code.starts_with("57P")) => repository(error),
        _ => RepositoryError::OutcomeUnknown(error.into()),
    }
}

/// An error of the commit itself: a lost connection leaves its outcome open.
pub(super) fn commit(error: sqlx::Error) -> RepositoryError {
    match kind(&error) {
        Kind::Unavailable => RepositoryError::OutcomeUnknown(error.into()),
        Kind::Conflict | Kind::Contention | Kind::Inconsistent => repository(error),
    }
}

/// An error of the delivery store: all but unreadable data may pass.
pub(super) fn store(table: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match kind(&error) {
        Kind::Inconsistent => StoreError::Corrupt {
            table,
            source: error.into(),
        },
        Kind::Conflict | Kind::Contention | Kind::Unavailable => {
            StoreError::Unavailable(error.into())
        }
    }
}
