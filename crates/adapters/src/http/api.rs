//! What the handlers work with.

use std::{sync::Arc, time::Duration};

use application::{feed::Feed, ports::StockQueries, stock::StockCommands};
use domain::stock::{Currency, Quantity, RoutingTable, Stock};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    contract::TopicNames,
    http::{
        Problem,
        member::{Seconds, Wrong},
    },
};

/// What the handlers work with; shared, because axum copies a router's state several times for a request.
pub struct StockApi {
    /// Changes stocks.
    pub commands: StockCommands,
    /// Reads stocks.
    pub queries: Arc<dyn StockQueries>,
    /// What requests may leave out.
    pub defaults: StockDefaults,
    /// Which streams events go to.
    pub routing: RoutingTable,
    /// The names of the streams.
    pub topics: TopicNames,
    /// Events as they are committed.
    pub feed: Feed,
    /// How many clients may still follow them.
    pub streams: Arc<Semaphore>,
    /// How many imports may still be under way.
    pub imports: Arc<Semaphore>,
    /// Ends what would not end by itself.
    pub stop: CancellationToken,
}

/// What requests may leave out, and how far they may go.
#[derive(Debug, Clone)]
pub struct StockDefaults {
    /// Currency of a stock whose creator names none.
    pub currency: Currency,
    /// How long a hold lasts whose maker says nothing.
    pub reservation_ttl: Duration,
    /// How long a hold may last.
    pub reservation_max_ttl: Duration,
    /// How old a position in the stream of events may be.
    pub stream_memory: Duration,
    /// Changes of a stock need `If-Match`, or `expectedQuantity`.
    pub require_precondition: bool,
}

impl StockDefaults {
    /// The time of a hold.
    pub(super) fn ttl(&self, asked: Option<Seconds>) -> Result<Duration, Problem> {
        match asked {
            None => Ok(self.reservation_ttl),
            Some(Seconds(ttl)) if ttl <= self.reservation_max_ttl => Ok(ttl),
            Some(_) => {
                let most = self.reservation_max_ttl.as_secs();
                let wrong = Wrong::all("out-of-range", format!("must be between 1 and {most}"));
                let wrong = wrong.into_iter().map(|wrong| wrong.within("ttlSeconds"));
                Err(Problem::validation(wrong.collect()))
            }
        }
    }

    /// The threshold of a stock whose creator names none.
    pub(super) fn threshold() -> Quantity {
        Quantity::try_from(Stock::DEFAULT_LOW_STOCK_THRESHOLD).unwrap_or(Quantity::ZERO)
    }
}
