//! All of the core in one value: opened in order, closed in the opposite one, and served as one set of routes.
//!
//! Whoever wants the core calls [`Core::routes`]: a listener for gateways elsewhere, or a gateway in this process. Both get
//! the same value, the chain of `stack.rs` included.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use parlor_api::{
    limits::REQUEST_BYTES,
    v1::{
        billing_service_server::BillingServiceServer, chat_service_server::ChatServiceServer,
        directory_service_server::DirectoryServiceServer, presence_service_server::PresenceServiceServer,
        session_service_server::SessionServiceServer, token_service_server::TokenServiceServer,
    },
};
use parlor_bus::Bus;
use parlor_store::{Store, SubjectKind, TenantId};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use uuid::Uuid;

use crate::{
    Error, Result, Service, announce,
    auth::{self, Auth},
    billing::{BillingRpc, Ears, subject::Wallets},
    chat::{
        Chat, ChatRpc,
        guesses::{self, Guesses},
        subject::Conversations,
    },
    clock::Clock,
    directory::{Depart, Directory, DirectoryRpc, Eraser},
    edge::{self, Edge, Past},
    heads::Heads,
    health::Health,
    hub::Hub,
    offset::Offsets,
    page::Pages,
    password::Passwords,
    presence::{self, NotStarted, Presence, PresenceRpc},
    request::Requests,
    retention::{self, Retention},
    session::{
        SessionRpc, Sessions,
        due::{Due, Nudge},
        subject::SessionEvents,
    },
    share::{Pace, Shares},
    stack,
    subject::{Kind, Kinds, Subjects},
    token::{TokenRpc, Tokens},
};

/// What the core needs of the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node's name, stable over restarts.
    pub node: String,
    /// Where only one process can be at a time: what an earlier one of the same home has left is taken over at once.
    pub home: String,
    pub auth: auth::Options,
    pub stack: stack::Options,
    /// Seals what numbers leave the house in; the same on every core.
    pub position_key: Vec<u8>,
    /// How long those whom an earlier run left online have to come back; `None` leaves them to the next core that starts.
    pub restart_linger: Option<Duration>,
    /// How many keys of conversations that do not exist a client address may name.
    pub unknown_keys: guesses::Options,
    /// How many messages, and other things that stay, one caller may have stored.
    pub messages: Pace,
    /// How many conversations guests of a client address may create.
    pub new_conversations: guesses::Options,
    /// How long what is kept.
    pub retention: retention::Options,
    /// How the links of gateways behave.
    pub edge: edge::Options,
}

/// The running core.
pub struct Core {
    parts: Parts,
    service: Service,
}

struct Parts {
    store: Store,
    auth: Arc<Auth>,
    clock: Clock,
    hub: Hub,
    presence: Presence,
    eraser: Eraser,
    edge: Edge,
    health: Arc<Health>,
    retention: Retention,
    due: Due,
    /// Says that a session was asked for.
    requested: Nudge,
    lost: CancellationToken,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

impl Core {
    /// Opens the store, takes up what an earlier run left, and readies the services. Fails if another core lives on the
    /// database, which takes some seconds to find out.
    pub async fn start(
        options: Options,
        store: parlor_store::Options,
        bus: Arc<dyn Bus>,
        clock: Clock,
    ) -> Result<Arc<Self>, NotStarted> {
        Self::knowing(kinds(), options, store, bus, clock).await
    }

