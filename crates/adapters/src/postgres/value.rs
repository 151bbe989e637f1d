//! The domain's values of what columns hold.

use std::str::FromStr;

use application::ports::RepositoryError;

/// A row's place, for errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// The table.
    pub(super) table: &'static str,
    /// The row's key.
    pub(super) id: &'a str,
}

impl<'a> Row<'a> {
    /// An error that names the column.
    pub(super) fn corrupt<E>(self, column: &'static str) -> impl FnOnce(E) -> RepositoryError + 'a
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| RepositoryError::Corrupt {
            table: self.table,
            column,
            id: self.id.to_owned(),
            source: source.into(),
        }
    }

    /// The value of a text column.
    pub(super) fn value<T>(self, column: &'static str, text: &str) -> Result<T, RepositoryError>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        text.parse().map_err(self.corrupt(column))
    }

    /// The value of a column of units.
    pub(super) fn units<T>(self, column: &'static str, units: i64) -> Result<T, RepositoryError>
    where
        T: TryFrom<u64, Error: std::error::Error + Send + Sync + 'static>,
    {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        T::try_from(units).map_err(self.corrupt(column))
    }

    /// One of an enumeration's values, by its name.
    pub(super) fn named<T: Copy>(
        self,
        column: &'static str,
        name: &str,
        all: &[T],
        name_of: fn(T) -> &'static str,
    ) -> Result<T, RepositoryError> {
        let found = all.iter().copied().find(|known| name_of(*known) == name);
        found.ok_or_else(|| self.corrupt(column)(format!("{name} is not known")))
    }
}
