//! A core over a real database, for the unit tests of this crate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use parlor_api::v1::{
    self, billing_service_client::BillingServiceClient, directory_service_client::DirectoryServiceClient,
    token_service_client::TokenServiceClient,
};
use parlor_bus::{Bus, Subscription, memory::Memory};
use parlor_store::SubjectKind;
use tokio::sync::watch;
use tonic::Request;

use crate::{
    Service,
    auth::{self, IssuerKey, IssuerOptions, KeyMaterial},
    chat::guesses,
    clock::Clock,
    core::{self, Core, Options},
    edge,
    share::Pace,
    stack,
    subject::Kind,
};

pub const OPERATOR: &str = "the operator's key of these tests";
pub const EDGE: &str = "the edge key of these tests";
pub const SECRET: &[u8] = b"a secret of sixteen bytes or more";
pub const SEED: [u8; 32] = [3; 32];

/// A core, and what is needed to misuse it.
pub struct World {
    pub core: Arc<Core>,
    pub clock: Clock,
    _directory: Option<tempfile::TempDir>,
}

/// Whose metadata a call carries.
pub type Metadata<'m> = &'m [(&'static str, &'m str)];

impl World {
    /// With a tenant `shop` and one `other`, and an issuer `legacy` of `shop` with a shared secret.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::over(Arc::new(Memory::new(1024 * 1024)), change).await
    }

    /// Of a core that knows one more kind of subject.
    pub async fn knowing(kind: (SubjectKind, Arc<dyn Kind>)) -> Self {
        let mut kinds = core::kinds();
        kinds.push(kind);
        Self::assembled(kinds, Arc::new(Memory::new(1024 * 1024)), |_| {}).await
    }

    pub async fn over(bus: Arc<dyn Bus>, change: impl FnOnce(&mut Options)) -> Self {
        Self::assembled(core::kinds(), bus, change).await
    }

    async fn assembled(
        kinds: Vec<(SubjectKind, Arc<dyn Kind>)>,
        bus: Arc<dyn Bus>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        parlor_migration::up(&url).await.unwrap();
        let mut options = options();
        change(&mut options);
        let clock = Clock::default();
        let store = parlor_store::Options { url, read_connections: 2 };
        let core = Core::knowing(kinds, options, store, bus, clock.clone()).await.unwrap();
        let mut world = Self::of(core, clock).await;
        world._directory = Some(directory);
        world
    }

    /// Over a database that outlives it, and may have the tenants.
    pub async fn at(url: &str, clock: &Clock) -> Self {
        Self::at_with(url, clock, |_| {}).await
    }

    pub async fn at_with(url: &str, clock: &Clock, change: impl FnOnce(&mut Options)) -> Self {
        let store = parlor_store::Options { url: url.to_owned(), read_connections: 2 };
        let bus = Arc::new(Memory::new(1024 * 1024));
        let mut options = options();
        change(&mut options);
        Self::of(Core::start(options, store, bus, clock.clone()).await.unwrap(), clock.clone()).await
    }

    async fn of(core: Arc<Core>, clock: Clock) -> Self {
        let world = Self { core, clock, _directory: None };
        for slug in ["shop", "other"] {
            let tenant = v1::Tenant { slug: slug.to_owned(), ..v1::Tenant::default() };
            let request = v1::CreateTenantRequest { tenant: Some(tenant), ..Default::default() };
            let made = world.directory().create_tenant(call(request, &[bearer(OPERATOR)])).await;
            assert!(made.is_ok() || world.core.tenant(slug).await.is_ok());
        }
        world
    }

    pub fn directory(&self) -> DirectoryServiceClient<Service> {
        DirectoryServiceClient::new(self.core.routes())
    }

    pub fn billing(&self) -> BillingServiceClient<Service> {
        BillingServiceClient::new(self.core.routes())
    }

    pub fn tokens(&self) -> TokenServiceClient<Service> {
        TokenServiceClient::new(self.core.routes())
    }

    /// A person of a tenant, made by the operator.
    pub async fn user(&self, tenant: &str, username: &str, roles: &[v1::Role]) -> v1::User {
        let user = v1::User {
            username: username.to_owned(),
            roles: roles.iter().map(|role| (*role).into()).collect(),
            ..v1::User::default()
        };
        let request = v1::UpsertUserRequest { user: Some(user), ..Default::default() };
        let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", tenant)]);
        self.directory().upsert_user(request).await.unwrap().into_inner().user.unwrap()
    }

    /// An access token of a person.
    pub async fn token_of(&self, tenant: &str, user: &v1::User) -> v1::MintTokenResponse {
        let request = v1::MintTokenRequest { user_id: user.id.clone(), ..Default::default() };
        let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", tenant)]);
        self.tokens().mint_token(request).await.unwrap().into_inner()
    }

    /// A new person with a role, and their token.
    pub async fn somebody(&self, tenant: &str, role: v1::Role) -> (v1::User, String) {
        let user = self.user(tenant, &format!("{tenant}-{role:?}"), &[role]).await;
        let token = self.token_of(tenant, &user).await.token;
        (user, token)
    }
}

