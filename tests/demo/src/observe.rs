//! Prometheus and Alertmanager around the demo, with the rules that are shipped; alerts are printed.

mod scaled;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::Context;
use axum::{Json, Router, extract::State, routing::post};
use devstack::{Process, Prometheus, Watch, free_port, home};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use scaled::scaled;

/// Usual ports of Prometheus (the next one: the partner simulator has its own), of Alertmanager and of the sink.
const PORTS: [u16; 3] = [9091, 9093, 9094];

/// How the demo is watched.
pub(crate) struct Watching {
    /// Between two scrapes, in seconds.
    pub(crate) every: u32,
    /// All times in the rules are divided by it.
    pub(crate) factor: u32,
    /// Whether alerts are printed as they come.
    pub(crate) aloud: bool,
}

/// What Alertmanager says of an alert.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) at: Instant,
    pub(crate) firing: bool,
    pub(crate) alert: String,
    pub(crate) severity: String,
    pub(crate) summary: String,
    pub(crate) runbook: String,
}

type Notices = Arc<Mutex<Vec<Notice>>>;

/// What watches the demo.
pub(crate) struct Observation {
    prometheus: Prometheus,
    alertmanager: SocketAddr,
    notices: Notices,
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
    pub(crate) async fn start(
        targets: Vec<(String, SocketAddr)>,
        watching: &Watching,
    ) -> anyhow::Result<Self> {
        println!("starting Prometheus and Alertmanager");
        let [prometheus, alertmanager, sink] = PORTS;
        let listener = TcpListener::bind(local(sink)?).await?;
        let sink = listener.local_addr()?;
        let alertmanager = local(alertmanager)?;
        let process = alert(alertmanager, sink)?;
        let notices = Notices::default();
        let routes = Router::new()
            .route("/alerts", post(take))
            .with_state((Arc::clone(&notices), watching.aloud));
        let mut taker = JoinSet::new();
        taker.spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                println!("alerts are no longer heard: {error}");
            }
        });
        let rules = ["recording.yaml", "alerts.yaml"].map(|name| rules(name, watching.factor));
        let watch = Watch {
            name: "demo".to_owned(),
            port: prometheus,
            targets,
            rules: rules.into_iter().collect::<Result<_, _>>()?,
            every: watching.every,
            alertmanager: Some(alertmanager),
        };
        Ok(Self {
            prometheus: watch.start().await?,
            alertmanager,
            notices,
            _alertmanager: process,
            _sink: taker,
        })
    }

    /// What Alertmanager has said so far.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notices = self.notices.lock();
        notices.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Alerts that fire or are about to, by name.
    pub(crate) async fn alerts(&self) -> anyhow::Result<Vec<String>> {
        let found = self.prometheus.query("ALERTS").await?;
        let name = |alert: &Value| Some(alert["metric"]["alertname"].as_str()?.to_owned());
        Ok(found.iter().filter_map(name).collect())
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

/// The file with these rules, their times divided by `factor`.
fn rules(name: &str, factor: u32) -> anyhow::Result<PathBuf> {
    let text = fs::read_to_string(shipped(name))?;
    let folder = home().join("run/rules-demo");
    fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    fs::write(&file, scaled(&text, factor)?)?;
    Ok(file)
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
        "route: {{receiver: sink, group_by: [alertname, job, subscription], group_wait: 1s, group_interval: 1s}}\n\
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

/// Takes alerts as they come.
async fn take(State((notices, aloud)): State<(Notices, bool)>, Json(group): Json<Value>) {
    for alert in group["alerts"].as_array().into_iter().flatten() {
        let text = |part: &str, name: &str| alert[part][name].as_str().unwrap_or("-").to_owned();
        let notice = Notice {
            at: Instant::now(),
            firing: alert["status"] == "firing",
            alert: text("labels", "alertname"),
            severity: text("labels", "severity"),
            summary: text("annotations", "summary"),
            runbook: text("annotations", "runbook_url"),
        };
        if aloud {
            println!(
                "alert {}: {} ({}): {}\n  {}",
                if notice.firing { "firing" } else { "resolved" },
                notice.alert,
                notice.severity,
                notice.summary,
                notice.runbook,
            );
        }
        let mut notices = notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.push(notice);
    }
}
