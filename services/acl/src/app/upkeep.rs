//! What has to be looked after now and then.

use std::{collections::HashSet, time::Duration};

use adapters::{
    http::RateLimit,
    postgres::{DeliveryFigures, OpenLetters},
    telemetry::{Metrics, Surroundings, in_time},
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
                let looks = [
                    in_time(self.observe_waiting()).await,
                    in_time(self.observe_letters(&mut shown)).await,
                ];
                for error in looks.into_iter().filter_map(Result::err) {
                    tracing::warn!(
                        code = "METRICS_STALE",
                        error = %Causes(error.as_ref()),
                        "what waits is not known: its metrics are old"
                    );
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    async fn observe_waiting(&self) -> Result<(), sqlx::Error> {
        for waiting in self.figures.waiting(&self.subscriptions).await? {
            let subscription = waiting.subscription;
            metrics::gauge!(acl::HELD_STOCKS.name, "subscription" => subscription.clone())
                .set(waiting.stocks as f64);
            metrics::gauge!(acl::OLDEST_WAITING.name, "subscription" => subscription)
                .set(waiting.oldest.as_secs_f64());
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    async fn observe_letters(
        &self,
        shown: &mut HashSet<(String, String)>,
    ) -> Result<(), sqlx::Error> {
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
