//! Backups that are taken while messages are sent: each is restored and served, and is a prefix of what was acknowledged.

use std::{
    collections::HashMap,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
    time::Duration,
};

use parlor_api::v1;
use parlor_tests::{Backend, Chat, Clients, Configuration, Entrance, Plan, Topology, soon, talk};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_stream::wrappers::ReceiverStream;
use toml::toml;

use super::Installation;

/// Backups that are taken one after the other.
const BACKUPS: usize = 3;
/// Acknowledgements between them, at least.
const BETWEEN: usize = 150;
/// Senders at work; they share the conversations.
const SENDERS: usize = 8;
const CONVERSATIONS: usize = 3;

/// Texts by (conversation, sequence).
type Texts = HashMap<(usize, u64), String>;

/// What has been acknowledged so far.
#[derive(Clone)]
struct Acknowledged {
    texts: Arc<Mutex<Texts>>,
    count: watch::Sender<usize>,
}

impl Acknowledged {
    fn add(&self, conversation: usize, message: &v1::Message) {
        let twice = self.texts.lock().unwrap().insert((conversation, message.sequence), message.text.clone());
        assert!(twice.is_none(), "two messages were acknowledged with one sequence");
        self.count.send_modify(|count| *count += 1);
    }

    fn now(&self) -> Texts {
        self.texts.lock().unwrap().clone()
    }

    async fn more(&self, by: usize) {
        let wanted = *self.count.borrow() + by;
        let mut count = self.count.subscribe();
        soon("the acknowledgements", count.wait_for(|count| *count >= wanted)).await.unwrap();
    }
}

#[test]
fn a_backup_of_a_server_at_work_is_what_was_acknowledged_up_to_a_moment() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        let configuration = super::configuration(&toml! { core.restart_linger_ms = 0 });
        let mut first = Installation::of(&configuration);
        let entrance = first.serve();
        configuration.create_tenant(&entrance).await;
        let sender = configuration.person("staff", now_s());
        let clients = entrance.clients(&sender.token).await;
        let keys: Vec<String> =
            (0..CONVERSATIONS).map(|_| format!("session_{}", uuid::Uuid::new_v4().simple())).collect();
        for key in &keys {
            talk::open(&mut clients.chat(), key).await;
        }
        let online = attend(&clients).await;

        let acknowledged = Acknowledged { texts: Arc::default(), count: watch::Sender::new(0) };
        let (stop, mut senders) = (watch::Sender::new(false), JoinSet::new());
        for number in 0..SENDERS {
            let (at, chat) = (number % keys.len(), entrance.clients(&sender.token).await.chat());
            let sending = send(chat, keys[at].clone(), at, acknowledged.clone(), stop.subscribe());
            senders.spawn(sending);
        }
        let mut backups = Vec::new();
        for number in 0..BACKUPS {
            acknowledged.more(BETWEEN).await;
            let (file, before) = (first.path(&format!("backup-{number}.db")), acknowledged.now());
            let told = first.done(&["backup", file.to_str().unwrap(), "--json"]);
            backups.push((file, before, told));
        }
        acknowledged.more(BETWEEN).await;
        stop.send_replace(true);
        while let Some(ended) = senders.join_next().await {
            ended.unwrap();
        }
        let all = acknowledged.now();
        let mut original = Vec::new();
        for key in &keys {
            original.push(whole(&mut clients.chat(), key).await);
        }
        drop(online);

        for (file, before, told) in backups {
            let mode = file.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let mut second = Installation::of(&configuration);
            assert_eq!(
                told_but_file(&second.done(&["restore", file.to_str().unwrap(), "--json"])),
                told_but_file(&told)
            );
            let entrance = second.serve();
            let clients = entrance.clients(&sender.token).await;
            check(&clients, &keys, &original, &before, &all, &told).await;
            nobody_is_online(&entrance, &configuration).await;
            // And it goes on from there.
            let next = talk::send_until_stored(&mut clients.chat(), &keys[0], "after the restore").await;
            assert_eq!(whole(&mut clients.chat(), &keys[0]).await.last().unwrap().sequence, next.sequence);
        }
    });
}

