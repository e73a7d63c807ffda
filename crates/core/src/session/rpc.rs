//! SessionService on the wire: decode, call the rule, encode.

use std::sync::Arc;

use parlor_api::{
    limits::PAGE_SESSIONS,
    v1::{self, session_service_server::SessionService},
};
use parlor_store::{
    Mutation, Provider, ProviderFilter, Session, SessionFilter, SessionMove, SessionPolicy, UserId,
};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::{Sessions, convert, decode};
use crate::{
    Result,
    caller::Caller,
    field,
    page::{Pages, Sizes},
    request::{self, Answers, Requests, service, streamed},
    share::Shares,
};

/// As the contract documents it for every list here.
const PAGE: Sizes = Sizes { default: 50, maximum: PAGE_SESSIONS as u64 };

/// The service as it is called.
#[derive(Clone)]
pub struct SessionRpc {
    pub(super) sessions: Sessions,
    /// What a caller may have kept.
    kept: Arc<Shares>,
    requests: Requests,
    pages: Pages,
}

/// An answer, and the position that a reply must wait for.
type Stored<R> = Result<(R, Option<i64>)>;

service! {
    SessionService for SessionRpc {
        fn request_session(RequestSessionRequest) -> RequestSessionResponse = stored(Self::request);
        fn accept_session(AcceptSessionRequest) -> AcceptSessionResponse = stored(Self::accept);
        fn decline_session(DeclineSessionRequest) -> DeclineSessionResponse = stored(Self::decline);
        fn cancel_session(CancelSessionRequest) -> CancelSessionResponse = stored(Self::cancel);
        fn end_session(EndSessionRequest) -> EndSessionResponse = stored(Self::end);
        fn get_session(GetSessionRequest) -> GetSessionResponse = answered(Self::get);
        fn list_sessions(ListSessionsRequest) -> ListSessionsResponse = answered(Self::list);
        fn upsert_provider(UpsertProviderRequest) -> UpsertProviderResponse = answered(Self::upsert_provider);
        fn get_provider(GetProviderRequest) -> GetProviderResponse = answered(Self::get_provider);
        fn list_providers(ListProvidersRequest) -> ListProvidersResponse = answered(Self::list_providers);
        fn set_accepts_requests(SetAcceptsRequestsRequest) -> SetAcceptsRequestsResponse =
            answered(Self::set_accepts_requests);
        fn get_session_policy(GetSessionPolicyRequest) -> GetSessionPolicyResponse = answered(Self::get_policy);
        fn set_session_policy(SetSessionPolicyRequest) -> SetSessionPolicyResponse = answered(Self::set_policy);
    }

    type WatchSessionsStream = Answers<v1::WatchSessionsResponse>;

    async fn watch_sessions(
        &self,
        request: Request<v1::WatchSessionsRequest>,
    ) -> Result<Response<Self::WatchSessionsStream>, Status> {
        streamed(self, request, async |rpc, caller, _| rpc.sessions.watch(caller).await).await
    }

    type ConductStream = Answers<v1::ConductResponse>;

    async fn conduct(
        &self,
        request: Request<Streaming<v1::ConductRequest>>,
    ) -> Result<Response<Self::ConductStream>, Status> {
        streamed(self, request, async |rpc, caller, commands| {
            rpc.conduct(caller, commands).await
        })
        .await
    }
}

impl SessionRpc {
    /// Over the rules.
    #[must_use]
    pub fn new(sessions: Sessions, requests: Requests, pages: Pages, kept: Arc<Shares>) -> Self {
        Self { sessions, kept, requests, pages }
    }

    pub(super) async fn request(
        &self,
        caller: &Caller,
        request: v1::RequestSessionRequest,
    ) -> Stored<v1::RequestSessionResponse> {
        caller.principal()?;
        let wish = decode::wish(request.clone())?;
        let requesting = self.sessions.requesting(caller, wish).await?;
        let name = ("RequestSession", request.request_id.clone());
        let respond = |session| v1::RequestSessionResponse { session };
        let asked = self.change(caller, name, &request, requesting, respond).await;
        self.sessions.due.now();
        asked
    }

