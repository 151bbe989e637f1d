//! What arrivals and settlements touch, and so has to be loaded.

use std::collections::HashSet;

use application::ports::{Arrival, Settlement};
use domain::delivery::Notification;

/// The stocks that arrivals touch, sorted, each once.
pub(super) fn stocks_of(arrivals: &[Arrival]) -> Vec<String> {
    let mut stocks: Vec<String> = arrivals
        .iter()
        .filter_map(|arrival| match arrival {
            Arrival::Event { notification, .. } => Some(notification.stock_id.clone()),
            Arrival::Wake { stock_id } => Some(stock_id.clone()),
            Arrival::Unreadable { .. } | Arrival::Foreign => None,
        })
        .collect();
    stocks.sort_unstable();
    stocks.dedup();
    stocks
}

/// The events among arrivals.
pub(super) fn events_of(arrivals: &[Arrival]) -> Vec<&Notification> {
    let events = arrivals.iter().filter_map(|arrival| match arrival {
        Arrival::Event { notification, .. } => Some(notification.as_ref()),
        Arrival::Wake { .. } | Arrival::Unreadable { .. } | Arrival::Foreign => None,
    });
    events.collect()
}

/// The events that settlements tell of.
pub(super) fn events_in(settlements: &[Settlement]) -> Vec<&Notification> {
    let mut events = Vec::new();
    for settlement in settlements {
        events.extend(
            settlement
                .attempts
                .iter()
                .map(|attempt| &*attempt.turn.notification),
        );
        events.extend(settlement.undone.iter().map(|turn| &*turn.notification));
    }
    events
}

/// The stocks whose waiting events are to be looked at.
pub(super) fn woken(arrivals: &[Arrival]) -> Vec<String> {
    let stocks = arrivals.iter().filter_map(|arrival| match arrival {
        Arrival::Wake { stock_id } => Some(stock_id.clone()),
        Arrival::Event { .. } | Arrival::Unreadable { .. } | Arrival::Foreign => None,
    });
    stocks.collect::<HashSet<_>>().into_iter().collect()
}
