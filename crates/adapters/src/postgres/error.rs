//! What PostgreSQL's errors mean to the ports.

use application::ports::{RepositoryError, StoreError};

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
        // Serialization failure, deadlock, lock not available.
        Some("40001" | "40P01" | "55P03") => Kind::Contention,
        // Connection exceptions, lack of resources, operator intervention, not yet writable after a failover.
        Some(code)
            if ["08", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class)) =>
        {
            Kind::Unavailable
        }
        Some("25006") => Kind::Unavailable,
        _ => Kind::Inconsistent,
    }
}

/// An error before the commit was sent: nothing was kept.
pub(super) fn repository(error: sqlx::Error) -> RepositoryError {
    match kind(&error) {
        Kind::Conflict => RepositoryError::Conflict,
        Kind::Contention => RepositoryError::Contention(error.into()),
        Kind::Unavailable => RepositoryError::Unavailable(error.into()),
        Kind::Inconsistent => RepositoryError::Inconsistent(error.into()),
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