    pub(super) async fn accept(
        &self,
        caller: &Caller,
        request: v1::AcceptSessionRequest,
    ) -> Stored<v1::AcceptSessionResponse> {
        caller.principal()?;
        let named = decode::reference(request.session.clone())?;
        let accepting = self.sessions.moving(caller, named, SessionMove::Accept, String::new()).await?;
        let name = ("AcceptSession", request.request_id.clone());
        let respond = |session| v1::AcceptSessionResponse { session };
        let accepted = self.change(caller, name, &request, accepting, respond).await;
        self.sessions.due.now();
        accepted
    }

    pub(super) async fn decline(
        &self,
        caller: &Caller,
        request: v1::DeclineSessionRequest,
    ) -> Stored<v1::DeclineSessionResponse> {
        caller.principal()?;
        let (named, note) = (decode::reference(request.session.clone())?, request.note.clone());
        let declining = self.sessions.moving(caller, named, SessionMove::Decline, note).await?;
        let name = ("DeclineSession", request.request_id.clone());
        let respond = |session| v1::DeclineSessionResponse { session };
        self.change(caller, name, &request, declining, respond).await
    }

    pub(super) async fn cancel(
        &self,
        caller: &Caller,
        request: v1::CancelSessionRequest,
    ) -> Stored<v1::CancelSessionResponse> {
        caller.principal()?;
        let (named, note) = (decode::reference(request.session.clone())?, request.note.clone());
        let cancelling = self.sessions.moving(caller, named, SessionMove::Cancel, note).await?;
        let name = ("CancelSession", request.request_id.clone());
        let respond = |session| v1::CancelSessionResponse { session };
        self.change(caller, name, &request, cancelling, respond).await
    }

    pub(super) async fn end(
        &self,
        caller: &Caller,
        request: v1::EndSessionRequest,
    ) -> Stored<v1::EndSessionResponse> {
        caller.principal()?;
        let (named, note) = (decode::reference(request.session.clone())?, request.note.clone());
        let what = if request.or_withdraw { SessionMove::Leave } else { SessionMove::End };
        let ending = self.sessions.moving(caller, named, what, note).await?;
        let name = ("EndSession", request.request_id.clone());
        let respond = |session| v1::EndSessionResponse { session };
        self.change(caller, name, &request, ending, respond).await
    }

    /// Changes a session, once if the request has a name.
    async fn change<R: Message + Default + 'static>(
        &self,
        caller: &Caller,
        (method, request_id): (&'static str, String),
        request: &impl Message,
        mutation: Mutation<Session>,
        respond: impl Fn(Option<v1::Session>) -> R + Send + Sync + 'static,
    ) -> Stored<R> {
        self.kept.take(caller)?;
        let key = self.requests.key(caller.principal()?, method, &request_id, request)?;
        let respond = move |row: &Session| respond(Some(convert::session(row)));
        let applied = request::apply(&self.sessions.store, key, mutation, respond).await?;
        Ok((applied.response, Some(applied.position)))
    }

    async fn get(&self, caller: &Caller, request: v1::GetSessionRequest) -> Result<v1::GetSessionResponse> {
        let principal = caller.principal()?;
        let session = self.sessions.seen(principal, decode::reference(request.session)?).await?;
        Ok(v1::GetSessionResponse { session: Some(convert::session(&session)) })
    }

    async fn list(
        &self,
        caller: &Caller,
        request: v1::ListSessionsRequest,
    ) -> Result<v1::ListSessionsResponse> {
        let principal = caller.principal()?;
        let size = PAGE.of("page_size", request.page_size)?;
        let filter = SessionFilter {
            states: decode::states(&request.states)?,
            party: field::some_id("party_id", &request.party_id, UserId::parse)?,
            seen_by: None,
        };
        let filtered = format!("{filter:?}");
        let scope = ["ListSessions", &principal.tenant_slug, &filtered];
        let before: Option<i64> = self.pages.open(&scope, &request.page_token)?;
        let mut rows = self.sessions.list(principal, filter, before, size + 1).await?;
        let next_page_token = self.pages.cut(&scope, &mut rows, size, |row| row.number);
        let sessions = rows.iter().map(convert::session).collect();
        Ok(v1::ListSessionsResponse { sessions, next_page_token })
    }

