//! Answers to keep, column by column.

use application::ports::Answered;
use sqlx::{Postgres, postgres::PgArguments, query::QueryAs, types::Json};

#[derive(Default)]
pub(super) struct Answers<'a> {
    principal: Vec<&'a str>,
    key: Vec<&'a str>,
    fingerprint: Vec<&'a [u8]>,
    status: Vec<i16>,
    headers: Vec<Json<&'a [(String, String)]>>,
    body: Vec<&'a [u8]>,
}

impl<'a> Answers<'a> {
    pub(super) fn of(answered: &'a [Answered]) -> Self {
        let mut answers = Self::default();
        // Keys in one order everywhere, so that two batches cannot wait for each other.
        let mut answered: Vec<_> = answered.iter().collect();
        answered.sort_by_key(|answered| &answered.key);
        for Answered {
            key,
            fingerprint,
            answer,
        } in answered
        {
            answers.principal.push(key.principal.as_str());
            answers.key.push(&key.key);
            answers.fingerprint.push(fingerprint);
            answers
                .status
                .push(i16::try_from(answer.status).unwrap_or(i16::MAX));
            answers.headers.push(Json(&answer.headers));
            answers.body.push(&answer.body);
        }
        answers
    }

    pub(super) fn len(&self) -> usize {
        self.key.len()
    }

    pub(super) fn bind<O>(
        self,
        query: QueryAs<'a, Postgres, O, PgArguments>,
    ) -> QueryAs<'a, Postgres, O, PgArguments> {
        query
            .bind(self.principal)
            .bind(self.key)
            .bind(self.fingerprint)
            .bind(self.status)
            .bind(self.headers)
            .bind(self.body)
    }
}
