//! `GET /partners`, `/partners/{partner}`, and `POST` of `pause`, `resume` and `resync` below it

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::Response,
};
use domain::stock::Reason;

use super::{
    AclApi, PartnerFacts,
    member::Rate,
    openapi::{PartnerPath, UnknownPartner},
    operator,
    views::{PartnerView, ResyncView},
};
use crate::http::{
    Problem,
    body::body,
    caller::{Caller, MayOperate, MayReadDeliveries},
    change::Change,
    openapi::{ChangeProblems, CommonProblems},
    paging,
    problem::kind,
    stocks::discontinue::ReasonBody,
    views::Page,
};

body! {
    /// Why.
    @may_be_empty
    struct ResumeBody {
        /// Why.
        reason: optional Reason = "reason",
    }
}

body! {
    /// How fast, and why.
    @may_be_empty
    struct ResyncBody {
        /// So many stocks per second.
        rate: optional Rate = "rate",
        /// Why.
        reason: optional Reason = "reason",
    }
}

async fn views(api: &AclApi, facts: &[&PartnerFacts]) -> Result<Vec<PartnerView>, Problem> {
    let names: Vec<String> = facts.iter().map(|facts| facts.name.clone()).collect();
    let statuses = api.operations.partners(&names).await?;
    let views = facts.iter().zip(&statuses);
    Ok(views
        .map(|(facts, status)| PartnerView::of(facts, status))
        .collect())
}

async fn view(api: &AclApi, name: &str) -> Result<Json<PartnerView>, Problem> {
    let mut views = views(api, &[api.partner(name)?]).await?;
    let view = views.pop();
    view.map(Json)
        .ok_or_else(|| Problem::new(&kind::INTERNAL, kind::INTERNAL.meaning))
}

/// All partners as they stand.
#[utoipa::path(
    get,
    path = "/api/v1/acl/partners",
    operation_id = "listPartners",
    tag = "partners",
    responses(
        CommonProblems,
        (status = 200, description = "All partners.", body = Page<PartnerView>),
    ),
)]
pub(in crate::http) async fn list_partners(
    State(api): State<AclApi>,
    uri: Uri,
    _caller: Caller<MayReadDeliveries>,
) -> Result<Response, Problem> {
    let facts: Vec<&PartnerFacts> = api.partners.iter().collect();
    Ok(paging::page(&uri, views(&api, &facts).await?, None))
}

/// A partner as it stands.
#[utoipa::path(
    get,
    path = "/api/v1/acl/partners/{partner}",
    operation_id = "getPartner",
    tag = "partners",
    params(PartnerPath),
    responses(
        CommonProblems,
        UnknownPartner,
        (status = 200, description = "The partner.", body = PartnerView),
    ),
)]
pub(in crate::http) async fn get_partner(
    State(api): State<AclApi>,
    _caller: Caller<MayReadDeliveries>,
    Path(partner): Path<String>,
) -> Result<Json<PartnerView>, Problem> {
    view(&api, &partner).await
}

/// Leaves a partner alone, in all instances, until it is resumed. Its events wait; nothing is lost and nothing dies of it.
#[utoipa::path(
    post,
    path = "/api/v1/acl/partners/{partner}/pause",
    operation_id = "pausePartner",
    tag = "partners",
    params(PartnerPath),
    request_body = ReasonBody,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownPartner,
        (status = 200, description = "The partner.", body = PartnerView),
    ),
)]
pub(in crate::http) async fn pause(
    State(api): State<AclApi>,
    Path(partner): Path<String>,
    request: Change<MayOperate, ReasonBody>,
) -> Result<Json<PartnerView>, Problem> {
    request.unconditional()?;
    let name = &api.partner(&partner)?.name;
    let operator = operator(&request.submission.caller, Some(request.body.reason));
    api.operations.pause(name, &operator).await?;
    view(&api, name).await
}

/// Takes a partner up again that was paused, that wanted no more events, or whose breaker is open.
#[utoipa::path(
    post,
    path = "/api/v1/acl/partners/{partner}/resume",
    operation_id = "resumePartner",
    tag = "partners",
    params(PartnerPath),
    request_body = Option<ResumeBody>,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownPartner,
        (status = 200, description = "The partner.", body = PartnerView),
    ),
)]
pub(in crate::http) async fn resume(
    State(api): State<AclApi>,
    Path(partner): Path<String>,
    request: Change<MayOperate, ResumeBody>,
) -> Result<Json<PartnerView>, Problem> {
    request.unconditional()?;
    let name = &api.partner(&partner)?.name;
    let operator = operator(&request.submission.caller, request.body.reason);
    api.operations.resume(name, &operator).await?;
    view(&api, name).await
}

/// Tells a partner the present state of every stock. `GET /partners/{partner}` shows how far it is.
#[utoipa::path(
    post,
    path = "/api/v1/acl/partners/{partner}/resync",
    operation_id = "resyncPartner",
    tag = "partners",
    params(PartnerPath),
    request_body = Option<ResyncBody>,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownPartner,
        (status = 202, description = "It has begun.", body = ResyncView),
    ),
)]
pub(in crate::http) async fn resync(
    State(api): State<AclApi>,
    Path(partner): Path<String>,
    request: Change<MayOperate, ResyncBody>,
) -> Result<(StatusCode, Json<ResyncView>), Problem> {
    request.unconditional()?;
    let facts = api.partner(&partner)?;
    if facts.every_event {
        let detail = format!("{partner} is told every event, and no present state.");
        return Err(Problem::new(&kind::NO_PRESENT_STATE, detail));
    }
    let operator = operator(&request.submission.caller, request.body.reason);
    let rate = request.body.rate.map(|rate| rate.0);
    let progress = api.operations.resync(&facts.name, rate, &operator).await?;
    Ok((StatusCode::ACCEPTED, Json((&progress).into())))
}
