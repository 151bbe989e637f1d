//! Who may go on: a command waits while a batch is under way that touches one of its stocks.

use std::collections::{HashMap, HashSet};

use domain::stock::StockId;

use super::Waiting;
use crate::stock::touched::touched;

/// So many commands make it worth to begin a batch beside another one: small batches beside each other keep the service and the
/// database busy with little.
const WORTH_A_LANE: usize = 16;

/// A batch that is under way.
pub(super) type Ticket = u64;

/// The stocks that are touched; none: it may be any, which is known when they are read.
type Stocks = Option<HashSet<StockId>>;

/// Commands that wait, and what they may wait for.
pub(super) struct Line {
    lanes: usize,
    max_batch: usize,
    /// They touch nothing that is under way, and nothing that others wait for.
    free: Vec<(Waiting, Stocks)>,
    /// They do.
    behind: Vec<(Waiting, Stocks)>,
    /// The stocks of those behind, whom nobody overtakes.
    wanted: HashSet<StockId>,
    /// One of those behind may touch any stock.
    closed: bool,
    /// The stocks of each batch.
    under_way: HashMap<Ticket, Stocks>,
    next_ticket: Ticket,
}

impl Line {
    pub(super) fn new(lanes: usize, max_batch: usize) -> Self {
        Self {
            lanes,
            max_batch,
            free: Vec::new(),
            behind: Vec::new(),
            wanted: HashSet::new(),
            closed: false,
            under_way: HashMap::new(),
            next_ticket: 0,
        }
    }

    /// How many more may join: none where no batch could begin now.
    pub(super) fn room(&self) -> usize {
        if self.under_way.len() < self.lanes {
            let waiting = self.free.len() + self.behind.len();
            self.max_batch.saturating_sub(waiting)
        } else {
            0
        }
    }

    pub(super) fn join(&mut self, waiting: Waiting) {
        let touched = touched(std::slice::from_ref(&waiting.request));
        let known = touched.reservation_ids.is_empty();
        let stocks = known.then(|| touched.stock_ids.into_iter().collect());
        self.place(waiting, stocks);
    }

    fn place(&mut self, waiting: Waiting, stocks: Stocks) {
        if !self.under_way.values().any(|batch| meet(batch, &stocks)) && !self.overtakes(&stocks) {
            self.free.push((waiting, stocks));
            return;
        }
        match &stocks {
            Some(stocks) => self.wanted.extend(stocks.iter().cloned()),
            None => self.closed = true,
        }
        self.behind.push((waiting, stocks));
    }

    fn overtakes(&self, stocks: &Stocks) -> bool {
        let stocks = stocks.as_ref();
        stocks.is_some_and(|stocks| !stocks.is_disjoint(&self.wanted))
    }

    /// The next batch, if it may begin.
    pub(super) fn next(&mut self) -> Option<(Ticket, Vec<Waiting>)> {
        let beside =
            self.under_way.len() < self.lanes && !self.closed && self.free.len() >= WORTH_A_LANE;
        if self.free.is_empty() || !(self.under_way.is_empty() || beside) {
            return None;
        }
        let rest = self.free.split_off(self.free.len().min(self.max_batch));
        let batch = std::mem::replace(&mut self.free, rest);
        let (batch, stocks): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let stocks: Option<Vec<_>> = stocks.into_iter().collect();
        let stocks = stocks.map(|stocks| stocks.into_iter().flatten().collect());
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.under_way.insert(ticket, stocks);
        self.place_again();
        Some((ticket, batch))
    }

    /// A batch is not under way any more.
    pub(super) fn ended(&mut self, ticket: Ticket) {
        self.under_way.remove(&ticket);
        self.place_again();
    }

    fn place_again(&mut self) {
        self.closed = false;
        self.wanted.clear();
        let behind = std::mem::take(&mut self.behind);
        let free = std::mem::take(&mut self.free);
        for (waiting, stocks) in behind.into_iter().chain(free) {
            self.place(waiting, stocks);
        }
    }
}

