//! `GET /events/stream`: events as they are committed, as server-sent events.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use application::{
    Causes,
    feed::{Followed, Follower},
    ports::OutboxRow,
};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::stock::{Operation, StockId};
use futures::{StreamExt, stream};
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    clock::SystemClock,
    contract::{header, names},
    http::{
        Problem, StockApi,
        caller::{Caller, MayRead},
        member::{Member, Several, Wrong},
        openapi::{CommonProblems, GoneProblem, LastEventIdHeader},
        problem::kind,
        query::{Parameters, query},
    },
};
use application::ports::Clock;

/// Between two signs of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a client that lost its connection should come again.
const RETRY: Duration = Duration::from_secs(2);

impl Member for Operation {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        names::operations()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Wrong::all("unknown-name", format!("must be one of {names}"))
        })
    }
}

query! {
    /// Which events.
    struct StreamParameters {
        /// Only those of these stocks; several ids may be separated by commas.
        stock_id: Several<StockId> = "stockId",
        /// Only those of these operations; several names may be separated by commas.
        operation: Several<Operation> = "operation",
    }
}

/// An event of the stream.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct StreamedEvent {
    /// The type of the event, or `position` for one that only says where the stream begins.
    event: String,
    /// The event's value, as it is on Kafka.
    data: String,
    /// A position: with it as Last-Event-ID, the stream goes on behind this event.
    #[schema(nullable = false)]
    id: Option<String>,
    /// Milliseconds after which a client that lost its connection should come again.
    #[schema(nullable = false)]
    retry: Option<u64>,
}

/// What a client wants to see.
struct Filter {
    stocks: Option<Vec<String>>,
    types: Option<Vec<String>>,
}

impl Filter {
    fn takes(&self, row: &OutboxRow) -> bool {
        let stock = self.stocks.as_ref();
        let event_type = event_type(row);
        stock.is_none_or(|wanted| wanted.contains(&row.stock_id))
            && self
                .types
                .as_ref()
                .is_none_or(|wanted| wanted.iter().any(|wanted| wanted == event_type))
    }
}

fn event_type(row: &OutboxRow) -> &str {
    let found = row.headers.iter().find(|(name, _)| name == header::TYPE);
    found.map_or("", |(_, value)| value)
}

/// A place in the stream, and when it was.
fn encode(position: &str, now: OffsetDateTime) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {position}", now.unix_timestamp()))
}

/// The position and its age; `None` if no stream has given it.
fn decode(id: &str, now: OffsetDateTime) -> Option<(String, Duration)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
    let (at, position) = text.split_once(' ')?;
    let age = now.unix_timestamp().checked_sub(at.parse().ok()?)?;
    let age = Duration::from_secs(u64::try_from(age).unwrap_or(0));
    // A snapshot is xmin:xmax:xip,xip,…
    let [low, high, between] = position.splitn(3, ':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (low, high): (u64, u64) = (low.parse().ok()?, high.parse().ok()?);
    let mut least = low;
    for id in between.split(',').filter(|id| !id.is_empty()) {
        let id: u64 = id.parse().ok()?;
        if id < least || id >= high {
            return None;
        }
        least = id;
    }
    (0 < low && low <= high).then(|| (position.to_owned(), age))
}

