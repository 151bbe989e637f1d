//! Stocks in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use domain::stock::{Reservation, ReservationId, Stock, StockId, StockUpdatedEvent};
use time::OffsetDateTime;

use crate::ports::{
    Answered, Decide, Decided, IdempotencyKey, Loaded, Movement, OutboxMessage, Page,
    RepositoryError, ReservationQuery, StockPlace, StockQueries, StockQuery, StockRepository,
    StockStats, Touched,
};

/// Stocks, their reservations, their ledger and their outbox in memory.
#[derive(Default)]
pub struct FakeStocks {
    kept: Mutex<Kept>,
    batches: Mutex<Vec<usize>>,
    failures: Mutex<Vec<RepositoryError>>,
}

#[derive(Default)]
struct Kept {
    now: Option<OffsetDateTime>,
    stocks: BTreeMap<StockId, Stock>,
    reservations: BTreeMap<ReservationId, Reservation>,
    events: Vec<StockUpdatedEvent>,
    outbox: Vec<OutboxMessage>,
    answered: HashMap<IdempotencyKey, Answered>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeStocks {
    /// The messages kept so far.
    #[must_use]
    pub fn outbox(&self) -> Vec<OutboxMessage> {
        lock(&self.kept).outbox.clone()
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

    /// Sets the store's time, which otherwise stands at the beginning of 1970.
    pub fn set_now(&self, now: OffsetDateTime) {
        lock(&self.kept).now = Some(now);
    }
}

impl Kept {
    fn now(&self) -> OffsetDateTime {
        self.now.unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    fn load(&self, touched: &Touched) -> Loaded {
        let now = self.now();
        let named = |id: &ReservationId| self.reservations.get(id);
        let of_named = touched.reservation_ids.iter().filter_map(named);
        let mut ids: Vec<&StockId> = touched.stock_ids.iter().collect();
        ids.extend(of_named.map(|held| &held.stock_id));
        ids.sort_unstable();
        ids.dedup();
        let stocks: Vec<Stock> = ids
            .into_iter()
            .filter_map(|id| self.stocks.get(id).cloned())
            .collect();
        let short = |stock: &Stock| {
            let wanted = touched.wanted.get(&stock.id);
            wanted.is_some_and(|wanted| *wanted > stock.available().get())
        };
        let of_interest = |held: &&Reservation| {
            let stock = stocks.iter().find(|stock| stock.id == held.stock_id);
            touched.reservation_ids.contains(&held.id)
                || (held.is_due(now) && touched.expiring.contains(&held.stock_id))
                || (stock.is_some_and(short))
        };
        let answered = touched.keys.iter();
        let products = self.stocks.values().map(|stock| stock.product_id.clone());
        let orders = self.reservations.values().filter_map(|held| {
            let order = held.order.as_ref()?;
            Some((held.holder.clone(), order.order.clone()))
        });
        Loaded {
            now,
            answered: answered
                .filter_map(|key| self.answered.get(key).cloned())
                .collect(),
            taken_products: products
                .filter(|product| touched.product_ids.contains(product))
                .collect(),
            taken_orders: orders
                .filter(|order| touched.orders.contains(order))
                .collect(),
            reservations: self
                .reservations
                .values()
                .filter(of_interest)
                .cloned()
                .collect(),
            stocks,
        }
    }

    fn keep(&mut self, decided: &Decided) {
        for held in &decided.extended {
            self.reservations.insert(held.id.clone(), held.clone());
        }
        for recorded in &decided.changes {
            let stock = &recorded.event.stock;
            self.stocks.insert(stock.id.clone(), stock.clone());
            if let Some(held) = recorded.event.change.reservation() {
                self.reservations.insert(held.id.clone(), held.clone());
            }
            self.events.push(recorded.event.clone());
            self.outbox.push(recorded.message.clone());
        }
        for answered in &decided.answered {
            self.answered.insert(answered.key.clone(), answered.clone());
        }
    }
}

#[async_trait]
impl StockRepository for FakeStocks {
    async fn commit(&self, touched: Touched, decide: Decide) -> Result<Decided, RepositoryError> {
        // What arrives now waits for the next batch.
        tokio::task::yield_now().await;
        if let Some(error) = lock(&self.failures).pop() {
            return Err(error);
        }
        let mut kept = lock(&self.kept);
        let decided = decide(kept.load(&touched));
        kept.keep(&decided);
        lock(&self.batches).push(decided.decisions.len());
        Ok(decided)
    }

    async fn with_due_holds(&self, limit: u16) -> Result<Vec<StockId>, RepositoryError> {
        let kept = lock(&self.kept);
        let due = kept.reservations.values();
        let mut due: Vec<_> = due
            .filter(|held| held.is_due(kept.now()))
            .map(|held| (held.expires_at, held.stock_id.clone()))
            .collect();
        due.sort_unstable();
        let mut stocks: Vec<StockId> = Vec::new();
        for (_, stock_id) in due {
            if !stocks.contains(&stock_id) {
                stocks.push(stock_id);
            }
        }
        stocks.truncate(usize::from(limit));
        Ok(stocks)
    }
}

fn behind<T: PartialOrd>(item: &T, after: Option<&T>, descending: bool) -> bool {
    after.is_none_or(|after| {
        if descending {
            item < after
        } else {
            item > after
        }
    })
}

#[async_trait]
impl StockQueries for FakeStocks {
    async fn stock(&self, id: &StockId) -> Result<Option<Stock>, RepositoryError> {
        Ok(lock(&self.kept).stocks.get(id).cloned())
    }

    async fn stock_as_of(
        &self,
        id: &StockId,
        at: OffsetDateTime,
    ) -> Result<Option<Stock>, RepositoryError> {
        let kept = lock(&self.kept);
        let mut events = kept.events.iter();
        let then = events.rfind(|event| event.stock.id == *id && event.occurred_at <= at);
        Ok(then.map(|event| event.stock.clone()))
    }

    async fn stocks(&self, query: &StockQuery) -> Result<Page<Stock>, RepositoryError> {
        let kept = lock(&self.kept);
        let place = |stock: &Stock| {
            let place = StockPlace::of(stock, query.sort);
            // Times are numbers, of which the longer is the greater.
            let number: Option<i64> = place.value.parse().ok();
            (number, place.value, place.stock_id)
        };
        let after = query.after.as_ref().map(|after| {
            let number: Option<i64> = after.value.parse().ok();
            (number, after.value.clone(), after.stock_id.clone())
        });
        let mut stocks: Vec<Stock> = kept
            .stocks
            .values()
            .filter(|stock| {
                let product = query.product_id.as_deref();
                let symbol = query.symbol.as_deref();
                product.is_none_or(|wanted| wanted == stock.product_id.as_str())
                    && symbol.is_none_or(|wanted| wanted == stock.symbol.as_str())
                    && (query.statuses.is_empty() || query.statuses.contains(&stock.status()))
                    && query
                        .updated_since
                        .is_none_or(|since| stock.updated_at >= since)
                    && behind(&place(stock), after.as_ref(), query.descending)
            })
            .cloned()
            .collect();
        stocks.sort_by_key(place);
        if query.descending {
            stocks.reverse();
        }
        Ok(Page::of(stocks, query.limit))
    }

    async fn stats(&self) -> Result<StockStats, RepositoryError> {
        let kept = lock(&self.kept);
        let mut by_status = HashMap::new();
        let mut by_currency = BTreeMap::new();
        let mut units_reserved = 0_u64;
        for stock in kept.stocks.values() {
            *by_status.entry(stock.status()).or_insert(0_u64) += 1;
            let value = stock.unit_price.total(stock.quantity);
            let sum = by_currency.entry(stock.currency.to_string());
            sum.and_modify(|sum| *sum += value).or_insert(value);
            units_reserved += stock.reserved.get();
        }
        let total_value = by_currency.into_iter();
        Ok(StockStats {
            by_status: by_status.into_iter().collect(),
            units_reserved,
            total_value: total_value
                .map(|(currency, value)| (currency, value.to_string()))
                .collect(),
        })
    }

    async fn movements(
        &self,
        id: &StockId,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Option<Page<Movement>>, RepositoryError> {
        let kept = lock(&self.kept);
        if !kept.stocks.contains_key(id) {
            return Ok(None);
        }
        let events = kept.events.iter().rev().filter(|event| {
            let version = event.stock.version.get();
            event.stock.id == *id && before.is_none_or(|before| version < before)
        });
        Ok(Some(Page::of(events.map(Movement::from).collect(), limit)))
    }

    async fn reservation(
        &self,
        id: &ReservationId,
    ) -> Result<Option<Reservation>, RepositoryError> {
        Ok(lock(&self.kept).reservations.get(id).cloned())
    }

    async fn reservations(
        &self,
        query: &ReservationQuery,
    ) -> Result<Page<Reservation>, RepositoryError> {
        let kept = lock(&self.kept);
        let found = kept.reservations.values().rev().filter(|held| {
            let order = held.order.as_ref().map(|line| &line.order);
            query
                .stock_id
                .as_ref()
                .is_none_or(|id| *id == held.stock_id)
                && query.state.is_none_or(|state| state == held.state)
                && query
                    .holder
                    .as_ref()
                    .is_none_or(|holder| *holder == held.holder)
                && (query.client_order_id.is_none() || query.client_order_id.as_ref() == order)
                && query.after.as_ref().is_none_or(|after| held.id < *after)
        });
        Ok(Page::of(found.cloned().collect(), query.limit))
    }
}
