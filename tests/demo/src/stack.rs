//! Everything that runs.

use std::{net::SocketAddr, time::Duration};

use devstack::{Process, Servers, Service, Wiring, eventually, free_port, home};
use partner_sim::Simulator;
use reqwest::Client;
use sqlx::PgPool;

const PATIENCE: Duration = Duration::from_secs(30);

/// Servers, services, partner; stopped in this order: services first.
pub(crate) struct Stack {
    _processes: [Process; 2],
    pub(crate) virtual_stock: Service,
    pub(crate) acl: Service,
    pub(crate) partner: Simulator,
    pub(crate) stocks_db: PgPool,
    pub(crate) acl_db: PgPool,
    pub(crate) brokers: String,
    pub(crate) prefix: String,
    pub(crate) client: Client,
    pub(crate) servers: Servers,
}

impl Stack {
    /// `more` are further settings, by the names of their variables.
    pub(crate) async fn start(more: &[(&str, &str)]) -> anyhow::Result<Self> {
        println!("starting PostgreSQL and Kafka, or finding yours");
        let servers = Servers::start(&home()).await?;
        for note in &servers.notes {
            println!("  {note}");
        }
        println!("making the databases virtual_stock_demo and acl_demo, empty");
        let stocks_url = servers.database("virtual_stock_demo").await?;
        let acl_url = servers.database("acl_demo").await?;
        let partner =
            Simulator::start(SocketAddr::from(([127, 0, 0, 1], free_port(9090)?))).await?;
        // A broker that is not ours may have the topics of an earlier demo.
        let foreign = std::env::var_os("KAFKA_BROKERS").is_some();
        let prefix = if foreign {
            format!("demo-{}-", std::process::id())
        } else {
            String::new()
        };
        let brokers = servers.kafka_brokers.clone();
        let wiring = Wiring {
            stocks_url: &stocks_url,
            acl_url: &acl_url,
            brokers: &brokers,
            prefix: &prefix,
            partner: partner.address,
            ports: [8080, 9080, 8081, 9081],
            instance: "",
        };
        let (mut virtual_stock, mut acl) = wiring.services()?;
        for (variable, value) in more {
            let acls = variable.starts_with("ACL__");
            let service = if acls { &mut acl } else { &mut virtual_stock };
            service.set(variable, value);
        }
        println!("making tables and topics, starting virtual-stock, acl and the partner simulator");
        let client = Client::builder().timeout(PATIENCE).build()?;
        let mut processes = Vec::new();
        for service in [&virtual_stock, &acl] {
            service.prepare()?;
            processes.push(ready(service, &client).await?);
        }
        let processes = <[Process; 2]>::try_from(processes)
            .map_err(|_| anyhow::anyhow!("a service is missing"))?;
        Ok(Self {
            _processes: processes,
            stocks_db: PgPool::connect_lazy(&stocks_url)?,
            acl_db: PgPool::connect_lazy(&acl_url)?,
            virtual_stock,
            acl,
            partner,
            brokers,
            prefix,
            client,
            servers,
        })
    }

    /// Where both services show their metrics, each with its name.
    pub(crate) fn managements(&self) -> Vec<(String, SocketAddr)> {
        let services = [&self.virtual_stock, &self.acl].into_iter();
        services
            .map(|service| (service.name.to_owned(), service.management))
            .collect()
    }

    /// The API of the stock service.
    pub(crate) fn api(&self, path: &str) -> String {
        format!(
            "http://{}/api/v1/virtual-stock{path}",
            self.virtual_stock.http
        )
    }

    /// Where to look.
    pub(crate) fn urls(&self) -> String {
        format!(
            "virtual-stock   {}
  health        http://{stock}/actuator/health
  metrics       http://{stock}/metrics
acl             http://{}/actuator/health
  health        http://{acl}/actuator/health
  metrics       http://{acl}/metrics
partner         http://{}/simulator",
            self.api("/stocks"),
            self.acl.http,
            self.partner.address,
            stock = self.virtual_stock.management,
            acl = self.acl.management,
        )
    }
}

/// Starts a service and waits until it is ready.
pub(crate) async fn ready(service: &Service, client: &Client) -> anyhow::Result<Process> {
    let mut process = service.start()?;
    let url = format!("http://{}/actuator/health/readiness", service.management);
    let awaited = format!(
        "{} is ready (its log: {})",
        service.name,
        service.log().display()
    );
    let started = eventually(PATIENCE, &awaited, async || {
        if !process.is_running() {
            return Some(false);
        }
        let answer = client.get(&url).send().await.ok()?;
        answer.status().is_success().then_some(true)
    })
    .await;
    anyhow::ensure!(
        started,
        "{} ended: see {}",
        service.name,
        service.log().display()
    );
    Ok(process)
}
