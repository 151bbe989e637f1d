//! Two instances of each service behind a real nginx: replaced one by one, clients notice nothing; killed, they can repeat.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use devstack::{Balancer, Process, Service, eventually};
use e2e::World;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::crash::{create, nothing_is_lost, progress, stocks};

const CLIENTS: usize = 8;
/// How long a client repeats a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Wait before it does.
const AGAIN: Duration = Duration::from_millis(50);

/// What clients saw.
#[derive(Default)]
struct Seen {
    /// Reservations that were answered.
    reserved: i64,
    /// Answers that were none, or the service's or balancer's fault.
    failures: Vec<String>,
    /// Requests that were given up.
    lost: Vec<String>,
}

struct Client {
    world: Arc<World>,
    http: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Client {
    /// Sends a request until it is answered; returns the stock's version.
    async fn send(&self, method: Method, path: &str, body: String) -> Option<u64> {
        let key = format!("{:032x}", rand::random::<u128>());
        let headers = [("idempotency-key", key.as_str())];
        let headers = if method == Method::GET {
            &[][..]
        } else {
            &headers
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sent = self
                .world
                .send(self.http, method.clone(), path, headers, body.clone());
            let failure = match sent.await {
                Ok(answer) if answer.status < 500 => {
                    assert_eq!(answer.status, 200, "{path}: {answer:?}");
                    return answer.body["version"].as_u64();
                }
                Ok(answer) => format!("{method} {path}: {} {}", answer.status, answer.body),
                Err(error) => format!("{method} {path}: {error:#}"),
            };
            let given_up = Instant::now() > deadline;
            self.failed(failure, given_up);
            if given_up {
                return None;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn failed(&self, failure: String, given_up: bool) {
        let mut seen = self.seen.lock().unwrap();
        if given_up {
            seen.lost.push(failure.clone());
        }
        seen.failures.push(failure);
    }

    /// One request of any kind; returns the stock and the version that was acknowledged.
    async fn once(&self) -> Option<(String, u64)> {
        let id = format!("STK-{}", rand::random_range(0..12));
        match rand::random_range(0..3) {
            0 => {
                self.send(Method::GET, &format!("/stocks/{id}"), String::new())
                    .await?;
                None
            }
            1 => {
                let body = json!({"newPrice": rand::random_range(50..200), "reason": "tick"});
                let path = format!("/stocks/{id}/price");
                let version = self.send(Method::PUT, &path, body.to_string()).await;
                Some((id, version?))
            }
            _ => {
                let body = json!({"quantityToReserve": 1, "reason": "order"});
                let path = format!("/stocks/{id}/reserve");
                let version = self.send(Method::POST, &path, body.to_string()).await;
                self.seen.lock().unwrap().reserved += 1;
                Some((id, version?))
            }
        }
    }
}

/// Clients until told to stop; they return the highest version of each stock that was acknowledged.
fn clients(
    world: &Arc<World>,
    http: SocketAddr,
    stop: &Arc<AtomicBool>,
) -> (Arc<Mutex<Seen>>, JoinSet<HashMap<String, u64>>) {
    let seen = Arc::<Mutex<Seen>>::default();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = Client {
            world: Arc::clone(world),
            http,
            seen: Arc::clone(&seen),
        };
        let stop = Arc::clone(stop);
        clients.spawn(async move {
            let mut acknowledged: HashMap<String, u64> = HashMap::new();
            while !stop.load(Ordering::Relaxed) {
                if let Some((id, version)) = client.once().await {
                    let highest = acknowledged.entry(id).or_default();
                    *highest = version.max(*highest);
                }
            }
            acknowledged
        });
    }
    (seen, clients)
}

/// Two instances of a service.
struct Pair {
    services: [Service; 2],
    running: Vec<Option<Process>>,
}

impl Pair {
    async fn start(world: &World, service: &Service) -> Self {
        let services = [service.clone(), service.another().unwrap()];
        let mut running = Vec::new();
        for service in &services {
            running.push(Some(world.start(service).await.unwrap()));
        }
        Self { services, running }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        self.services.each_ref().map(|service| service.http)
    }

    /// Ends an instance in order, and starts it anew.
    async fn replace(&mut self, world: &World, index: usize) {
        let ended = self.running[index].take().unwrap().terminate().unwrap();
        assert!(ended.success(), "{ended}");
        self.running[index] = Some(world.start(&self.services[index]).await.unwrap());
    }

    /// Waits until the balancer has looked at an instance again, as whoever replaces them has to.
    async fn is_asked(&self, world: &World, index: usize) {
        eventually(PATIENCE, "the balancer asks it again", async || {
            let metrics = world.manage(&self.services[index], "/metrics").await;
            // Its own health is asked for before.
            let of_clients = |line: &str| {
                line.starts_with("http_requests_total{") && line.contains("endpoint=\"/api/")
            };
            metrics.ok()?.1.lines().any(of_clients).then_some(())
        })
        .await;
    }
}

/// What a newer version's first step would do to the tables while the older one still serves.
async fn migrate_further(world: &World) {
    // As a hook does it that runs twice.
    world.virtual_stock.prepare().unwrap();
    world.acl.prepare().unwrap();
    for (pool, tables) in [
        (&world.stocks_db, ["stocks", "reservations", "outbox"]),
        (
            &world.acl_db,
            ["external_stocks", "consumption_log", "outcomes"],
        ),
    ] {
        for table in tables {
            let sql = format!("ALTER TABLE {table} ADD COLUMN of_a_newer_version text");
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(pool)
                .await
                .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_replaced_one_by_one_fail_no_request_and_killed_ones_only_what_they_had()
{
    let world = Arc::new(World::new("rolling", &[]).await.unwrap());
    let mut stock = Pair::start(&world, &world.virtual_stock).await;
    let mut acl = Pair::start(&world, &world.acl).await;
    let (stocks_at, acl_at) = (stock.addresses(), acl.addresses());
    let http = Balancer::start("rolling", &stocks_at, &acl_at).await;
    let http = http.unwrap();
    create(&world).await;

    let stop = Arc::new(AtomicBool::new(false));
    let (seen, all) = clients(&world, http.virtual_stock, &stop);
    progress(&world, 50).await;
    stock.replace(&world, 0).await;
    stock.is_asked(&world, 0).await;
    migrate_further(&world).await;
    progress(&world, 50).await;
    stock.replace(&world, 1).await;
    stock.is_asked(&world, 1).await;
    for index in [0, 1] {
        acl.replace(&world, index).await;
        progress(&world, 50).await;
    }
    stop.store(true, Ordering::Relaxed);
    nothing_is_lost(&world, all).await;
    let reserved = {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.failures, Vec::<String>::new());
        seen.reserved
    };
    let held = async || -> i64 { stocks(&world).await.values().map(|(_, held)| held).sum() };
    assert_eq!(held().await, reserved);

    // Killed in the middle, it takes along what it had at that moment, and nothing else: each of those is answered when it is
    // repeated, and has one effect.
    let stop = Arc::new(AtomicBool::new(false));
    let (seen, all) = clients(&world, http.virtual_stock, &stop);
    progress(&world, 50).await;
    stock.running[0].take().unwrap().kill_9().unwrap();
    acl.running[0].take().unwrap().kill_9().unwrap();
    progress(&world, 100).await;
    stop.store(true, Ordering::Relaxed);
    nothing_is_lost(&world, all).await;
    let again = {
        let seen = seen.lock().unwrap();
        println!("failed at the kill: {:#?}", seen.failures);
        assert_eq!(seen.lost, Vec::<String>::new());
        assert!(seen.failures.len() <= CLIENTS, "{:#?}", seen.failures);
        seen.reserved
    };
    assert_eq!(held().await, reserved + again);
    world.verify().unwrap();
}
