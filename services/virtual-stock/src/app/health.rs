//! What the service says of its health.

use std::{sync::Arc, time::Duration};

use adapters::{
    http::{Check, Health},
    kafka::KafkaProbe,
};
use application::ports::Outbox;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// Without the database it cannot serve; without Kafka it can, for hours.
pub(super) fn health(
    pool: &PgPool,
    outbox: &Arc<dyn Outbox>,
    kafka: KafkaProbe,
    patience: Duration,
    stop: CancellationToken,
) -> Health {
    let pool = pool.clone();
    let database = Check::new("database", true, move || {
        let pool = pool.clone();
        Box::pin(async move {
            let looked = sqlx::query("SELECT FROM stocks LIMIT 1")
                .execute(&pool)
                .await;
            looked.map(drop).map_err(|error| error.to_string())
        })
    });
    let outbox = Arc::clone(outbox);
    let relay = Check::new("relay", false, move || {
        let outbox = Arc::clone(&outbox);
        Box::pin(async move {
            let backlog = outbox.backlog().await.map_err(|error| error.to_string())?;
            if backlog.oldest <= patience {
                return Ok(());
            }
            Err(format!(
                "{} events wait for Kafka, the oldest for {} s",
                backlog.events,
                backlog.oldest.as_secs()
            ))
        })
    });
    // Kafka may be away for hours: changes are taken, and their events wait.
    let kafka = Check::new("kafka", false, move || {
        let kafka = kafka.clone();
        Box::pin(async move { kafka.ask().await.map_err(|error| error.to_string()) })
    });
    Health::new(vec![Check::serving(stop), database, relay, kafka])
}
