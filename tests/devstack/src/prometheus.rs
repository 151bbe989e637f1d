//! A Prometheus that watches services on this machine.

use std::{fmt::Write, fs, net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use anyhow::Context;
use serde_json::Value;

use crate::{Process, eventually, free_port, home};

/// Longest time to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a Prometheus watches.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Its name, for its files.
    pub name: String,
    /// Where it listens; 0: any port.
    pub port: u16,
    /// Management listeners, each with its job.
    pub targets: Vec<(String, SocketAddr)>,
    /// Files of rules.
    pub rules: Vec<PathBuf>,
    /// Between two scrapes, and two evaluations of the rules, in seconds.
    pub every: u32,
    /// Who is told of alerts.
    pub alertmanager: Option<SocketAddr>,
}

/// A Prometheus that runs.
pub struct Prometheus {
    /// Where it is.
    pub url: String,
    /// The server.
    pub process: Process,
    client: reqwest::Client,
}

impl Watch {
    /// Starts it, with no past.
    ///
    /// # Errors
    /// The system's error.
    pub async fn start(&self) -> anyhow::Result<Prometheus> {
        let folder = home().join("run").join(format!("prometheus-{}", self.name));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder)?;
        let config = folder.join("prometheus.yml");
        fs::write(&config, self.config()?)?;
        let port = free_port(self.port)?;
        let mut command = Command::new(home().join("prometheus/prometheus"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(&home(), &format!("prometheus-{}", self.name), command)?;
        let url = format!("http://127.0.0.1:{port}");
        let client = reqwest::Client::builder().no_proxy().build()?;
        eventually(PATIENCE, "Prometheus is ready", async || {
            let answer = client.get(format!("{url}/-/ready")).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        Ok(Prometheus {
            url,
            process,
            client,
        })
    }

    fn config(&self) -> anyhow::Result<String> {
        let every = self.every;
        let mut text = format!(
            "global: {{scrape_interval: {every}s, scrape_timeout: {every}s, evaluation_interval: {every}s}}\n"
        );
        let rules = self.rules.iter().map(|path| path.display().to_string());
        writeln!(text, "rule_files: {:?}", rules.collect::<Vec<_>>())?;
        if let Some(address) = self.alertmanager {
            writeln!(
                text,
                "alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}"
            )?;
        }
        writeln!(text, "scrape_configs:")?;
        let mut jobs: Vec<&str> = self.targets.iter().map(|(job, _)| job.as_str()).collect();
        jobs.dedup();
        for job in jobs {
            let of_job = self.targets.iter().filter(|(name, _)| name == job);
            let targets: Vec<_> = of_job.map(|(_, address)| address.to_string()).collect();
            writeln!(
                text,
                "  - {{job_name: {job}, static_configs: [{{targets: {targets:?}}}]}}"
            )?;
        }
        Ok(text)
    }
}

impl Prometheus {
    /// What a query gives now.
    ///
    /// # Errors
    /// The client's, or what Prometheus says of the query.
    pub async fn query(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let url = format!("{}/api/v1/query", self.url);
        let asked = self.client.post(url).form(&[("query", query)]).send();
        let answer: Value = asked.await?.json().await?;
        let result = answer["data"]["result"].as_array();
        result
            .cloned()
            .with_context(|| format!("{query}: {}", answer["error"]))
    }
}
