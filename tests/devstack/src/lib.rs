//! A real PostgreSQL and a real Apache Kafka on this machine, for tests and demos: started from what `make servers` has
//! fetched, on free ports where the usual ones are taken, stopped when dropped.

mod balancer;
mod kafka;
mod opensearch;
mod order;
mod postgres;
mod process;
mod prometheus;
mod service;
mod topics;
mod unprivileged;
mod wait;

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::Context;

pub use balancer::Balancer;
pub use kafka::{fresh_kafka, kafka_tool};
pub use opensearch::{OpenSearch, StoppedSearch};
pub use order::{Checked, Sighting, check};
pub use postgres::Postgres;
pub use process::{Process, Recorded};
pub use prometheus::{Prometheus, Watch};
pub use service::{Service, Wiring, binary};
pub use topics::{
    Counter, NewRecord, Record, committed, produce, produce_all, read_all, sightings,
};
pub use wait::eventually;

/// The two servers.
pub struct Servers {
    /// URL of the superuser's database.
    pub database_url: String,
    /// `host:port` of the broker.
    pub kafka_brokers: String,
    postgres: Option<Postgres>,
    kafka: Option<Process>,
    /// What was done, for people.
    pub notes: Vec<String>,
}

impl Servers {
    /// The servers that `DATABASE_URL` and `KAFKA_BROKERS` name; those that are not named are started, with fresh data
    /// below `home`.
    ///
    /// # Errors
    /// Says what is missing.
    pub async fn start(home: &Path) -> anyhow::Result<Self> {
        let (mut postgres, mut kafka) = (None, None);
        let mut notes = Vec::new();
        let database_url = if let Ok(url) = std::env::var("DATABASE_URL") {
            notes.push("PostgreSQL: the one of DATABASE_URL".to_owned());
            url
        } else {
            let started = Postgres::fresh(home, "postgres", 5432).await;
            let started = postgres.insert(started.context("PostgreSQL did not start")?);
            notes.push(format!("PostgreSQL: {}", started.url()));
            started.url()
        };
        let kafka_brokers = if let Ok(brokers) = std::env::var("KAFKA_BROKERS") {
            notes.push("Kafka: the one of KAFKA_BROKERS".to_owned());
            brokers
        } else {
            let started = fresh_kafka(home, "kafka", 9092, "").await;
            let (brokers, process) = started.context("Kafka did not start")?;
            notes.push(format!("Kafka: {brokers}"));
            kafka = Some(process);
            brokers
        };
        Ok(Self {
            database_url,
            kafka_brokers,
            postgres,
            kafka,
            notes,
        })
    }

    /// The PostgreSQL that was started for this, to be stopped and started again.
    ///
    /// # Errors
    /// If it is somebody else's.
    pub async fn postgres(&mut self, run: bool) -> anyhow::Result<()> {
        let postgres = self.postgres.as_mut();
        let postgres = postgres.context("the PostgreSQL of DATABASE_URL is not ours to stop")?;
        if run {
            postgres.start().await
        } else {
            postgres.stop()
        }
    }

    /// The broker that was started for this, to be frozen or killed.
    ///
    /// # Errors
    /// If it is somebody else's.
    pub fn kafka(&self) -> anyhow::Result<&Process> {
        let kafka = self.kafka.as_ref();
        kafka.context("the Kafka of KAFKA_BROKERS is not ours to stop")
    }

    /// Makes an empty database of this name, instead of one that is there; returns its URL.
    ///
    /// # Errors
    /// The server's error.
    pub async fn database(&self, name: &str) -> anyhow::Result<String> {
        postgres::create_database(&self.database_url, name).await
    }
}

/// The project's folder for everything that git ignores.
#[must_use]
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local")
}

/// One of PostgreSQL's client programs, such as `pg_dump`.
#[must_use]
pub fn postgres_client(program: &str) -> PathBuf {
    home().join("postgres-client/bin").join(program)
}

/// Where other ports are looked for: below those that systems give to connections (RFC 6335 has those from 49152; Linux begins at
/// 32768), for one of these may be given away before a service that was told of it listens.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// `port` if it is free, else another one that is, and that this process has not given out lately. 0: any.
///
/// # Errors
/// `AddrInUse` if there is none.
pub fn free_port(port: u16) -> std::io::Result<u16> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // Processes beside each other begin at different ones.
    let begin = std::process::id() as usize * 97;
    let others = PORTS.filter_map(|_| {
        let n = begin + NEXT.fetch_add(1, Ordering::Relaxed);
        PORTS.clone().nth(n % PORTS.len())
    });
    let asked = (port != 0).then_some(port);
    asked
        .into_iter()
        .chain(others)
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| std::io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_replaced_by_one_that_no_connection_is_given() {
        let asked = free_port(0).unwrap();
        let taken = std::net::TcpListener::bind(("127.0.0.1", asked)).unwrap();

        let (first, second) = (free_port(asked).unwrap(), free_port(0).unwrap());

        assert!(PORTS.contains(&first) && PORTS.contains(&second));
        assert_ne!(first, second);
        drop(taken);
        assert_eq!(free_port(asked).unwrap(), asked);
    }
}
