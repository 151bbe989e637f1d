//! Puts the service together: the only place that names concrete adapters.

mod dry_run;
mod subscriptions;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use adapters::{
    command_line::Program,
    config::ConfigError,
    http::{
        self, Check, Health, HttpSettings, bounded, management_router, public_health_router, serve,
    },
    kafka::{KafkaSettings, TopicSpec},
    lifecycle::{self, BoxError, Tasks},
    partner::LIFECYCLE_POLICIES,
    postgres::{ACL_SCHEMA, pool},
    telemetry,
};
use anyhow::Context;

use crate::config::Config;

/// Between two upkeeps of the histograms.
const UPKEEP: Duration = Duration::from_secs(5);

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

    async fn migrate(&self) -> Result<(), BoxError> {
        Ok(migrate(self).await?)
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

    // Deliveries end first, so that what they leave to be retried or buried can still be published.
    let mut front = Tasks::default();
    let mut back = Tasks::default();
    subscriptions::start(&config, &pool, &mut front, &mut back)?;

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
