//! Durable messages per second: one task that waits for each answer, against many whose messages share commits.
//!
//! `cargo bench -p parlor-store --bench append`, with `-- sqlite` or `-- postgres` for one of the two. SQLite runs with `synchronous=FULL`, PostgreSQL with `synchronous_commit=on`. Rounds
//! alternate between the numbers of producers, so that a noisy machine disturbs all alike; read the ratios, not the rates.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

mod shared;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parlor_store::{
    Author, AuthorKind, Cause, ConversationId, EnsureConversation, NewMessage, Options, Store, TenantId,
};
use parlor_testdb::Database;
use tokio::task::JoinSet;

use self::shared::new_tenant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tasks that each wait for an answer before the next message. The first is what grouping is compared with.
const PRODUCERS: [usize; 4] = [1, 8, 64, 256];
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(2);
/// Over so many conversations the messages are spread.
const ROOMS: usize = 64;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let named = |name: &str| std::env::args().any(|argument| argument == name);
    if !named("postgres") {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("parlor.db").display());
        runtime.block_on(measure("SQLite FULL", &url));
    }
    if !named("sqlite") {
        let database = Database::create();
        runtime.block_on(measure("PostgreSQL", &database.url()));
    }
}

async fn measure(name: &str, url: &str) {
    parlor_migration::up(url).await.unwrap();
    let options = Options { url: url.to_owned(), read_connections: 2 };
    let store = Store::open(options, Box::new(|_| {})).await.unwrap();
    let tenant = store.directory.create_tenant(new_tenant()).await.unwrap().id;
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(store.chat.ensure_conversation(new_room(tenant)).await.unwrap().0.id);
    }
    let rooms: Arc<[ConversationId]> = rooms.into();
    let mut rates = [const { Vec::new() }; PRODUCERS.len()];
    for _ in 0..ROUNDS {
        for (rates, producers) in rates.iter_mut().zip(PRODUCERS) {
            rates.push(round(&store, tenant, &rooms, producers).await);
        }
    }
    let best = rates.map(|rates| rates.into_iter().fold(0.0, f64::max));
    println!("{name}: best of {ROUNDS} rounds of {ROUND:?}");
    for (rate, producers) in best.iter().zip(PRODUCERS) {
        println!("  {producers:>4} producers {rate:>9.0} messages/s  {:>5.1} x one by one", rate / best[0]);
    }
    store.close().await;
}

async fn round(store: &Store, tenant: TenantId, rooms: &Arc<[ConversationId]>, producers: usize) -> f64 {
    let began = Instant::now();
    let mut running = JoinSet::new();
    for producer in 0..producers {
        let (store, rooms) = (store.clone(), Arc::clone(rooms));
        running.spawn(async move {
            let mut stored = 0_u32;
            while began.elapsed() < ROUND {
                let room = rooms[(producer + stored as usize) % rooms.len()];
                store.chat.append(new_message(tenant, room, producer)).await.unwrap();
                stored += 1;
            }
            stored
        });
    }
    let stored: u32 = running.join_all().await.into_iter().sum();
    f64::from(stored) / began.elapsed().as_secs_f64()
}

fn guest() -> Author {
    Author { kind: AuthorKind::Customer, user_id: None, name: "Guest".into(), user: None }
}

fn new_room(tenant: TenantId) -> EnsureConversation {
    EnsureConversation {
        cause: Cause { tenant, author: guest(), at: 1, origin: String::new() },
        key: None,
        kind: String::new(),
        waiting: false,
        owner_id: None,
        members: Vec::new(),
        seen_by: parlor_store::SeenBy::Staff,
    }
}

fn new_message(tenant: TenantId, conversation_id: ConversationId, producer: usize) -> NewMessage {
    NewMessage {
        cause: Cause { tenant, author: guest(), at: 2, origin: String::new() },
        conversation_id,
        access: parlor_store::Access::STAFF,
        author_key: format!("guest-{producer}"),
        leaves_unread: false,
        request: Some(Box::new(parlor_store::MessageRequest {
            id: parlor_store::MessageId::new().to_string(),
            payload_hash: [0; 32],
        })),
        text:
            "A message of about the length that people write when they ask for help with an order they made."
                .into(),
    }
}
