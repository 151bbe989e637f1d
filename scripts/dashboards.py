#!/usr/bin/env python3
"""Writes Grafana's dashboards from the definitions below: scripts/dashboards.py [--check]. No package is needed."""
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent.parent / "helm/virtual-stock/files/dashboards"
SELECTOR = 'job=~"$job", instance=~"$instance"'


def panel(title, description, unit, *queries, kind="timeseries"):
    """A panel; a query is PromQL and what its series are called. `@` stands for the chosen job and instance."""
    return {"title": title, "description": description, "unit": unit, "queries": queries, "kind": kind}


def stat(title, description, unit, *queries):
    return panel(title, description, unit, *queries, kind="stat")


def table(title, description, sql):
    """A panel of rows that SQL finds in virtual-stock's database."""
    return panel(title, description, "none", (sql, ""), kind="table")


def per(labels, rate, more=""):
    return f"sum by ({labels}) (rate({rate}{{@{more}}}[$__rate_interval]))"


def quantile(q, labels, name, more=""):
    by = ", ".join(filter(None, [labels, "le"]))
    return f"histogram_quantile({q}, sum by ({by}) (rate({name}_bucket{{@{more}}}[$__rate_interval])))"


PUBLIC = ', endpoint!~"/actuator.*|/metrics|unmatched"'

