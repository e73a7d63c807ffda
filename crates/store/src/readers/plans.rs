//! What is read page by page is found in the order of an index, on both databases: no page costs more because a tenant has more.

use futures::future::join_all;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::{
    Arose, ConversationFilter, ConversationId, Listed, MessageFilter, Missing, Mutation, NewLife, NewSession,
    Pick, Recording, SessionKind, SessionMove, Step, Store, TenantId, UserId, UserUpsert, VisitProfile,
    VisitState,
    testing::{self, cause, message, room},
};

const ROOMS: i64 = 300;
const MESSAGES: i64 = 20;
const VISITS: i64 = 2_000;

/// Sessions of one person that are over.
const OVER: usize = 900;
/// So many of them are asked for together.
const TOGETHER: usize = 90;

/// A store with very many short conversations, as far as the planner of either database needs to see that there are many; and
/// one of them.
async fn filled(url: &str) -> (Store, TenantId, ConversationId) {
    let (store, tenant) = testing::open(url, Box::new(|_| {})).await;
    let rooms = join_all((1..=ROOMS).map(|at| store.chat.ensure_conversation(room(tenant, at)))).await;
    let rooms: Vec<_> = rooms.into_iter().map(|made| made.unwrap().0.id).collect();
    for at in 1..=MESSAGES {
        let said =
            rooms.iter().zip(1..).map(|(room, more)| message(tenant, at * ROOMS + more, *room, "said"));
        for stored in join_all(said.map(|message| store.chat.append(message))).await {
            stored.unwrap();
        }
    }
    visited(&store, tenant).await;
    (store, tenant, rooms[7])
}

async fn user(store: &Store, tenant: TenantId, name: String) -> UserId {
    let wanted = UserUpsert { username: Some(name), ..Default::default() };
    store.directory.upsert_user(tenant, wanted, 1).await.unwrap().0.id
}

/// Somebody who has invited very many, of whom one has not answered yet.
async fn host_of_many(store: &Store, tenant: TenantId) -> UserId {
    let host = user(store, tenant, "host".to_owned()).await;
    let as_host = || {
        let mut cause = cause(tenant, 1);
        cause.author.user_id = Some(host);
        cause
    };
    let invite = async |number: usize| {
        let payer = user(store, tenant, format!("guest-{number}")).await;
        let (kind, topic, intake) = (SessionKind::Invitation, String::new(), String::new());
        let new = NewSession { cause: as_host(), kind, payer, provider: host, offered: true, topic, intake };
        store.apply(Mutation::request_session(new)).await.unwrap().id
    };
    let withdraw = async |number: usize| {
        let (id, what) = (invite(number).await, SessionMove::Cancel);
        let step = Step { cause: as_host(), id, what, administers: false, note: String::new() };
        store.apply(Mutation::move_session(step)).await.unwrap();
    };
    for first in (0..OVER).step_by(TOGETHER) {
        join_all((first..first + TOGETHER).map(withdraw)).await;
    }
    invite(OVER).await;
    host
}

/// Lets the planner see how much there is.
async fn analyze(url: &str) {
    let db = sea_orm::Database::connect(url).await.unwrap();
    db.execute_unprepared("ANALYZE").await.unwrap();
    db.close().await.unwrap();
}

/// Reads a page of everything that has pages, the first one and one in the middle.
async fn read_pages(store: &Store, tenant: TenantId, room: ConversationId) {
    let all = ConversationFilter::default();
    for order_by_update in [false, true] {
        let filter = ConversationFilter { order_by_update, ..all.clone() };
        for before in [None, Some((MESSAGES * ROOMS + ROOMS / 2, i64::MAX))] {
            let page = store.chat.list_conversations(tenant, &filter, before, 20).await.unwrap();
            assert_eq!(page.len(), 20);
        }
    }
    for descending in [false, true] {
        let filter = MessageFilter { descending, after_sequence: 3, ..MessageFilter::default() };
        assert_eq!(store.chat.list_messages(tenant, room, &filter, 10).await.unwrap().len(), 10);
    }
    let missing = Missing { after: ROOMS * MESSAGES / 2, limit: 20, messages_only: false };
    assert_eq!(store.chat.missed_in_tenant(tenant, missing).await.unwrap().events.len(), 20);
    let pick = Pick { conversation: room, after_sequence: 5, through: None };
    store.chat.missed_in(tenant, &[pick], missing).await.unwrap();
    assert_eq!(store.log.tenant_events(tenant, missing.after, 20).await.unwrap().len(), 20);
    assert_eq!(store.log.subject_events(tenant, room, 5, 10).await.unwrap().len(), 10);
    store.chat.conversation(tenant, room).await.unwrap();
    read_visits(store, tenant).await;
}

/// Reads pages of visits, and one with what is kept of it.
async fn read_visits(store: &Store, tenant: TenantId) {
    let of = |state, seen_since| Listed { state, seen_since };
    for listed in [of(None, None), of(None, Some(5)), of(Some(VisitState::Active), None)] {
        for before in [None, Some((VISITS, VISITS))] {
            let page = store.visits.list(tenant, listed, before, 20).await.unwrap();
            assert_eq!(page.len(), 20);
        }
    }
    store.visits.list(tenant, of(Some(VisitState::Left), Some(5)), None, 20).await.unwrap();
    let visit = store.visits.by_key(tenant, "ses_7").await.unwrap();
    store.visits.by_id(tenant, visit.id).await.unwrap();
    store.visits.by_number(tenant, &[1, 2, 3]).await.unwrap();
    store.visits.pages(tenant, visit.number).await.unwrap();
    store.visits.actions(tenant, visit.number).await.unwrap();
}

