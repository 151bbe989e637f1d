//! Prometheus and Alertmanager around the demo, with the rules that are shipped; alerts are printed.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use axum::{Json, Router, routing::post};
use devstack::{Process, Prometheus, Watch, free_port, home};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use crate::stack::Stack;

/// Usual ports of Prometheus (the next one: the partner simulator has its own), of Alertmanager and of the sink.
const PORTS: [u16; 3] = [9091, 9093, 9094];
/// Between two scrapes, in seconds.
const EVERY: u32 = 5;

/// What watches the demo.
pub(crate) struct Observation {
    prometheus: Prometheus,
    alertmanager: SocketAddr,
    _alertmanager: Process,
    /// Ends with what holds it.
    _sink: JoinSet<()>,
}

fn shipped(name: &str) -> PathBuf {
    let files = "../../helm/virtual-stock/files/prometheus";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(files).join(name)
}

fn local(port: u16) -> std::io::Result<SocketAddr> {
    Ok(SocketAddr::from(([127, 0, 0, 1], free_port(port)?)))
}

impl Observation {
    pub(crate) async fn start(stack: &Stack) -> anyhow::Result<Self> {
        println!("starting Prometheus and Alertmanager");
        let [prometheus, alertmanager, sink] = PORTS;
        let listener = TcpListener::bind(local(sink)?).await?;
        let sink = listener.local_addr()?;
        let alertmanager = local(alertmanager)?;
        let process = alert(alertmanager, sink)?;
        let routes = Router::new().route("/alerts", post(print));
        let mut printer = JoinSet::new();
        printer.spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                println!("alerts are no longer printed: {error}");
            }
        });
        let watch = Watch {
            name: "demo".to_owned(),
            port: prometheus,
            targets: stack.managements(),
            rules: ["recording.yaml", "alerts.yaml"].map(shipped).into(),
            every: EVERY,
            alertmanager: Some(alertmanager),
        };
        Ok(Self {
            prometheus: watch.start().await?,
            alertmanager,
            _alertmanager: process,
            _sink: printer,
        })
    }

    /// Where to look.
    pub(crate) fn urls(&self) -> String {
        format!(
            "Prometheus      {url}/classic/alerts
Alertmanager    http://{}
Grafana and Jaeger are not started: the dashboards are in helm/virtual-stock/files/dashboards",
            self.alertmanager,
            url = self.prometheus.url,
        )
    }
}

/// Alertmanager with the inhibitions that are shipped, and one receiver.
fn alert(listen: SocketAddr, sink: SocketAddr) -> anyhow::Result<Process> {
    let shipped = fs::read_to_string(shipped("alertmanager.yaml"))?;
    let (_, inhibitions) = shipped
        .split_once("inhibit_rules:")
        .context("alertmanager.yaml inhibits nothing")?;
    let folder = home().join("run/alertmanager-demo");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    let config = folder.join("alertmanager.yml");
    let text = format!(
        "route: {{receiver: sink, group_by: [alertname, job, subscription], group_wait: 1s, group_interval: 5s}}\n\
         receivers: [{{name: sink, webhook_configs: [{{url: 'http://{sink}/alerts', send_resolved: true}}]}}]\n\
         inhibit_rules:{inhibitions}"
    );
    fs::write(&config, text)?;
    let mut command = Command::new(home().join("prometheus/alertmanager"));
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={listen}"))
        .arg("--cluster.listen-address=");
    Process::start(&home(), "alertmanager-demo", command)
}

/// Prints alerts as they come.
async fn print(Json(group): Json<Value>) {
    for alert in group["alerts"].as_array().into_iter().flatten() {
        let text = |part: &str, name: &str| alert[part][name].as_str().unwrap_or("-").to_owned();
        println!(
            "alert {}: {} ({}): {}\n  {}",
            alert["status"].as_str().unwrap_or("-"),
            text("labels", "alertname"),
            text("labels", "severity"),
            text("annotations", "summary"),
            text("annotations", "runbook_url"),
        );
    }
}