/// Sends one message after the other, until it shall stop.
async fn send(
    mut chat: Chat,
    key: String,
    at: usize,
    acknowledged: Acknowledged,
    stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let text = uuid::Uuid::new_v4().to_string();
        let message = talk::send(&mut chat, &key, &text, &text).await.unwrap();
        acknowledged.add(at, &message);
    }
}

/// All events of a conversation, which have no gap.
async fn whole(chat: &mut Chat, key: &str) -> Vec<v1::Event> {
    let (_, through) = talk::snapshot(chat, key).await;
    talk::events_through(chat, key, 0, through).await
}

async fn check(
    clients: &Clients,
    keys: &[String],
    original: &[Vec<v1::Event>],
    before: &Texts,
    all: &Texts,
    told: &str,
) {
    let (mut restored, mut messages) = (Vec::new(), 0);
    for (at, key) in keys.iter().enumerate() {
        let events = whole(&mut clients.chat(), key).await;
        for event in &events {
            let first = &original[at][usize::try_from(event.sequence - 1).unwrap()];
            assert_eq!(
                (event.sequence, &event.offset),
                (first.sequence, &first.offset),
                "its place in the tenant's order"
            );
            if let Some(message) = talk::message_of(event) {
                assert_eq!(Some(message), talk::message_of(first));
                assert_eq!(all.get(&(at, event.sequence)), Some(&message.text), "it was acknowledged");
                messages += 1;
            }
        }
        let reached = events.last().unwrap().sequence;
        let missing: Vec<_> =
            before.keys().filter(|(of, sequence)| *of == at && *sequence > reached).collect();
        assert!(missing.is_empty(), "acknowledged before it began: {missing:?}");
        restored.extend(events.into_iter().map(|event| event.offset));
    }
    // A position has no gap, so the tenant's order is complete up to there only if nothing is torn.
    let mut order = vec![restored[0].clone()];
    loop {
        let after_offset = order.last().unwrap().clone();
        let request = v1::ListMissedEventsRequest { after_offset, ..v1::ListMissedEventsRequest::default() };
        let missed = clients.chat().list_missed_events(request).await.unwrap().into_inner();
        order.extend(missed.events.into_iter().map(|event| event.offset));
        if !missed.more {
            assert!(missed.complete, "the order has a gap");
            break;
        }
    }
    restored.sort();
    order.sort();
    assert_eq!(order, restored);
    let told: serde_json::Value = serde_json::from_str(told).unwrap();
    assert_eq!(told["messages"], messages, "{told}");
    assert_eq!(told["tenants"][0]["newest_position"], order.len());
}

/// What was told of a backup, but for how large it is: restoring ends its lives.
fn told_but_file(told: &str) -> serde_json::Value {
    let mut told: serde_json::Value = serde_json::from_str(told).unwrap();
    assert!(told["bytes"].take().as_u64().unwrap() > 0);
    told
}

/// Being online is holding this.
async fn attend(clients: &Clients) -> mpsc::Sender<v1::AttendRequest> {
    let (commands, receiver) = mpsc::channel(1);
    let linger = Some(prost_types::Duration::try_from(Duration::from_secs(60)).unwrap());
    let attach = v1::attend_request::Command::Attach(v1::AttendAttach { linger });
    commands.send(v1::AttendRequest { number: 1, command: Some(attach) }).await.unwrap();
    let mut answers = clients.presence().attend(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    soon("the answer", answers.message()).await.unwrap().unwrap();
    commands
}

/// Whom the backup showed online has left, or leaves.
async fn nobody_is_online(entrance: &Entrance, configuration: &Configuration) {
    use v1::event::Payload;
    let observer = configuration.person("staff", now_s());
    let clients = entrance.clients(&observer.token).await;
    let request = v1::WatchPresenceRequest::default();
    let mut watch = clients.presence().watch_presence(request).await.unwrap().into_inner();
    loop {
        let told = soon("that nobody is online", watch.message()).await.unwrap().unwrap();
        match told.event.unwrap().payload.unwrap() {
            Payload::PresenceSnapshot(snapshot) if snapshot.presences.iter().all(|one| !one.reachable) => {
                return;
            }
            Payload::PresenceChanged(change)
                if change.presence.as_ref().is_some_and(|one| !one.reachable) =>
            {
                return;
            }
            _ => {}
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the program runs in another process, by the system's clock")]
fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
