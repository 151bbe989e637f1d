//! What the partner has seen, and what it made of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde_json::{Value, json};

/// One call, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Endpoint, for example `stock-reserved`; the path of a call that is none of the trading partner's.
    pub endpoint: String,
    /// The partner's name of the stock, where the path has it.
    pub external_id: Option<String>,
    /// Our name of the stock.
    pub stock_id: String,
    /// `Idempotency-Key`.
    pub key: String,
    /// `X-Stock-Version`.
    pub version: u64,
    /// `X-Correlation-Id`.
    pub correlation_id: String,
    /// `traceparent`, if there was one.
    pub traceparent: Option<String>,
    /// `Authorization`, if there was one.
    pub authorization: Option<String>,
    /// `webhook-signature`, if there was one.
    pub signature: Option<String>,
    /// The body.
    pub body: Value,
    /// When it came, in milliseconds since the simulator began to listen.
    pub at_ms: u64,
    /// When it ended.
    pub answered_ms: Option<u64>,
    /// The status it was answered with; 0 while it is being worked on.
    pub status: u16,
    /// The effect was applied with this call, and not with an earlier one of the same key.
    pub applied: bool,
}

/// A stock as the partner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerStock {
    /// The partner's name of it.
    pub external_id: String,
    /// Our name of it.
    pub stock_id: String,
    /// The version of the picture.
    pub version: u64,
    /// The newest picture: the last body's state.
    pub picture: Value,
    /// Units reserved, added up over the effects.
    pub reserved_by_effects: i64,
}

/// Everything the partner knows.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// All calls, in order.
    pub calls: Vec<Call>,
    /// Effects that were applied, each once.
    pub effects: u64,
    /// Stocks by our name.
    pub stocks: BTreeMap<String, PartnerStock>,
    /// What must not happen: an older picture after a newer one, two calls for one stock at once.
    pub violations: Vec<String>,
    #[serde(skip)]
    answers: HashMap<String, Value>,
    #[serde(skip)]
    busy: HashSet<String>,
}

/// Where the trading partner's API begins.
pub(crate) const TRADING: &str = "/api/v1/trading/";

/// Members of a body that are state, not effect.
const STATE: [&str; 8] = [
    "symbol",
    "productId",
    "productName",
    "quantity",
    "totalReserved",
    "available",
    "price",
    "status",
];

impl Ledger {
    /// A call comes in; returns its place in the list.
    pub(crate) fn begin(&mut self, call: Call) -> usize {
        if !self.busy.insert(call.stock_id.clone()) {
            let both = format!("two calls at once for {}", call.stock_id);
            self.violations.push(both);
        }
        self.calls.push(call);
        self.calls.len() - 1
    }

    /// The call at `place` is answered with `status`.
    pub(crate) fn end(&mut self, place: usize, status: u16, now_ms: u64) {
        self.calls[place].status = status;
        self.calls[place].answered_ms = Some(now_ms);
        self.busy.remove(&self.calls[place].stock_id);
    }

    /// Does what the call asks for, once per key; returns the answer, or why it cannot be done.
    pub(crate) fn apply(&mut self, place: usize) -> Result<Value, u16> {
        let Self {
            calls,
            effects,
            stocks,
            violations,
            answers,
            busy: _,
        } = self;
        let call = &mut calls[place];
        let trading = call.path.starts_with(TRADING);
        let known = stocks.get(&call.stock_id).filter(|_| trading);
        if let Some(stock) = known.filter(|stock| stock.version > call.version) {
            violations.push(format!(
                "{}: version {} of the picture came after {}",
                call.stock_id, call.version, stock.version
            ));
        }
        if let Some(answer) = answers.get(&call.key) {
            return Ok(answer.clone());
        }
        let answer = if trading {
            let external_id = call.external_id.as_deref();
            if external_id.is_some_and(|id| known.is_none_or(|stock| stock.external_id != id)) {
                return Err(404);
            }
            told(stocks, call, answers.len())?
        } else {
            // A call of no API of ours: its effect is that it came.
            json!({"ok": true})
        };
        call.applied = true;
        *effects += 1;
        answers.insert(call.key.clone(), answer.clone());
        Ok(answer)
    }
}

/// A call of the trading partner's API, the one after so many others that had an effect.
fn told(
    stocks: &mut BTreeMap<String, PartnerStock>,
    call: &Call,
    others: usize,
) -> Result<Value, u16> {
    let units = |name: &str| call.body[name].as_i64().unwrap_or(0);
    let (answer, reserved) = match call.endpoint.as_str() {
        "stock-created" => {
            let external_id = format!("EXT-{:06}", stocks.len() + 1);
            let answer = json!({"externalId": external_id});
            let stock = PartnerStock {
                external_id,
                stock_id: call.stock_id.clone(),
                version: 0,
                picture: Value::Null,
                reserved_by_effects: 0,
            };
            stocks.entry(call.stock_id.clone()).or_insert(stock);
            (answer, 0)
        }
        "stock-reserved" => {
            let id = format!("PR-{}", others + 1);
            (json!({"reservationId": id}), units("reserved"))
        }
        "stock-updated" | "stock-price-updated" => (json!({"updated": true}), 0),
        "stock-confirmed" | "stock-released" | "stock-expired" => {
            (json!({"accepted": true}), -units("units"))
        }
        _ => return Err(404),
    };
    let stock = stocks.get_mut(&call.stock_id).ok_or(404_u16)?;
    if call.version >= stock.version {
        stock.version = call.version;
        stock.picture = STATE
            .into_iter()
            .map(|name| (name.to_owned(), call.body[name].clone()))
            .collect();
    }
    stock.reserved_by_effects += reserved;
    Ok(answer)
}
