//! Queries of requests: one list of parameters gives both the reader and the description.

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};
use url::form_urlencoded;

use crate::http::{
    FieldError, Problem,
    member::{Member, Wrong},
};

/// What a request's query says.
pub(super) trait Query: Sized + Default {
    /// Takes a parameter.
    ///
    /// # Errors
    /// What is wrong with it; `None` if it is not known here.
    fn set(&mut self, name: &str, text: &str) -> Result<(), Option<Vec<Wrong>>>;
}

/// The query of a request.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: Query, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut read = T::default();
        for (name, text) in pairs(&parts.uri) {
            read.set(&name, &text).map_err(|wrong| {
                let unknown = || Wrong::all("unknown-parameter", "is not known here");
                bad_query(&name, wrong.unwrap_or_else(unknown))
            })?;
        }
        Ok(Self(read))
    }
}

/// The parameters of a query, as they stand there.
pub(super) fn pairs(uri: &Uri) -> Vec<(String, String)> {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// Reads one parameter.
pub(super) fn take<T: Member>(into: &mut Option<T>, text: &str) -> Result<(), Option<Vec<Wrong>>> {
    if into.is_some() {
        return Err(Some(Wrong::all("repeated", "may be given only once")));
    }
    *into = Some(T::from_text(text).map_err(Some)?);
    Ok(())
}

/// A parameter that cannot be used.
pub(super) fn bad_query(name: &str, wrong: Vec<Wrong>) -> Problem {
    let cursor = name == "cursor";
    let errors = wrong.into_iter().map(|wrong| FieldError {
        pointer: format!("?{name}"),
        code: wrong.code,
        message: wrong.message,
    });
    Problem::bad_query(cursor, errors.collect())
}

/// Declares a query: its parameters with their types and names.
macro_rules! query {
    (
        $(#[doc = $doc:literal])*
        struct $query:ident {
            $($(#[doc = $about:literal])+ $field:ident: $type:ty = $name:literal,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Default)]
        pub(in crate::http) struct $query {
            $($(#[doc = $about])+ pub(in crate::http) $field: Option<$type>,)*
        }

        impl $crate::http::query::Query for $query {
            fn set(
                &mut self,
                name: &str,
                text: &str,
            ) -> Result<(), Option<Vec<$crate::http::member::Wrong>>> {
                match name {
                    $($name => $crate::http::query::take(&mut self.$field, text),)*
                    _ => Err(None),
                }
            }
        }

        impl utoipa::IntoParams for $query {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                vec![$(
                    utoipa::openapi::path::ParameterBuilder::new()
                        .name($name)
                        .parameter_in(utoipa::openapi::path::ParameterIn::Query)
                        .required(utoipa::openapi::Required::False)
                        .description(Some(concat!($($about),+).trim()))
                        .schema(Some(<$type as $crate::http::member::Member>::schema()))
                        .build(),
                )*]
            }
        }
    };
}
pub(super) use query;
