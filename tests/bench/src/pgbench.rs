//! The baselines of PostgreSQL's own benchmark.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, ensure};

/// pgbench on one database.
pub(crate) struct Pgbench {
    program: PathBuf,
    url: String,
    scripts: PathBuf,
}

/// What it said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transactions {
    pub(crate) per_second: f64,
    /// Mean, in milliseconds.
    pub(crate) latency: f64,
}

impl Pgbench {
    pub(crate) fn new(url: String) -> anyhow::Result<Self> {
        let scripts = devstack::home().join("run/pgbench");
        std::fs::create_dir_all(&scripts)?;
        Ok(Self {
            program: devstack::postgres_client("pgbench"),
            url,
            scripts,
        })
    }

    /// Its version.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.program).arg("--version").output();
        let output = output.context("pgbench is not there: `make servers` fetches it")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs a script with prepared statements.
    pub(crate) async fn run(
        &self,
        script: &str,
        clients: usize,
        long: Duration,
    ) -> anyhow::Result<Transactions> {
        let file = self.scripts.join("script.sql");
        std::fs::write(&file, script)?;
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--random-seed=1"])
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={}", clients.min(2)))
            .arg(format!("--time={}", long.as_secs().max(1)))
            .arg(format!("--file={}", file.display()))
            .arg(&self.url);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench: {errors}");
        ensure!(
            figure(&said, "number of failed transactions: ").is_none_or(|failed| failed == 0.0),
            "pgbench: {said}"
        );
        Ok(Transactions {
            per_second: figure(&said, "tps = ").context(said.clone())?,
            latency: figure(&said, "latency average = ").context(said)?,
        })
    }
}

/// The number behind a name.
fn figure(said: &str, name: &str) -> Option<f64> {
    let rest = said.split(name).nth(1)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// An event's columns as the service writes them, so that both sides write the same bytes.
pub(crate) struct Event {
    pub(crate) topics: String,
    pub(crate) correlation_id: String,
    pub(crate) traceparent: String,
    pub(crate) payload: String,
}

const ID: &str = "'STK-' || lpad(:n::text, 8, '0')";

impl Event {
    fn insert(&self, id: &str, version: &str) -> String {
        let Self {
            topics,
            correlation_id,
            traceparent,
            payload,
        } = self;
        format!(
            "INSERT INTO outbox (event_id, stock_id, version, operation, topics, correlation_id, traceparent, payload, occurred_at)
             VALUES (gen_random_uuid(), {id}, {version}, 'RESERVED', '{topics}', '{correlation_id}', '{traceparent}', '\\x{payload}', now());"
        )
        .replace('\n', " ")
    }

    /// One reservation as one plain transaction.
    pub(crate) fn reserve(&self, stocks: u64) -> String {
        format!(
            "\\set n random(1, {stocks})
BEGIN;
SELECT product_id, symbol, product_name, quantity, reserved, unit_price, currency, low_stock_threshold, discontinued, version, created_at, updated_at FROM stocks WHERE stock_id = {ID} FOR UPDATE;
UPDATE stocks SET reserved = reserved + 1, version = version + 1, updated_at = now() WHERE stock_id = {ID};
{}
COMMIT;
",
            self.insert(ID, "1")
        )
    }

    /// One new stock as one plain transaction.
    pub(crate) fn create(&self) -> String {
        format!(
            "BEGIN;
INSERT INTO stocks (stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, currency, low_stock_threshold, discontinued, version, created_at, updated_at) VALUES ('STK-' || gen_random_uuid()::text, gen_random_uuid()::text, 'SYMBOL', 'A product', 100, 0, 150, 'USD', 10, false, 1, now(), now());
{}
COMMIT;
",
            self.insert("'STK-' || gen_random_uuid()::text", "1")
        )
    }
}

/// One stock read.
pub(crate) fn select(stocks: u64) -> String {
    format!(
        "\\set n random(1, {stocks})
SELECT stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, currency, low_stock_threshold, discontinued, version, created_at, updated_at FROM stocks WHERE stock_id = {ID};
"
    )
}
