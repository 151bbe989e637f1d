//! Puts the service together: the only place that names concrete adapters.

use std::{path::Path, sync::Arc, time::Duration};

use adapters::{
    clock::{SystemClock, UuidSource},
    command_line::Program,
    config::ConfigError,
    contract::WireEncoder,
    http::{
        Check, Health, HttpSettings, StockApi, management_router, public_health_router, serve,
        stock_router,
    },
    kafka::{KafkaBroker, KafkaSettings, TopicSpec},
    lifecycle::{self, BoxError, Tasks},
    postgres::{OutboxPartitions, PgOutbox, PgStockRepository, VIRTUAL_STOCK_SCHEMA, pool},
    telemetry,
};
use anyhow::Context;
use application::{
    Causes, metric,
    ports::{Clock, IdSource, Outbox, StockRepository},
    relay::{Relay, RelaySettings},
    stock::{ExecutorSettings, StockCommands, StockCommandsParts},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Between two looks at the outbox for its metrics, and two upkeeps of the histograms.
const GAUGES: Duration = Duration::from_secs(5);
/// Between two looks at the outbox's partitions.
const PARTITIONS: Duration = Duration::from_hours(1);

impl Program for Config {
    const NAME: &'static str = "virtual-stock";
    const ABOUT: &'static str =
        "The stock service: REST in front, PostgreSQL behind, events to Kafka";

    fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::read(file)
    }

    fn management(&self) -> &HttpSettings {
        &self.management
    }

    fn kafka(&self) -> &KafkaSettings {
        &self.kafka
    }

    fn topics(&self) -> Vec<TopicSpec> {
        self.own_topics()
    }

    async fn migrate(&self) -> Result<(), BoxError> {
        Ok(migrate(self).await?)
    }

    async fn serve(self) -> Result<(), BoxError> {
        Ok(serve_all(self).await?)
    }
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let pool = pool(&config.database, "virtual-stock-migrate")?;
    VIRTUAL_STOCK_SCHEMA
        .run(&pool)
        .await
        .context("the database of database.url cannot be reached or brought up to date")?;
    partitions(config, &pool)
        .maintain(SystemClock.now())
        .await?;
    Ok(())
}

fn partitions(config: &Config, pool: &sqlx::PgPool) -> OutboxPartitions {
    OutboxPartitions {
        pool: pool.clone(),
        keep_days: config.outbox.keep_days,
    }
}

async fn serve_all(config: Config) -> anyhow::Result<()> {
    let metrics = telemetry::install(&config.log)?;
    let pool = pool(&config.database, "virtual-stock")?;
    let repository: Arc<dyn StockRepository> = Arc::new(PgStockRepository::new(
        pool.clone(),
        config.executor.deadline,
    ));
    let outbox: Arc<dyn Outbox> = Arc::new(PgOutbox::new(pool.clone(), config.relay.recovery));
    let committed = Arc::new(Notify::new());
    let parts = StockCommandsParts {
        repository: Arc::clone(&repository),
        encoder: Arc::new(WireEncoder {
            topics: config.topic_names(),
        }),
        routing: config.routing()?,
        clock: Arc::new(SystemClock),
        ids: Arc::new(UuidSource),
        committed: Arc::clone(&committed),
    };
    let settings = ExecutorSettings {
        lanes: config.executor.lanes,
        max_batch: config.executor.max_batch,
        queue: config.executor.queue,
    };
    let (commands, lanes) = StockCommands::new(parts, settings);
    let relay = Relay {
        outbox: Arc::clone(&outbox),
        broker: Arc::new(KafkaBroker {
            settings: config.kafka.clone(),
        }),
        committed,
        settings: RelaySettings {
            holder: UuidSource.next().to_string(),
            lease: config.relay.lease,
            poll: config.relay.poll,
            backoff: config.relay.backoff,
            page: config.relay.page.into(),
        },
    };
    let health = health(&pool, &outbox, config.relay.lease);

    // Requests end first, so that their commits are relayed, and the lanes with them.
    let mut front = Tasks::default();
    let api = StockApi {
        commands,
        repository,
        default_currency: config.currency()?,
    };
    let routes = stock_router(api).merge(public_health_router(health.clone()));
    let stop = front.stop.clone();
    let http = config.http.clone();
    front.spawn("http", async move { serve(&http, routes, stop).await });
    for lane in lanes {
        front.run("executor", lane.run());
    }

    let mut back = Tasks::default();
    let stop = back.stop.clone();
    back.run("relay", async move { relay.run(stop).await });
    let partitions = partitions(&config, &pool);
    back.run("partitions", maintain(partitions, back.stop.clone()));
    back.run(
        "gauges",
        observe(outbox, metrics.clone(), back.stop.clone()),
    );
    let stop = back.stop.clone();
    let routes = management_router(health, metrics);
    let management = config.management.clone();
    back.spawn("management", async move {
        serve(&management, routes, stop).await
    });

    lifecycle::run(front, back, config.shutdown.drain).await?;
    Ok(())
}

fn health(pool: &sqlx::PgPool, outbox: &Arc<dyn Outbox>, patience: Duration) -> Health {
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
    Health::new(vec![database, relay])
}

async fn maintain(partitions: OutboxPartitions, stop: CancellationToken) {
    let work = async {
        loop {
            if let Err(error) = partitions.maintain(SystemClock.now()).await {
                tracing::warn!(
                    error = %Causes(&error),
                    "the outbox's partitions were not looked after"
                );
            }
            tokio::time::sleep(PARTITIONS).await;
        }
    };
    stop.run_until_cancelled(work).await;
}

async fn observe(outbox: Arc<dyn Outbox>, metrics: telemetry::Metrics, stop: CancellationToken) {
    let work = async {
        loop {
            metrics.run_upkeep();
            match outbox.backlog().await {
                Ok(backlog) => {
                    #[expect(clippy::cast_precision_loss, reason = "a backlog is far below 2^52")]
                    metrics::gauge!(metric::OUTBOX_BACKLOG).set(backlog.events as f64);
                    metrics::gauge!(metric::OUTBOX_OLDEST).set(backlog.oldest.as_secs_f64());
                }
                Err(error) => tracing::warn!(
                    error = %Causes(&error),
                    "the outbox's backlog is not known: its metrics are old"
                ),
            }
            tokio::time::sleep(GAUGES).await;
        }
    };
    stop.run_until_cancelled(work).await;
}