/// Very many visits.
async fn visited(store: &Store, tenant: TenantId) {
    let life = NewLife { node: "n".into(), epoch: "1".into(), home: "home".into(), ..NewLife::default() };
    store.presence.begin_epoch(life, 1).await.unwrap();
    for turn in 1..=2 {
        let visits = (1..=VISITS).map(|at| {
            let (page, visitor_key) = (format!("/{at}"), String::new());
            store.visits.record(Recording {
                tenant,
                key: format!("ses_{at}"),
                person: None,
                any: false,
                node: "n".into(),
                epoch: "1".into(),
                turn,
                state: Some(VisitState::Active),
                connected: true,
                at: at + turn,
                arose: Arose::Loaded { visitor_key, page, profile: VisitProfile::default() },
            })
        });
        for recorded in join_all(visits).await {
            recorded.unwrap();
        }
    }
}

/// The plan of what was asked, a step in each row.
async fn plan(store: &Store, asked: &Statement) -> Vec<String> {
    let backend = store.db.readers.get_database_backend();
    let (explain, column) = match backend {
        DbBackend::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
        _ => ("EXPLAIN", "QUERY PLAN"),
    };
    let sql = format!("{explain} {}", asked.sql);
    let statement = match &asked.values {
        Some(values) => Statement::from_sql_and_values(backend, sql, values.0.clone()),
        None => Statement::from_string(backend, sql),
    };
    let rows = store.db.readers.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get::<String>("", column).unwrap()).collect()
}

/// True if a step reads a whole table, or sorts more than a page.
fn grows(step: &str) -> bool {
    reads_all(step) || step.contains("TEMP B-TREE FOR ORDER BY") || step.contains("Sort")
}

/// True if a step reads a whole table, or an index of all of it.
fn reads_all(step: &str) -> bool {
    let tables = [
        "conversation",
        "message",
        "event",
        "user",
        "identity",
        "tenant_counter",
        "reaction",
        "participant",
        "session",
        "visit",
        "visit_page",
        "visit_action",
    ];
    let of_a_table = |kind: &str| {
        let scanned = step.trim_start_matches(['-', '>', ' ']).strip_prefix(kind);
        scanned.is_some_and(|rest| tables.iter().any(|table| rest.split([' ', '(']).next() == Some(table)))
    };
    // Those hold what the clock waits for, and nothing else.
    let is_of_few =
        step.ends_with("USING INDEX session_pending") || step.ends_with("USING INDEX session_metered");
    of_a_table("SCAN ") && !is_of_few || of_a_table("Seq Scan on ")
}

async fn no_page_grows(url: &str) {
    let (store, tenant, room) = filled(url).await;
    analyze(url).await;
    read_pages(&store, tenant, room).await;
    nothing_asked(grows, &store, 15).await;
    store.close().await;
}

async fn no_waiting_grows(url: &str) {
    let (store, tenant) = testing::open(url, Box::new(|_| {})).await;
    let host = host_of_many(&store, tenant).await;
    analyze(url).await;
    assert_eq!(store.sessions.live_of(tenant, host).await.unwrap().0.len(), 1);
    let expires = store.sessions.next_due().await.unwrap().unwrap();
    assert_eq!(store.sessions.due(expires, 20).await.unwrap().len(), 1);
    // What is live of one person is sorted: it is little.
    nothing_asked(reads_all, &store, 8).await;
    store.close().await;
}

/// Of at least so many questions.
async fn nothing_asked(is_bad: fn(&str) -> bool, store: &Store, least: usize) {
    let asked = std::mem::take(&mut *store.db.readers.asked.lock().unwrap());
    assert!(asked.len() >= least, "{}", asked.len());
    for statement in &asked {
        let plan = plan(store, statement).await;
        assert!(!plan.is_empty() && !plan.iter().any(|step| is_bad(step)), "{}\n{plan:#?}", statement.sql);
    }
}

#[tokio::test]
async fn no_page_grows_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    no_page_grows(&testing::sqlite(&folder)).await;
}

#[tokio::test]
async fn no_page_grows_on_postgres() {
    no_page_grows(&parlor_testdb::Database::create().url()).await;
}

#[tokio::test]
async fn who_waits_is_found_among_very_many_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    no_waiting_grows(&testing::sqlite(&folder)).await;
}

#[tokio::test]
async fn who_waits_is_found_among_very_many_on_postgres() {
    no_waiting_grows(&parlor_testdb::Database::create().url()).await;
}

#[test]
fn what_grows_is_seen() {
    for step in [
        "SCAN message",
        "SCAN conversation USING INDEX x",
        "USE TEMP B-TREE FOR ORDER BY",
        "  ->  Seq Scan on message (cost=1)",
        "Sort  (cost=2)",
    ] {
        assert!(grows(step), "{step}");
    }
    for step in [
        "SEARCH message USING INDEX x (tenant=?)",
        "SCAN v",
        "SCAN 3 CONSTANT ROWS",
        "Index Scan using x on message  (cost=1)",
    ] {
        assert!(!grows(step), "{step}");
    }
}
