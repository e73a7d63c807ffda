//! PresenceService on the wire: decode, call, encode.

use std::sync::Arc;

use parlor_api::v1::{self, presence_service_server::PresenceService};
use parlor_store::UserId;
use tonic::{Request, Response, Status, Streaming};

use super::{Presence, attend, seen::Seen, visits, wanted_role, watch};
use crate::{
    Error, Result,
    auth::Auth,
    caller::Caller,
    field,
    hub::Hub,
    page,
    request::{Answers, service, streamed},
    wire::{self, unsigned},
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

service! {
    PresenceService for PresenceRpc {
        fn list_online(ListOnlineRequest) -> ListOnlineResponse = answered(Self::list_online);
        fn get_presence(GetPresenceRequest) -> GetPresenceResponse = answered(Self::get_presence);
        fn set_availability(SetAvailabilityRequest) -> SetAvailabilityResponse = answered(Self::set_availability);
        fn record_visit(RecordVisitRequest) -> RecordVisitResponse = answered(Self::record_visit);
        fn list_visits(ListVisitsRequest) -> ListVisitsResponse = answered(Self::list_visits);
        fn get_visit(GetVisitRequest) -> GetVisitResponse = answered(Self::get_visit);
    }

    type WatchPresenceStream = Answers<v1::WatchPresenceResponse>;

    async fn watch_presence(
        &self,
        request: Request<v1::WatchPresenceRequest>,
    ) -> Result<Response<Self::WatchPresenceStream>, Status> {
        streamed(self, request, Self::watch).await
    }

    type WatchVisitsStream = Answers<v1::WatchVisitsResponse>;

    async fn watch_visits(
        &self,
        request: Request<v1::WatchVisitsRequest>,
    ) -> Result<Response<Self::WatchVisitsStream>, Status> {
        streamed(self, request, Self::watch_of_visits).await
    }

    type AttendStream = Answers<v1::AttendResponse>;

    async fn attend(
        &self,
        request: Request<Streaming<v1::AttendRequest>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        streamed(self, request, Self::begin).await
    }
}

impl PresenceRpc {
    /// Serves presence.
    #[must_use]
    pub fn new(presence: Presence, hub: Hub, auth: Arc<Auth>, pages: page::Pages) -> Self {
        Self { presence, hub, auth, pages }
    }

    async fn list_online(
        &self,
        caller: &Caller,
        request: v1::ListOnlineRequest,
    ) -> Result<v1::ListOnlineResponse> {
        let principal = caller.principal()?;
        let size = PAGE.of("page_size", request.page_size)?;
        let role = wanted_role(request.role)?.and_then(wire::role);
        let chosen = v1::Availability::try_from(request.availability)
            .map_err(|_| Error::field("availability", "must be one of the choices"))?;
        let filters = format!("{}/{}", request.role, request.availability);
        let scope = ["ListOnline", &principal.tenant_slug, &filters];
        let after: i64 = self.pages.open(&scope, &request.page_token)?.unwrap_or(0);

        let viewer = principal.viewer();
        let (mut shown, revision) = self.presence.online(principal.tenant).await?;
        shown.retain(|seen| {
            (chosen == v1::Availability::Unspecified || seen.to_proto().availability() == chosen)
                && role.is_none_or(|role| seen.user.roles.contains(role))
                && seen.visible_to(&viewer)
        });
        let total = u32::try_from(shown.len()).unwrap_or(u32::MAX);
        shown.retain(|seen| seen.user.number > after);
        let next_page_token = self.pages.cut(&scope, &mut shown, size, |seen: &Seen| seen.user.number);
        let presences = shown.iter().map(Seen::to_proto).collect();
        Ok(v1::ListOnlineResponse { presences, next_page_token, revision: unsigned(revision), total })
    }

    async fn get_presence(
        &self,
        caller: &Caller,
        request: v1::GetPresenceRequest,
    ) -> Result<v1::GetPresenceResponse> {
        let principal = caller.principal()?;
        let id = field::id("user_id", &request.user_id, UserId::parse)?;
        let seen = self.presence.visible_person(principal, id).await?;
        Ok(v1::GetPresenceResponse { presence: Some(seen.to_proto()) })
    }

    async fn set_availability(
        &self,
        caller: &Caller,
        request: v1::SetAvailabilityRequest,
    ) -> Result<v1::SetAvailabilityResponse> {
        let presence = self.presence.choose(caller, &request).await?;
        Ok(v1::SetAvailabilityResponse { presence: Some(presence) })
    }

    async fn watch(
        &self,
        caller: &Caller,
        request: v1::WatchPresenceRequest,
    ) -> Result<Answers<v1::WatchPresenceResponse>> {
        let principal = caller.principal()?;
        let role = wanted_role(request.role)?;
        let events = watch::watch(&self.hub, &self.auth, principal, role).await?;
        Ok(Box::pin(events))
    }

    async fn record_visit(
        &self,
        caller: &Caller,
        request: v1::RecordVisitRequest,
    ) -> Result<v1::RecordVisitResponse> {
        self.presence.visits().record(caller, request).await
    }

    async fn list_visits(
        &self,
        caller: &Caller,
        request: v1::ListVisitsRequest,
    ) -> Result<v1::ListVisitsResponse> {
        self.presence.visits().list(&self.pages, caller, request).await
    }

    async fn get_visit(&self, caller: &Caller, request: v1::GetVisitRequest) -> Result<v1::GetVisitResponse> {
        self.presence.visits().get(caller, request).await
    }

    async fn watch_of_visits(
        &self,
        caller: &Caller,
        _request: v1::WatchVisitsRequest,
    ) -> Result<Answers<v1::WatchVisitsResponse>> {
        let events = visits::watch(&self.hub, &self.auth, caller.staff()?).await?;
        Ok(Box::pin(events))
    }

    async fn begin(
        &self,
        caller: &Caller,
        commands: Streaming<v1::AttendRequest>,
    ) -> Result<Answers<v1::AttendResponse>> {
        let principal = caller.principal()?;
        let user = Arc::clone(principal.user().ok_or(Error::RoleRequired("user"))?);
        let (presence, hub, ended) =
            (self.presence.clone(), self.hub.clone(), self.hub.ended(&self.auth, principal));
        Ok(Box::pin(attend::attend(presence, hub, ended, caller.clone(), user, commands)))
    }
}
