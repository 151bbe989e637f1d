//! Puts the service together: the only place that names concrete adapters.

mod health;
mod pools;
mod upkeep;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use adapters::{
    clock::{SystemClock, UuidSource},
    command_line::Program,
    config::ConfigError,
    contract::{
        TopicNames, WireEncoder,
        explain::{explain, read},
    },
    doctor::{Finding, State},
    http::{
        self, Authenticator, Guards, HttpAnswers, HttpSettings, RateLimit, StockApi, serve,
        serve_management, stock_router,
    },
    kafka::{KafkaBroker, KafkaProbe, KafkaSettings, TopicSpec},
    lifecycle::{self, BoxError, Tasks},
    postgres::{
        DatabaseSettings, HoldFigures, IdempotencyKeys, OutboxPartitions, PgOutbox, PgStockQueries,
        PgStockRepository, Plans, VIRTUAL_STOCK_SCHEMA, pool, stock_inspections,
    },
    telemetry::{self, in_time},
};
use anyhow::Context;
use application::{
    Causes,
    feed::Feed,
    metric,
    ports::{Clock, IdSource, Inspection, Outbox, StockQueries, StockRepository},
    relay::{Relay, RelaySettings},
    stock::{Batches, ExecutorSettings, StockCommands, StockCommandsParts, Sweeper},
};
use domain::stock::Actor;
use sqlx::{PgPool, migrate::Migrator};
use tokio::sync::{Notify, Semaphore};

use crate::config::Config;
use health::health;
use pools::Pools;
use upkeep::{Sums, Upkeep};

/// Who ends holds whose time is over.
const OWN_NAME: &str = "virtual-stock";
/// Between two looks for events, for those who follow them live.
const FEED: Duration = Duration::from_millis(100);

/// What virtual-stock can do besides what every service can.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum More {
    /// Look at the routing rules.
    #[command(subcommand)]
    Route(Route),
    /// Print the description of the REST API (`OpenAPI` 3.1).
    Openapi,
}

/// What can be asked of the routing rules.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Route {
    /// Say which rules an event matches and which topics it goes to.
    Explain {
        /// A file with the event's value, as it is on Kafka; - reads it from the standard input.
        event: PathBuf,
    },
}

impl Config {
    fn partitions(&self, pool: &PgPool) -> OutboxPartitions {
        OutboxPartitions {
            pool: pool.clone(),
            keep_days: self.outbox.keep_days,
        }
    }
}

impl Program for Config {
    const NAME: &'static str = "virtual-stock";
    const ABOUT: &'static str =
        "The stock service: REST in front, PostgreSQL behind, events to Kafka";

    type More = More;

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

    fn database(&self) -> &DatabaseSettings {
        &self.database
    }

    fn schema(&self) -> &'static Migrator {
        &VIRTUAL_STOCK_SCHEMA
    }

    async fn examine(&self) -> Vec<Finding> {
        let looked = match pool(&self.database.for_watching(), Self::NAME, Plans::Lists) {
            Ok(pool) => in_time(self.partitions(&pool).bytes()).await,
            Err(error) => Err(error.into()),
        };
        vec![match looked {
            Ok(bytes) => {
                let limit = self.outbox.max_bytes;
                let state = if bytes > limit / 4 * 3 {
                    State::Warning
                } else {
                    State::Ok
                };
                let detail = format!("{bytes} of {limit} bytes are used");
                Finding::new("disk of the outbox", state, detail)
            }
            Err(error) => {
                let detail = Causes(error.as_ref()).to_string();
                Finding::new("disk of the outbox", State::Failed, detail)
            }
        }]
    }

    async fn migrate(&self) -> Result<(), BoxError> {
        let pool = pool(&self.database, "virtual-stock-migrate", Plans::Lists)?;
        adapters::postgres::migrate(&pool, &VIRTUAL_STOCK_SCHEMA).await?;
        Ok(self.partitions(&pool).maintain(SystemClock.now()).await?)
    }

    fn inspections(&self) -> Result<Vec<Box<dyn Inspection>>, BoxError> {
        let pool = pool(&self.database, "virtual-stock-verify", Plans::Lists)?;
        Ok(stock_inspections(&pool))
    }

    async fn more(&self, command: More) -> Result<String, BoxError> {
        match command {
            More::Route(Route::Explain { event }) => Ok(explained(self, &event)?),
            More::Openapi => Ok(http::openapi_document().to_pretty_json()?),
        }
    }

    async fn serve(self) -> Result<(), BoxError> {
        Ok(serve_all(self).await?)
    }
}

fn explained(config: &Config, event: &Path) -> anyhow::Result<String> {
    let value = if event == Path::new("-") {
        let mut value = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut value)?;
        value
    } else {
        std::fs::read(event).with_context(|| format!("{} cannot be read", event.display()))?
    };
    let explanation = explain(read(&value)?, &config.routing()?, &config.topic_names());
    let rules = explanation.rules.iter().map(|matched| {
        let kind = if matched.copy { "copy" } else { "decides" };
        format!("rule \"{}\" ({kind}): {}", matched.rule, matched.topic)
    });
    let topics = format!("topics: {}", explanation.topics.join(", "));
    Ok(rules.chain([topics]).collect::<Vec<_>>().join("\n"))
}

