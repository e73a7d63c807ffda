//! What the chain of `stack.rs` costs a unary call in one process, in steady state: the credential was verified before.
//! The bare call is the same method over the same router without the chain, so the difference is the chain's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parlor_api::v1::{
    self,
    token_service_client::TokenServiceClient,
    token_service_server::{TokenService, TokenServiceServer},
};
use parlor_core::{
    Core, Options, Service,
    auth::{self, Context, IssuerOptions, RawCredential},
    clock::Clock,
    edge, stack,
};
use tonic::{Request, Response, Status, async_trait, service::Routes};

const WARM_UP: u32 = 2_000;
const CALLS: u32 = 100_000;
const EDGE_KEY: &str = "an edge key for the benchmark";
const OPERATOR_KEY: &str = "an operator's key for the benchmark";

/// Answers what the real service answers.
struct Bare(String);

#[async_trait]
impl TokenService for Bare {
    async fn exchange_credential(
        &self,
        _: Request<v1::ExchangeCredentialRequest>,
    ) -> Result<Response<v1::ExchangeCredentialResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn mint_token(
        &self,
        _: Request<v1::MintTokenRequest>,
    ) -> Result<Response<v1::MintTokenResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn inspect_token(
        &self,
        _: Request<v1::InspectTokenRequest>,
    ) -> Result<Response<v1::InspectTokenResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_token(
        &self,
        _: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_jwks(
        &self,
        _: Request<v1::GetJwksRequest>,
    ) -> Result<Response<v1::GetJwksResponse>, Status> {
        Ok(Response::new(v1::GetJwksResponse { jwks_json: self.0.clone() }))
    }
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(run());
}

async fn run() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = format!("sqlite://{}", directory.path().join("bench.db").display());
    parlor_migration::up(&url).await.expect("the schema is made");
    let store = parlor_store::Options { url, read_connections: 1 };
    let bus = Arc::new(parlor_bus::memory::Memory::new(1024 * 1024));
    let core = Core::start(options(), store, bus, Clock::default()).await.expect("the core starts");

    let jwks = core.auth().jwks_json().to_owned();
    let bare = TokenServiceClient::new(Routes::new(TokenServiceServer::new(Bare(jwks))).prepare());
    let nothing = [];
    let token = token(&core).await;
    let authorization = format!("Bearer {token}");
    let bearer = [("authorization", authorization.as_str())];
    let shown = RawCredential::Bearer(token);
    let principal = core.auth().resolve(&shown, &Context::default()).await.expect("the token is good");
    let handle = core.auth().seal_handle(&principal);
    let gateway = [
        ("parlor-edge-key", EDGE_KEY),
        ("parlor-handle", handle.as_str()),
        ("parlor-connection", "connection-1"),
        ("parlor-peer", "192.0.2.1"),
        ("parlor-request-id", "0123456789abcdef"),
    ];
    let chain = || TokenServiceClient::new(core.routes());
    println!("bare router:            {:>8} ns/op", measure(bare, &nothing).await);
    println!("chain, no credential:   {:>8} ns/op", measure(chain(), &nothing).await);
    println!("chain, access token:    {:>8} ns/op", measure(chain(), &bearer).await);
    println!("chain, gateway, handle: {:>8} ns/op", measure(chain(), &gateway).await);
    core.shutdown().await;
}

async fn measure<S>(mut client: TokenServiceClient<S>, metadata: &[(&'static str, &str)]) -> u128
where
    S: tonic::client::GrpcService<tonic::body::Body>,
    S::Error: Into<tonic::codegen::StdError>,
    S::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let metadata: Vec<_> =
        metadata.iter().map(|(name, value)| (*name, value.parse().expect("ASCII"))).collect();
    let mut began = Instant::now();
    for number in 0..WARM_UP + CALLS {
        if number == WARM_UP {
            began = Instant::now();
        }
        let mut request = Request::new(v1::GetJwksRequest {});
        for (name, value) in &metadata {
            request.metadata_mut().insert(*name, tonic::metadata::AsciiMetadataValue::clone(value));
        }
        client.get_jwks(request).await.expect("it is served");
    }
    began.elapsed().as_nanos() / u128::from(CALLS)
}

/// A token of a person whom the operator has made.
async fn token(core: &Core) -> String {
    let mut directory = v1::directory_service_client::DirectoryServiceClient::<Service>::new(core.routes());
    let tenant = v1::Tenant { slug: "shop".to_owned(), ..Default::default() };
    let tenant = v1::CreateTenantRequest { tenant: Some(tenant), ..Default::default() };
    directory.create_tenant(as_operator(tenant)).await.expect("a tenant is made");
    let user = v1::UpsertUserRequest { user: Some(v1::User::default()), ..Default::default() };
    let user = directory.upsert_user(in_the_shop(user)).await.expect("a user is made").into_inner().user;
    let user_id = user.expect("it is told").id;
    let minting = v1::MintTokenRequest { user_id, ..Default::default() };
    let minted = TokenServiceClient::new(core.routes()).mint_token(in_the_shop(minting)).await;
    minted.expect("a token is minted").into_inner().token
}

fn as_operator<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let credential = format!("Bearer {OPERATOR_KEY}").parse().expect("ASCII");
    request.metadata_mut().insert("authorization", credential);
    request
}

fn in_the_shop<T>(message: T) -> Request<T> {
    let mut request = as_operator(message);
    request.metadata_mut().insert("parlor-tenant", "shop".parse().expect("ASCII"));
    request
}

fn options() -> Options {
    Options {
        unknown_keys: parlor_core::chat::guesses::Options::default(),
        messages: parlor_core::share::Pace { burst: 0, per_second: 1 },
        new_conversations: parlor_core::chat::guesses::Options::of_creations(),
        node: "bench".to_owned(),
        home: "bench".to_owned(),
        auth: auth::Options {
            issuers: Vec::<IssuerOptions>::new(),
            operator_key: Some(OPERATOR_KEY.to_owned()),
            handle_key: b"a handle key for the benchmark".to_vec(),
            signing_seed: [1; 32],
            earlier_signing_keys: Vec::new(),
        },
        stack: stack::Options { edge_keys: vec![EDGE_KEY.to_owned()], ..stack::Options::default() },
        edge: edge::Options::new("bench"),
        position_key: b"a position key for the benchmark".to_vec(),
        restart_linger: Some(Duration::ZERO),
        retention: parlor_core::retention::Options::default(),
    }
}
