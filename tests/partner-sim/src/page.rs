//! What the simulator received, for people.

use axum::response::Html;

use crate::{Shared, lock};

/// Newest calls that are shown.
const SHOWN: usize = 100;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The page.
pub(crate) fn page(state: &Shared) -> Html<String> {
    let state = lock(state);
    let ledger = &state.ledger;
    let effects = ledger.effects;
    let mut violations = String::new();
    for violation in &ledger.violations {
        violations.extend(["<li>", &escaped(violation), "</li>"]);
    }
    let mut rows = String::new();
    for call in ledger.calls.iter().rev().take(SHOWN) {
        let row = format!(
            "<tr><td>{}<td>{} {}<td>{}<td>{}<td>{}<td>{}<td><code>{}</code></tr>\n",
            call.at_ms,
            call.method,
            escaped(&call.path),
            escaped(&call.key),
            call.version,
            call.status,
            if call.applied { "yes" } else { "" },
            escaped(&call.body.to_string()),
        );
        rows.push_str(&row);
    }
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta http-equiv=\"refresh\" content=\"2\">\n\
         <title>Partner simulator</title>\n\
         <style>body{{font-family:sans-serif}}td{{padding:.1em .6em;vertical-align:top}}code{{font-size:80%}}</style>\n\
         <h1>Partner simulator</h1>\n\
         <p>{} calls, {effects} effects, {} stocks, {} faults scripted. JSON: \
         <a href=\"/simulator/summary\">summary</a>, <a href=\"/simulator/calls\">calls</a>, \
         <a href=\"/simulator/stocks\">stocks</a>, <a href=\"/simulator/faults\">faults</a>.</p>\n\
         <ul>{violations}</ul>\n\
         <table>\n<tr><th>ms<th>call<th>key<th>version<th>status<th>effect<th>body</tr>\n{rows}</table>\n",
        ledger.calls.len(),
        ledger.stocks.len(),
        state.faults.len(),
    ))
}
