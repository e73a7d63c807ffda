//! A start after a kill that left very many online: how long until it serves, and until those who stay away have gone.
//!
//! `cargo bench -p parlor-store --bench restart`, with `-- sqlite` or `-- postgres` for one of the two, and
//! `-- people=10000` for another number than 300,000.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

mod shared;

use std::time::{Duration, Instant};

use parlor_store::{Begun, NewLife, Options, Store, TenantId, UserId};
use parlor_testdb::Database;
use sea_orm::ConnectionTrait as _;

use self::shared::new_tenant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PEOPLE: usize = 300_000;
/// As many leave with one change, as in the program.
const TOGETHER: usize = 256;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let named = |name: &str| std::env::args().any(|argument| argument == name);
    let people = std::env::args().find_map(|argument| argument.strip_prefix("people=")?.parse().ok());
    let people = people.unwrap_or(PEOPLE);
    if !named("postgres") {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("parlor.db").display());
        runtime.block_on(measure("SQLite FULL", &url, ID_SQLITE, people));
    }
    if !named("sqlite") {
        let database = Database::create();
        runtime.block_on(measure("PostgreSQL", &database.url(), ID_POSTGRES, people));
    }
}

/// How an id is made of a number `i`: in order, as the program's are.
const ID_SQLITE: &str = "unhex(printf('%032x', i))";
const ID_POSTGRES: &str = "lpad(to_hex(i), 32, '0')::uuid";

async fn measure(name: &str, url: &str, id: &str, people: usize) {
    parlor_migration::up(url).await.unwrap();
    let options = Options { url: url.to_owned(), read_connections: 2 };
    let store = Store::open(options, Box::new(|_| {})).await.unwrap();
    let tenant = store.directory.create_tenant(new_tenant()).await.unwrap().id;
    begin(&store, "first", "1").await;
    leave_online(url, tenant, id, people).await;
    println!("{name}: {people} people were left online");
    let (same, left) = begin(&store, "first", "2").await;
    println!("  taken over by the same name     {same:>9.2?}");
    let (other, again) = begin(&store, "second", "3").await;
    println!("  taken over by another name      {other:>9.2?}");
    assert_eq!((left.len(), again.len()), (people, people));
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    for some in again.chunks(TOGETHER) {
        let each = Instant::now();
        store.presence.let_go(tenant, some.to_vec(), "second", "3").await.unwrap();
        store.directory.users(tenant, some).await.unwrap();
        store.presence.of_people(tenant, some).await.unwrap();
        longest = longest.max(each.elapsed());
    }
    println!(
        "  all let go, {TOGETHER} at a time      {:>9.2?}, {longest:.2?} at most for {TOGETHER}",
        began.elapsed()
    );
    assert_eq!(store.presence.presences(tenant).await.unwrap().0, []);
    store.close().await;
}

async fn begin(store: &Store, node: &str, epoch: &str) -> (Duration, Vec<UserId>) {
    let life = NewLife {
        node: node.to_owned(),
        epoch: epoch.to_owned(),
        home: "home".to_owned(),
        ..NewLife::default()
    };
    let began = Instant::now();
    match store.presence.begin_epoch(life, 2).await.unwrap() {
        Begun::Lives(left) => (began.elapsed(), left.into_iter().map(|(_, user)| user).collect()),
        Begun::Occupied(other) => panic!("{other:?}"),
    }
}

async fn leave_online(url: &str, tenant: TenantId, id: &str, people: usize) {
    let db = sea_orm::Database::connect(url).await.unwrap();
    let tenant = tenant.0;
    let numbers = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {people}), p(i, id) AS (SELECT i, {id} FROM n)"
    );
    for (into, rows) in [
        (
            "\"user\" (tenant, id, number, display_name, username, email, avatar_url, roles, created_at, updated_at)",
            format!("SELECT {tenant}, id, i, 'Somebody', 'user-' || i, '', '', 1, 1, 1 FROM p"),
        ),
        ("presence (tenant, user_id, availability)", format!("SELECT {tenant}, id, 1 FROM p")),
        (
            "presence_lease (tenant, user_id, node, epoch, since, left_over)",
            format!("SELECT {tenant}, id, 'first', '1', 1, FALSE FROM p"),
        ),
    ] {
        let insert = if url.starts_with("sqlite:") {
            format!("{numbers} INSERT INTO {into} {rows}")
        } else {
            format!("INSERT INTO {into} {numbers} {rows}")
        };
        db.execute_unprepared(&insert).await.unwrap();
    }
    db.close().await.unwrap();
}
