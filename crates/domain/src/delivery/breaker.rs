//! When a partner is left alone, and how it is taken up again.
//!
//! The circuit breaker of M. Nygard, "Release It!": some failures in a row open it, a single call probes whether the
//! partner is back. It decides here, for one instance; that it is open is shared by all instances.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use crate::delivery::Reach;

/// Calls at once while it is not known whether the partner is down.
const SUSPICIOUS: usize = 2;
/// After it was closed, the calls at once are doubled so often at most: who has just come back is soon down again if everything
/// that has waited meets it at once.
const RAMP: Duration = Duration::from_secs(1);

/// The failures opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tripped;

/// The failures of a partner in a row, and how many calls at once it is trusted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    threshold: NonZeroU32,
    most: usize,
    failures: u32,
    /// One of the failures says of itself that it concerns the partner.
    partner_wide: bool,
    /// The stocks they happened to.
    stocks: HashSet<String>,
    /// Calls at once after it was closed.
    ramp: usize,
    /// When that was set.
    ramped_at: Instant,
}

impl Breaker {
    /// A closed breaker that opens after `threshold` failures in a row and otherwise allows `most` calls at once.
    #[must_use]
    pub fn new(threshold: NonZeroU32, most: usize, now: Instant) -> Self {
        Self {
            threshold,
            most,
            failures: 0,
            partner_wide: false,
            stocks: HashSet::new(),
            ramp: most,
            ramped_at: now,
        }
    }

    /// Calls allowed at once while it is closed.
    #[must_use]
    pub fn limit(&self) -> usize {
        let trusted = if self.failures > 0 {
            SUSPICIOUS
        } else {
            self.most
        };
        trusted.min(self.ramp).max(1)
    }

    /// The partner answered, whatever it said of the event.
    pub fn succeed(&mut self, now: Instant) {
        self.trust();
        if self.ramp < self.most && now.duration_since(self.ramped_at) >= RAMP {
            self.ramp = self.ramp.saturating_mul(2).min(self.most);
            self.ramped_at = now;
        }
    }

    /// A call for this stock failed.
    ///
    /// Failures that any stock could cause count once for each stock: some stocks that a partner chokes on must not cut off
    /// all others.
    pub fn fail(&mut self, stock: &str, reach: Reach) -> Option<Tripped> {
        if reach == Reach::Event {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        self.partner_wide |= reach == Reach::Partner;
        let threshold = usize::try_from(self.threshold.get()).unwrap_or(usize::MAX);
        if self.stocks.len() < threshold {
            self.stocks.insert(stock.to_owned());
        }
        let many = self.stocks.len() >= threshold;
        let tripped = (self.partner_wide && self.failures >= self.threshold.get()) || many;
        tripped.then_some(Tripped)
    }

    /// The partner is back: one call at once, then two, then four.
    pub fn ramp_up(&mut self, now: Instant) {
        self.trust();
        self.ramp = 1;
        self.ramped_at = now;
    }

    fn trust(&mut self) {
        self.failures = 0;
        self.partner_wide = false;
        self.stocks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(NonZeroU32::new(5).unwrap(), 64, Instant::now())
    }

    fn fail(breaker: &mut Breaker, stocks: &[&str], reach: Reach) -> Vec<bool> {
        let fail = |stock: &&str| breaker.fail(stock, reach).is_some();
        stocks.iter().map(fail).collect()
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_starts_anew() {
        for (reach, stocks, opens) in [
            (Reach::Partner, ["A", "A", "A", "A", "A"], true),
            (Reach::Unclear, ["A", "B", "C", "D", "E"], true),
            (Reach::Unclear, ["A", "B", "A", "B", "A"], false),
            (Reach::Event, ["A", "B", "C", "D", "E"], false),
        ] {
            let mut breaker = breaker();
            let opened = fail(&mut breaker, &stocks, reach);
            assert_eq!(
                opened,
                [false, false, false, false, opens],
                "{reach:?} {stocks:?}"
            );
        }

        let mut breaker = breaker();
        fail(&mut breaker, &["A", "B", "C", "D"], Reach::Partner);
        breaker.succeed(Instant::now());
        assert_eq!(
            fail(&mut breaker, &["A", "B", "C", "D"], Reach::Partner),
            [false; 4]
        );
        assert_eq!(fail(&mut breaker, &["E"], Reach::Partner), [true]);
    }

    #[test]
    fn a_few_choking_stocks_never_open_it_however_long_they_fail() {
        let mut breaker = breaker();
        for _ in 0..1000 {
            for stock in ["A", "B", "C", "D"] {
                assert_eq!(breaker.fail(stock, Reach::Unclear), None);
            }
        }
        assert_eq!(breaker.fail("E", Reach::Unclear), Some(Tripped));
    }

    #[test]
    fn few_calls_at_once_under_suspicion_and_a_ramp_after_a_failure() {
        let mut breaker = breaker();
        assert_eq!(breaker.limit(), 64);
        breaker.fail("A", Reach::Unclear);
        assert_eq!(breaker.limit(), SUSPICIOUS);
        let closed = Instant::now();
        breaker.succeed(closed);
        assert_eq!(breaker.limit(), 64);

        breaker.ramp_up(closed);
        let mut limits = vec![breaker.limit()];
        for second in 0..=7 {
            for part in [0, 999] {
                breaker.succeed(closed + RAMP * second + Duration::from_millis(part));
            }
            limits.push(breaker.limit());
        }
        assert_eq!(limits, [1, 1, 2, 4, 8, 16, 32, 64, 64]);
    }
}