    async fn upsert_provider(
        &self,
        caller: &Caller,
        request: v1::UpsertProviderRequest,
    ) -> Result<v1::UpsertProviderResponse> {
        let admin = caller.admin()?;
        let wanted = field::given("provider", request.provider.clone())?;
        let wanted = decode::upsert(admin.tenant, wanted, self.sessions.clock.now())?;
        let key = self.requests.key(admin, "UpsertProvider", &request.request_id, &request)?;
        let respond = |row: &Provider| v1::UpsertProviderResponse { provider: Some(convert::provider(row)) };
        let upserts = Mutation::upsert_provider(wanted);
        Ok(request::apply(&self.sessions.store, key, upserts, respond).await?.response)
    }

    async fn get_provider(
        &self,
        caller: &Caller,
        request: v1::GetProviderRequest,
    ) -> Result<v1::GetProviderResponse> {
        let principal = caller.principal()?;
        let provider = self.sessions.provider(principal, decode::provider(request.provider)?).await?;
        Ok(v1::GetProviderResponse { provider: Some(convert::provider(&provider)) })
    }

    async fn list_providers(
        &self,
        caller: &Caller,
        request: v1::ListProvidersRequest,
    ) -> Result<v1::ListProvidersResponse> {
        let principal = caller.principal()?;
        let size = PAGE.of("page_size", request.page_size)?;
        let filter =
            ProviderFilter { offers: decode::kind("kind", request.kind)?, available: request.available_only };
        let filtered = format!("{filter:?}");
        let scope = ["ListProviders", &principal.tenant_slug, &filtered];
        let after: Option<String> = self.pages.open(&scope, &request.page_token)?;
        let after = after.as_deref().and_then(UserId::parse);
        let listing = &self.sessions.store.sessions;
        let mut rows = listing.list_providers(principal.tenant, filter, after, size + 1).await?;
        let next_page_token = self.pages.cut(&scope, &mut rows, size, |row| row.user.id.to_string());
        let providers = rows.iter().map(convert::provider).collect();
        Ok(v1::ListProvidersResponse { providers, next_page_token })
    }

    async fn set_accepts_requests(
        &self,
        caller: &Caller,
        request: v1::SetAcceptsRequestsRequest,
    ) -> Result<v1::SetAcceptsRequestsResponse> {
        let accepting = self.sessions.accepting(caller, &request.user_id, request.accepts_requests)?;
        let provider = self.sessions.store.apply(accepting).await?;
        Ok(v1::SetAcceptsRequestsResponse { provider: Some(convert::provider(&provider)) })
    }

    async fn get_policy(
        &self,
        caller: &Caller,
        _request: v1::GetSessionPolicyRequest,
    ) -> Result<v1::GetSessionPolicyResponse> {
        let policy = self.sessions.store.sessions.policy(caller.staff()?.tenant).await?;
        Ok(v1::GetSessionPolicyResponse { policy: Some(convert::policy(&policy)) })
    }

    async fn set_policy(
        &self,
        caller: &Caller,
        request: v1::SetSessionPolicyRequest,
    ) -> Result<v1::SetSessionPolicyResponse> {
        let admin = caller.admin()?;
        let policy = decode::policy(field::given("policy", request.policy)?)?;
        let sets = Mutation::set_session_policy(admin.tenant, policy);
        let policy: SessionPolicy = self.sessions.store.apply(sets).await?;
        Ok(v1::SetSessionPolicyResponse { policy: Some(convert::policy(&policy)) })
    }
}
