//! Which topics an event goes to.

use rust_decimal::Decimal;

use crate::stock::{Operation, Status, StockUpdatedEvent};

/// The streams of stock events; their names on the broker are configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// What partners must know first.
    HighPriority,
    /// Everything else.
    Normal,
    /// Stocks that became low or empty.
    Critical,
    /// A copy of everything: the one stream that is in order per stock.
    Audit,
}

/// When a rule applies: every condition that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// The operation is one of these; empty: any.
    pub operations: Vec<Operation>,
    /// The unit price after the change is above this.
    pub price_above: Option<Decimal>,
    /// The change entered one of these statuses; empty: no matter.
    pub enters: Vec<Status>,
}

/// What of an event decides where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoutingFacts {
    /// What was done.
    pub operation: Operation,
    /// The price of one unit after it.
    pub unit_price: Decimal,
    /// The status that the stock entered with it.
    pub entered: Option<Status>,
}

impl From<&StockUpdatedEvent> for RoutingFacts {
    fn from(event: &StockUpdatedEvent) -> Self {
        Self {
            operation: event.operation(),
            unit_price: event.stock.unit_price.amount(),
            entered: event.entered_status(),
        }
    }
}

impl Condition {
    fn holds(&self, facts: &RoutingFacts) -> bool {
        let operation = self.operations.is_empty() || self.operations.contains(&facts.operation);
        let price = self
            .price_above
            .is_none_or(|limit| facts.unit_price > limit);
        let entered = facts.entered;
        let enters =
            self.enters.is_empty() || entered.is_some_and(|status| self.enters.contains(&status));
        operation && price && enters
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The rule's name, for people.
    pub name: String,
    /// When it applies.
    pub when: Condition,
    /// Where the event goes.
    pub stream: Stream,
    /// A copy, beside the stream that the first other rule decides.
    pub copy: bool,
}

/// An ordered table: the first rule that is not a copy and applies decides the event's stream; every copy rule that
/// applies adds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingTable(Vec<Rule>);

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the last rule that is not a copy must have no condition, or some event would go nowhere")]
pub struct NoCatchAll;

impl RoutingTable {
    /// A table of these rules, in this order.
    ///
    /// # Errors
    /// [`NoCatchAll`] if an event could match no rule.
    pub fn new(rules: Vec<Rule>) -> Result<Self, NoCatchAll> {
        match rules.iter().rfind(|rule| !rule.copy) {
            Some(last) if last.when == Condition::default() => Ok(Self(rules)),
            _ => Err(NoCatchAll),
        }
    }

    /// The rules that decide where the event goes, the deciding one first.
    pub fn matches(&self, facts: RoutingFacts) -> impl Iterator<Item = &Rule> {
        let applies = move |rule: &&Rule| rule.when.holds(&facts);
        let primary = self.0.iter().filter(|rule| !rule.copy).find(applies);
        let copies = self.0.iter().filter(|rule| rule.copy).filter(applies);
        primary.into_iter().chain(copies)
    }

    /// The streams the event goes to, each once.
    #[must_use]
    pub fn streams(&self, event: &StockUpdatedEvent) -> Vec<Stream> {
        let mut streams = Vec::with_capacity(3);
        for rule in self.matches(event.into()) {
            if !streams.contains(&rule.stream) {
                streams.push(rule.stream);
            }
        }
        streams
    }
}
