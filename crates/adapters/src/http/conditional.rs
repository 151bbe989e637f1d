//! Conditional requests (RFC 9110, 13): a stock's version is its strong entity tag.

use std::convert::Infallible;

use application::stock::VersionMatch;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};
use domain::stock::{Stock, Version};

use crate::http::Problem;

/// The stock's entity tag.
pub(super) fn etag(stock: &Stock) -> String {
    format!("\"{}\"", stock.version)
}

/// The same as a header.
pub(super) fn etag_header(stock: &Stock) -> Option<HeaderValue> {
    HeaderValue::from_str(&etag(stock)).ok()
}

/// A list of entity tags: any, or these; of each its text and whether it is weak.
enum Tags {
    Any,
    These(Vec<(bool, String)>),
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let wrong = || {
        Problem::bad_header(
            name.as_str(),
            "pattern",
            "must be * or entity tags in double quotes, separated by commas",
        )
    };
    let mut these = Vec::new();
    let mut any = false;
    for value in headers.get_all(name) {
        let mut rest = value.to_str().map_err(|_| wrong())?.trim();
        if rest == "*" {
            any = true;
            continue;
        }
        while !rest.is_empty() {
            let (weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let inner = quoted.strip_prefix('"').ok_or_else(wrong)?;
            let (tag, behind) = inner.split_once('"').ok_or_else(wrong)?;
            these.push((weak, tag.to_owned()));
            rest = behind.trim_start();
            if let Some(next) = rest.strip_prefix(',') {
                rest = next.trim_start();
            } else if !rest.is_empty() {
                return Err(wrong());
            }
        }
    }
    Ok(match (any, these.is_empty()) {
        (true, true) => Some(Tags::Any),
        (true, false) => return Err(wrong()),
        (false, false) => Some(Tags::These(these)),
        (false, true) if headers.contains_key(name) => return Err(wrong()),
        (false, true) => None,
    })
}

/// The versions that `If-Match` asks for. A weak tag matches none: the comparison is strong.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<VersionMatch>, Problem> {
    let version = |(weak, tag): &(bool, String)| {
        let number = tag.parse().ok().filter(|_| !weak);
        number.and_then(Version::new)
    };
    Ok(tags(headers, &header::IF_MATCH)?.map(|tags| match tags {
        Tags::Any => VersionMatch::Any,
        Tags::These(these) => VersionMatch::OneOf(these.iter().filter_map(version).collect()),
    }))
}

/// What the client has already, by `If-None-Match`; what is wrong with that is said when it is asked for.
pub(super) struct Known(Result<Option<Tags>, Problem>);

impl Known {
    /// Whether this state is among it. The comparison is weak.
    pub(super) fn has(self, stock: &Stock) -> Result<bool, Problem> {
        Ok(match self.0? {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::These(these)) => {
                let tag = stock.version.to_string();
                these.iter().any(|(_, known)| *known == tag)
            }
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(tags(&parts.headers, &header::IF_NONE_MATCH)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(value: &str) -> Option<Result<Option<VersionMatch>, ()>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, value.parse().ok()?);
        Some(if_match(&headers).map_err(drop))
    }

    #[test]
    fn entity_tags_are_read_as_rfc_9110_has_them() {
        let versions = |numbers: &[u64]| {
            let versions = numbers.iter().map(|n| Version::new(*n).unwrap()).collect();
            Some(Ok(Some(VersionMatch::OneOf(versions))))
        };

        assert_eq!(matched("*"), Some(Ok(Some(VersionMatch::Any))));
        assert_eq!(matched("\"7\""), versions(&[7]));
        assert_eq!(matched("\"7\", \"8\""), versions(&[7, 8]));
        assert_eq!(matched("W/\"7\", \"8\""), versions(&[8]));
        assert_eq!(matched("\"abc\""), versions(&[]));
        for wrong in ["7", "\"7", "\"7\" \"8\"", "", "*, \"7\""] {
            assert_eq!(matched(wrong), Some(Err(())), "{wrong}");
        }
    }
}
