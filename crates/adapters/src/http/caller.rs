//! Who asks, for handlers.

use std::{marker::PhantomData, sync::Arc};

use application::stock::RequestContext;
use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::http::{
    Problem,
    auth::{Principal, Scope},
    problem::{Names, kind},
};

/// Who asks, or why that is not known. Routes that need to know refuse for that reason.
#[derive(Clone)]
pub(super) struct Identity(pub(super) Result<Principal, Problem>);

/// The names under which a request is followed.
#[derive(Debug, Clone)]
pub(super) struct RequestNames {
    pub(super) request_id: Arc<str>,
    pub(super) correlation_id: Arc<str>,
    pub(super) traceparent: Arc<str>,
}

impl RequestNames {
    pub(super) fn in_answers(&self) -> Names<'_> {
        Names {
            request_id: &self.request_id,
            traceparent: &self.traceparent,
        }
    }
}

/// A right, as a type.
pub(super) trait Right: Send {
    const SCOPE: Scope;
}

macro_rules! rights {
    ($($(#[doc = $doc:literal])+ $name:ident = $scope:ident;)+) => {
        $($(#[doc = $doc])+
        pub(super) struct $name;

        impl Right for $name {
            const SCOPE: Scope = Scope::$scope;
        })+
    };
}

rights! {
    /// May read.
    MayRead = Read;
    /// May create and change stocks.
    MayWrite = Write;
    /// May make and end reservations.
    MayReserve = Reserve;
    /// May look into the service.
    MayAdminister = Admin;
    /// May look into what partners were told.
    MayReadDeliveries = ReadDeliveries;
    /// May handle dead letters and partners.
    MayOperate = Operate;
}

/// Somebody who has a right.
pub(super) struct Caller<R> {
    pub(super) context: RequestContext,
    pub(super) principal: Principal,
    right: PhantomData<R>,
}

impl<R: Right> Caller<R> {
    pub(super) fn of(parts: &Parts) -> Result<Self, Problem> {
        let names: Option<&RequestNames> = parts.extensions.get();
        let identity: Option<&Identity> = parts.extensions.get();
        let (Some(names), Some(identity)) = (names, identity) else {
            return Err(Problem::new(&kind::INTERNAL, kind::INTERNAL.meaning));
        };
        let principal = identity.0.clone()?;
        let caller = Self {
            context: RequestContext {
                actor: principal.actor.clone(),
                request_id: Arc::clone(&names.request_id),
                correlation_id: Arc::clone(&names.correlation_id),
                traceparent: Arc::clone(&names.traceparent),
            },
            principal,
            right: PhantomData,
        };
        caller.require(R::SCOPE)?;
        Ok(caller)
    }

    /// Refuses somebody who does not have this right too.
    pub(super) fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.principal.scopes.contains(scope) {
            return Ok(());
        }
        let scope = scope.as_str();
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        let detail = format!("The credentials do not have the scope {scope}.");
        Err(Problem::new(&kind::FORBIDDEN, detail)
            .with("scope", scope)
            .header(header::WWW_AUTHENTICATE, challenge))
    }
}

impl<R: Right, S: Send + Sync> FromRequestParts<S> for Caller<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts)
    }
}
