//! What this instance knows of stocks without reading them: how its own newest batches left them.
//!
//! It may be old, for other instances change stocks, too. The statement that writes a batch notices; until then nothing may rest on it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use application::ports::{Decided, Loaded, Touched};
use domain::stock::{Stock, StockId};
use hashlink::LruCache;
use time::OffsetDateTime;

use super::{
    Outcome,
    places::{Place, Places},
};

/// Most stocks that are known, a few hundred bytes each; those that were changed longest ago are forgotten first.
const MOST: usize = 16_384;
/// The store's time is moved on for so long at most.
const FRESH: Duration = Duration::from_secs(1);
/// After a batch whose stocks were others than was known, so many batches are read: somebody else changes them, too. Twice as many each time
/// that it happens again, up to the second.
const PAUSES: (u32, u32) = (16, 1024);

/// Stocks as they were left.
pub(super) struct Known(Mutex<State>);

struct State {
    stocks: LruCache<StockId, (Stock, Place)>,
    /// The store's time, and when it was heard.
    clock: Option<(OffsetDateTime, Instant)>,
    /// Batches that will be read.
    to_read: u32,
    /// How many the next ones will be.
    pause: u32,
}

impl Default for Known {
    fn default() -> Self {
        Self(Mutex::new(State {
            stocks: LruCache::new(MOST),
            clock: None,
            to_read: 0,
            pause: PAUSES.0,
        }))
    }
}

impl Known {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that the batch needs to see, if it is known.
    pub(super) fn all(&self, touched: &Touched) -> Option<(Loaded, Places)> {
        let mut state = self.state();
        if let Some(left) = state.to_read.checked_sub(1) {
            state.to_read = left;
            return None;
        }
        let (told, heard) = state.clock?;
        let since = heard.elapsed();
        if since > FRESH {
            return None;
        }
        let mut places = Places::default();
        let mut stocks = Vec::with_capacity(touched.stock_ids.len());
        for id in &touched.stock_ids {
            let (stock, place) = state.stocks.get(id)?;
            stocks.push(stock.clone());
            places.insert(id.clone(), place.clone());
        }
        let loaded = Loaded {
            // The store keeps so much of it.
            now: (told + since).truncate_to_microsecond(),
            answered: Vec::new(),
            stocks,
            taken_products: Vec::new(),
            taken_orders: Vec::new(),
            reservations: Vec::new(),
        };
        Some((loaded, places))
    }

    /// How a batch that is committed left its stocks.
    pub(super) fn learn(&self, decided: &Decided, outcome: Outcome) {
        let mut state = self.state();
        state.clock = Some((outcome.at, Instant::now()));
        let rows = outcome.stock_ids.iter().map(String::as_str);
        let mut rows: HashMap<&str, String> = rows.zip(outcome.places).collect();
        // The newest state is the last one.
        for recorded in decided.changes.iter().rev() {
            let stock = &recorded.event.stock;
            if let Some(row) = rows.remove(stock.id.as_str()) {
                let place = Place::new(row, outcome.writer, stock.updated_at);
                state
                    .stocks
                    .insert(stock.id.clone(), (stock.clone(), place));
            }
        }
    }

    /// What was known was so.
    pub(super) fn was_right(&self) {
        self.state().pause = PAUSES.0;
    }

    /// These stocks were others than was known, or something was taken.
    pub(super) fn was_wrong(&self, touched: &Touched) {
        let mut state = self.state();
        for id in &touched.stock_ids {
            state.stocks.remove(id);
        }
        state.to_read = state.pause;
        state.pause = state.pause.saturating_mul(2).min(PAUSES.1);
    }
}