    /// A core that knows these kinds of subjects.
    pub(crate) async fn knowing(
        kinds: Vec<(SubjectKind, Arc<dyn Kind>)>,
        options: Options,
        store: parlor_store::Options,
        bus: Arc<dyn Bus>,
        clock: Clock,
    ) -> Result<Arc<Self>, NotStarted> {
        let (offsets, heads) = (Offsets::new(&options.position_key), Heads::default());
        let kinds = Kinds::new(kinds, offsets.clone());
        let on_commit = announce::on_commit(bus.clone(), kinds.clone(), heads.clone());
        let store = Store::open(store, on_commit).await?;
        let auth = Auth::start(options.auth, store.clone(), clock.clone()).await?;
        let node = presence::Options {
            node: options.node,
            epoch: Uuid::new_v4().to_string(),
            home: options.home,
            restart_linger: options.restart_linger,
        };
        let announced = announce::on_presence(bus.clone());
        let lost = CancellationToken::new();
        let presence = Presence::start(store.clone(), clock.clone(), node, lost.clone(), announced).await?;
        let source = Arc::new(announce::StoreSource::new(store.clone(), presence.clone(), kinds.clone()));
        let hub = Hub::start(bus, source, clock.clone());
        let health = Health::start(store.clone(), clock.clone(), lost.clone()).await;

        let retention = Retention::start(options.retention, store.clone(), clock.clone(), lost.clone());

        let pages = Pages::new(&options.position_key);
        let requests = Requests::new(&options.position_key, clock.clone());
        let chat = Chat::new(
            store.clone(),
            hub.clone(),
            clock.clone(),
            auth.clone(),
            requests.clone(),
            offsets.clone(),
            Guesses::new(options.unknown_keys, options.new_conversations),
        );
        let past = Past::recall(store.clone(), clock.clone(), heads, &options.position_key).await?;
        let subjects = Subjects::new(store.clone(), kinds);
        let (finder, rights) = (chat.finder(), auth.clone());
        let edge = Edge::new(options.edge, finder, presence.clone(), hub.clone(), rights, past, subjects);
        let leaving = presence.clone();
        let depart: Depart = Arc::new(move |tenant, user| {
            let presence = leaving.clone();
            Box::pin(async move { presence.expel(tenant, user).await })
        });
        let eraser = Eraser::start(store.clone(), auth.clone(), clock.clone(), depart);
        let requested = Nudge::default();
        let due = Due::start(store.clone(), clock.clone(), requested.clone(), lost.clone());
        let parts = Parts {
            store,
            auth,
            clock,
            hub,
            presence,
            eraser,
            edge,
            health,
            retention,
            due,
            requested,
            lost,
        };
        let kept = Arc::new(Shares::new(options.messages, parts.clock.clone()));
        let routes = parts.services(
            ChatRpc::new(chat, requests.clone(), pages.clone(), kept.clone()),
            kept,
            requests,
            pages,
            offsets,
        )?;
        let service = stack::wrap(routes, &parts.auth, &parts.clock, &options.stack);
        Ok(Arc::new(Self { parts, service }))
    }

    /// Every service, behind the chain. Cloning what it answers is cheap.
    #[must_use]
    pub fn routes(&self) -> Service {
        self.service.clone()
    }

    /// Whether calls can be served: the database takes reads and writes, and this core does not go down. Answers within
    /// about a second, and may be asked as often as one likes.
    pub async fn ready(&self) -> Result<()> {
        self.parts.health.ready().await
    }

    /// Completes when another core has taken over the database: this one does not serve any more, and is to be ended.
    pub async fn lost(&self) {
        self.parts.lost.cancelled().await;
    }

    /// The effective durability settings, by name, as the database reports them.
    pub async fn durability(&self) -> Result<Vec<(String, String)>> {
        Ok(self.parts.store.durability().await?)
    }

    /// Proves credentials, for whoever serves beside the services.
    #[must_use]
    pub fn auth(&self) -> &Arc<Auth> {
        &self.parts.auth
    }

    /// When the last run of retention began that has ended.
    #[cfg(test)]
    pub(crate) fn retention_ran(&self) -> tokio::sync::watch::Receiver<parlor_store::Millis> {
        self.parts.retention.ran()
    }

    /// What is remembered.
    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.parts.store
    }