DASHBOARDS = {
    "business-operations": ("Business Operations", [
        stat("Portfolio value", "Value of all units, by currency.", "none",
             ("max by (currency) (stock_total_value{@})", "{{currency}}")),
        stat("Reservations held", "Holds that have not ended.", "none", ("max(stock_reservations_held{@})", "held")),
        panel("Stocks created", "Creations per second.", "ops", (per("job", "stock_created_total"), "created")),
        panel("Changes", "Changes other than creations and reservations, per second.", "ops",
              (per("job", "stock_updated_total"), "changed")),
        panel("Reservations", "Reservations made and refused, per second.", "ops",
              (per("job", "stock_reserved_total"), "made"),
              (per("reason", "stock_reservations_rejected_total"), "refused: {{reason}}")),
        panel("Reservation success", "The share of reservations that were made.", "percentunit",
              ("sum(rate(stock_reserved_total{@}[$__rate_interval])) / (sum(rate(stock_reserved_total{@}[$__rate_interval]))"
               " + (sum(rate(stock_reservations_rejected_total{@}[$__rate_interval])) or vector(0)))", "success")),
        panel("Idempotent replays", "Requests that were answered with an earlier answer, per second.", "ops",
              (per("job", "stock_idempotent_replays_total"), "replayed")),
        table("Top stocks", "The ten stocks of the highest value, each in its own currency: nothing is converted.",
              'SELECT stock_id AS "Stock", product_name AS "Product", quantity AS "Quantity", reserved AS "Reserved",'
              ' unit_price AS "Unit price", unit_price * quantity AS "Value", currency AS "Currency"'
              ' FROM stocks ORDER BY unit_price * quantity DESC, stock_id LIMIT 10'),
    ]),
    "system-performance": ("System Performance", [
        panel("Requests", "Requests answered per second.", "reqps", (per("job, endpoint", "http_requests_total"), "{{endpoint}}")),
        panel("Refused requests", "Requests answered 4xx per second, by route and status.", "reqps",
              (per("job, endpoint, status", "http_requests_total", ', status=~"4.."'), "{{endpoint}} {{status}}")),
        panel("Time to answer", "Half, 95 and 99 of 100 requests took at most so long; without the stream and imports.", "s",
              (quantile(0.5, "job", "http_request_duration_seconds", PUBLIC), "p50 {{job}}"),
              (quantile(0.95, "job", "http_request_duration_seconds", PUBLIC), "p95 {{job}}"),
              (quantile(0.99, "job", "http_request_duration_seconds", PUBLIC), "p99 {{job}}")),
        panel("Batches", "Time of a group commit, and commands in it.", "s",
              (quantile(0.95, "job", "stock_batch_duration_seconds"), "p95 time")),
        panel("Commands in a batch", "Half and 95 of 100 batches had at most so many.", "none",
              (quantile(0.5, "job", "stock_batch_commands"), "p50"), (quantile(0.95, "job", "stock_batch_commands"), "p95")),
        panel("Database operations", "95 of 100 operations took at most so long.", "s",
              (quantile(0.95, "job, operation", "database_operation_duration_seconds"), "{{job}} {{operation}}")),
        panel("Database failures", "Operations that failed, per second.", "ops",
              (per("job, operation", "database_operation_failures_total"), "{{job}} {{operation}}")),
        panel("Oldest transaction", "Age of the oldest transaction that is open in the service's database; other users' only with pg_read_all_stats.", "s",
              ("max by (job) (database_oldest_transaction_seconds{@})", "{{job}}")),
        panel("Connections", "Connections of each pool that are in use, as a share of all it may open.", "percentunit",
              ('sum by (instance, pool) (database_connections{@, state="used"})'
               " / on (instance, pool) max by (instance, pool) (database_connections_max{@})", "{{instance}} {{pool}}")),
        panel("Processor", "Processors in use.", "none", (per("job, instance", "process_cpu_seconds_total"), "{{job}} {{instance}}")),
        panel("Memory", "Memory in use, as a share of the limit.", "percentunit",
              ("process_resident_memory_bytes{@} / memory_limit_bytes{@}", "{{job}} {{instance}}")),
        panel("Descriptors", "Files and sockets that are open.", "none", ("process_open_fds{@}", "{{job}} {{instance}}")),
        panel("Clock skew", "By how much the database's clock is ahead.", "s", ("clock_skew_seconds{@}", "{{job}} {{instance}}")),
    ]),
    "sla-and-alerting": ("SLA and Alerting", [
        stat("Availability", "The share of requests of the last six hours that the service did not fail.", "percentunit",
             ("1 - job:http_requests_failed:ratio_rate6h{job=~\"$job\"}", "{{job}}")),
        stat("Error budget", "What is left of the budget of 99.9 %, at the rate of the last six hours.", "percentunit",
             ("1 - job:http_requests_failed:ratio_rate6h{job=~\"$job\"} / 0.001", "{{job}}")),
        stat("Alerts", "Alerts that fire.", "none", ('count(ALERTS{alertstate="firing"}) or vector(0)', "firing")),
        stat("Instances", "Instances that answer.", "none", ('sum by (job) (up{@})', "{{job}}")),
        panel("Failing requests", "The share of answers that were the service's fault.", "percentunit",
              ('job:http_requests_failed:ratio_rate5m{job=~"$job"}', "{{job}}")),
        panel("Burn rate", "How many times too fast the budget is spent: over five minutes and an hour.", "none",
              ('job:http_requests_failed:ratio_rate5m{job=~"$job"} / 0.001', "{{job}} 5m"),
              ('job:http_requests_failed:ratio_rate1h{job=~"$job"} / 0.001', "{{job}} 1h")),
        panel("p95", "95 of 100 requests took at most so long.", "s",
              ('job:http_request_duration_seconds:p95_5m{job=~"$job"}', "{{job}}")),
        panel("Breakers", "1 while a partner is left alone.", "none",
              ("max by (subscription) (acl_breaker_open{@})", "{{subscription}}")),
        panel("Invariants", "What breaks an invariant of the data: must be 0.", "none",
              ("max by (invariant) (invariant_violations{@})", "{{invariant}}")),
        stat("Proven", "Time since everything that is stored was looked at.", "s",
             ("time() - max by (job) (invariant_verified_timestamp_seconds{@})", "{{job}}")),
    ]),
    "kafka-operations": ("Kafka Operations", [
        panel("Sent", "Records acknowledged per second.", "ops", (per("topic", "kafka_messages_sent_total"), "{{topic}}")),
        panel("Read", "Records read per second.", "ops", (per("consumer_group, topic", "kafka_messages_consumed_total"), "{{consumer_group}} {{topic}}")),
        panel("Lag", "Records that wait, by group.", "none", ("consumer_group:kafka_consumer_lag:sum", "{{consumer_group}}")),
        panel("Lag by partition", "Records that wait, by partition.", "none",
              ("sum by (topic, partition) (kafka_consumer_lag{@})", "{{topic}} {{partition}}")),
        panel("Rebalances", "Changes of partitions in ten minutes.", "none",
              ("sum by (consumer_group) (increase(kafka_rebalances_total{@}[10m]))", "{{consumer_group}}")),
        panel("Time to send", "99 of 100 windows were acknowledged within so long.", "s",
              (quantile(0.99, "job", "kafka_send_duration_seconds"), "p99")),
        panel("Brokers", "1 if a broker answers.", "none", ("kafka_up{@}", "{{job}} {{instance}}")),
        panel("Relay", "1 on the instance that relays, and its epoch.", "none",
              ("stock_relay_leader{@}", "leader {{instance}}"), ("max(stock_relay_epoch{@})", "epoch")),
    ]),
    "partner-delivery": ("Partner Delivery", [
        panel("Deliveries", "Events and attempts per second, by what came of them.", "ops",
              (per("subscription, status", "acl_deliveries_total"), "{{subscription}} {{status}}")),
        panel("From change to acknowledgement", "Half and 99 of 100 events took at most so long.", "s",
              (quantile(0.5, "subscription", "acl_delivery_age_seconds"), "p50 {{subscription}}"),
              (quantile(0.99, "subscription", "acl_delivery_age_seconds"), "p99 {{subscription}}")),
        panel("Oldest undelivered", "Age of the oldest event without an outcome.", "s",
              ("subscription:acl_oldest_undelivered_seconds:max", "{{subscription}}")),
        panel("Calls", "Calls per second, by answer.", "ops", (per("endpoint, status", "external_api_calls_total"), "{{endpoint}} {{status}}")),
        panel("Time of a call", "95 of 100 calls took at most so long.", "s",
              (quantile(0.95, "endpoint", "external_api_call_duration_seconds"), "{{endpoint}}")),
        panel("Held stocks", "Stocks whose events wait.", "none", ("max by (subscription) (acl_held_stocks{@})", "{{subscription}}")),
        panel("Left alone", "1 while the breaker is open, or the partner is halted.", "none",
              ("max by (subscription) (acl_breaker_open{@})", "breaker {{subscription}}"),
              ("max by (subscription) (acl_partner_halted{@})", "halted {{subscription}}")),
        panel("Time of a delivery", "99 of 100 took at most so long, from being taken in hand to the written outcome.", "s",
              (quantile(0.99, "subscription", "message_processing_duration_seconds"), "{{subscription}}")),
        panel("Audit rows", "Rows of the consumption log per second.", "ops", (per("subscription", "acl_audit_rows_written_total"), "{{subscription}}")),
        stat("Certificates", "Days until the certificate ends that a partner's server shows; only of partners over TLS.", "d",
             ("(min by (subscription) (acl_partner_certificate_end_timestamp_seconds{@}) - time()) / 86400", "{{subscription}}")),
    ]),
    "outbox-and-dead-letters": ("Outbox and Dead Letters", [
        panel("Backlog", "Events that are committed and not published.", "none", ("max(stock_outbox_backlog_events{@})", "events")),
        panel("Oldest event", "Age of the oldest event that is not published.", "s", ("max(stock_outbox_oldest_seconds{@})", "age")),
        panel("Outbox on disk", "What the outbox takes with its indexes, and what it may take.", "bytes",
              ("max(stock_outbox_bytes{@})", "outbox"), ("max(stock_outbox_limit_bytes{@})", "limit")),
        panel("Relay failures", "Times the relay had to start again, in ten minutes.", "none",
              ("sum(increase(stock_relay_failures_total{@}[10m]))", "failures")),
        panel("Dead letters", "Dead letters that nobody has handled, by cause.", "none",
              ("subscription_cause:acl_dead_letters:max or vector(0)", "{{subscription}} {{cause}}")),
        panel("Deaths", "Events that died, in ten minutes.", "none",
              ('sum by (subscription) (increase(acl_deliveries_total{@, status="DEAD"}[10m]))', "{{subscription}}")),
    ]),
    "reservations": ("Reservations", [
        stat("Held", "Holds that have not ended.", "none", ("max(stock_reservations_held{@})", "held")),
        panel("Expiry lag", "Since when the longest overdue hold should have ended.", "s", ("max(stock_expiry_lag_seconds{@})", "lag")),
        panel("Made and refused", "Per second.", "ops", (per("job", "stock_reserved_total"), "made"),
              (per("reason", "stock_reservations_rejected_total"), "refused: {{reason}}")),
        panel("Validation failures", "Requests whose members were wrong, per second.", "ops",
              (per("endpoint", "http_validation_failures_total"), "{{endpoint}}")),
        panel("Refused for their number", "Requests refused for their rate, or because too many were under way, per second.", "ops",
              (per("job", "http_requests_rate_limited_total"), "rate {{job}}"), (per("job", "http_requests_shed_total"), "shed {{job}}")),
    ]),
}

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
DATABASE = {"type": "grafana-postgresql-datasource", "uid": "${database}"}


