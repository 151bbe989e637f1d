//! Puts the service together: the only place that names concrete adapters.

mod certificates;
mod dry_run;
mod operators;
mod subscriptions;
mod upkeep;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use adapters::{
    command_line::Program,
    config::ConfigError,
    doctor::Finding,
    http::{
        self, AclApi, AclGuards, Authenticator, Check, Health, HttpSettings, PartnerFacts,
        RateLimit, acl_router, serve, serve_management,
    },
    kafka::{KafkaProbe, KafkaSettings, Reads, TopicSpec},
    lifecycle::{self, BoxError, Tasks},
    partner::LIFECYCLE_POLICIES,
    postgres::{
        ACL_SCHEMA, DatabaseSettings, DeliveryFigures, PgOperations, Plans, delivery_inspections,
        pool,
    },
    telemetry::{self, Surroundings},
};
use sqlx::migrate::Migrator;

use application::{metric, ports::Inspection};

use crate::config::{Config, OrderingSetting};
use certificates::{Certificates, examine};
use upkeep::Upkeep;

/// Connections of operators.
const OPERATORS: u32 = 4;
/// What acl calls itself where it acts.
const OWN_NAME: &str = "acl";

/// What acl can do besides what every service can.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum More {
    /// Say what each partner would be told of the golden events, or of one event. Nothing is sent.
    DryRun {
        /// Only this subscription.
        #[arg(long)]
        subscription: Option<String>,
        /// A file with an event: an object of headers, key and value, as in docs/contracts.
        #[arg(long)]
        event: Option<PathBuf>,
    },
    /// Print the description of the operators' REST API (`OpenAPI` 3.1).
    Openapi,
    /// Ask a running acl, or let it do something: partners, dead letters, deliveries.
    Operate(Box<operators::At>),
    /// Print the policy that keeps the audit indices for 90 days.
    LifecyclePolicy {
        /// `elasticsearch` or `opensearch`.
        product: String,
    },
}

impl Program for Config {
    const NAME: &'static str = "acl";
    const ABOUT: &'static str =
        "The anti-corruption layer: events from Kafka, calls to partners, state in PostgreSQL";

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

    fn check(&self) -> Result<(), BoxError> {
        for named in self.enabled() {
            let setting = format!("{}.target", named.setting);
            named.settings.target.connect(&setting, &self.profiles)?;
        }
        Ok(())
    }

    fn database(&self) -> &DatabaseSettings {
        &self.database
    }

    fn schema(&self) -> &'static Migrator {
        &ACL_SCHEMA
    }

    fn reads(&self) -> Vec<Reads> {
        let reads = self.enabled().map(|named| Reads {
            group: self.prefixed(&named.settings.group),
            topics: self.topics_of(named.settings),
        });
        reads.collect()
    }

    async fn examine(&self) -> Vec<Finding> {
        let looks = self.enabled().map(async |named| examine(&named).await);
        futures::future::join_all(looks).await
    }

    async fn migrate(&self) -> Result<(), BoxError> {
        let pool = pool(&self.database, "acl-migrate", Plans::Lists)?;
        Ok(adapters::postgres::migrate(&pool, &ACL_SCHEMA).await?)
    }

    fn inspections(&self) -> Result<Vec<Box<dyn Inspection>>, BoxError> {
        let pool = pool(&self.database, "acl-verify", Plans::Lists)?;
        Ok(delivery_inspections(&pool))
    }

    async fn more(&self, command: More) -> Result<String, BoxError> {
        match command {
            More::DryRun {
                subscription,
                event,
            } => Ok(dry_run::run(
                self,
                subscription.as_deref(),
                event.as_deref(),
            )?),
            More::Openapi => Ok(http::acl_openapi_document().to_pretty_json()?),
            More::Operate(at) => Ok(operators::ask(self, *at).await?),
            More::LifecyclePolicy { product } => {
                let mut known = LIFECYCLE_POLICIES.iter();
                let policy = known.find(|(name, _)| *name == product);
                let (_, policy) = policy.ok_or("it has to be elasticsearch or opensearch")?;
                Ok(policy.trim_end().to_owned())
            }
        }
    }

    async fn serve(self) -> Result<(), BoxError> {
        Ok(serve_all(self).await?)
    }
}

