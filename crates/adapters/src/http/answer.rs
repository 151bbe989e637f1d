//! Answers of commands as clients get them.

use application::{
    ports::{AnswerFormat, StoredAnswer},
    stock::{Answer, CommandError, Rejection, RequestContext},
};
use axum::{http::StatusCode, response::Response};
use domain::stock::Stock;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    contract::v1::StockView,
    http::{
        Problem, conditional,
        problem::{Names, PROBLEM_JSON, line},
        stocks::BASE,
        views::{BatchView, HoldView, ItemView, MovementView, OrderView, ReservedView},
    },
};

/// What most answers take, in bytes.
const USUAL_BODY: usize = 512;
/// How many headers most answers have.
const USUAL_HEADERS: usize = 16;

/// [`AnswerFormat`] of the REST API.
pub struct HttpAnswers;

impl AnswerFormat for HttpAnswers {
    fn format(
        &self,
        answer: Result<&Answer, &Rejection>,
        context: &RequestContext,
    ) -> StoredAnswer {
        match answer {
            Ok(answer) => accepted(answer, context),
            Err(rejection) => refused(&rejection.into(), context),
        }
    }
}

fn accepted(answer: &Answer, context: &RequestContext) -> StoredAnswer {
    match answer {
        Answer::Created(stock) => {
            let location = format!("{BASE}/stocks/{}", stock.id);
            let mut answer = with_tag(201, stock);
            answer.headers.push(("location".to_owned(), location));
            answer
        }
        Answer::Changed(stock) => with_tag(200, stock),
        Answer::Adjusted(event) => {
            let line = MovementView::of(event.stock.id.as_str(), event.as_ref().into());
            json_answer(201, &line)
        }
        Answer::ReservedOne(event) => {
            let view = ReservedView::of(event);
            let location = view.as_ref().map(|view| at(&view.reservation_id));
            let mut answer = json_answer(200, &view);
            let location = location.map(|location| ("location".to_owned(), location));
            answer.headers.extend(location);
            answer
        }
        Answer::Reserved(lines) => {
            let held = lines.iter().filter_map(|line| line.held.as_ref().ok());
            let refused = lines.iter().filter(|line| line.held.is_err());
            let view = OrderView {
                reservations: held.filter_map(|event| ReservedView::of(event)).collect(),
                refused: refused.map(line).collect(),
            };
            json_answer(201, &view)
        }
        Answer::Reservation(reservation) => json_answer(200, &HoldView::from(reservation.as_ref())),
        Answer::Expired(holds) => json_answer(200, &json!({"expired": holds})),
        Answer::Batch(results) => {
            let item = |(index, result): (usize, &Result<Answer, CommandError>)| {
                item(index, result, context)
            };
            let results = results.iter().enumerate().map(item).collect();
            json_answer(200, &BatchView { results })
        }
    }
}

fn at(reservation_id: &str) -> String {
    format!("{BASE}/reservations/{reservation_id}")
}

/// One of several operations, as it would have been answered alone.
pub(super) fn item(
    index: usize,
    result: &Result<Answer, CommandError>,
    context: &RequestContext,
) -> ItemView {
    let answer = match result {
        Ok(answer) => accepted(answer, context),
        Err(error) => refused(&Problem::from(error.clone()), context),
    };
    ItemView {
        index,
        status: answer.status,
        body: serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
    }
}

/// A request that was refused.
pub(super) fn refused(problem: &Problem, context: &RequestContext) -> StoredAnswer {
    let names = Names {
        request_id: &context.request_id,
        traceparent: &context.traceparent,
    };
    let content_type = ("content-type".to_owned(), PROBLEM_JSON.to_owned());
    let more = problem.headers().iter();
    let more = more.map(|(name, value)| (name.to_string(), value.clone()));
    StoredAnswer {
        status: problem.status().as_u16(),
        headers: [content_type].into_iter().chain(more).collect(),
        body: problem.body(names).to_string().into_bytes(),
    }
}

fn with_tag(status: u16, stock: &Stock) -> StoredAnswer {
    let mut answer = json_answer(status, &StockView::from(stock));
    let etag = ("etag".to_owned(), conditional::etag(stock));
    answer.headers.push(etag);
    answer
}

fn json_answer(status: u16, view: &impl Serialize) -> StoredAnswer {
    StoredAnswer {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: json(view),
    }
}

/// A view as a body.
pub(super) fn json(view: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(USUAL_BODY);
    // Views have no maps with other keys than strings, and a buffer takes all: this cannot fail.
    if serde_json::to_writer(&mut body, view).is_err() {
        body.clear();
    }
    body
}

/// An answer with room for the headers that all answers get.
pub(super) fn response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().reserve(USUAL_HEADERS);
    response
}