/// Whether two may touch the same stock.
fn meet(one: &Stocks, other: &Stocks) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => !one.is_disjoint(other),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::sync::oneshot;

    use super::*;
    use crate::stock::{Command, Request, RequestContext};

    fn waiting(command: Command) -> Waiting {
        let context = RequestContext {
            actor: "tester".parse().unwrap(),
            request_id: "r".into(),
            correlation_id: "c".into(),
            traceparent: "t".into(),
        };
        Waiting {
            request: Arc::new(Request {
                command,
                context,
                keyed: None,
            }),
            answer: oneshot::channel().0,
        }
    }

    fn expire(number: usize) -> Command {
        Command::ExpireDue(format!("STK-{number}").parse().unwrap())
    }

    fn of_stock(number: usize) -> Waiting {
        waiting(expire(number))
    }

    fn of_a_hold() -> Waiting {
        waiting(Command::Extend {
            reservation_id: "RSV-1".parse().unwrap(),
            ttl: Duration::from_secs(1),
        })
    }

    /// The stock of each command.
    fn stocks(batch: &[Waiting]) -> Vec<String> {
        let requests = batch.iter().map(|waiting| &waiting.request);
        let stocks = requests.flat_map(|request| touched(std::slice::from_ref(request)).stock_ids);
        stocks.map(|stock| stock.to_string()).collect()
    }

    #[test]
    fn a_batch_begins_beside_another_with_enough_commands_of_other_stocks() {
        let mut line = Line::new(2, 256);
        line.join(of_stock(0));
        let (first, batch) = line.next().unwrap();
        assert_eq!(batch.len(), 1);

        line.join(of_stock(0));
        for number in 1..WORTH_A_LANE {
            line.join(of_stock(number));
            assert!(line.next().is_none());
        }
        line.join(of_stock(WORTH_A_LANE));
        let (second, batch) = line.next().unwrap();
        let others: Vec<_> = (1..=WORTH_A_LANE).map(|n| format!("STK-{n}")).collect();
        assert_eq!(stocks(&batch), others);

        // Two are under way, so nobody is asked for more.
        assert_eq!(line.room(), 0);
        line.ended(second);
        assert_eq!(line.room(), 255);
        assert!(line.next().is_none());
        line.ended(first);
        assert_eq!(stocks(&line.next().unwrap().1), ["STK-0"]);
    }

    #[test]
    fn what_may_touch_any_stock_is_alone_and_not_overtaken() {
        let mut line = Line::new(2, 256);
        line.join(of_stock(0));
        let (first, _) = line.next().unwrap();
        line.join(of_a_hold());
        for number in 1..100 {
            line.join(of_stock(number));
        }
        assert!(line.next().is_none());

        line.ended(first);
        let (second, batch) = line.next().unwrap();
        assert_eq!(batch.len(), 100);
        for number in 100..200 {
            line.join(of_stock(number));
        }
        assert!(line.next().is_none());
        line.ended(second);
        assert_eq!(line.next().unwrap().1.len(), 100);
    }

    #[test]
    fn who_waits_for_one_of_several_stocks_is_not_overtaken_on_the_others() {
        let mut line = Line::new(2, 256);
        line.join(of_stock(0));
        let (mut ticket, _) = line.next().unwrap();
        line.join(waiting(Command::Batch([0, 1].map(expire).into())));
        // On each stock there are always enough for a batch of their own.
        for round in 0..10 {
            for _ in 0..WORTH_A_LANE {
                line.join(of_stock(1 - round % 2));
            }
            if let Some((next, _)) = line.next() {
                line.ended(ticket);
                ticket = next;
            }
        }
        assert_eq!(ticket, 0);

        line.ended(ticket);
        let (_, batch) = line.next().unwrap();
        assert_eq!(stocks(&batch)[..2], ["STK-0", "STK-1"]);
    }

    #[test]
    fn batches_under_way_never_share_a_stock_and_all_get_their_turn() {
        let mut line = Line::new(3, 64);
        let mut under_way: Vec<(Ticket, Vec<String>)> = Vec::new();
        let (mut joined, mut served, mut beside, mut seed) = (0, 0, 0, 1_usize);
        while served < 3000 {
            while joined < 3000 && line.room() > 0 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005) + 1;
                line.join(of_stock((seed >> 33) % 200));
                joined += 1;
            }
            if let Some((ticket, batch)) = line.next() {
                let stocks = stocks(&batch);
                for (_, others) in &under_way {
                    assert!(!stocks.iter().any(|stock| others.contains(stock)));
                }
                served += stocks.len();
                under_way.push((ticket, stocks));
                beside = beside.max(under_way.len());
            } else {
                assert!(!under_way.is_empty());
                let (ticket, _) = under_way.remove(seed % under_way.len());
                line.ended(ticket);
            }
        }
        assert_eq!(beside, 3);
    }
}
