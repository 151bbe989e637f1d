//! Puts the service together: the only place that names concrete adapters.

use std::{path::Path, sync::Arc, time::Duration};

use adapters::{
    clock::SystemClock,
    command_line::{NoMore, Program},
    config::ConfigError,
    contract::WireFormat,
    http::{
        self, Check, Health, HttpSettings, bounded, management_router, public_health_router, serve,
    },
    kafka::{ConsumerSettings, KafkaBroker, KafkaSettings, TopicSpec, consume},
    lifecycle::{self, BoxError, Tasks},
    partner::TradingPartner,
    postgres::{ACL_SCHEMA, PgDeliveryStore, pool},
    telemetry,
};
use anyhow::Context;
use application::{
    delivery::{Dispatch, Subscription, SubscriptionSettings},
    ports::DeliveryStore,
};

use crate::config::Config;

/// Between two upkeeps of the histograms.
const UPKEEP: Duration = Duration::from_secs(5);

impl Program for Config {
    const NAME: &'static str = "acl";
    const ABOUT: &'static str =
        "The anti-corruption layer: events from Kafka, calls to the partner, state in PostgreSQL";

    type More = NoMore;

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

    fn more(&self, command: NoMore) -> Result<String, BoxError> {
        match command {}
    }

    async fn serve(self) -> Result<(), BoxError> {
        Ok(serve_all(self).await?)
    }
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let pool = pool(&config.database, "acl-migrate")?;
    ACL_SCHEMA
        .run(&pool)
        .await
        .context("the database of database.url cannot be reached or brought up to date")
}

async fn serve_all(config: Config) -> anyhow::Result<()> {
    let telemetry = telemetry::install(&config.log)?;
    let pool = pool(&config.database, "acl")?;
    let settings = &config.subscription;
    let store: Arc<dyn DeliveryStore> = Arc::new(PgDeliveryStore::new(
        pool.clone(),
        settings.name.clone(),
        settings.claim_lease,
    ));
    let format = WireFormat {
        subscription: settings.name.clone(),
        retry_topic: config.retry_topic(),
        dead_letter_topic: config.dead_letter_topic(),
    };
    let subscription = Arc::new(Subscription {
        store: Arc::clone(&store),
        partner: Arc::new(TradingPartner::new(&config.partner)?),
        clock: Arc::new(SystemClock),
        settings: SubscriptionSettings {
            name: settings.name.clone(),
            concurrency: settings.concurrency,
            max_batch: settings.max_batch,
            backoff: settings.backoff,
            run_for: settings.claim_lease / 4,
            schedule: config.schedule()?,
        },
    });
    let dispatch = Dispatch {
        store,
        broker: Arc::new(KafkaBroker {
            settings: config.kafka.clone(),
        }),
        format: Arc::new(format.clone()),
        poll: settings.retry_poll,
        backoff: settings.backoff,
    };
    let consumer = ConsumerSettings {
        group: settings.group.clone(),
        topics: config.sources(),
        queue: settings.queue,
        drain: config.shutdown.drain,
    };

    // Deliveries end first, so that what they leave to be retried or buried can still be published.
    let mut front = Tasks::default();
    let stop = front.stop.clone();
    let (inbox, reader) = consume(&config.kafka, consumer, format, stop.clone())?;
    front.spawn("deliveries", subscription.run(inbox, stop));
    front.spawn("consumer", async move {
        let joined = tokio::task::spawn_blocking(move || reader.join()).await?;
        joined.map_err(|_| anyhow::anyhow!("the consumer's thread panicked"))
    });

    let mut back = Tasks::default();
    let stop = back.stop.clone();
    back.run("dispatch", async move { dispatch.run(stop).await });
    let stop = back.stop.clone();
    let upkeep = telemetry.metrics.clone();
    back.run("upkeep", async move {
        let work = async {
            loop {
                upkeep.run_upkeep();
                tokio::time::sleep(UPKEEP).await;
            }
        };
        stop.run_until_cancelled(work).await;
    });
    let health = Health::new(vec![Check::new("database", true, move || {
        let pool = pool.clone();
        Box::pin(async move {
            let looked = sqlx::query("SELECT FROM external_stocks LIMIT 1")
                .execute(&pool)
                .await;
            looked.map(drop).map_err(|error| error.to_string())
        })
    })]);
    let stop = back.stop.clone();
    let http = config.http.clone();
    let routes = bounded(public_health_router(health.clone()), &http);
    back.spawn("http", async move { serve(&http, routes, stop).await });
    let stop = back.stop.clone();
    let management = config.management.clone();
    let program = http::Program {
        name: Config::NAME,
        telemetry,
    };
    let routes = bounded(management_router(health, program), &management);
    back.spawn("management", async move {
        serve(&management, routes, stop).await
    });

    lifecycle::run(front, back, config.shutdown.drain + Duration::from_secs(5)).await?;
    Ok(())
}
