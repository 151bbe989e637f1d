//! The shipped defaults, and settings that are wrong.

use super::*;

fn with(change: (&str, &str)) -> Result<(), String> {
    assert!(DEFAULT.contains(change.0), "{}", change.0);
    let text = DEFAULT.replacen(change.0, change.1, 1);
    let config: Config =
        config::load(&text, None, "UNSET__", None).map_err(|error| error.to_string())?;
    config.check().map_err(|error| error.to_string())
}

#[test]
fn the_shipped_default_is_valid() {
    assert_eq!(with(("", "")), Ok(()));
}

#[test]
fn a_wrong_setting_is_named() {
    for (from, to, named) in [
        ("lanes = 2", "lanes = 0", "executor.lanes"),
        ("lanes = 2", "lines = 2", "executor.lines"),
        ("poll = \"50ms\"", "poll = \"soon\"", "relay.poll"),
        ("poll = \"50ms\"", "", "relay"),
        (
            "max_connections = 8",
            "max_connections = 3",
            "database.max_connections",
        ),
        ("[\"CREATED\", \"PRICE_UPDATED\"]", "[\"MADE\"]", "valuable"),
        (
            "price_above = \"100\"",
            "price_above = \"x\"",
            "price_above",
        ),
        (
            "to = \"normal\"",
            "to = \"normal\"\noperations = [\"CREATED\"]",
            "routing",
        ),
        ("to = \"normal\"", "to = \"nowhere\"", "routing"),
        ("name = \"stock-audit-logs\"", "name = \"a b\"", "a b"),
        ("partitions = 6", "partitions = 0", "virtual-stock-updates"),
        ("ttl = \"15m\"", "ttl = \"0s\"", "reservations.ttl"),
        (
            "max_ttl = \"1day\"",
            "max_ttl = \"1m\"",
            "reservations.max_ttl",
        ),
        (
            "listen = \"127.0.0.1:8080\"",
            "listen = \"0.0.0.0:8080\"",
            "auth.mode",
        ),
        ("mode = \"none\"", "mode = \"required\"", "auth.api_keys"),
        (
            "per_second = 10000",
            "per_second = 0",
            "rate_limit.per_second",
        ),
        ("currency = \"USD\"", "currency = \"usd\"", "stock.currency"),
        (
            "listen = \"127.0.0.1:8080\"",
            "listen = \"8080\"",
            "http.listen",
        ),
    ] {
        let error = with((from, to)).expect_err(to);
        assert!(error.contains(named), "{to}: {error}");
    }
}

#[test]
fn without_credentials_other_addresses_than_loopback_have_to_be_allowed() {
    let open = "listen = \"0.0.0.0:8080\"";
    let text = DEFAULT.replacen("listen = \"127.0.0.1:8080\"", open, 1);
    let checked = |text: &str| {
        let config: Config = config::load(text, None, "UNSET__", None).unwrap();
        config.check().is_ok()
    };

    assert!(!checked(&text));
    assert!(checked(&text.replacen(
        "allow_open = false",
        "allow_open = true",
        1
    )));
}
