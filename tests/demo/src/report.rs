//! What came of it: the table, the file, the verdict.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::Path,
    time::Duration,
};

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use devstack::{Checked, check, read_all, sightings};
use partner_sim::PartnerStock;
use serde::Serialize;
use serde_json::Value;

use crate::{replay::Replayed, stack::Stack};

const TOPICS: [&str; 6] = [
    "high-priority-updates",
    "virtual-stock-updates",
    "critical-stock-events",
    "stock-audit-logs",
    "stock-retry-topic",
    "stock-dead-letter-topic",
];

/// Milliseconds.
#[derive(Serialize)]
struct Percentiles {
    p50: f64,
    p95: f64,
    p99: f64,
}

/// Everything the demo shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    commands_accepted: u64,
    commands_rejected: BTreeMap<String, u64>,
    records_by_topic: BTreeMap<String, usize>,
    deliveries_by_outcome: BTreeMap<String, i64>,
    request_ms: Percentiles,
    request_to_partner_ms: Percentiles,
    events: usize,
    lost: usize,
    out_of_order: usize,
    without_outcome: i64,
    partner_violations: Vec<String>,
    stocks: usize,
    /// What differs, stock by stock.
    differences: Vec<String>,
    good: bool,
}

impl Report {
    pub(crate) async fn make(stack: &Stack, replayed: &Replayed) -> anyhow::Result<Self> {
        let tally = replayed.tally();
        let mut records = BTreeMap::new();
        for topic in TOPICS {
            let found = read_all(&stack.brokers, &format!("{}{topic}", stack.prefix))?;
            // A repeat is the same event.
            let distinct: HashSet<_> = found
                .iter()
                .map(|record| record.headers.get("ce_id"))
                .collect();
            let retries = ["stock-retry-topic", "stock-dead-letter-topic"].contains(&topic);
            records.insert(
                topic.to_owned(),
                if retries { found.len() } else { distinct.len() },
            );
        }
        let stocks = all_stocks(stack).await?;
        let newest = stocks
            .iter()
            .map(|(id, stock)| (id.clone(), stock["version"].as_u64().unwrap_or(0)));
        let newest: BTreeMap<String, u64> = newest.collect();
        let audit = sightings(&stack.brokers, &format!("{}stock-audit-logs", stack.prefix))?;
        let checked = check(&audit, &newest);
        let outcomes: Vec<(String, i64)> =
            sqlx::query_as("SELECT outcome, count(*) FROM outcomes GROUP BY 1")
                .fetch_all(&stack.acl_db)
                .await?;
        let events: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
            .fetch_one(&stack.stocks_db)
            .await?;
        let ledger = stack.partner.ledger();
        let mut report = Self {
            commands_accepted: tally.accepted,
            commands_rejected: tally.rejected,
            records_by_topic: records,
            without_outcome: events - outcomes.iter().map(|(_, count)| count).sum::<i64>(),
            deliveries_by_outcome: outcomes.into_iter().collect(),
            request_ms: percentiles(tally.latencies),
            request_to_partner_ms: to_partner(stack).await?,
            events: checked.events,
            lost: checked.lost,
            out_of_order: checked.out_of_order,
            partner_violations: ledger.violations,
            stocks: stocks.len(),
            differences: differences(&stocks, &ledger.stocks),
            good: false,
        };
        report.good = report.verdict(&checked, events);
        Ok(report)
    }

    fn verdict(&self, checked: &Checked, events: i64) -> bool {
        let complete = usize::try_from(events) == Ok(checked.events)
            && u64::try_from(events) == Ok(self.commands_accepted)
            && (checked.lost, checked.out_of_order, checked.different) == (0, 0, 0)
            && self.without_outcome == 0
            && !self.deliveries_by_outcome.contains_key("DEAD");
        complete
            && self.partner_violations.is_empty()
            && self.differences.is_empty()
            && self.stocks > 0
    }