/// Follows what happens to stocks. Every event is sent at least once, per stock in the order of its versions; `data` is
/// the event as it is on Kafka, `event` its type. After a lost connection, `Last-Event-ID` goes on where the stream was.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/events/stream",
    operation_id = "streamEvents",
    tag = "events",
    params(StreamParameters, LastEventIdHeader),
    responses(
        CommonProblems,
        GoneProblem,
        (status = 200, description = "The events.", body = StreamedEvent, content_type = "text/event-stream"),
    ),
)]
pub(super) async fn stream_events(
    State(api): State<Arc<StockApi>>,
    caller: Caller<MayRead>,
    Parameters(parameters): Parameters<StreamParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id");
    let last = last.map(|id| id.to_str().unwrap_or_default());
    let from = last.map(|id| position(&api, id)).transpose()?;
    let permit = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| {
        Problem::new(&kind::OVERLOADED, "Too many clients follow the stream.").retry_after(5)
    })?;
    let stocks = parameters.stock_id.map(|several| several.0);
    let operations = parameters.operation.map(|several| several.0);
    let filter = Filter {
        stocks: stocks.map(|ids| ids.iter().map(ToString::to_string).collect()),
        types: operations.map(|operations| {
            let names = operations.iter().map(|operation| operation.as_str());
            names.map(header::event_type).collect()
        }),
    };
    let (follower, begin) = api.feed.follow(from).await.map_err(|error| {
        tracing::error!(code = "STREAM_FAILED", error = %Causes(&error), "a stream could not begin");
        Problem::unavailable("The events cannot be read now.")
    })?;
    // A position that the client has brought keeps its age.
    let id = last.map_or_else(|| encode(&begin, SystemClock.now()), str::to_owned);
    let hello = Event::default()
        .event("position")
        .id(id)
        .retry(RETRY)
        .data("{}");
    let following = Following {
        follower,
        filter,
        said: Instant::now(),
        _permit: permit,
    };
    let events = stream::unfold(following, next).flatten();
    let until = caller.principal.until;
    let stop = api.stop.clone();
    let end = async move {
        let left = until.map(|until| until - SystemClock.now());
        let left = left.map(|left| Duration::try_from(left).unwrap_or_default());
        match left {
            Some(left) => drop(tokio::time::timeout(left, stop.cancelled()).await),
            None => stop.cancelled().await,
        }
    };
    let all = stream::iter([Ok::<_, Infallible>(hello)])
        .chain(events)
        .take_until(Box::pin(end));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(all).keep_alive(keep_alive).into_response())
}

fn position(api: &StockApi, id: &str) -> Result<String, Problem> {
    let (position, age) = decode(id, SystemClock.now()).ok_or_else(|| {
        let why = "must be the id of an event of this stream";
        Problem::bad_header("Last-Event-ID", "pattern", why)
    })?;
    if age > api.defaults.stream_memory {
        return Err(Problem::new(&kind::GONE, kind::GONE.meaning));
    }
    Ok(position)
}

/// A client that follows the stream.
struct Following {
    follower: Follower,
    filter: Filter,
    /// When the client was told a position last.
    said: Instant,
    _permit: OwnedSemaphorePermit,
}

/// The events of the next window; the last one, or now and then an event in its place, has the position after all of
/// them.
async fn next(
    mut following: Following,
) -> Option<(
    impl futures::Stream<Item = Result<Event, Infallible>>,
    Following,
)> {
    let window = match following.follower.next().await {
        Ok(Followed::Window(window)) => window,
        Ok(Followed::Ended) => return None,
        Err(error) => {
            tracing::warn!(code = "STREAM_ENDED", error = %Causes(&error), "a stream of events ended early");
            return None;
        }
    };
    let taken: Vec<&OutboxRow> = window
        .rows
        .iter()
        .filter(|row| following.filter.takes(row))
        .collect();
    let id = window.to.as_ref().map(|to| encode(to, SystemClock.now()));
    let count = taken.len();
    let mut events: Vec<_> = taken
        .into_iter()
        .enumerate()
        .map(|(index, row)| {
            let event = Event::default()
                .event(event_type(row))
                .data(String::from_utf8_lossy(&row.payload));
            Ok(match &id {
                Some(id) if index + 1 == count => event.id(id),
                _ => event,
            })
        })
        .collect();
    if let Some(id) = id
        && (count > 0 || window.catches_up || following.said.elapsed() > KEEP_ALIVE)
    {
        following.said = Instant::now();
        if count == 0 {
            let position = Event::default().event("position").id(id).data("{}");
            events.push(Ok(position));
        }
    }
    Some((stream::iter(events), following))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn only_positions_that_a_stream_gave_are_taken() {
        let now = datetime!(2026-03-02 09:30:00 UTC);
        for position in ["10:20:", "10:20:10,15", "7:7:"] {
            let id = encode(position, now - Duration::from_secs(5));
            let expected = Some((position.to_owned(), Duration::from_secs(5)));
            assert_eq!(decode(&id, now), expected);
        }
        for wrong in [
            "0:0:",
            "20:10:",
            "10:20:25",
            "10:20:15,11",
            "10:20",
            "a:b:",
            "1:2:'",
        ] {
            assert_eq!(decode(&encode(wrong, now), now), None, "{wrong}");
        }
        assert_eq!(decode("nonsense", now), None);
    }
}
