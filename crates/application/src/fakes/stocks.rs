//! Stocks in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use domain::stock::{Stock, StockId};

use crate::ports::{
    Decide, Decision, Loaded, OutboxMessage, Page, RepositoryError, StockQuery, StockRepository,
    Touched,
};

/// Stocks and their outbox in memory.
#[derive(Default)]
pub struct FakeStocks {
    stocks: Mutex<BTreeMap<StockId, Stock>>,
    outbox: Mutex<Vec<OutboxMessage>>,
    batches: Mutex<Vec<usize>>,
    failures: Mutex<Vec<RepositoryError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeStocks {
    /// The messages kept so far.
    #[must_use]
    pub fn outbox(&self) -> Vec<OutboxMessage> {
        lock(&self.outbox).clone()
    }

    /// The number of commands in each batch so far.
    #[must_use]
    pub fn batches(&self) -> Vec<usize> {
        lock(&self.batches).clone()
    }

    /// Lets the next commits fail with these errors, the last one first.
    pub fn fail_with(&self, errors: Vec<RepositoryError>) {
        *lock(&self.failures) = errors;
    }
}

#[async_trait]
impl StockRepository for FakeStocks {
    async fn commit(
        &self,
        touched: Touched,
        decide: Decide,
    ) -> Result<Vec<Decision>, RepositoryError> {
        // What arrives now waits for the next batch.
        tokio::task::yield_now().await;
        if let Some(error) = lock(&self.failures).pop() {
            return Err(error);
        }
        let mut stocks = lock(&self.stocks);
        let loaded = Loaded {
            stocks: touched
                .stock_ids
                .iter()
                .filter_map(|id| stocks.get(id).cloned())
                .collect(),
            taken_products: stocks
                .values()
                .map(|stock| stock.product_id.clone())
                .filter(|product| touched.product_ids.contains(product))
                .collect(),
        };
        let decisions = decide(loaded);
        for recorded in decisions.iter().flatten() {
            let stock = &recorded.event.stock;
            stocks.insert(stock.id.clone(), stock.clone());
            lock(&self.outbox).push(recorded.message.clone());
        }
        lock(&self.batches).push(decisions.len());
        Ok(decisions)
    }

    async fn find(&self, id: &StockId) -> Result<Option<Stock>, RepositoryError> {
        Ok(lock(&self.stocks).get(id).cloned())
    }

    async fn list(&self, query: &StockQuery) -> Result<Page, RepositoryError> {
        let limit = usize::from(query.limit);
        let mut stocks: Vec<Stock> = lock(&self.stocks)
            .values()
            .filter(|stock| {
                let product = query.product_id.as_deref();
                let symbol = query.symbol.as_deref();
                product.is_none_or(|wanted| wanted == stock.product_id.as_str())
                    && symbol.is_none_or(|wanted| wanted == stock.symbol.as_str())
                    && query.status.is_none_or(|wanted| wanted == stock.status())
                    && query.after.as_ref().is_none_or(|after| stock.id > *after)
            })
            .take(limit.saturating_add(1))
            .cloned()
            .collect();
        let more = stocks.len() > limit;
        stocks.truncate(limit);
        Ok(Page { stocks, more })
    }
}