async fn serve_all(config: Config) -> anyhow::Result<()> {
    let telemetry = telemetry::install(
        Config::NAME,
        &config.log,
        &config.traces,
        &[metric::both::ALL, metric::acl::ALL],
    )?;
    let pool = pool(&config.database, "acl", Plans::Keys)?;

    // What operators ask for does not keep deliveries waiting.
    let operators = DatabaseSettings {
        max_connections: OPERATORS,
        statement_timeout: Some(config.http.request_timeout),
        ..config.database.clone()
    };
    let operators = adapters::postgres::pool(&operators, "acl-operators", Plans::Lists)?;

    let watch = config.database.for_watching();
    let watch = adapters::postgres::pool(&watch, "acl-watch", Plans::Lists)?;

    // Deliveries end first, so that what they leave to be retried or buried can still be published.
    let mut front = Tasks::default();
    let mut back = Tasks::default();
    subscriptions::start(&config, &pool, &mut front, &mut back)?;

    let rate = RateLimit::new(config.rate_limit);
    let stop = back.stop.clone();
    let upkeep = Upkeep {
        metrics: telemetry.metrics.clone(),
        rate: rate.clone(),
        subscriptions: config.enabled().map(|named| named.name).collect(),
        surroundings: Surroundings {
            pools: vec![("acl", pool.clone()), ("acl-operators", operators.clone())],
            database: watch.clone(),
            kafka: KafkaProbe::new(&config.kafka)?,
        },
        figures: DeliveryFigures {
            pool: watch.clone(),
        },
    };
    back.run("upkeep", upkeep.run(stop));
    if let Some(verifier) = config.verify.verifier(delivery_inspections(&operators)) {
        back.run("verifier", verifier.run(back.stop.clone()));
    }
    let certificates = Certificates::of(&config);
    back.run("certificates", certificates.run(back.stop.clone()));
    let looked_at = pool.clone();
    let database = Check::new("database", true, move || {
        let pool = looked_at.clone();
        Box::pin(async move {
            let looked = sqlx::query("SELECT FROM external_stocks LIMIT 1")
                .execute(&pool)
                .await;
            looked.map(drop).map_err(|error| error.to_string())
        })
    });
    let health = Health::new(vec![Check::serving(front.stop.clone()), database]);
    let stop = back.stop.clone();
    let http = config.http.clone();
    let api = AclApi {
        operations: Arc::new(PgOperations::new(operators)),
        partners: partners(&config),
    };
    let guards = AclGuards {
        authenticator: Authenticator::new(&config.auth, OWN_NAME.parse()?)?,
        rate,
        in_flight: config.limits.in_flight,
    };
    let routes = acl_router(api, guards, &http, health.clone());
    back.spawn("http", async move { serve(&http, routes, stop).await });
    let program = http::Program {
        name: Config::NAME,
        telemetry: telemetry.clone(),
    };
    serve_management(&mut back, &config.management, health, program);

    // Half of it is for deliveries, as long as the settings say; the rest for what they leave to be published.
    let drain = (config.shutdown.drain + Duration::from_secs(5)) * 2;
    lifecycle::run(front, back, drain).await?;
    Ok(())
}

fn partners(config: &Config) -> Arc<[PartnerFacts]> {
    let facts = config.enabled().map(|named| PartnerFacts {
        name: named.name,
        group: config.prefixed(&named.settings.group),
        topics: named
            .settings
            .topics
            .iter()
            .map(|topic| config.prefixed(topic))
            .collect(),
        every_event: named.settings.ordering == OrderingSetting::EveryEvent,
        wants_all: named.settings.wants_all(),
    });
    facts.collect()
}
