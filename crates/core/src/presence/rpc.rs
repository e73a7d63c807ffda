//! PresenceService: decode, call, encode.

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use parlor_api::v1::{self, presence_service_server::PresenceService};
use parlor_store::UserId;
use tonic::{Request, Response, Status, Streaming};

use super::{Presence, attend, wanted_role, watch};
use crate::{
    Error, Result,
    auth::Auth,
    caller::{Caller, Principal},
    field,
    hub::Hub,
    page,
};

/// What `ListOnline` gives without a page size, and at most.
const PAGE: page::Sizes = page::Sizes { default: 100, maximum: 1000 };

/// The service as it is called.
#[derive(Clone)]
pub struct PresenceRpc {
    presence: Presence,
    hub: Hub,
    auth: Arc<Auth>,
    pages: page::Pages,
}

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

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
        let id = field::id("user_id", &request.get_ref().user_id, UserId::parse)?;
        let seen = self.presence.visible_person(&principal, id).await?;
        Ok(Response::new(v1::GetPresenceResponse { presence: Some(seen.to_proto(&principal)) }))
    }

    async fn set_availability(
        &self,
        request: Request<v1::SetAvailabilityRequest>,
    ) -> Result<Response<v1::SetAvailabilityResponse>, Status> {
        let caller = Caller::of(&request)?;
        let presence = self.presence.choose(&caller, request.get_ref()).await?;
        Ok(Response::new(v1::SetAvailabilityResponse { presence: Some(presence) }))
    }

    type WatchPresenceStream = Events<v1::WatchPresenceResponse>;

    async fn watch_presence(
        &self,
        request: Request<v1::WatchPresenceRequest>,
    ) -> Result<Response<Self::WatchPresenceStream>, Status> {
        let principal = principal(&request)?;
        let role = wanted_role(request.get_ref().role)?;
        let events = watch::watch(&self.hub, Arc::clone(&self.auth), principal, role).await?;
        Ok(Response::new(Box::pin(events)))
    }

    type AttendStream = Events<v1::AttendResponse>;

    async fn attend(
        &self,
        request: Request<Streaming<v1::AttendRequest>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let caller = Caller::of(&request)?;
        let user = Arc::clone(caller.principal()?.user().ok_or(Error::RoleRequired("user"))?);
        let commands = request.into_inner();
        let (presence, hub, auth) = (self.presence.clone(), self.hub.clone(), Arc::clone(&self.auth));
        Ok(Response::new(Box::pin(attend::attend(presence, hub, auth, caller, user, commands))))
    }
}

fn principal<T>(request: &Request<T>) -> Result<Arc<Principal>> {
    Ok(Arc::clone(Caller::of(request)?.principal()?))
}
