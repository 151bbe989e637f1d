//! Databases, topics, a partner and services of their own for a measure, so that each can be checked by itself.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use devstack::{Checked, Counter, Process, Servers, Service, Wiring, check, eventually, sightings};
use partner_sim::Simulator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Row};

use crate::{
    http::{Call, Connection},
    pgbench::Event,
};

/// Longest wait for what has to end by itself.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// What a measure works on.
pub(crate) struct World {
    pub(crate) virtual_stock: Service,
    pub(crate) acl: Service,
    pub(crate) partner: Simulator,
    pub(crate) stocks_db: PgPool,
    pub(crate) stocks_url: String,
    pub(crate) acl_db: PgPool,
    pub(crate) brokers: String,
    prefix: String,
    /// Stocks that were there before the first command, and of which no event tells.
    filled: u64,
}

/// The n-th stock that [`World::fill`] makes, from 1.
pub(crate) fn stock_id(n: u64) -> String {
    format!("STK-{n:08}")
}

/// Worlds so far.
static WORLDS: AtomicU32 = AtomicU32::new(0);
/// Their databases that are still there.
static DATABASES: Mutex<Vec<String>> = Mutex::new(Vec::new());

async fn database(servers: &Servers, name: String) -> anyhow::Result<String> {
    let url = servers.database(&name).await?;
    let mut databases = DATABASES.lock().unwrap_or_else(PoisonError::into_inner);
    databases.push(name);
    Ok(url)
}