    pub(crate) fn is_good(&self) -> bool {
        self.good
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        Ok(std::fs::write(file, serde_json::to_vec_pretty(self)?)?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["measure", "value"]);
        let mut row = |measure: String, value: String| {
            table.add_row([measure, value]);
        };
        row(
            "commands accepted".to_owned(),
            self.commands_accepted.to_string(),
        );
        for (code, count) in &self.commands_rejected {
            row(format!("commands rejected: {code}"), count.to_string());
        }
        for (topic, count) in &self.records_by_topic {
            row(format!("events on {topic}"), count.to_string());
        }
        for (outcome, count) in &self.deliveries_by_outcome {
            row(format!("deliveries {outcome}"), count.to_string());
        }
        let percentiles =
            |p: &Percentiles| format!("{:.1} / {:.1} / {:.1} ms", p.p50, p.p95, p.p99);
        row(
            "request p50 / p95 / p99".to_owned(),
            percentiles(&self.request_ms),
        );
        row(
            "request to partner p50 / p95 / p99".to_owned(),
            percentiles(&self.request_to_partner_ms),
        );
        row(
            "events lost, out of order, without outcome".to_owned(),
            format!(
                "{}, {}, {}",
                self.lost, self.out_of_order, self.without_outcome
            ),
        );
        writeln!(f, "{table}")?;
        for violation in self
            .partner_violations
            .iter()
            .chain(&self.differences)
            .take(10)
        {
            writeln!(f, "  {violation}")?;
        }
        let equal = self.stocks - self.differences.len().min(self.stocks);
        if self.good {
            write!(
                f,
                "the partner's picture equals the stock service's: {equal} of {} stocks",
                self.stocks
            )
        } else {
            write!(
                f,
                "NOT GOOD: {equal} of {} pictures are equal, {} events lost, {} out of order, {} without outcome",
                self.stocks, self.lost, self.out_of_order, self.without_outcome
            )
        }
    }
}

/// Every stock, as the stock service shows it.
async fn all_stocks(stack: &Stack) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut stocks = BTreeMap::new();
    let mut path = "/stocks?limit=500".to_owned();
    loop {
        let page: Value = stack
            .client
            .get(stack.api(&path))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        for item in page["items"].as_array().into_iter().flatten() {
            let id = item["stockId"].as_str().unwrap_or_default();
            stocks.insert(id.to_owned(), item.clone());
        }
        let Some(cursor) = page["nextCursor"].as_str() else {
            return Ok(stocks);
        };
        path = format!("/stocks?limit=500&cursor={cursor}");
    }
}

/// What the partner sees otherwise than the stock service.
fn differences(
    stocks: &BTreeMap<String, Value>,
    partner: &BTreeMap<String, PartnerStock>,
) -> Vec<String> {
    let mut differences = Vec::new();
    for (id, ours) in stocks {
        let Some(theirs) = partner.get(id) else {
            differences.push(format!("{id}: the partner does not know it"));
            continue;
        };
        let mut compare = |what: &str, ours: &Value, theirs: &Value| {
            if ours != theirs {
                differences.push(format!("{id}: {what} is {ours}, the partner has {theirs}"));
            }
        };
        compare("version", &ours["version"], &theirs.version.into());
        compare(
            "reserved units by effects",
            &ours["reserved"],
            &theirs.reserved_by_effects.into(),
        );
        for (name, theirs_name) in [
            ("symbol", "symbol"),
            ("quantity", "quantity"),
            ("reserved", "totalReserved"),
            ("available", "available"),
            ("unitPrice", "price"),
            ("status", "status"),
        ] {
            compare(name, &ours[name], &theirs.picture[theirs_name]);
        }
    }
    for id in partner.keys().filter(|id| !stocks.contains_key(*id)) {
        differences.push(format!("{id}: only the partner knows it"));
    }
    differences
}

fn percentiles(mut latencies: Vec<Duration>) -> Percentiles {
    latencies.sort_unstable();
    let at = |percent: usize| {
        let index = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies
            .get(index)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    Percentiles {
        p50: at(50),
        p95: at(95),
        p99: at(99),
    }
}

/// From the decision on the command to the partner's acknowledgement, written down.
async fn to_partner(stack: &Stack) -> anyhow::Result<Percentiles> {
    let (p50, p95, p99): (f64, f64, f64) = sqlx::query_as(
        "SELECT p[1], p[2], p[3] FROM (
             SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
                 ORDER BY extract(epoch FROM finished_at - occurred_at)::float8 * 1000
             ) AS p
             FROM consumption_log WHERE status = 'DELIVERED' AND attempt > 0
         ) percentiles",
    )
    .fetch_one(&stack.acl_db)
    .await?;
    Ok(Percentiles { p50, p95, p99 })
}
