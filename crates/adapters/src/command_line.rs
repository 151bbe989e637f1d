//! The command line of both services.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use application::ports::Inspection;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sqlx::migrate::Migrator;

use crate::{
    config::ConfigError,
    doctor::{Diagnosis, Finding, examine_database, examine_kafka},
    http::{HttpSettings, is_ready},
    kafka::{KafkaSettings, Reads, TopicSpec, check_topics, ensure_topics},
    lifecycle::{self, BoxError},
    postgres::DatabaseSettings,
    verify::verify,
};

/// A service, as its settings describe it.
pub trait Program: Sized {
    /// The binary's name.
    const NAME: &'static str;
    /// What it is, in one line.
    const ABOUT: &'static str;

    /// Subcommands of its own.
    type More: Subcommand;

    /// Reads and checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    fn load(file: Option<&Path>) -> Result<Self, ConfigError>;

    /// The listener that answers whether it is ready.
    fn management(&self) -> &HttpSettings;

    /// The cluster.
    fn kafka(&self) -> &KafkaSettings;

    /// The topics that are its own.
    fn topics(&self) -> Vec<TopicSpec>;

    /// Reads what the settings only name, such as secrets, and says what cannot be used.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// The database.
    fn database(&self) -> &DatabaseSettings;

    /// Its tables.
    fn schema(&self) -> &'static Migrator;

    /// What it reads from the cluster.
    fn reads(&self) -> Vec<Reads> {
        Vec::new()
    }

    /// Looks at what only this service needs.
    fn examine(&self) -> impl Future<Output = Vec<Finding>>;

    /// Brings its database up to date.
    fn migrate(&self) -> impl Future<Output = Result<(), BoxError>>;

    /// Looks at what is stored in its database.
    ///
    /// # Errors
    /// If the settings name no database.
    fn inspections(&self) -> Result<Vec<Box<dyn Inspection>>, BoxError>;

    /// Carries out a subcommand of its own; returns what to print.
    ///
    /// # Errors
    /// What the subcommand says.
    fn more(&self, command: Self::More) -> impl Future<Output = Result<String, BoxError>>;

    /// Serves until SIGTERM.
    fn serve(self) -> impl Future<Output = Result<(), BoxError>>;
}

#[derive(Parser)]
#[command(version)]
struct Arguments<M: Subcommand> {
    /// A file with settings that override the defaults.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command<M>,
}

#[derive(Subcommand)]
enum Command<M: Subcommand> {
    /// Serve until SIGTERM.
    Serve,
    /// Bring the database's tables up to date.
    Migrate,
    /// Make the topics that do not exist, and check them.
    Topics {
        /// Only check.
        #[arg(long)]
        check: bool,
    },
    /// Read the settings and say whether they can be used.
    CheckConfig,
    /// Ask the running service whether it is ready.
    Healthcheck,
    /// Look at what the service needs around it: database, brokers, rights, clocks, disk, partners.
    Doctor {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Look at everything that is stored, and say what cannot be right.
    Verify,
    #[command(flatten)]
    More(M),
}

/// The body of a service's `main`: carries out what the command line says.
#[must_use]
pub fn main<P: Program>() -> ExitCode {
    let matches = Arguments::<P::More>::command()
        .name(P::NAME)
        .about(P::ABOUT)
        .get_matches();
    match Arguments::<P::More>::from_arg_matches(&matches) {
        Ok(arguments) => lifecycle::main(run::<P>(arguments)),
        Err(error) => error.exit(),
    }
}

async fn run<P: Program>(arguments: Arguments<P::More>) -> Result<(), BoxError> {
    let program = P::load(arguments.config.as_deref())?;
    match arguments.command {
        Command::Serve => return program.serve().await,
        Command::Migrate => {
            program.migrate().await?;
            say("the database's tables are up to date")?;
        }
        Command::Topics { check } => {
            let topics = program.topics();
            if check {
                check_topics(program.kafka(), &topics).await?;
            } else {
                ensure_topics(program.kafka(), &topics).await?;
            }
            say(&format!("{} topics are as configured", topics.len()))?;
        }
        Command::CheckConfig => {
            program.check()?;
            say("the configuration can be used")?;
        }
        Command::Healthcheck => {
            if !is_ready(program.management()).await? {
                return Err("the service is not ready".into());
            }
            say("the service is ready")?;
        }
        Command::Doctor { json } => doctor(&program, json).await?,
        Command::Verify => say(&verify(program.inspections()?).await?)?,
        Command::More(more) => say(&program.more(more).await?)?,
    }
    Ok(())
}

async fn doctor<P: Program>(program: &P, json: bool) -> Result<(), BoxError> {
    let (topics, reads) = (program.topics(), program.reads());
    let (database, kafka, own) = tokio::join!(
        examine_database(program.database(), P::NAME, program.schema()),
        examine_kafka(program.kafka(), &topics, &reads),
        program.examine(),
    );
    let diagnosis = Diagnosis([database, kafka, own].concat());
    if json {
        say(&serde_json::to_string_pretty(&diagnosis)?)?;
    } else {
        say(&diagnosis.to_string())?;
    }
    match diagnosis.failures() {
        0 => Ok(()),
        failures => Err(format!("{failures} of {} findings failed", diagnosis.0.len()).into()),
    }
}

fn say(answer: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{answer}")
}