/// A bus that a test can close, so that who subscribes waits, and make deaf, so that what is published is lost.
#[derive(Debug)]
pub struct Gate {
    bus: Memory,
    deaf: AtomicBool,
    open: watch::Sender<bool>,
    /// How many have asked to subscribe.
    asked: watch::Sender<usize>,
}

impl Gate {
    pub fn new() -> Arc<Self> {
        let (open, asked) = (watch::Sender::new(true), watch::Sender::new(0));
        Arc::new(Self { bus: Memory::default(), deaf: AtomicBool::new(false), open, asked })
    }

    pub fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    pub fn close(&self) {
        self.open.send_replace(false);
        self.asked.send_replace(0);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Completes when somebody waits for the gate to open.
    pub async fn somebody_waits(&self) {
        self.asked.subscribe().wait_for(|asked| *asked > 0).await.unwrap();
    }
}

#[async_trait::async_trait]
impl Bus for Gate {
    fn publish(&self, topic: &str, message: Bytes) {
        if !self.deaf.load(Ordering::SeqCst) {
            self.bus.publish(topic, message);
        }
    }

    async fn subscribe(&self, topic: &str) -> Result<Subscription, parlor_bus::Error> {
        self.asked.send_modify(|asked| *asked += 1);
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        self.bus.subscribe(topic).await
    }

    fn heard_topics(&self) -> usize {
        self.bus.heard_topics()
    }
}

/// Metadata for a bearer credential; the word itself is added by `call`.
pub fn bearer(token: &str) -> (&'static str, &str) {
    ("authorization", token)
}

/// A request with metadata.
pub fn call<T>(message: T, metadata: Metadata<'_>) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        let value = if *name == "authorization" { format!("Bearer {value}") } else { (*value).to_owned() };
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}

pub fn legacy() -> IssuerOptions {
    let keys = vec![IssuerKey { kid: None, material: KeyMaterial::Secret(SECRET.to_vec()) }];
    IssuerOptions { keys, mint: true, ..IssuerOptions::named("legacy", "shop") }
}

pub fn options() -> Options {
    Options {
        node: "test".to_owned(),
        home: "the home of these tests".to_owned(),
        auth: auth::Options {
            issuers: vec![legacy()],
            operator_key: Some(OPERATOR.to_owned()),
            handle_key: b"the handle key of these tests".to_vec(),
            signing_seed: SEED,
            earlier_signing_keys: vec![SigningKey::from_bytes(&[4; 32]).verifying_key().to_bytes()],
        },
        stack: stack::Options { edge_keys: vec![EDGE.to_owned()], ..stack::Options::default() },
        edge: edge::Options::new("test"),
        unknown_keys: guesses::Options::default(),
        messages: Pace { burst: 0, per_second: 1 },
        new_conversations: guesses::Options::of_creations(),
        position_key: b"the position key of these tests".to_vec(),
        restart_linger: Some(Duration::from_secs(1)),
        retention: crate::retention::Options::default(),
    }
}
