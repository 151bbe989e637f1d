//! A page for every kind of error, at its `type` URI.

use axum::{
    extract::Path,
    response::{Html, IntoResponse, Response},
};

use crate::http::{Problem, problem::kind};

/// `GET /problems/{code}`: what an error's `type` means.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    operation_id = "problemPage",
    tag = "errors",
    params(("code" = String, Path, pattern = "^[a-z-]{1,64}$", description = "The error's code.")),
    responses(
        crate::http::openapi::AnyProblem,
        (status = 200, description = "What the error means, for people.", body = String, content_type = "text/html"),
        (status = 404, description = "No error has this code.", body = crate::http::openapi::ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(in crate::http) async fn problem_page(Path(code): Path<String>) -> Response {
    let Some(kind) = kind::ALL.iter().find(|kind| kind.code == code) else {
        return Problem::new(&kind::UNKNOWN_ROUTE, "There is no error of this code.")
            .into_response();
    };
    let (title, status, meaning) = (kind.title, kind.status, kind.meaning);
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{code}</title>\n\
         <h1>{title}</h1>\n<p>Code <code>{code}</code>, HTTP status {status}.</p>\n<p>{meaning}</p>\n"
    ))
    .into_response()
}