def target(index, source, query, legend):
    own = {"format": "table", "rawQuery": True, "rawSql": query} if source == DATABASE else {
        "expr": query.replace("@", SELECTOR), "legendFormat": legend,
    }
    return {"refId": chr(ord("A") + index), "datasource": source, **own}


def built(number, definition):
    source = DATABASE if definition["kind"] == "table" else SOURCE
    wide, high = 12, 8
    return {
        "id": number + 1,
        "type": definition["kind"],
        "title": definition["title"],
        "description": definition["description"],
        "datasource": source,
        "gridPos": {"h": high, "w": wide, "x": number % 2 * wide, "y": number // 2 * high},
        "fieldConfig": {"defaults": {"unit": definition["unit"]}, "overrides": []},
        "targets": [target(index, source, *query) for index, query in enumerate(definition["queries"])],
    }


def chosen(name, label, source):
    return {"name": name, "label": label, "type": "datasource", "query": source["type"]}


def text(name, label, value):
    current = {"text": value, "value": value}
    return {"name": name, "label": label, "type": "textbox", "query": value, "current": current, "options": [{"selected": True, **current}]}


def variable(name, label, query):
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "query": query, "refresh": 2,
        "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]},
    }


def link(title, tooltip, url):
    return {
        "title": title, "type": "link", "tags": [], "asDropdown": False, "icon": "external link",
        "includeVars": False, "keepTime": False, "targetBlank": True, "tooltip": tooltip, "url": url,
    }