/// Drops the databases of all worlds, which nobody may use any more: they take the disk of what is measured next, and their upkeep
/// its processors.
pub(crate) async fn drop_all(servers: &Servers) -> anyhow::Result<()> {
    let databases = std::mem::take(&mut *DATABASES.lock().unwrap_or_else(PoisonError::into_inner));
    let mut connection = PgConnection::connect(&servers.database_url).await?;
    for name in databases {
        let sql = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        sqlx::query(sql).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

impl World {
    pub(crate) async fn new(servers: &Servers, name: &str) -> anyhow::Result<Self> {
        let stocks_url = database(servers, format!("bench_{name}_stocks")).await?;
        let acl_url = database(servers, format!("bench_{name}_acl")).await?;
        let partner = Simulator::start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let n = WORLDS.fetch_add(1, Ordering::Relaxed);
        // Topics stay on the broker: none is used twice.
        let prefix = format!("bench-{}-{n}-", std::process::id());
        let brokers = servers.kafka_brokers.clone();
        let wiring = Wiring {
            stocks_url: &stocks_url,
            acl_url: &acl_url,
            brokers: &brokers,
            prefix: &prefix,
            partner: partner.address,
            ports: [0; 4],
            instance: &format!("-bench-{name}"),
        };
        let (mut virtual_stock, acl) = wiring.services()?;
        // All load comes from one address.
        virtual_stock.set("VIRTUAL_STOCK__RATE_LIMIT__PER_SECOND", "1000000");
        virtual_stock.set("VIRTUAL_STOCK__RATE_LIMIT__BURST", "1000000");
        virtual_stock.set("VIRTUAL_STOCK__RESERVATIONS__TTL", "1day");
        for service in [&virtual_stock, &acl] {
            drop(std::fs::remove_file(service.log()));
            service.prepare()?;
        }
        Ok(Self {
            virtual_stock,
            acl,
            partner,
            stocks_db: PgPool::connect_lazy(&stocks_url)?,
            stocks_url,
            acl_db: PgPool::connect_lazy(&acl_url)?,
            brokers,
            prefix,
            filled: 0,
        })
    }

    /// Makes so many stocks with the database's own means.
    pub(crate) async fn fill(&mut self, stocks: u64) -> anyhow::Result<()> {
        let count = i64::try_from(stocks)?;
        sqlx::query(
            "INSERT INTO stocks (stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, currency,
                 low_stock_threshold, discontinued, version, created_at, updated_at)
             SELECT 'STK-' || lpad(n::text, 8, '0'), 'P' || n, 'SYM' || n, 'Product ' || n, 1000000000000, 0, 150, 'USD',
                 10, false, 1, now(), now()
             FROM generate_series(1, $1) AS n",
        )
        .bind(count)
        .execute(&self.stocks_db)
        .await?;
        sqlx::query("VACUUM ANALYZE stocks")
            .execute(&self.stocks_db)
            .await?;
        self.filled = stocks;
        Ok(())
    }

    /// Starts a service; returns it when it is ready, and how long that took.
    pub(crate) async fn start(&self, service: &Service) -> anyhow::Result<(Process, Duration)> {
        let began = Instant::now();
        let mut process = service.start()?;
        loop {
            if is_ready(service.management).await {
                return Ok((process, began.elapsed()));
            }
            let log = service.log();
            ensure!(process.is_running(), "it ended: see {}", log.display());
            ensure!(
                began.elapsed() < Duration::from_mins(1),
                "it is not ready: see {}",
                log.display()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Events in the outbox.
    pub(crate) async fn events(&self) -> anyhow::Result<u64> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
            .fetch_one(&self.stocks_db)
            .await?;
        Ok(u64::try_from(count)?)
    }

    /// Waits until every event is on the audit topic.
    pub(crate) async fn relayed(&self) -> anyhow::Result<()> {
        let events = self.events().await?;
        let counter = Counter::new(&self.brokers, &[self.topic("stock-audit-logs")])?;
        eventually(PATIENCE, "every event is relayed", async || {
            (counter.count().ok()? >= events).then_some(())
        })
        .await;
        Ok(())
    }

    /// Waits until every event has its outcome at the partner.
    pub(crate) async fn delivered(&self) -> anyhow::Result<()> {
        let events = i64::try_from(self.events().await?)?;
        eventually(PATIENCE, "every event has its outcome", async || {
            let outcomes: i64 = sqlx::query_scalar("SELECT count(*) FROM outcomes")
                .fetch_one(&self.acl_db)
                .await
                .ok()?;
            (outcomes >= events).then_some(())
        })
        .await;
        Ok(())
    }

    /// Everything that was changed was told, once and in order.
    pub(crate) async fn verify(&self) -> anyhow::Result<()> {
        self.relayed().await?;
        let (brokers, topic) = (self.brokers.clone(), self.topic("stock-audit-logs"));
        let sightings = tokio::task::spawn_blocking(move || sightings(&brokers, &topic)).await??;
        let stocks: Vec<(String, i64)> = sqlx::query_as("SELECT stock_id, version FROM stocks")
            .fetch_all(&self.stocks_db)
            .await?;
        let mut newest = BTreeMap::new();
        for (stock, version) in stocks {
            newest.insert(stock, u64::try_from(version)?);
        }
        let checked = check(&sightings, &newest);
        let told = newest.values().sum::<u64>() - self.filled;
        let good = Checked {
            events: usize::try_from(told)?,
            // The first version of what was there before.
            lost: usize::try_from(self.filled)?,
            ..Checked::default()
        };
        ensure!(
            checked == good,
            "events are lost or out of order: {checked:?}, and not {good:?}"
        );
        Ok(())
    }

    /// The partner has seen nothing old, nothing twice, and has every effect.
    pub(crate) async fn verify_partner(&self) -> anyhow::Result<()> {
        let reserved: Vec<(String, i64)> = sqlx::query_as(
            "SELECT stock_id, reserved FROM stocks WHERE version > 1 ORDER BY stock_id",
        )
        .fetch_all(&self.stocks_db)
        .await?;
        self.partner.look(|ledger| {
            ensure!(ledger.violations.is_empty(), "{:?}", ledger.violations);
            for (id, reserved) in reserved {
                let stock = ledger.stocks.get(&id);
                let effects = stock.map(|stock| stock.reserved_by_effects);
                ensure!(
                    effects == Some(reserved),
                    "{id}: {effects:?}, not {reserved}"
                );
            }
            Ok(())
        })
    }

    /// The columns of the newest event, for the baseline.
    pub(crate) async fn event(&self) -> anyhow::Result<Event> {
        let row = sqlx::query(
            "SELECT topics::text AS topics, correlation_id, traceparent, encode(payload, 'hex') AS payload
             FROM outbox ORDER BY id DESC LIMIT 1",
        )
        .fetch_one(&self.stocks_db)
        .await?;
        Ok(Event {
            topics: row.try_get("topics")?,
            correlation_id: row.try_get("correlation_id")?,
            traceparent: row.try_get("traceparent")?,
            payload: row.try_get("payload")?,
        })
    }
}

/// Whether a service says that it is ready.
async fn is_ready(management: SocketAddr) -> bool {
    let ask = async {
        let mut connection = Connection::open(management).await?;
        let call = Call {
            path: "/actuator/health/readiness".to_owned(),
            ..Call::get("")
        };
        connection.send(call).await
    };
    ask.await.is_ok_and(|(status, _)| status == 200)
}

/// What the machine is.
pub(crate) fn machine() -> anyhow::Result<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |model| model.trim_start_matches([' ', '\t', ':']));
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let memory: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .context("/proc/meminfo says nothing of the memory")?;
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{cores} cores ({model}), {} GiB, {}",
        memory / (1024 * 1024),
        std::env::consts::ARCH
    ))
}
