//! What has to be looked after now and then.

use std::{collections::HashSet, time::Duration};

use adapters::{
    http::RateLimit,
    postgres::{DeliveryFigures, OpenLetters},
    telemetry::{Metrics, Surroundings},
};
use application::{Causes, metric::acl};
use tokio_util::sync::CancellationToken;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);

/// What has to be looked after now and then.
pub(super) struct Upkeep {
    pub(super) metrics: Metrics,
    pub(super) rate: RateLimit,
    pub(super) subscriptions: Vec<String>,
    pub(super) surroundings: Surroundings,
    pub(super) figures: DeliveryFigures,
}

impl Upkeep {
    pub(super) async fn run(self, stop: CancellationToken) {
        let work = async {
            // Causes that were shown: one that is gone has to go down to 0.
            let mut shown = HashSet::new();
            loop {
                self.metrics.run_upkeep();
                self.rate.forget_idle();
                self.surroundings.observe().await;
                if let Err(error) = self.observe(&mut shown).await {
                    tracing::warn!(code = "METRICS_STALE",
                        error = %Causes(&error),
                        "what waits is not known: its metrics are old"
                    );
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    async fn observe(&self, shown: &mut HashSet<(String, String)>) -> Result<(), sqlx::Error> {
        let waiting = self.figures.waiting().await?;
        for subscription in &self.subscriptions {
            let found = waiting
                .iter()
                .find(|waiting| waiting.subscription == *subscription);
            let stocks = found.map_or(0, |waiting| waiting.stocks);
            let oldest = found.map_or(Duration::ZERO, |waiting| waiting.oldest);
            metrics::gauge!(acl::HELD_STOCKS.name, "subscription" => subscription.clone())
                .set(stocks as f64);
            metrics::gauge!(acl::OLDEST_WAITING.name, "subscription" => subscription.clone())
                .set(oldest.as_secs_f64());
        }
        let letters = self.figures.open_letters().await?;
        let mut gone = std::mem::take(shown);
        for OpenLetters {
            subscription,
            cause,
            count,
        } in letters
        {
            letter(&subscription, &cause, count as f64);
            let key = (subscription, cause);
            gone.remove(&key);
            shown.insert(key);
        }
        for (subscription, cause) in gone {
            letter(&subscription, &cause, 0.0);
        }
        Ok(())
    }
}

fn letter(subscription: &str, cause: &str, count: f64) {
    let (subscription, cause) = (subscription.to_owned(), cause.to_owned());
    metrics::gauge!(acl::DEAD_LETTERS.name, "subscription" => subscription, "cause" => cause)
        .set(count);
}