async fn serve_all(config: Config) -> anyhow::Result<()> {
    let telemetry = telemetry::install(
        Config::NAME,
        &config.log,
        &config.traces,
        &[metric::both::ALL, metric::virtual_stock::ALL],
    )?;
    let pools = Pools::new(&config)?;
    let repository: Arc<dyn StockRepository> = Arc::new(PgStockRepository::new(
        pools.commands.clone(),
        config.executor.deadline,
    ));
    let outbox: Arc<dyn Outbox> =
        Arc::new(PgOutbox::new(pools.commands.clone(), config.relay.recovery));
    let committed = Arc::new(Notify::new());
    let own_actor: Actor = OWN_NAME.parse()?;
    let (commands, batches) = executor(&config, &repository, &own_actor, &committed)?;
    let sweeper = sweeper(&config, commands.clone(), repository, own_actor);
    let relay = relay(&config, &outbox, committed);
    let feed = Feed::new(Arc::new(PgOutbox::new(
        pools.by_key.clone(),
        config.relay.recovery,
    )));

    let kafka = KafkaProbe::new(&config.kafka)?;
    // Requests end first, so that their commits are relayed, and the batches with them.
    let mut front = Tasks::default();
    let health = health(
        &pools.commands,
        &outbox,
        kafka.clone(),
        config.relay.lease,
        front.stop.clone(),
    );
    let rate = RateLimit::new(config.rate_limit);
    let queries: Arc<dyn StockQueries> = Arc::new(PgStockQueries::new(
        pools.lists.clone(),
        pools.by_key.clone(),
    ));
    let api = StockApi {
        commands,
        queries: Arc::clone(&queries),
        defaults: config.stock_defaults()?,
        routing: config.routing()?,
        topics: config.topic_names(),
        feed: feed.clone(),
        streams: Arc::new(Semaphore::new(config.limits.streams)),
        imports: Arc::new(Semaphore::new(config.limits.imports)),
        stop: front.stop.clone(),
    };
    let routes = stock_router(
        api,
        guards(&config, rate.clone())?,
        &config.http,
        health.clone(),
    );
    let stop = front.stop.clone();
    let http = config.http.clone();
    front.spawn("http", async move { serve(&http, routes, stop).await });
    front.run("sweeper", sweeper.run(front.stop.clone()));
    front.run("feed", feed.run(FEED, front.stop.clone()));
    front.run("executor", batches.run());

    let mut back = Tasks::default();
    let stop = back.stop.clone();
    back.run("relay", async move { relay.run(stop).await });
    let inspections = stock_inspections(&pools.lists);
    let sums = Sums {
        holds: HoldFigures {
            pool: pools.lists.clone(),
        },
        queries,
    };
    let upkeep = Upkeep {
        surroundings: pools.surroundings(kafka),
        partitions: config.partitions(&pools.commands),
        outbox_limit: config.outbox.max_bytes,
        keys: IdempotencyKeys {
            pool: pools.commands,
            keep: config.idempotency.keep,
        },
        outbox,
        metrics: telemetry.metrics.clone(),
        rate,
        holds: HoldFigures { pool: pools.watch },
    };
    back.run("sums", sums.run(back.stop.clone()));
    back.run("upkeep", upkeep.run(back.stop.clone()));
    if let Some(verifier) = config.verify.verifier(inspections) {
        back.run("verifier", verifier.run(back.stop.clone()));
    }
    let program = http::Program {
        name: Config::NAME,
        telemetry: telemetry.clone(),
    };
    serve_management(&mut back, &config.management, health, program);

    lifecycle::run(front, back, config.shutdown.drain).await?;
    Ok(())
}

fn sweeper(
    config: &Config,
    commands: StockCommands,
    repository: Arc<dyn StockRepository>,
    actor: Actor,
) -> Sweeper {
    Sweeper {
        commands,
        repository,
        ids: Arc::new(UuidSource),
        actor,
        period: config.sweep(),
    }
}

fn guards(config: &Config, rate: RateLimit) -> anyhow::Result<Guards> {
    Ok(Guards {
        authenticator: Authenticator::new(&config.auth, OWN_NAME.parse()?)?,
        rate,
        limits: config.limits,
    })
}

fn executor(
    config: &Config,
    repository: &Arc<dyn StockRepository>,
    own_actor: &Actor,
    committed: &Arc<Notify>,
) -> anyhow::Result<(StockCommands, Batches)> {
    let parts = StockCommandsParts {
        repository: Arc::clone(repository),
        encoder: Arc::new(WireEncoder {
            topics: config.topic_names(),
        }),
        routing: config.routing()?,
        answers: Arc::new(HttpAnswers),
        ids: Arc::new(UuidSource),
        own_actor: own_actor.clone(),
        committed: Arc::clone(committed),
    };
    let settings = ExecutorSettings {
        lanes: config.executor.lanes,
        max_batch: config.executor.max_batch,
        queue: config.executor.queue,
    };
    Ok(StockCommands::new(parts, settings))
}

fn relay(config: &Config, outbox: &Arc<dyn Outbox>, committed: Arc<Notify>) -> Relay {
    let TopicNames {
        high_priority,
        normal,
        critical,
        audit,
    } = config.topic_names();
    Relay {
        outbox: Arc::clone(outbox),
        broker: Arc::new(KafkaBroker {
            settings: config.kafka.clone(),
            topics: vec![high_priority, normal, critical, audit],
        }),
        committed,
        settings: RelaySettings {
            holder: UuidSource.next().to_string(),
            lease: config.relay.lease,
            poll: config.relay.poll,
            backoff: config.relay.backoff,
            page: config.relay.page.into(),
            pause: config.relay.pause,
        },
    }
}
