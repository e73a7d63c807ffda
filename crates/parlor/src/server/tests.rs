//! Servers start, say where they are, find each other, and end.

use std::net::SocketAddr;

use parlor_api::v1;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{
    config::{Role, Secrets},
    contract::Refusal,
    data_dir,
    log::tests::Heard,
    secrets::Kept,
};

/// A development server on free ports.
fn development(data_dir: &std::path::Path) -> Config {
    let mut config = Config { dev: true, data_dir: data_dir.to_owned(), ..Config::default() };
    config.set_listen("127.0.0.1:0".parse().unwrap());
    config
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_have_a_listener_of_their_own_where_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = development(directory.path());
    config.probes.listen = "127.0.0.1:0".to_owned();
    let server = Server::start(config).await.unwrap();
    server.ready().await;
    let (public, probes) = (server.address("public"), server.probes_address().unwrap());
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(get(probes, path).await.starts_with("HTTP/1.1 200"), "{path}");
    }
    assert!(get(probes, "/").await.starts_with("HTTP/1.1 404"), "nothing else is there");
    assert!(get(public, "/metrics").await.starts_with("HTTP/1.1 404"), "and it is nowhere else");
    assert!(get(public, "/readyz").await.starts_with("HTTP/1.1 200"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_not_for_the_public_where_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = development(directory.path());
    config.probes.public_metrics = false;
    let server = Server::start(config).await.unwrap();
    assert!(get(server.address("public"), "/metrics").await.starts_with("HTTP/1.1 404"));
    server.shutdown().await;
}

/// A caller may start and end a server in a task of its own.
#[test]
fn starting_and_ending_can_be_spawned() {
    fn is_send<F: Future + Send>(_: impl FnOnce(Config) -> F) {}
    fn ends_send<F: Future + Send>(_: impl FnOnce(Server) -> F) {}
    is_send(Server::start);
    ends_send(Server::shutdown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_server_serves_says_where_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(development(directory.path())).await.unwrap();
    server.ready().await;
    let address = server.address("public");
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = get(address, path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert_eq!(data_dir::running(directory.path()).unwrap().public, Some(address));
    let second = Server::start(development(directory.path())).await.unwrap_err().to_string();
    assert!(second.contains("holds the data directory"), "{second}");

    server.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(data_dir::running(directory.path()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_again_on_what_it_left() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        Server::start(development(directory.path())).await.unwrap().shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn core_and_gateway_find_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut secrets = Secrets::default();
    Kept::draw().unwrap().complete(&mut secrets);
    let mut core = Config { role: Role::Core, data_dir: directory.path().join("core"), ..Config::default() };
    core.core.listen = "127.0.0.1:0".to_owned();
    core.database.migrate = true;
    core.secrets = secrets.clone();
    let core = Server::start(core).await.unwrap();
    let internal = core.internal_address().unwrap();
    assert!(get(internal, "/readyz").await.starts_with("HTTP/1.1 200"));

    let mut gateway =
        Config { role: Role::Gateway, data_dir: directory.path().join("edge"), ..Config::default() };
    gateway.set_listen("127.0.0.1:0".parse().unwrap());
    gateway.gateway.core_url = format!("http://{internal}");
    gateway.secrets = Secrets { edge_key: secrets.edge_key, ..Secrets::default() };
    let gateway = Server::start(gateway).await.unwrap();
    gateway.ready().await;
    assert!(get(gateway.address("public"), "/readyz").await.starts_with("HTTP/1.1 200"));
    gateway.shutdown().await;
    core.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = development(directory.path());
    config.set_listen(taken.local_addr().unwrap());
    let error = format!("{:#}", Server::start(config).await.unwrap_err());
    assert!(error.contains("cannot listen on") && error.contains("--listen"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_configuration_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = development(directory.path());
    config.set_listen("0.0.0.0:0".parse().unwrap());
    let error = Server::start(config).await.unwrap_err();
    assert!(error.is::<crate::config::Refused>(), "{error:#}");
    assert!(!directory.path().join("parlor.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_is_applied_again_without_effect_and_undoes_no_password() {
    const SEED: &str = "
        [[tenant]]
        slug = \"shop\"
        display_name = \"The Shop\"
        [[user]]
        tenant = \"shop\"
        username = \"grace\"
        roles = [\"staff\"]
        password = \"the first password\"
        [[api_key]]
        display_name = \"import\"
        kind = \"service\"
        tenants = [\"shop\"]
        [[provider]]
        tenant = \"shop\"
        user = \"grace\"
        catalogue_id = \"64b0\"
        rates = { chat = 10 }
        catalogue = { expertise = [\"palms\"] }";
    let directory = tempfile::tempdir().unwrap();
    let mut config = development(directory.path());
    development::complete(&mut config).unwrap();
    let held = DataDir::hold(directory.path()).unwrap();
    let core = Embedded::start(&config, &held, Stay::Serves, &Clock::default()).await.unwrap();
    let contract = Contract::new(core.service(), config.secrets.operator_key.expose()).unwrap();
    let seed = Seed::parse(SEED).unwrap();
    let first = seed.apply(&contract).await.unwrap();
    assert_eq!((first.tenants_created, first.users_created, first.keys_created.len()), (1, 1, 1));

    let changed = SEED.replace("the first password", "another password").replace("The Shop", "A Shop");
    let second = Seed::parse(&changed).unwrap().apply(&contract).await.unwrap();
    assert_eq!(second, crate::seed::Applied::default());
    let read = contract.request(v1::GetTenantRequest { slug: "shop".into() });
    let tenant = contract.directory().get_tenant(read).await.unwrap().into_inner().tenant.unwrap();
    assert_eq!(tenant.display_name, "A Shop");
    let list = contract.request_in("shop", v1::ListProvidersRequest::default()).unwrap();
    let providers = contract.sessions().list_providers(list).await.unwrap().into_inner().providers;
    assert_eq!(providers.len(), 1);
    assert_eq!(providers[0].catalogue_json, r#"{"expertise":["palms"]}"#);
    assert_eq!((providers[0].rates[0].per_minute, providers[0].rates.len()), (10, 1));
    assert!(sign_in(&contract, "the first password").await.is_ok());
    assert!(sign_in(&contract, "another password").await.is_err());
    core.shutdown().await;
}

async fn sign_in(contract: &Contract, password: &str) -> Result<(), Refusal> {
    let credential = v1::exchange_credential_request::Credential::Password(v1::PasswordCredential {
        username: "grace".into(),
        password: password.into(),
    });
    let exchange = v1::ExchangeCredentialRequest {
        tenant: "shop".into(),
        credential: Some(credential),
        ..v1::ExchangeCredentialRequest::default()
    };
    contract.tokens().exchange_credential(exchange).await?;
    Ok(())
}

/// A server's configuration of one mount, whose tenant nobody has made.
fn of_a_missing_tenant(data_dir: &std::path::Path) -> Config {
    let mut config = development(data_dir);
    let (dialect, prefix) = ("native".to_owned(), "/native".to_owned());
    config.mount =
        vec![crate::config::Mount { dialect, prefix, tenant: "shop".into(), ..Default::default() }];
    config
}

#[tokio::test]
async fn a_tenant_that_is_missing_is_told_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let (heard, _listening) = Heard::listen("info");
    let server = Server::start(of_a_missing_tenant(directory.path())).await.unwrap();
    let told = "mount \"native\" is of tenant \"shop\", which does not exist";
    assert!(heard.text().contains("WARN") && heard.text().contains(told), "{}", heard.text());

    let seed = Seed::parse("[[tenant]]\nslug = \"shop\"").unwrap();
    seed.apply(&server.contract().unwrap()).await.unwrap();
    server.shutdown().await;
    let (heard, _listening) = Heard::listen("info");
    Server::start(of_a_missing_tenant(directory.path())).await.unwrap().shutdown().await;
    assert!(!heard.text().contains("does not exist"), "{}", heard.text());
}

#[tokio::test]
async fn debug_tells_of_each_call_and_not_who_made_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = development(directory.path());
    development::complete(&mut config).unwrap();
    let held = DataDir::hold(directory.path()).unwrap();
    let core = Embedded::start(&config, &held, Stay::Serves, &Clock::default()).await.unwrap();
    let contract = Contract::new(core.service(), config.secrets.operator_key.expose()).unwrap();
    let (heard, _listening) = Heard::listen("debug");
    assert!(sign_in(&contract, "a secret password").await.is_err());
    let text = heard.text();
    assert!(text.contains("DEBUG") && text.contains("ExchangeCredential"), "{text}");
    assert!(text.contains("answered code=NotFound ms="), "{text}");
    assert!(!text.contains("grace") && !text.contains("a secret password"), "{text}");
    core.shutdown().await;
}

/// A server elsewhere on the database of another.
fn beside(first: &Server, data_dir: &std::path::Path, node: &str) -> Config {
    let mut config = development(data_dir);
    config.database.url = first.config().database_url();
    config.node = node.to_owned();
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_core_on_one_database_does_not_start_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(development(&directory.path().join("first"))).await.unwrap();
    for node in ["parlor", "another"] {
        let second = Box::pin(Server::start(beside(&first, &directory.path().join(node), node)));
        let refused = while_time_goes_by(first.clock(), second).await.expect_err(node);
        let told = format!("{refused:#}");
        assert!(told.contains("node \"parlor\"") && told.contains("bus.kind"), "{told}");
    }
    assert!(get(first.address("public"), "/readyz").await.starts_with("HTTP/1.1 200"));
    first.shutdown().await;
}

#[tokio::test]
async fn a_server_whose_database_another_has_taken_over_is_not_ready_and_says_so_once() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("copy"));
    let (heard, _listening) = Heard::listen("error");
    let first_server = Server::start(development(&first)).await.unwrap();
    first_server.ready().await;
    // Two data directories that call themselves the same: nothing is watched, and the later one wins.
    std::fs::create_dir(&second).unwrap();
    std::fs::copy(first.join("home"), second.join("home")).unwrap();
    let second_server = Server::start(beside(&first_server, &second, "another")).await.unwrap();
    second_server.ready().await;
    while_time_goes_by(first_server.clock(), first_server.lost()).await;
    assert!(get(first_server.address("public"), "/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(get(second_server.address("public"), "/readyz").await.starts_with("HTTP/1.1 200"));
    assert_eq!(heard.text().matches("another core has taken over").count(), 1, "{}", heard.text());
    first_server.shutdown().await;
    assert!(get(second_server.address("public"), "/readyz").await.starts_with("HTTP/1.1 200"));
    second_server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_ended_keeps_no_other_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(development(&directory.path().join("first"))).await.unwrap();
    let next = beside(&first, &directory.path().join("next"), "next");
    first.shutdown().await;
    let began = std::time::Instant::now();
    Server::start(next).await.unwrap().shutdown().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(7), "it was not watched for a sign of life");
}

/// Moves the clock on, again and again, until it has come to pass.
async fn while_time_goes_by<T>(clock: &Clock, coming: impl Future<Output = T>) -> T {
    let mut moments = tokio::time::interval(std::time::Duration::from_millis(50));
    moments.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(coming);
    loop {
        tokio::select! {
            come = &mut coming => return come,
            _ = moments.tick() => clock.advance(std::time::Duration::from_secs(1)),
        }
    }
}
