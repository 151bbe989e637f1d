//! The shipped default, and settings that cannot be used.

use std::num::NonZeroU32;

use super::*;

fn with(change: (&str, &str)) -> Result<(), String> {
    assert!(DEFAULT.contains(change.0), "{}", change.0);
    let text = DEFAULT.replacen(change.0, change.1, 1);
    let config: Config =
        config::load(&text, None, "UNSET__", Some(INHERITED)).map_err(|error| error.to_string())?;
    config.check().map_err(|error| error.to_string())
}

#[test]
fn the_shipped_default_is_valid() {
    assert_eq!(with(("", "")), Ok(()));
}

#[test]
fn a_subscription_delivers_as_all_do_but_for_what_it_says() {
    let config = Config::read(None).unwrap();
    let delivery = |name: &str| {
        let named = config.subscriptions().find(|named| named.name == name);
        let delivery = &named.unwrap().settings.delivery;
        (delivery.concurrency, delivery.max_batch, delivery.rate())
    };

    assert_eq!(delivery("trading-partner"), (64, 256, None));
    assert_eq!(delivery("alerts-slack"), (1, 256, NonZeroU32::new(1)));
}

#[test]
fn a_wrong_setting_is_named() {
    for (from, to, named) in [
        (
            "concurrency = 64",
            "concurrency = 0",
            "delivery.concurrency",
        ),
        (
            "concurrency = 64",
            "concurrency = -1",
            "delivery.concurrency",
        ),
        (
            "claim_lease = \"30s\"",
            "claim_lease = \"19s\"",
            "subscriptions.trading_partner.delivery.claim_lease",
        ),
        ("\"1s\", \"5s\"", "\"1 sec later\"", "delivery.retry"),
        (
            "url = \"http://127.0.0.1:9090\"",
            "url = \"partner\"",
            "subscriptions.trading_partner.target",
        ),
        ("drain = \"25s\"", "drain = \"9s\"", "shutdown.drain"),
        ("partitions = 3", "partitions = 0", "stock-retry-topic"),
        (
            "group = \"acl-stock",
            "groups = \"acl-stock",
            "subscriptions.trading_partner.groups",
        ),
        (
            "group = \"acl-inventory-consumer-group\"",
            "group = \"acl-stock-consumer-group\"",
            "subscriptions.trading_partner.group",
        ),
        (
            "topics = [\"stock-audit-logs\"]",
            "topics = [\"stock-audit-logs\", \"virtual-stock-updates\"]",
            "subscriptions.analytics_platform.topics",
        ),
        (
            "operations = []",
            "operations = [\"SOLD\"]",
            "subscriptions.trading_partner.filter.operations",
        ),
        (
            "# min_unit_price = \"100\"",
            "min_unit_price = \"cheap\"",
            "subscriptions.trading_partner.filter.min_unit_price",
        ),
        (
            "profile = \"trading\"",
            "profile = \"trading2\"",
            "subscriptions.trading_partner.target.profile",
        ),
        (
            "reserved = \"{units}\"",
            "reserved = \"{unitz}\"",
            "profiles.trading.calls.RESERVED.body.reserved",
        ),
        (
            "external_id = \"/externalId\"",
            "",
            "profiles.trading.external_id",
        ),
        (
            "CREATED = {",
            "CREATE = {",
            "profiles.trading.calls.CREATED",
        ),
        (
            "default = { method = \"PUT\"",
            "DISCONTINUED = { method = \"PUT\"",
            "profiles.trading.calls has no call for QUANTITY_UPDATED",
        ),
        (
            "by = \"status\"",
            "by = \"colour\"",
            "profiles.pagerduty.enrich.severity.by",
        ),
        (
            "routing_key = { env",
            "routing = { env",
            "secret.routing_key",
        ),
        (
            "security = \"starttls\"",
            "security = \"none\"",
            "subscriptions.alerts_email.target.security",
        ),
        (
            "index = \"virtual-stock-logs\"",
            "index = \"Logs\"",
            "subscriptions.audit_search.target.index",
        ),
        ("enabled = true", "enabled = false", "subscriptions"),
    ] {
        let error = with((from, to)).expect_err(to);
        assert!(error.contains(named), "{to}: {error}");
    }
}
