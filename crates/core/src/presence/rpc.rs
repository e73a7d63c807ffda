//! PresenceService: decode, call, encode.

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use parlor_api::v1::{self, presence_service_server::PresenceService};
use parlor_store::{Roles, UserId};
use tonic::{Request, Response, Status, Streaming};

use super::{Presence, availability_from_proto};
use crate::{
    Error, Result,
    auth::Auth,
    caller::{Caller, Principal},
    hub::Hub,
    page, wire,
};

/// What `ListOnline` gives without a page size, and at most.
const PAGE: page::Sizes = page::Sizes { default: 100, maximum: 1000 };

/// The service as it is called.
#[derive(Clone)]
pub struct PresenceRpc {
    pub(super) presence: Presence,
    pub(super) hub: Hub,
    pub(super) auth: Arc<Auth>,
    pub(super) pages: page::Pages,
}

pub(super) type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl PresenceRpc {
    /// Serves presence.
    #[must_use]
    pub fn new(presence: Presence, hub: Hub, auth: Arc<Auth>, pages: page::Pages) -> Self {
        Self { presence, hub, auth, pages }
    }
}

#[tonic::async_trait]
impl PresenceService for PresenceRpc {
    async fn list_online(
        &self,
        request: Request<v1::ListOnlineRequest>,
    ) -> Result<Response<v1::ListOnlineResponse>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let size = PAGE.of(request.page_size)?;
        let role = wanted_role(request.role)?;
        let scope = ["ListOnline", &principal.tenant_slug, &request.role.to_string()];
        let after: i64 = self.pages.open(&scope, &request.page_token)?.unwrap_or(0);

        let (seen, revision) = self.presence.online(principal.tenant).await?;
        let mut shown: Vec<_> = seen
            .iter()
            .filter(|seen| seen.user.number > after)
            .filter(|seen| role.is_none_or(|role| seen.user.roles.contains(role)))
            .filter(|seen| seen.visible_to(&principal))
            .take(size + 1)
            .collect();
        let more = shown.len() > size;
        shown.truncate(size);
        let next = shown.last().filter(|_| more).map(|seen| self.pages.seal(&scope, &seen.user.number));
        Ok(Response::new(v1::ListOnlineResponse {
            presences: shown.iter().map(|seen| seen.to_proto(&principal)).collect(),
            next_page_token: next.unwrap_or_default(),
            revision: u64::try_from(revision).unwrap_or_default(),
        }))
    }

    async fn get_presence(
        &self,
        request: Request<v1::GetPresenceRequest>,
    ) -> Result<Response<v1::GetPresenceResponse>, Status> {
        let principal = principal(&request)?;
        let id = user_id(&request.get_ref().user_id)?;
        let seen = self.presence.visible_person(&principal, id).await?;
        Ok(Response::new(v1::GetPresenceResponse { presence: Some(seen.to_proto(&principal)) }))
    }

    async fn set_availability(
        &self,
        request: Request<v1::SetAvailabilityRequest>,
    ) -> Result<Response<v1::SetAvailabilityResponse>, Status> {
        let caller = Caller::of(&request)?;
        let presence = self.set(&caller, request.get_ref()).await?;
        Ok(Response::new(v1::SetAvailabilityResponse { presence: Some(presence) }))
    }

    type WatchPresenceStream = Events<v1::WatchPresenceResponse>;

    async fn watch_presence(
        &self,
        request: Request<v1::WatchPresenceRequest>,
    ) -> Result<Response<Self::WatchPresenceStream>, Status> {
        let principal = principal(&request)?;
        let role = wanted_role(request.get_ref().role)?;
        let events = super::watch::watch(&self.hub, Arc::clone(&self.auth), principal, role).await?;
        Ok(Response::new(Box::pin(events)))
    }

    type AttendStream = Events<v1::AttendResponse>;

    async fn attend(
        &self,
        request: Request<Streaming<v1::AttendRequest>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let caller = Caller::of(&request)?;
        let user = Arc::clone(caller.principal()?.user().ok_or(Error::RoleRequired("user"))?);
        Ok(Response::new(Box::pin(super::attend::attend(self.clone(), caller, user, request.into_inner()))))
    }
}

impl PresenceRpc {
    /// Sets what somebody chose to show, for the unary call and the stream alike.
    pub(super) async fn set(
        &self,
        caller: &Caller,
        request: &v1::SetAvailabilityRequest,
    ) -> Result<v1::Presence> {
        let choice = v1::Availability::try_from(request.availability)
            .map_err(|_| Error::field("availability", "is not one of the choices"))?;
        let whom = if request.user_id.is_empty() { None } else { Some(user_id(&request.user_id)?) };
        let seen = self.presence.choose(caller, whom, availability_from_proto(choice)).await?;
        Ok(seen.to_proto(caller.principal()?))
    }
}

pub(super) fn wanted_role(role: i32) -> Result<Option<Roles>> {
    let role = v1::Role::try_from(role).map_err(|_| Error::field("role", "is not a role"))?;
    Ok(wire::role(role))
}

fn user_id(text: &str) -> Result<UserId> {
    UserId::parse(text).ok_or_else(|| Error::field("user_id", "is not a UUID"))
}

fn principal<T>(request: &Request<T>) -> Result<Arc<Principal>> {
    Ok(Arc::clone(Caller::of(request)?.principal()?))
}
