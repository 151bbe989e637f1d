//! What was read and not yet taken, by urgency: a backlog of one topic holds up no topic before it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Every so many items the least urgent one goes first, so that none waits for ever.
const FAIR: u64 = 8;

struct State<T> {
    /// The most urgent first.
    levels: Vec<VecDeque<T>>,
    taken: u64,
    probes: usize,
    closed: bool,
}

/// A queue per level of urgency.
pub(super) struct Queues<T> {
    state: Mutex<State<T>>,
    news: Notify,
}

impl<T> Queues<T> {
    /// Empty queues of so many levels.
    pub(super) fn new(levels: usize) -> Self {
        let state = State {
            levels: (0..levels).map(|_| VecDeque::new()).collect(),
            taken: 0,
            probes: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            news: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item behind the others of its level; returns how many wait there now.
    pub(super) fn push(&self, level: usize, item: T) -> usize {
        let mut state = self.state();
        let Some(queue) = state.levels.get_mut(level) else {
            return 0;
        };
        queue.push_back(item);
        let waiting = queue.len();
        drop(state);
        self.news.notify_one();
        waiting
    }

    /// How many items wait at a level.
    pub(super) fn waiting(&self, level: usize) -> usize {
        self.state().levels.get(level).map_or(0, VecDeque::len)
    }

    /// What `of` says of the first item of each level.
    pub(super) fn first<U>(&self, of: impl Fn(&T) -> Option<U>) -> Vec<U> {
        let state = self.state();
        let first = state.levels.iter().filter_map(VecDeque::front);
        first.filter_map(of).collect()
    }

    /// Nothing more comes; what waits is dropped.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.levels.iter_mut().for_each(VecDeque::clear);
        drop(state);
        self.news.notify_one();
    }

    /// Waits until something can be taken, or the queues are closed.
    pub(super) async fn ready(&self) {
        loop {
            let ready = {
                let state = self.state();
                state.closed || state.levels.iter().any(|queue| !queue.is_empty())
            };
            if ready {
                // The permit that may have woken this call belongs to whoever takes.
                self.news.notify_one();
                return;
            }
            self.news.notified().await;
        }
    }

    /// Waits for something that `wanted` takes, and returns up to `limit` of that; `None` once the queues are closed.
    pub(super) async fn take<U>(
        &self,
        limit: usize,
        wanted: impl FnMut(T) -> Option<U>,
    ) -> Option<Vec<U>> {
        self.take_by(State::next, limit, wanted).await
    }

    /// The same for one item of any level.
    pub(super) async fn take_any<U>(&self, wanted: impl FnMut(T) -> Option<U>) -> Option<Vec<U>> {
        self.take_by(State::any, 1, wanted).await
    }

    async fn take_by<U>(
        &self,
        next: fn(&mut State<T>) -> Option<T>,
        limit: usize,
        mut wanted: impl FnMut(T) -> Option<U>,
    ) -> Option<Vec<U>> {
        loop {
            let mut taken = Vec::new();
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                while taken.len() < limit
                    && let Some(item) = next(&mut state)
                {
                    taken.extend(wanted(item));
                }
            }
            if !taken.is_empty() {
                return Some(taken);
            }
            self.news.notified().await;
        }
    }
}

impl<T> State<T> {
    /// The most urgent item; now and then one of each level in turn.
    fn next(&mut self) -> Option<T> {
        let levels = u64::try_from(self.levels.len()).unwrap_or(1).max(1);
        let fair = self.taken % FAIR == FAIR - 1;
        let first = if fair {
            usize::try_from(self.taken / FAIR % levels).unwrap_or(0)
        } else {
            0
        };
        let (before, from) = self.levels.split_at_mut(first);
        let mut queues = from.iter_mut().chain(before);
        let item = queues.find(|queue| !queue.is_empty())?.pop_front();
        self.taken = self.taken.wrapping_add(1);
        item
    }

    /// An item of each level in turn, the least urgent first: what is due again has failed before.
    fn any(&mut self) -> Option<T> {
        let levels = self.levels.len().max(1);
        let last = levels - 1 - self.probes % levels;
        self.probes = self.probes.wrapping_add(1);
        let (from, behind) = self.levels.split_at_mut(last + 1);
        let mut queues = from.iter_mut().rev().chain(behind.iter_mut().rev());
        queues.find(|queue| !queue.is_empty())?.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_most_urgent_goes_first_and_none_waits_for_ever() {
        let queues = Queues::new(3);
        for n in 0..20 {
            queues.push(1, ("normal", n));
        }
        for n in 0..20 {
            queues.push(0, ("urgent", n));
        }

        for n in 0..20 {
            queues.push(2, ("idle", n));
        }

        let taken = queues.take(24, Some).await.unwrap();

        let of = |wanted| taken.iter().filter(|(level, _)| *level == wanted).count();
        assert_eq!((of("urgent"), of("normal"), of("idle")), (20, 3, 1));
        let fair = [taken[7], taken[15], taken[23]];
        assert_eq!(fair, [("urgent", 7), ("normal", 0), ("idle", 0)]);
        let mut probes = Vec::new();
        for _ in 0..3 {
            probes.extend(queues.take_any(Some).await.unwrap());
        }
        assert_eq!(probes, [("idle", 1), ("normal", 3), ("idle", 2)]);
    }

    #[tokio::test]
    async fn what_is_not_wanted_any_more_is_passed_over() {
        let queues = Queues::new(1);
        for n in 0..10 {
            queues.push(0, n);
        }

        let taken = queues.take(3, |n| (n % 2 == 0).then_some(n)).await;

        assert_eq!(taken, Some(vec![0, 2, 4]));
        queues.close();
        queues.ready().await;
        assert_eq!(queues.take(3, Some).await, None);
    }
}
