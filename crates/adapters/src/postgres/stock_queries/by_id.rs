//! Stocks by their ids, for many readers in one statement: while some read, others wait, and then one of them reads for all.
//! Nobody waits for a timer, so a lone reader is not delayed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use application::ports::RepositoryError;
use domain::stock::{Stock, StockId};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::{Semaphore, oneshot};

use crate::postgres::{
    error,
    stock_row::{STOCK_COLUMNS, StockRow},
};

/// Statements at once. A second one reads while the answers of the first are handed out.
const AT_ONCE: usize = 2;

type Found = Result<Option<Arc<StockRow>>, Arc<sqlx::Error>>;

struct Wanted {
    id: StockId,
    answer: oneshot::Sender<Found>,
}

/// Those who want a stock by its id.
pub(super) struct ById {
    pool: PgPool,
    waiting: Mutex<Vec<Wanted>>,
    turns: Semaphore,
}

impl ById {
    pub(super) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            waiting: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    pub(super) async fn stock(&self, id: &StockId) -> Result<Option<Stock>, RepositoryError> {
        loop {
            let (answer, mut answered) = oneshot::channel();
            let id = id.clone();
            self.waiting(|waiting| waiting.push(Wanted { id, answer }));
            let answered = tokio::select! {
                biased;
                answered = &mut answered => answered,
                turn = self.turns.acquire() => {
                    self.read_all().await;
                    drop(turn);
                    answered.await
                }
            };
            match answered {
                Ok(Ok(row)) => return row.as_deref().map(Stock::try_from).transpose(),
                Ok(Err(shared)) => return Err(error::shared(&shared)),
                // Who read for this one has gone away.
                Err(_) => {}
            }
        }
    }

    fn waiting<T>(&self, with: impl FnOnce(&mut Vec<Wanted>) -> T) -> T {
        with(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads for all who wait.
    async fn read_all(&self) {
        let wanted = self.waiting(std::mem::take);
        let mut ids: Vec<&str> = wanted.iter().map(|wanted| wanted.id.as_str()).collect();
        if ids.is_empty() {
            return;
        }
        ids.sort_unstable();
        ids.dedup();
        let sql = format!("SELECT {STOCK_COLUMNS} FROM stocks WHERE stock_id = ANY($1)");
        let rows: Result<Vec<StockRow>, sqlx::Error> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(ids)
            .fetch_all(&self.pool)
            .await;
        let found = rows.map_err(Arc::new).map(|rows| {
            let rows = rows
                .into_iter()
                .map(|row| (row.stock_id.clone(), Arc::new(row)));
            rows.collect::<HashMap<_, _>>()
        });
        for Wanted { id, answer } in wanted {
            let found = match &found {
                Ok(rows) => Ok(rows.get(id.as_str()).cloned()),
                Err(error) => Err(Arc::clone(error)),
            };
            // A reader that has gone away needs no answer.
            drop(answer.send(found));
        }
    }
}
