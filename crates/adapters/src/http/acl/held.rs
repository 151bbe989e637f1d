//! `GET /held`

use application::ports::HeldQuery;
use axum::{extract::State, http::Uri, response::Response};

use super::{AclApi, member::PartnerName, views::HeldView};
use crate::http::{
    Problem,
    caller::{Caller, MayReadDeliveries},
    member::{Cursor, Limit},
    openapi::CommonProblems,
    paging,
    query::{Parameters, query},
    views::Page,
};

query! {
    /// Which held stocks.
    struct HeldParameters {
        /// Only those of this partner.
        partner: PartnerName = "partner",
        /// The most items of a page; 50 if it is not given.
        limit: Limit = "limit",
        /// Where to go on.
        cursor: Cursor = "cursor",
    }
}

/// Stocks whose events wait, by partner and stock.
#[utoipa::path(
    get,
    path = "/api/v1/acl/held",
    operation_id = "listHeldStocks",
    tag = "deliveries",
    params(HeldParameters),
    responses(
        CommonProblems,
        (status = 200, description = "A page of held stocks.", body = Page<HeldView>, headers(
            ("Link" = String, description = "The next page, if there is one."),
        )),
    ),
)]
pub(in crate::http) async fn list_held(
    State(api): State<AclApi>,
    uri: Uri,
    _caller: Caller<MayReadDeliveries>,
    Parameters(parameters): Parameters<HeldParameters>,
) -> Result<Response, Problem> {
    let after = parameters.cursor.as_ref().map(paging::decode);
    let query = HeldQuery {
        partner: parameters.partner.map(|partner| partner.0),
        after: after.transpose()?.map(|[partner, stock]| (partner, stock)),
        limit: parameters.limit.unwrap_or_default().0,
    };
    let found = api.operations.held(&query).await?;
    let last = found.items.last().filter(|_| found.more);
    let next = last.map(|held| paging::encode(&[&held.partner, &held.stock_id]));
    let items: Vec<HeldView> = found.items.iter().map(Into::into).collect();
    Ok(paging::page(&uri, items, next))
}