def dashboard(uid, title, panels):
    tables = any(panel["kind"] == "table" for panel in panels)
    return {
        "uid": uid,
        "title": f"Virtual Stock: {title}",
        "tags": ["virtual-stock"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [
            chosen("datasource", "Data source", SOURCE),
            *([chosen("database", "Database of virtual-stock", DATABASE)] if tables else []),
            variable("job", "Job", 'label_values(build_info, job)'),
            variable("instance", "Instance", 'label_values(build_info{job=~"$job"}, instance)'),
            text("traces", "Viewer of traces", "http://localhost:16686"),
            text("trace", "Trace (traceId)", ""),
        ]},
        "links": [
            {
                "title": "Virtual Stock", "type": "dashboards", "tags": ["virtual-stock"], "asDropdown": True, "icon": "external link",
                "includeVars": True, "keepTime": True, "targetBlank": False, "tooltip": "The other dashboards", "url": "",
            },
            link("Trace", "The traceId of a log line or of a problem answer", "${traces}/trace/${trace}"),
            link("Slow or failed requests", "Traces of virtual-stock", "${traces}/search?service=virtual-stock"),
        ],
        "panels": [built(number, panel) for number, panel in enumerate(panels)],
    }


def main():
    check = sys.argv[1:] == ["--check"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong = {path.name for path in FOLDER.glob("*.json")} - {f"{uid}.json" for uid in DASHBOARDS}
    for uid, (title, panels) in DASHBOARDS.items():
        path = FOLDER / f"{uid}.json"
        text = json.dumps(dashboard(uid, title, panels), indent=2, ensure_ascii=False) + "\n"
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.add(path.name)
    if wrong:
        sys.exit(f"not what scripts/dashboards.py makes: {', '.join(sorted(wrong))}")


if __name__ == "__main__":
    main()
