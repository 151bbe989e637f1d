//! Proves the invariants of what is stored, at a bounded rate, for as long as the service runs.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Causes,
    metric::both,
    ports::{Cause, Clock, Inspection, Position, Violation},
};

/// Violations that are named one by one; of more only the number is said.
const NAMED: usize = 100;

/// How fast it goes.
#[derive(Debug, Clone, Copy)]
pub struct VerifierSettings {
    /// Rows looked at together.
    pub page: u32,
    /// Rows a second; none: as fast as it goes.
    pub rate: Option<u32>,
    /// Between two passes.
    pub pause: Duration,
    /// Before a page is read again that could not be read; none: that ends the pass.
    pub backoff: Option<Duration>,
}

/// Proves invariants.
pub struct Verifier {
    /// The walks of a pass.
    pub inspections: Vec<Box<dyn Inspection>>,
    /// The time.
    pub clock: Box<dyn Clock>,
    /// How fast it goes.
    pub settings: VerifierSettings,
}

/// What a pass over everything has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pass {
    /// Rows that were looked at.
    pub rows: u64,
    /// How often each invariant is violated, those included that are not.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first violations.
    pub violations: Vec<Violation>,
}

impl Verifier {
    /// Makes one pass after the other until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                match self.pass().await {
                    Ok(pass) => self.show(&pass),
                    Err(error) => unread(&error),
                }
                tokio::time::sleep(self.settings.pause).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Looks at everything once.
    ///
    /// # Errors
    /// The store's, without a backoff.
    pub async fn pass(&self) -> Result<Pass, Cause> {
        let mut pass = Pass::default();
        for inspection in &self.inspections {
            for invariant in inspection.invariants() {
                pass.counts.insert(invariant, 0);
            }
            let mut from = Some(Position::default());
            while let Some(position) = &from {
                let began = Instant::now();
                let page = match inspection.inspect(position, self.settings.page).await {
                    Ok(page) => page,
                    Err(error) => {
                        let Some(backoff) = self.settings.backoff else {
                            return Err(error);
                        };
                        unread(&error);
                        tokio::time::sleep(backoff).await;
                        continue;
                    }
                };
                pass.rows += page.rows;
                for violation in page.violations {
                    let count = pass.counts.entry(violation.invariant).or_default();
                    *count += 1;
                    // What is found is shown at once: the end of the pass may be hours away.
                    alarm(&violation, *count);
                    if pass.violations.len() < NAMED {
                        pass.violations.push(violation);
                    }
                }
                from = page.next;
                if let Some(rate) = self.settings.rate {
                    let fair = Duration::from_secs(1) * self.settings.page / rate.max(1);
                    tokio::time::sleep_until(began + fair).await;
                }
            }
        }
        Ok(pass)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and seconds are far below 2^52"
    )]
    fn show(&self, pass: &Pass) {
        for (invariant, count) in &pass.counts {
            metrics::gauge!(both::INVARIANT_VIOLATIONS.name, "invariant" => *invariant)
                .set(*count as f64);
        }
        metrics::gauge!(both::VERIFIED_ROWS.name).set(pass.rows as f64);
        metrics::gauge!(both::VERIFIED_AT.name).set(self.clock.now().unix_timestamp() as f64);
    }
}

fn unread(error: &Cause) {
    tracing::warn!(
        code = "INVARIANTS_NOT_PROVEN",
        error = %Causes(error.as_ref()),
        "a page cannot be read"
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn alarm(violation: &Violation, count: u64) {
    let Violation { invariant, subject } = violation;
    if count <= NAMED as u64 {
        tracing::error!(
            code = "INVARIANT_VIOLATED",
            invariant,
            subject,
            "what is stored cannot be right"
        );
    }
    metrics::gauge!(both::INVARIANT_VIOLATIONS.name, "invariant" => *invariant).set(count as f64);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use async_trait::async_trait;
    use time::OffsetDateTime;

    use super::*;
    use crate::ports::Inspected;

    /// Ten rows; the seventh is wrong, and the second page cannot be read at first.
    #[derive(Default)]
    struct Ten {
        failed: AtomicBool,
    }

    #[async_trait]
    impl Inspection for Ten {
        fn invariants(&self) -> &'static [&'static str] {
            &["even", "small"]
        }

        async fn inspect(&self, from: &Position, limit: u32) -> Result<Inspected, Cause> {
            if from.number == 3 && !self.failed.swap(true, SeqCst) {
                return Err("away".into());
            }
            let last = (from.number + i64::from(limit)).min(10);
            let rows = from.number + 1..=last;
            let violation = |row| Violation {
                invariant: "even",
                subject: format!("row {row}"),
            };
            Ok(Inspected {
                rows: (last - from.number).unsigned_abs(),
                next: (last < 10).then(|| Position {
                    key: String::new(),
                    number: last,
                }),
                violations: rows.filter(|row| *row == 7).map(violation).collect(),
            })
        }
    }

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> OffsetDateTime {
            OffsetDateTime::UNIX_EPOCH
        }
    }

    fn verifier(backoff: Option<Duration>) -> Verifier {
        Verifier {
            inspections: vec![Box::new(Ten::default())],
            clock: Box::new(Stopped),
            settings: VerifierSettings {
                page: 3,
                rate: Some(2),
                pause: Duration::ZERO,
                backoff,
            },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_cannot_be_read_ends_a_pass_that_nobody_watches_over() {
        let error = verifier(None).pass().await.unwrap_err();
        assert_eq!(error.to_string(), "away");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_looks_at_everything_no_faster_than_it_may() {
        let verifier = verifier(Some(Duration::from_secs(1)));
        let began = Instant::now();

        let pass = verifier.pass().await.unwrap();

        assert_eq!(pass.rows, 10);
        assert_eq!(pass.counts, BTreeMap::from([("even", 1), ("small", 0)]));
        assert_eq!(pass.violations[0].subject, "row 7");
        // Four pages of three rows, at two rows a second, and the wait for the one that could not be read.
        assert_eq!(began.elapsed(), Duration::from_secs(7));
    }
}
