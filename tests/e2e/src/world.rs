//! Databases, topics, a partner and both services, for one test alone.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use devstack::{
    Process, Record, Servers, Service, Sighting, Wiring, eventually, home, kafka_tool, read_all,
    sightings,
};
use partner_sim::Simulator;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::RwLock;

/// How long a service may take to be ready, and an event to arrive, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// An answer of the stock service.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its body; null if it is no JSON.
    pub body: Value,
    /// Its body, byte by byte.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// A member of the body, as text.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }
}

/// Everything a test needs.
pub struct World {
    /// The partner.
    pub partner: Simulator,
    /// The stock service.
    pub virtual_stock: Service,
    /// The anti-corruption layer.
    pub acl: Service,
    /// The stock service's database.
    pub stocks_db: PgPool,
    /// The anti-corruption layer's database.
    pub acl_db: PgPool,
    /// The broker.
    pub brokers: String,
    name: String,
    client: Client,
    /// The share of the machine that the test has.
    _machine: Box<dyn Send + Sync>,
}

/// What is measured on the machine is measured alone.
static MACHINE: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// Names of worlds; two of one name would share databases and topics.
static NAMES: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

async fn answer(response: reqwest::Response) -> anyhow::Result<Answer> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await?;
    Ok(Answer {
        status,
        headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        bytes: bytes.into(),
    })
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl World {
    /// A world of this name; its services are prepared and not started. `more` are further settings, by the names of
    /// their variables.
    pub async fn new(name: &str, more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let machine = Arc::clone(&MACHINE).read_owned().await;
        Self::on(Box::new(machine), name, more).await
    }

    /// The same, with no other world beside it: for tests that compare times.
    pub async fn alone(name: &str, more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let machine = Arc::clone(&MACHINE).write_owned().await;
        Self::on(Box::new(machine), name, more).await
    }

    async fn on(
        machine: Box<dyn Send + Sync>,
        name: &str,
        more: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let new = NAMES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned());
        ensure!(new, "there is a world `{name}` already");
        let named = |variable| {
            std::env::var(variable)
                .with_context(|| format!("{variable} is not set: run `make test`"))
        };
        named("DATABASE_URL")?;
        named("KAFKA_BROKERS")?;
        let servers = Servers::start(&home()).await?;
        let stocks_url = servers.database(&format!("{name}_stocks")).await?;
        let acl_url = servers.database(&format!("{name}_acl")).await?;
        let partner = Simulator::start(address(0)).await?;
        let prefix = format!("{name}-{}-", std::process::id());
        let brokers = servers.kafka_brokers.clone();
        let wiring = Wiring {
            stocks_url: &stocks_url,
            acl_url: &acl_url,
            brokers: &brokers,
            prefix: &prefix,
            partner: partner.address,
            ports: [0; 4],
            instance: &format!("-{name}"),
        };
        let (mut virtual_stock, mut acl) = wiring.services()?;
        virtual_stock.set("VIRTUAL_STOCK__RELAY__LEASE", "2s");
        acl.set(
            "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET__CLIENT__TIMEOUT",
            "1s",
        );
        acl.set("ACL__DELIVERY__CLAIM_LEASE", "4s");
        acl.set("ACL__KAFKA__OPTIONS", "{\"session.timeout.ms\"=\"6000\"}");
        for (variable, value) in more {
            let acls = variable.starts_with("ACL__");
            let service = if acls { &mut acl } else { &mut virtual_stock };
            service.set(variable, value);
        }
        let world = Self {
            partner,
            virtual_stock,
            acl,
            stocks_db: PgPool::connect_lazy(&stocks_url)?,
            acl_db: PgPool::connect_lazy(&acl_url)?,
            brokers,
            name: prefix,
            client: Client::builder().timeout(Duration::from_mins(5)).build()?,
            _machine: machine,
        };
        drop(std::fs::remove_file(world.virtual_stock.log()));
        drop(std::fs::remove_file(world.acl.log()));
        world.virtual_stock.prepare()?;
        world.acl.prepare()?;
        Ok(world)
    }

    /// Starts a service of this world and waits until it is ready.
    pub async fn start(&self, service: &Service) -> anyhow::Result<Process> {
        let mut process = service.start()?;
        let url = format!("http://{}/actuator/health/readiness", service.management);
        eventually(
            PATIENCE,
            &format!("{} is ready", service.name),
            async || {
                assert!(
                    process.is_running(),
                    "it ended: see {}",
                    service.log().display()
                );
                let answer = self.client.get(&url).send().await.ok()?;
                answer.status().is_success().then_some(())
            },
        )
        .await;
        Ok(process)
    }

    /// The name of a topic on the broker.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.name)
    }

    /// Everything on a topic.
    pub fn records(&self, topic: &str) -> anyhow::Result<Vec<Record>> {
        read_all(&self.brokers, &self.topic(topic))
    }

    /// Everything on the audit topic, as the checker takes it.
    pub fn audit(&self) -> anyhow::Result<Vec<Sighting>> {
        sightings(&self.brokers, &self.topic("stock-audit-logs"))
    }

    /// Calls the stock service; `path` is below the API's base.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call_with(method, path, &[], body.to_string()).await
    }

    /// Creates a stock of so many units, at a price of 1; its product has the same name.
    pub async fn stock(&self, id: &str, quantity: u64) -> anyhow::Result<()> {
        let body = json!({"stockId": id, "productId": id, "quantity": quantity, "price": 1});
        let answer = self.call(Method::POST, "/stocks", &body).await?;
        ensure!(answer.status == 201, "{answer:?}");
        Ok(())
    }

    /// Calls one of several instances of the stock service.
    pub async fn call_at(
        &self,
        http: SocketAddr,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        self.send(http, method, path, &[], body.to_string()).await
    }

    /// Calls the stock service with further headers and any body.
    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> anyhow::Result<Answer> {
        let http = self.virtual_stock.http;
        self.send(http, method, path, headers, body).await
    }

    /// Calls the stock service at any address, with further headers and any body.
    pub async fn send(
        &self,
        http: SocketAddr,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> anyhow::Result<Answer> {
        let url = format!("http://{http}/api/v1/virtual-stock{path}");
        let mut request = self.client.request(method, url);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.body(body).send().await?).await
    }

    /// Asks acl as an operator; `path` is below its API's base.
    pub async fn operate(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        self.operate_with(method, path, None, body).await
    }

    /// The same, with an API key.
    pub async fn operate_with(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let url = format!("http://{}/api/v1/acl{path}", self.acl.http);
        let mut request = self.client.request(method, url);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request.send().await?).await
    }

    /// Asks acl's database for a number.
    pub async fn count(&self, sql: &'static str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(sql).fetch_one(&self.acl_db).await?)
    }

    /// Waits until acl's database gives this number.
    pub async fn counts(&self, what: &str, sql: &'static str, expected: i64) {
        eventually(PATIENCE, what, async || {
            (self.count(sql).await.ok()? == expected).then_some(())
        })
        .await;
    }

    /// Gets a URL of a service's management listener.
    pub async fn manage(&self, service: &Service, path: &str) -> anyhow::Result<(u16, String)> {
        let url = format!("http://{}{path}", service.management);
        let response = self.client.get(url).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// Looks at everything that both services have stored.
    ///
    /// # Errors
    /// What cannot be right.
    pub fn verify(&self) -> anyhow::Result<()> {
        self.virtual_stock.run("verify")?;
        self.acl.run("verify")
    }

    /// Runs one of Kafka's own tools on the brokers, by the name of its class.
    pub fn kafka(&self, class: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut tool = kafka_tool(&home(), class);
        tool.args(["--bootstrap-server", &self.brokers]);
        let output = tool.args(arguments).output()?;
        ensure!(output.status.success(), "{class}: {output:?}");
        Ok(())
    }

    /// How many events there are.
    pub async fn events(&self) -> anyhow::Result<i64> {
        let count = sqlx::query_scalar("SELECT count(*) FROM outbox");
        Ok(count.fetch_one(&self.stocks_db).await?)
    }

    /// Waits until the partner has been told of everything: every event has its outcome.
    pub async fn settled(&self) -> anyhow::Result<()> {
        self.settled_within(PATIENCE).await
    }

    /// Waits until every event has its outcome at the trading partner.
    pub async fn settled_within(&self, patience: Duration) -> anyhow::Result<()> {
        let events = self.events().await?;
        eventually(
            patience,
            &format!("{events} events have their outcome"),
            async || {
                let outcomes = self
                    .count("SELECT count(*) FROM outcomes WHERE subscription = 'trading-partner'")
                    .await
                    .ok()?;
                (outcomes >= events).then_some(())
            },
        )
        .await;
        Ok(())
    }
}