    /// The clock that everything here reads.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.parts.clock
    }

    /// The id of a tenant, by slug.
    pub async fn tenant(&self, slug: &str) -> Result<TenantId> {
        Ok(self.parts.auth.tenant(slug).await?.0)
    }

    /// Tells every gateway, and whoever asks for health, that this core goes down and for how long it still serves.
    pub async fn drain(&self, grace: Duration) {
        self.parts.health.end().await;
        self.parts.edge.drain(grace);
    }

    /// Ends streams, keeps who is online as they are, finishes what is queued for the database, and closes it.
    pub async fn shutdown(&self) {
        self.parts.health.end().await;
        // Who is being erased is gone on with by the next core.
        self.parts.eraser.shutdown().await;
        self.parts.retention.end().await;
        self.parts.due.end().await;
        self.parts.hub.shutdown().await;
        // Before the links end, so that nobody whose gateway goes on is counted out.
        self.parts.presence.shutdown().await;
        self.parts.edge.shutdown().await;
        // Nobody asks any more who is there.
        self.parts.presence.end().await;
        self.parts.store.close().await;
    }
}

/// The kinds of subjects that there are.
pub(crate) fn kinds() -> Vec<(SubjectKind, Arc<dyn Kind>)> {
    vec![
        (SubjectKind::CONVERSATION, Arc::new(Conversations)),
        (SubjectKind::SESSION, Arc::new(SessionEvents)),
        (SubjectKind::WALLET, Arc::new(Wallets)),
    ]
}

impl Parts {
    fn services(
        &self,
        chat: ChatRpc,
        kept: Arc<Shares>,
        requests: Requests,
        pages: Pages,
        offsets: Offsets,
    ) -> Result<Routes> {
        let (store, auth, clock) = (self.store.clone(), self.auth.clone(), self.clock.clone());
        let passwords = Passwords::default();
        let tokens = Tokens::new(store.clone(), auth.clone(), clock.clone(), passwords.clone());
        let sessions = Sessions::new(
            store.clone(),
            self.hub.clone(),
            clock.clone(),
            auth.clone(),
            self.requested.clone(),
        );
        let sessions = SessionRpc::new(sessions, requests.clone(), pages.clone(), kept);
        let sessions = SessionServiceServer::new(sessions);
        let ears = Ears { hub: self.hub.clone(), auth: auth.clone(), offsets };
        let billing = BillingRpc::new(store.clone(), clock.clone(), requests.clone(), pages.clone(), ears);
        let directory = Directory::new(store, auth.clone(), clock, passwords, self.eraser.clone());
        let directory = DirectoryRpc::new(directory, requests, pages.clone());
        let presence = PresenceRpc::new(self.presence.clone(), self.hub.clone(), auth, pages);

        let unreadable = |error: tonic_reflection::server::Error| Error::Internal(error.to_string());
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                // Strangers are not told of what they cannot call; gateways know it.
                .register_encoded_file_descriptor_set(parlor_api::PUBLIC_DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let (directory, tokens) =
            (DirectoryServiceServer::new(directory), TokenServiceServer::new(TokenRpc(tokens)));
        let (chat, presence) = (ChatServiceServer::new(chat), PresenceServiceServer::new(presence));
        Ok(Routes::new(directory.max_decoding_message_size(REQUEST_BYTES))
            .add_service(tokens.max_decoding_message_size(REQUEST_BYTES))
            .add_service(chat.max_decoding_message_size(REQUEST_BYTES))
            .add_service(sessions.max_decoding_message_size(REQUEST_BYTES))
            .add_service(presence.max_decoding_message_size(REQUEST_BYTES))
            .add_service(BillingServiceServer::new(billing).max_decoding_message_size(REQUEST_BYTES))
            .add_service(self.edge.service().max_decoding_message_size(REQUEST_BYTES))
            .add_service(self.health.service())
            .add_service(reflection().build_v1().map_err(unreadable)?)
            // Many clients still speak the older one.
            .add_service(reflection().build_v1alpha().map_err(unreadable)?))
    }
}
