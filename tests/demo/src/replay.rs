//! The replay: the catalogue becomes stocks, the market's days become commands.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, future, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    catalogue::{Day, companies, days},
    progress::Progress,
    stack::Stack,
};

/// Stocks created at once.
const CREATORS: usize = 16;
/// Reservations of one symbol on one day, at the same time.
const RESERVATIONS: u64 = 3;
/// Longest time without any delivery.
const STALL: Duration = Duration::from_mins(1);

/// What came of the commands.
#[derive(Default)]
pub(crate) struct Replayed {
    tally: Mutex<Tally>,
}

/// What came of the commands so far.
#[derive(Default, Clone)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    /// By the code of the problem.
    pub(crate) rejected: BTreeMap<String, u64>,
    pub(crate) latencies: Vec<Duration>,
}

impl Replayed {
    pub(crate) fn tally(&self) -> Tally {
        let tally = self.tally.lock();
        tally
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Sends a command and counts what comes of it; a refusal by a rule is an answer like any other.
    async fn send(
        &self,
        stack: &Stack,
        method: Method,
        path: &str,
        body: Value,
    ) -> anyhow::Result<()> {
        let request = stack.client.request(method, stack.api(path)).json(&body);
        let started = Instant::now();
        let response = request
            .send()
            .await
            .context("virtual-stock does not answer")?;
        let status = response.status();
        let answer: Value = response.json().await?;
        let latency = started.elapsed();
        ensure!(
            status.is_success() || status == 409,
            "{path} {body} was answered {status}: {answer}"
        );
        let tally = self.tally.lock();
        let mut tally = tally.unwrap_or_else(std::sync::PoisonError::into_inner);
        tally.latencies.push(latency);
        if status.is_success() {
            tally.accepted += 1;
        } else {
            let code = answer["code"].as_str().unwrap_or("unknown").to_owned();
            *tally.rejected.entry(code).or_default() += 1;
        }
        Ok(())
    }
}

/// Replays everything, and waits until the partner has been told.
pub(crate) async fn run(stack: &Stack) -> anyhow::Result<Replayed> {
    let days = days()?;
    let replayed = Replayed::default();
    create(stack, &replayed, &days).await?;
    trade(stack, &replayed, &days).await?;
    delivered(stack).await?;
    Ok(replayed)
}

async fn create(stack: &Stack, replayed: &Replayed, days: &[Day]) -> anyhow::Result<()> {
    let companies = companies(days)?;
    let progress = Progress::new("creating stocks", companies.len() as u64);
    let creations = companies.iter().map(|company| {
        let first = days.iter().find(|day| day.symbol == company.symbol);
        let (quantity, price) = match first {
            Some(day) => (day.volume / 1000, day.open.clone()),
            // The catalogue knows no prices: the length of the name is as good as any.
            None => (1000, format!("{}.00", company.name.len() * 10)),
        };
        let body = json!({
            "stockId": stock_id(&company.symbol),
            "productId": company.symbol,
            "symbol": company.symbol,
            "productName": company.name,
            "quantity": quantity,
            "price": price,
        });
        let progress = &progress;
        async move {
            replayed.send(stack, Method::POST, "/stocks", body).await?;
            progress.add(1);
            anyhow::Ok(())
        }
    });
    stream::iter(creations)
        .buffer_unordered(CREATORS)
        .try_collect()
        .await
}

/// The symbols trade side by side, each one day after the other.
async fn trade(stack: &Stack, replayed: &Replayed, days: &[Day]) -> anyhow::Result<()> {
    let progress = Progress::new("replaying market days", days.len() as u64);
    let mut symbols: BTreeMap<&str, Vec<&Day>> = BTreeMap::new();
    for day in days {
        symbols.entry(&day.symbol).or_default().push(day);
    }
    let trading = symbols.into_values().map(|days| {
        let progress = &progress;
        async move {
            for day in days {
                trade_day(stack, replayed, day).await?;
                progress.add(1);
            }
            anyhow::Ok(())
        }
    });
    future::try_join_all(trading).await.map(drop)
}

/// The day opens, a delivery comes in, clients reserve, the day closes.
async fn trade_day(stack: &Stack, replayed: &Replayed, day: &Day) -> anyhow::Result<()> {
    let path = |end: &str| format!("/stocks/{}/{end}", stock_id(&day.symbol));
    let set_price = async |price: &str, when: &str| {
        let body = json!({"newPrice": price, "reason": format!("{when} of {}", day.date)});
        replayed
            .send(stack, Method::PUT, &path("price"), body)
            .await
    };
    set_price(&day.open, "open").await?;
    // Grows with the volume of the day; on quiet days it would fall below what is reserved and is refused.
    let quantity = day.volume / 100;
    let body = json!({"newQuantity": quantity, "reason": format!("delivery of {}", day.date)});
    replayed
        .send(stack, Method::PUT, &path("quantity"), body)
        .await?;
    let reservations = (1..=RESERVATIONS).map(|n| {
        let units = (day.volume / (20_000 * n)).max(1);
        let body =
            json!({"quantityToReserve": units, "reason": format!("order {n} of {}", day.date)});
        let path = path("reserve");
        async move { replayed.send(stack, Method::POST, &path, body).await }
    });
    future::try_join_all(reservations).await?;
    set_price(&day.close, "close").await
}

fn stock_id(symbol: &str) -> String {
    let legal = symbol.chars().filter(char::is_ascii_alphanumeric);
    format!("STK-{}", legal.collect::<String>())
}

/// Waits until every event has its outcome.
async fn delivered(stack: &Stack) -> anyhow::Result<()> {
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
        .fetch_one(&stack.stocks_db)
        .await?;
    let total = u64::try_from(events)?;
    let progress = Progress::new("waiting for the partner", total);
    let mut newest = (0, Instant::now());
    loop {
        let outcomes: i64 = sqlx::query_scalar("SELECT count(*) FROM outcomes")
            .fetch_one(&stack.acl_db)
            .await?;
        let outcomes = u64::try_from(outcomes)?;
        progress.set(outcomes);
        if outcomes >= total {
            return Ok(());
        }
        if outcomes > newest.0 {
            newest = (outcomes, Instant::now());
        }
        ensure!(
            newest.1.elapsed() < STALL,
            "{} of {total} events have no outcome, and none came for {STALL:?}",
            total - outcomes
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
