//! What a page costs, by how much a tenant has: of messages, of conversations, of what was missed.
//!
//! `cargo bench -p parlor-store --bench history`, with `-- sqlite` or `-- postgres` for one of the two, and `-- messages=10000` for
//! another number than 1,000,000 beside 1,000.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

mod shared;

use std::time::{Duration, Instant};

use parlor_store::{ConversationFilter, ConversationId, MessageFilter, Missing, Options, Store, TenantId};
use parlor_testdb::Database;
use sea_orm::ConnectionTrait as _;

use self::shared::new_tenant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FEW: i64 = 1_000;
const MANY: i64 = 1_000_000;
/// Messages of a conversation; so there are very many conversations too.
const LENGTH: i64 = 20;
/// Rows of a page.
const PAGE: u64 = 20;
/// The same, as a number of them.
const PAGE_ROWS: i64 = 20;
/// How often each page is read, in different places.
const READS: i64 = 400;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let named = |name: &str| std::env::args().any(|argument| argument == name);
    let many = std::env::args()
        .find_map(|argument| argument.strip_prefix("messages=")?.parse().ok())
        .unwrap_or(MANY);
    if !named("postgres") {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let urls = directories
            .each_ref()
            .map(|folder| format!("sqlite://{}", folder.path().join("parlor.db").display()));
        runtime.block_on(measure("SQLite", &urls, many));
    }
    if !named("sqlite") {
        let databases = [Database::create(), Database::create()];
        runtime.block_on(measure("PostgreSQL", &databases.each_ref().map(Database::url), many));
    }
}

/// A tenant with so many messages.
struct World {
    store: Store,
    tenant: TenantId,
    messages: i64,
}

async fn measure(name: &str, urls: &[String; 2], many: i64) {
    let few = World::filled(&urls[0], FEW).await;
    let many = World::filled(&urls[1], many).await;
    println!(
        "{name}: a page of {PAGE}, median and slowest hundredth, at {} and at {} messages",
        few.messages, many.messages
    );
    for (what, page) in PAGES {
        // In turns, so that what else the machine does touches both.
        let mut took = [Vec::new(), Vec::new()];
        for number in 0..READS {
            for (world, took) in [&few, &many].into_iter().zip(&mut took) {
                let began = Instant::now();
                world.read(page, number).await;
                took.push(began.elapsed());
            }
        }
        let [few, many] = took.map(quantiles);
        let ratio = many.0.as_secs_f64() / few.0.as_secs_f64();
        println!(
            "  {what:<38} {:>9.1?} {:>9.1?}   {:>9.1?} {:>9.1?}   {ratio:.2}",
            few.0, few.1, many.0, many.1
        );
    }
    few.store.close().await;
    many.store.close().await;
}

fn quantiles(mut took: Vec<Duration>) -> (Duration, Duration) {
    took.sort();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

#[derive(Clone, Copy)]
enum Page {
    NewestMessages,
    OlderMessages,
    NewestConversations,
    OlderConversations,
    Missed,
}

const PAGES: [(&str, Page); 5] = [
    ("ListMessages, newest", Page::NewestMessages),
    ("ListMessages, the one after", Page::OlderMessages),
    ("ListConversations, first page", Page::NewestConversations),
    ("ListConversations, from the middle", Page::OlderConversations),
    ("ListMissedEvents, of the tenant", Page::Missed),
];

impl World {
    async fn read(&self, page: Page, number: i64) {
        let rooms = self.messages / LENGTH;
        let somewhere = 1 + number * 7_919 % rooms;
        let room = ConversationId(uuid::Uuid::from_u128(u128::try_from(somewhere).unwrap()));
        let (chat, tenant) = (&self.store.chat, self.tenant);
        let all = ConversationFilter::default();
        let rows = match page {
            Page::NewestMessages | Page::OlderMessages => {
                let through_sequence = matches!(page, Page::OlderMessages).then_some(LENGTH - 1);
                let filter = MessageFilter { descending: true, through_sequence, ..MessageFilter::default() };
                chat.list_messages(tenant, room, &filter, PAGE).await.unwrap().len()
            }
            Page::NewestConversations => {
                chat.list_conversations(tenant, &all, None, PAGE).await.unwrap().len()
            }
            Page::OlderConversations => {
                let before = Some((PAGE_ROWS + somewhere % (rooms / 2), i64::MAX));
                chat.list_conversations(tenant, &all, before, PAGE).await.unwrap().len()
            }
            Page::Missed => {
                let after = somewhere * LENGTH - LENGTH;
                let missing = Missing { after, limit: PAGE, messages_only: false };
                chat.missed_in_tenant(tenant, missing).await.unwrap().events.len()
            }
        };
        assert!(rows > 0);
    }

    async fn filled(url: &str, messages: i64) -> Self {
        parlor_migration::up(url).await.unwrap();
        let options = Options { url: url.to_owned(), read_connections: 2 };
        let store = Store::open(options, Box::new(|_| {})).await.unwrap();
        let tenant = store.directory.create_tenant(new_tenant()).await.unwrap().id;
        fill(url, tenant, messages).await;
        Self { store, tenant, messages }
    }
}

/// Conversations side by side, of which each message is in another one than the message before.
async fn fill(url: &str, tenant: TenantId, messages: i64) {
    let (tenant, rooms) = (tenant.0, messages / LENGTH);
    let is_sqlite = url.starts_with("sqlite:");
    let id = |number: &str| {
        if is_sqlite {
            format!("unhex(printf('%032x', {number}))")
        } else {
            format!("lpad(to_hex({number}), 32, '0')::uuid")
        }
    };
    let insert = |count: i64, into: &str, rows: &str| {
        let numbers =
            format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
        let (before, between) = if is_sqlite { (numbers.as_str(), "") } else { ("", numbers.as_str()) };
        format!("{before} INSERT INTO {into} {between} {rows}")
    };
    let (room, tags) = (id("i"), if is_sqlite { "'[]'" } else { "'[]'::jsonb" });
    let conversations = insert(
        rooms,
        "conversation (tenant, id, number, kind, status, tags, waiting, unanswered, unread_count, staff_read_sequence, \
         last_sequence, last_message_sequence, floor_sequence, cleared_sequence, created_at, updated_at, \
         customer_active_at, seen_by)",
        &format!(
            "SELECT {tenant}, {room}, i, 'support', 1, {tags}, FALSE, FALSE, 0, 0, {LENGTH}, {LENGTH}, 1, 0, i, i, i, 1 FROM n"
        ),
    );
    let (room, message) = (id(&format!("1 + (i - 1) % {rooms}")), id("1000000000 + i"));
    let said = insert(
        messages,
        "message (tenant, conversation_id, sequence, position, author_kind, author_name, created_at, id, number, \
         author_key, request_id, text)",
        &format!(
            "SELECT {tenant}, {room}, 1 + (i - 1) / {rooms}, i, 1, 'Guest', i, {message}, i, 'guest', 'request-' || i, \
             'About as much as somebody says in one breath, which is some eighty letters.' FROM n"
        ),
    );
    let counters = format!(
        "UPDATE tenant_counter SET position = {messages}, message_number = {messages} WHERE tenant = {tenant}"
    );
    let db = sea_orm::Database::connect(url).await.unwrap();
    for sql in [conversations.as_str(), &said, &counters, "ANALYZE"] {
        db.execute_unprepared(sql).await.unwrap();
    }
    db.close().await.unwrap();
}
