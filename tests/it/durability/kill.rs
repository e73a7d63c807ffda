//! Twenty times in a row the real program is killed in the middle of its work; what it acknowledged is all there.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parlor_tests::{Backend, Chat, Configuration, Entrance, PATIENCE, Person, Plan, Program, Topology, talk};
use rand::RngExt as _;
use tokio::{sync::Notify, task::JoinSet};
use toml::Table;

/// How often it is killed.
const ROUNDS: usize = 20;

/// Acknowledgements before each kill, so that all rounds together have 10,000: at least, and how many more by chance.
const ACKNOWLEDGED_LEAST: usize = 500;
const ACKNOWLEDGED_EXTRA: usize = 200;

/// Senders at work when it happens; they share the conversations.
const SENDERS: usize = 16;
const CONVERSATIONS: usize = 4;

/// What was acknowledged: conversation and sequence, and the text that must be there.
type Acknowledged = HashMap<(usize, u64), String>;

#[test]
fn ten_thousand_acknowledged_messages_survive_twenty_kills_on_sqlite() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        let program = Program::new();
        let url = format!("sqlite://{}", program.folder().join("parlor.db").display());
        survive(program, &url).await;
    });
}

#[test]
fn ten_thousand_acknowledged_messages_survive_twenty_kills_on_postgres() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Postgres), |_| async {
        let database = parlor_testdb::Database::create();
        survive(Program::new(), &database.url()).await;
    });
}

async fn survive(mut program: Program, database_url: &str) {
    let configuration = Configuration::new(database_url, &Table::new(), &Table::new());
    let file = program.folder().join("parlor.toml");
    let table = configuration.server(&[("data_dir", program.data_dir().to_str().unwrap())]);
    std::fs::write(&file, toml::to_string(&table).unwrap()).unwrap();

    let mut entrance = serve(&mut program, &file, &configuration);
    configuration.create_tenant(&entrance).await;
    let sender = configuration.person("staff", now_s());
    let keys: Vec<String> =
        (0..CONVERSATIONS).map(|_| format!("session_{}", uuid::Uuid::new_v4().simple())).collect();
    let mut chat = entrance.clients(&sender.token).await.chat();
    for key in &keys {
        talk::open(&mut chat, key).await;
    }

    let mut seen = [0; CONVERSATIONS];
    let mut total = 0;
    for round in 0..ROUNDS {
        let acknowledged = send_until_killed(&mut program, &entrance, &sender, &keys, round).await;
        total += acknowledged.len();
        entrance = serve(&mut program, &file, &configuration);
        let mut chat = entrance.clients(&sender.token).await.chat();
        for (index, key) in keys.iter().enumerate() {
            seen[index] = check(&mut chat, key, index, seen[index], &acknowledged).await;
        }
    }
    assert!(total >= ROUNDS * ACKNOWLEDGED_LEAST, "{total}");
}

fn serve(program: &mut Program, file: &Path, configuration: &Configuration) -> Entrance {
    let address = program.serve_with(&["--config", file.to_str().unwrap()]);
    Entrance::new(address, &configuration.tenant)
}

/// Lets the senders send, and kills the program at a random acknowledgement.
async fn send_until_killed(
    program: &mut Program,
    entrance: &Entrance,
    sender: &Person,
    keys: &[String],
    round: usize,
) -> Acknowledged {
    let deadly = ACKNOWLEDGED_LEAST + rand::rng().random_range(0..ACKNOWLEDGED_EXTRA);
    let count = Arc::new(AtomicUsize::new(0));
    let reached = Arc::new(Notify::new());
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        let conversation = number % keys.len();
        let chat = entrance.clients(&sender.token).await.chat();
        let key = keys[conversation].clone();
        let (count, reached) = (Arc::clone(&count), Arc::clone(&reached));
        senders.spawn(async move {
            let on_acknowledged = || {
                if count.fetch_add(1, Ordering::Relaxed) + 1 == deadly {
                    reached.notify_one();
                }
            };
            (
                conversation,
                send_until_refused(chat, &key, &format!("{round}.{number}"), on_acknowledged).await,
            )
        });
    }
    tokio::time::timeout(PATIENCE * 2, reached.notified()).await.expect("the acknowledgements come");
    program.kill();

    let mut acknowledged = Acknowledged::new();
    while let Some(finished) = senders.join_next().await {
        let (conversation, stored) = finished.unwrap();
        for (sequence, text) in stored {
            let twice = acknowledged.insert((conversation, sequence), text);
            assert!(twice.is_none(), "two messages were acknowledged with one sequence");
        }
    }
    acknowledged
}

/// Sends one message after the other until the program is gone; returns what was acknowledged.
async fn send_until_refused(
    mut chat: Chat,
    key: &str,
    name: &str,
    on_acknowledged: impl Fn(),
) -> Vec<(u64, String)> {
    let mut stored = Vec::new();
    loop {
        let text = format!("{name}.{}", stored.len());
        match talk::send(&mut chat, key, &text, &text).await {
            Ok(message) => stored.push((message.sequence, text)),
            Err(_) => return stored,
        }
        on_acknowledged();
    }
}

/// Reads a conversation on from a sequence: gapless, in order, nothing twice, and all that was acknowledged. Returns
/// how far it goes.
async fn check(chat: &mut Chat, key: &str, index: usize, after: u64, acknowledged: &Acknowledged) -> u64 {
    let (_, through) = talk::snapshot(chat, key).await;
    let events = talk::events_through(chat, key, after, through).await;
    let found: HashMap<u64, &str> = events
        .iter()
        .filter_map(|event| Some((event.sequence, talk::message_of(event)?.text.as_str())))
        .collect();
    let texts: std::collections::HashSet<&str> = found.values().copied().collect();
    assert_eq!(texts.len(), found.len(), "a message is there twice");
    for ((conversation, sequence), text) in acknowledged {
        if *conversation == index {
            assert_eq!(found.get(sequence), Some(&text.as_str()), "an acknowledged message is missing");
        }
    }
    through
}

#[allow(clippy::disallowed_methods, reason = "the program runs in another process, by the system's clock")]
fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
