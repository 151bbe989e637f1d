//! The benchmark: both services on real servers, side by side with baselines that are measured in the same run.
#![expect(clippy::print_stdout, reason = "this is a command line's answer")]

mod costs;
mod figure;
mod http;
mod load;
mod measures;
mod pgbench;
mod report;
mod world;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use devstack::{Recorded, Servers, home};
use sqlx::{Connection, PgConnection};
use tokio::signal::unix::{SignalKind, signal};

use measures::{Found, NAMES, Plan};
use pgbench::Pgbench;
use report::Report;

/// Measures both services beside baselines of the same run.
#[derive(Parser)]
struct Arguments {
    /// A first answer in two minutes: one short round, and nothing that takes long to prepare.
    #[arg(long)]
    quick: bool,
    /// Only these measures, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(NAMES))]
    only: Vec<String>,
    /// Where to write the page; none: it is only printed.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// What a first answer needs.
const QUICK: [&str; 4] = ["commands", "pipeline", "relay", "deliveries"];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let _recorded = Recorded::this(&home())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // What was started ends with what holds it.
    tokio::select! {
        done = measure(arguments) => done.map(|()| ExitCode::SUCCESS),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
    }
}

async fn measure(arguments: Arguments) -> anyhow::Result<()> {
    let (plan, usual) = if arguments.quick {
        (Plan::QUICK, &QUICK[..])
    } else {
        (Plan::FULL, &NAMES[..])
    };
    let mut names: Vec<&str> = arguments.only.iter().map(String::as_str).collect();
    if names.is_empty() {
        names.extend(usual);
    }
    measures::ensure_room(&names, plan, &home())?;
    let servers = Servers::start(&home()).await?;
    for note in &servers.notes {
        println!("{note}");
    }
    let mut report = Report {
        date: date()?,
        command: command(),
        machine: world::machine()?,
        versions: versions(&servers).await?,
        figures: Vec::new(),
        curves: Vec::new(),
    };
    measures::warm_up(&servers, plan).await?;
    let mut failed = Ok(());
    for name in names {
        let began = Instant::now();
        match measured(name, &servers, plan).await {
            Ok(found) => {
                println!("{name}: {} s", began.elapsed().as_secs());
                report.figures.extend(found.figures);
                report.curves.extend(found.curves);
            }
            Err(error) => {
                failed = Err(error.context(format!("the measure {name} failed")));
                break;
            }
        }
    }
    // What was measured before one failed is shown; a page has all of them.
    println!("{}", report.table());
    failed?;
    if let Some(page) = arguments.write {
        report.write(&page)?;
        println!("the same, with curves: {}", page.display());
    }
    Ok(())
}

/// One measure; its databases are not left for the next one.
async fn measured(name: &str, servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    measures::ensure_room(&[name], plan, &home())?;
    let found = measures::run(name, servers, plan).await?;
    world::drop_all(servers).await?;
    Ok(found)
}

/// Today, in UTC.
fn date() -> anyhow::Result<String> {
    let now = time::OffsetDateTime::from(std::time::SystemTime::now());
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    Ok(now.format(format)?)
}

/// How this run was started.
fn command() -> String {
    let arguments = std::env::args().skip(1);
    std::iter::once("bench".to_owned())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

async fn versions(servers: &Servers) -> anyhow::Result<Vec<String>> {
    let mut connection = PgConnection::connect(&servers.database_url).await?;
    let postgres: String = sqlx::query_scalar(
        "SELECT 'PostgreSQL ' || current_setting('server_version') || ': '
             || string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name)
         FROM pg_settings
         WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size')",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    let jars = std::fs::read_dir(home().join("servers/jars"))?;
    let kafka = jars.flatten().find_map(|jar| {
        let name = jar.file_name().into_string().ok()?;
        let version = name.strip_prefix("kafka-clients-")?.strip_suffix(".jar")?;
        Some(format!(
            "Apache Kafka {version}, one broker, the first of the JVM's compilers alone"
        ))
    });
    let mut git = std::process::Command::new("git");
    let commit = git.args(["describe", "--always", "--dirty"]).output()?;
    Ok(vec![
        postgres,
        kafka.unwrap_or_else(|| "Apache Kafka of KAFKA_BROKERS".to_owned()),
        Pgbench::new(servers.database_url.clone())?.version()?,
        format!("commit {}", String::from_utf8_lossy(&commit.stdout).trim()),
    ])
}
