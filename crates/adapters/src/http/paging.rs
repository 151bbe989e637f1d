//! Pages of lists: an opaque cursor, and the link to the next page (RFC 8288).

use axum::{
    Json,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use url::form_urlencoded;

use crate::http::{
    Problem,
    member::{Cursor, Wrong},
    query::{bad_query, pairs},
    views::Page,
};

/// A cursor that stands for these words.
pub(super) fn encode(words: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::json!(words).to_string())
}

/// The words of a cursor that [`encode`] made of as many.
pub(super) fn decode<const N: usize>(cursor: &Cursor) -> Result<[String; N], Problem> {
    let words = URL_SAFE_NO_PAD.decode(&cursor.0).ok();
    let words = words.and_then(|words| serde_json::from_slice::<Vec<String>>(&words).ok());
    words
        .filter(|words| !words.iter().any(|word| word.contains('\0')))
        .and_then(|words| words.try_into().ok())
        .ok_or_else(bad_cursor)
}

/// A cursor that no answer gave.
pub(super) fn bad_cursor() -> Problem {
    let why = "must be the nextCursor of an earlier answer to the same query";
    bad_query("cursor", Wrong::all("bad-cursor", why))
}

/// A page, with the link to the next one.
pub(super) fn page<T: Serialize>(uri: &Uri, items: Vec<T>, next: Option<String>) -> Response {
    let link = next.as_deref().map(|cursor| link(uri, cursor));
    let page = Page {
        items,
        next_cursor: next,
    };
    let mut response = Json(page).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

fn link(uri: &Uri, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs(uri) {
        if name != "cursor" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("cursor", cursor);
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish())
}
