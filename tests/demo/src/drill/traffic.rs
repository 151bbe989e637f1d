//! What clients do meanwhile.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Between two requests of the usual kind.
const USUAL: Duration = Duration::from_millis(50);
/// Between two requests of a flood.
const FLOOD: Duration = Duration::from_millis(10);
/// Stocks that clients work on.
pub(super) const STOCKS: u32 = 200;

/// The stock of this number.
pub(super) fn stock(number: u32) -> String {
    format!("STK-DRILL{number}")
}

/// Clients, until this is dropped.
pub(super) struct Traffic {
    _clients: JoinSet<()>,
}

impl Traffic {
    /// Reservations and looks at stocks, twenty in a second. Whatever the answer is, the next one follows.
    pub(super) fn usual(client: &Client, api: &str) -> Self {
        let (client, api) = (client.clone(), api.to_owned());
        Self::each(USUAL, move |turn| {
            let stock = stock(turn / 2 % STOCKS);
            let body = json!({"quantityToReserve": 1, "reason": "drill"});
            let request = match turn % 2 {
                0 => client.get(format!("{api}/stocks/{stock}")),
                _ => client
                    .post(format!("{api}/stocks/{stock}/reserve"))
                    .json(&body),
            };
            request.timeout(Duration::from_secs(5))
        })
    }

    /// Requests that cannot be understood, a hundred in a second.
    pub(super) fn flood(client: &Client, api: &str) -> Self {
        let (client, api) = (client.clone(), api.to_owned());
        Self::each(FLOOD, move |_| {
            let request = client.request(Method::POST, format!("{api}/stocks"));
            request.json(&Value::Null).timeout(Duration::from_secs(5))
        })
    }

    fn each(
        period: Duration,
        request: impl Fn(u32) -> reqwest::RequestBuilder + Send + Sync + 'static,
    ) -> Self {
        let request = Arc::new(request);
        let mut clients = JoinSet::new();
        clients.spawn(async move {
            let mut under_way = JoinSet::new();
            let mut ticks = tokio::time::interval(period);
            for turn in 0_u32.. {
                ticks.tick().await;
                while under_way.try_join_next().is_some() {}
                let request = request(turn);
                under_way.spawn(async move { drop(request.send().await) });
            }
        });
        Self { _clients: clients }
    }
}
