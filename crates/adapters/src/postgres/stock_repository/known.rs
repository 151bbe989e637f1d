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
/// So long after a batch began the time that the store told it is moved on; so late can it be at most.
const FRESH: Duration = Duration::from_secs(1);
/// After a batch whose stocks were others than was known, so many batches are read: somebody else changes them, too. Twice as many each time
/// that it happens again.
const FIRST_PAUSE: u32 = 16;
/// Most batches that are read for it.
const LONGEST_PAUSE: u32 = 1024;

/// Stocks as they were left.
pub(super) struct Known(Mutex<State>);

struct State {
    stocks: LruCache<StockId, (Stock, Place)>,
    clock: Option<Clock>,
    /// Batches that will be read.
    to_read: u32,
    /// How many they will be when this was wrong the next time.
    pause: u32,
}

struct Clock {
    /// The store's time, before the commit of a batch.
    told: OffsetDateTime,
    /// When it was heard.
    heard: Instant,
    /// When the batch began.
    began: Instant,
}

impl Clock {
    fn is_old(&self) -> bool {
        self.began.elapsed() > FRESH
    }
}

impl Default for Known {
    fn default() -> Self {
        Self(Mutex::new(State {
            stocks: LruCache::new(MOST),
            clock: None,
            to_read: 0,
            pause: FIRST_PAUSE,
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
        let clock = state.clock.as_ref()?;
        if clock.is_old() {
            return None;
        }
        let now = clock.told + clock.heard.elapsed();
        let mut places = Places::default();
        let mut stocks = Vec::with_capacity(touched.stock_ids.len());
        for id in &touched.stock_ids {
            let (stock, place) = state.stocks.peek(id)?;
            stocks.push(stock.clone());
            places.insert(id.clone(), place.clone());
        }
        let loaded = Loaded {
            // The store keeps so much of it.
            now: now.truncate_to_microsecond(),
            answered: Vec::new(),
            stocks,
            taken_products: Vec::new(),
            taken_orders: Vec::new(),
            reservations: Vec::new(),
        };
        Some((loaded, places))
    }

    /// How a batch that began then, and is committed, left its stocks.
    pub(super) fn learn(&self, began: Instant, decided: &Decided, outcome: Outcome) {
        let mut state = self.state();
        // Of two batches beside each other, the one that was told first may be heard last. But a server's clock may be set back.
        let newer = |clock: &Clock| clock.told < outcome.at || clock.is_old();
        if state.clock.as_ref().is_none_or(newer) {
            state.clock = Some(Clock {
                told: outcome.at,
                heard: Instant::now(),
                began,
            });
        }
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
        self.state().pause = FIRST_PAUSE;
    }

    /// These stocks were others than was known, or something was taken.
    pub(super) fn was_wrong(&self, touched: &Touched) {
        let mut state = self.state();
        for id in &touched.stock_ids {
            state.stocks.remove(id);
        }
        state.to_read = state.pause;
        state.pause = state.pause.saturating_mul(2).min(LONGEST_PAUSE);
    }

    /// The store may not be the same when it is there again.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.stocks.clear();
        state.clock = None;
    }
}

#[cfg(test)]
mod tests {
    use application::fakes::contract;

    use super::*;

    fn touched() -> Touched {
        Touched {
            stock_ids: vec!["STK-1".parse().unwrap()],
            ..Touched::default()
        }
    }

    /// Learns that a batch left `STK-1` so, an hour after 1970 began.
    fn learn(known: &Known) -> Stock {
        let stock = contract::new_stock("STK-1", "P").stock;
        let change = contract::reserved(&stock, 5, Duration::from_mins(1));
        let left = change.stock.clone();
        let decided = Decided {
            changes: vec![contract::recorded(change)],
            ..Decided::default()
        };
        let outcome = Outcome {
            unchanged: true,
            at: OffsetDateTime::UNIX_EPOCH + Duration::from_hours(1),
            writer: 4_294_967_295,
            stock_ids: vec!["STK-1".to_owned()],
            places: vec!["(0,2)".to_owned()],
        };
        known.learn(Instant::now(), &decided, outcome);
        left
    }

    #[test]
    fn a_stock_is_known_as_a_batch_left_it() {
        let known = Known::default();
        assert!(known.all(&touched()).is_none());

        let left = learn(&known);

        let (loaded, places) = known.all(&touched()).unwrap();
        assert_eq!(loaded.stocks, std::slice::from_ref(&left));
        let place = places.of(&left).unwrap();
        assert_eq!((place.row.as_str(), place.writer), ("(0,2)", -1));
        let more = Touched {
            stock_ids: vec!["STK-1".parse().unwrap(), "STK-2".parse().unwrap()],
            ..Touched::default()
        };
        assert!(known.all(&more).is_none(), "not all of them are known");
    }

    #[test]
    fn time_goes_on_for_a_second() {
        let known = Known::default();
        learn(&known);
        let heard = |ago| {
            let mut state = known.state();
            let clock = state.clock.as_mut().unwrap();
            clock.heard -= ago;
            clock.began -= ago;
        };

        heard(Duration::from_millis(500));
        let (loaded, _) = known.all(&touched()).unwrap();
        let since = loaded.now - OffsetDateTime::UNIX_EPOCH - Duration::from_hours(1);
        assert!(since >= Duration::from_millis(500) && since <= FRESH);
        assert_eq!(loaded.now.nanosecond() % 1000, 0);

        // It came late by the time of a slow commit.
        known.state().clock.as_mut().unwrap().began -= Duration::from_millis(501);
        assert!(known.all(&touched()).is_none());

        // Since then the server's clock was set back.
        known.state().clock.as_mut().unwrap().told += Duration::from_hours(1);
        learn(&known);
        assert!(known.all(&touched()).is_some());
    }

    #[test]
    fn who_was_wrong_reads_for_a_while_and_longer_each_time() {
        let known = Known::default();
        let batches_until_known = || (0_u32..=2000).find(|_| known.all(&touched()).is_some());
        learn(&known);
        for pause in [16, 32, 64, 128, 256, 512, 1024, 1024] {
            known.was_wrong(&touched());
            learn(&known);
            assert_eq!(batches_until_known(), Some(pause));
        }
        known.was_right();
        known.forget();
        assert!(known.all(&touched()).is_none(), "all is forgotten");
        learn(&known);

        known.was_wrong(&touched());
        for _ in 0..16 {
            assert!(known.all(&touched()).is_none());
        }
        assert!(known.all(&touched()).is_none(), "it is forgotten");
    }
}
