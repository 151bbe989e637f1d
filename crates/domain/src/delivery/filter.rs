//! Which events a subscription wants.

use rust_decimal::Decimal;

use crate::delivery::{Notification, Picture};

/// Conditions that all have to hold; an empty list is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// One of these operations.
    pub operations: Vec<String>,
    /// The stock stands at one of these after the change.
    pub statuses: Vec<String>,
    /// The change brought the stock from another status to one of these.
    pub entered: Vec<String>,
    /// One of these symbols.
    pub symbols: Vec<String>,
    /// One of these currencies.
    pub currencies: Vec<String>,
    /// A unit price of at least so much.
    pub min_unit_price: Option<Decimal>,
}

fn among(wanted: &[String], value: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one == value)
}

impl Filter {
    /// Whether the subscription wants the event.
    #[must_use]
    pub fn passes(&self, notification: &Notification) -> bool {
        let picture = &notification.picture;
        let moved = notification.previous_status.as_ref() != Some(&picture.status);
        among(&self.operations, notification.effect.operation())
            && (self.entered.is_empty() || (moved && among(&self.entered, &picture.status)))
            && self.wants(picture)
    }

    /// Whether the subscription wants to know of a stock that stands so.
    #[must_use]
    pub fn wants(&self, picture: &Picture) -> bool {
        among(&self.statuses, &picture.status)
            && among(&self.symbols, &picture.symbol)
            && among(&self.currencies, &picture.currency)
            && self
                .min_unit_price
                .is_none_or(|least| picture.unit_price >= least)
    }
}
