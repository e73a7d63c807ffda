//! The hub over a bus that loses, repeats and reorders, and over a real store.

use parlor_api::v1::event::Payload;
use parlor_bus::{lossy::Lossy, memory::Memory};
use parlor_store::{
    Author, AuthorKind, Cause, ConversationId, EnsureConversation, NewMessage, Store, Tenant,
};

use super::*;
use crate::{
    announce::{self, StoreSource},
    core,
    heads::Heads,
    offset::Offsets,
    presence::{self, Presence},
    subject::Kinds,
};

/// More than anything here takes; a hub that never delivers fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    _directory: tempfile::TempDir,
    store: Store,
    hub: Hub,
    tenant: TenantId,
}

impl World {
    async fn over(bus: Arc<dyn Bus>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        parlor_migration::up(&url).await.unwrap();
        let options = parlor_store::Options { url, read_connections: 2 };
        let kinds = Kinds::new(core::kinds(), Offsets::new(b"the installation's secret"));
        let on_commit = announce::on_commit(bus.clone(), kinds.clone(), Heads::default());
        let store = Store::open(options, on_commit).await.unwrap();
        let tenant = Tenant {
            id: TenantId(0),
            slug: "shop".into(),
            number: None,
            display_name: "Shop".into(),
            origins: Vec::new(),
            created_at: 0,
        };
        let tenant = store.directory.create_tenant(tenant).await.unwrap().id;
        let clock = Clock::default();
        let node = presence::Options {
            node: "a".into(),
            epoch: "1".into(),
            home: "home".into(),
            restart_linger: Some(Duration::ZERO),
        };
        let lost = tokio_util::sync::CancellationToken::new();
        let announced = announce::on_presence(bus.clone());
        let presence = Presence::start(store.clone(), clock.clone(), node, lost, announced).await.unwrap();
        let source = Arc::new(StoreSource::new(store.clone(), presence, kinds));
        let hub = Hub::start(bus, source, clock);
        Self { _directory: directory, store, hub, tenant }
    }

    async fn append(&self, conversation_id: ConversationId, text: String) {
        let author = Author { kind: AuthorKind::Customer, user_id: None, name: String::new(), user: None };
        let message = NewMessage {
            cause: Cause { tenant: self.tenant, author, at: 0, origin: String::new() },
            conversation_id,
            access: parlor_store::Access::STAFF,
            author_key: "guest".into(),
            leaves_unread: false,
            request: None,
            text,
        };
        self.store.chat.append(message).await.unwrap();
    }

    async fn conversation(&self) -> ConversationId {
        let author = Author { kind: AuthorKind::Customer, user_id: None, name: String::new(), user: None };
        let wanted = EnsureConversation {
            cause: Cause { tenant: self.tenant, author, at: 0, origin: String::new() },
            key: None,
            kind: String::new(),
            waiting: false,
            owner_id: None,
            members: Vec::new(),
            seen_by: parlor_store::SeenBy::Staff,
        };
        self.store.chat.ensure_conversation(wanted).await.unwrap().0.id
    }

    /// Attaches a watcher once `before` of `total` messages are stored or under way, and answers what it was given:
    /// the snapshot up to its position, then what it heard.
    async fn attach_amid(&self, before: usize, total: usize) -> Vec<i64> {
        let id = self.conversation().await;
        let topic = Topic::conversation(self.tenant, id);
        let (reached, attach) = tokio::sync::oneshot::channel();
        let appending = async {
            let mut reached = Some(reached);
            for number in 0..total {
                if number == before {
                    let _ = reached.take().map(|reached| reached.send(()));
                }
                self.append(id, number.to_string()).await;
            }
        };
        let watching = async {
            // Where every message is before it, it attaches when they are stored.
            let _ = attach.await;
            let mailbox = Arc::new(Mailbox::<()>::new(1024 * 1024));
            let mut position = 0;
            let watch = self.hub.watch(topic, mailbox.clone(), |began| position = began.position).await;
            (mailbox, watch.unwrap(), position)
        };
        let ((), (mailbox, _watch, position)) = futures::join!(appending, watching);

        let head = self.store.log.subject_head(self.tenant, id).await.unwrap();
        let stored = self.store.log.subject_events(self.tenant, id, 0, 1000).await.unwrap();
        let mut given: Vec<i64> =
            stored.iter().map(|event| event.sequence).filter(|sequence| *sequence <= position).collect();
        self.hub.compare_heads().await.unwrap();
        while given.last() != Some(&head) {
            match tokio::time::timeout(PATIENCE, mailbox.next()).await.expect("an event in time") {
                Item::Event(_, announced) => given.push(announced.number),
                other => panic!("{other:?}"),
            }
        }
        assert!(mailbox.pop().is_none(), "nothing comes after the last");
        given
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_attaches_amid_appends_gets_every_event_once_and_in_order() {
    const CASES: usize = 320;
    const TOGETHER: usize = 16;
    const MESSAGES: usize = 9;
    for bus in [Arc::new(Memory::default()) as Arc<dyn Bus>, Arc::new(Lossy::new(7))] {
        let world = World::over(bus).await;
        for round in 0..CASES / TOGETHER {
            let cases =
                (0..TOGETHER).map(|case| world.attach_amid((round + case) % (MESSAGES + 1), MESSAGES));
            for given in futures::future::join_all(cases).await {
                // The creation is the first event.
                assert_eq!(given, (1..=MESSAGES as i64 + 1).collect::<Vec<_>>());
            }
        }
        world.hub.shutdown().await;
    }
}

#[tokio::test]
async fn the_feed_brings_every_conversation_in_commit_order() {
    let world = World::over(Arc::new(Lossy::new(3))).await;
    let mailbox = Arc::new(Mailbox::<()>::new(1024 * 1024));
    let _watch = world.hub.watch(Topic::Feed(world.tenant), mailbox.clone(), |_| {}).await.unwrap();
    for _ in 0..20 {
        let id = world.conversation().await;
        world.append(id, "hello".into()).await;
    }
    world.hub.compare_heads().await.unwrap();
    for expected in 1..=40 {
        match tokio::time::timeout(PATIENCE, mailbox.next()).await.expect("an event in time") {
            Item::Event(_, announced) => assert_eq!(announced.number, expected),
            other => panic!("{other:?}"),
        }
    }
}

/// A source without anything, so that time can be paused.
struct Nothing;

#[async_trait::async_trait]
impl Source for Nothing {
    async fn head(&self, _: Topic) -> Result<i64> {
        Ok(0)
    }

    async fn tail(&self, _: Topic, _: i64, _: u64) -> Result<Vec<Announced>> {
        Ok(Vec::new())
    }

    async fn state(&self, topic: Topic) -> Result<Option<(i64, v1::Event)>> {
        let is_stored = matches!(topic, Topic::State(_, StateOf::Presence));
        Ok(is_stored.then(|| (4, state::presence_snapshot(4, Vec::new()))))
    }
}

fn quiet_hub() -> (Hub, Arc<Memory>) {
    let bus = Arc::new(Memory::default());
    (Hub::start(bus.clone(), Arc::new(Nothing), Clock::default()), bus)
}

fn mark(id: ConversationId) -> v1::Event {
    v1::Event {
        conversation_id: id.to_string(),
        origin_connection: "c1".into(),
        payload: Some(Payload::TypingState(v1::TypingState { authors: vec![v1::Author::default()] })),
        ..Default::default()
    }
}

async fn typing(mailbox: &Mailbox<()>) -> usize {
    match mailbox.next().await {
        Item::Event(_, announced) => match &announced.event.payload {
            Some(Payload::TypingState(state)) => state.authors.len(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_repeated_typing_mark_is_told_once() {
    let (hub, _bus) = quiet_hub();
    let id = ConversationId::new();
    let topic = Topic::typing(TenantId(1), id);
    let mailbox = Arc::new(Mailbox::<()>::new(4096));
    let _watch = hub.watch(topic, mailbox.clone(), |_| {}).await.unwrap();
    hub.publish(topic, 1, &mark(id));
    hub.publish(topic, 1, &mark(id));
    hub.publish(topic, 0, &mark(id));
    assert_eq!(typing(&mailbox).await, 1);
    assert_eq!(typing(&mailbox).await, 0);
}

#[tokio::test]
async fn a_topic_nobody_watches_is_closed() {
    let (hub, bus) = quiet_hub();
    let topic = Topic::Feed(TenantId(1));
    let mailbox = Arc::new(Mailbox::<()>::new(4096));
    let first = hub.watch(topic, mailbox.clone(), |_| {}).await.unwrap();
    let second = hub.watch(topic, mailbox.clone(), |_| {}).await.unwrap();
    drop(first);
    assert_eq!((hub.open_topics(), bus.heard_topics()), (1, 1));
    drop(second);
    let closed = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while (hub.open_topics(), bus.heard_topics()) != (0, 0) {
            looks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("closed after its linger");
}

#[tokio::test]
async fn a_gap_in_presence_becomes_a_snapshot() {
    let (hub, _bus) = quiet_hub();
    let topic = Topic::State(TenantId(1), StateOf::Presence);
    let mailbox = Arc::new(Mailbox::<()>::new(4096));
    let mut position = 0;
    let _watch = hub.watch(topic, mailbox.clone(), |began| position = began.position).await.unwrap();
    assert_eq!(position, 4);
    let changed = presence_changed(Some(v1::Presence::default()));
    hub.publish(topic, 5, &changed);
    assert!(matches!(mailbox.next().await, Item::Event(_, announced) if announced.number == 5));
    // The source knows of nothing newer than 4: a stale snapshot is not told.
    hub.publish(topic, 9, &changed);
    hub.publish(topic, 6, &changed);
    assert!(matches!(mailbox.next().await, Item::Event(_, announced) if announced.number == 6));
}

#[tokio::test]
async fn who_changed_and_could_not_be_read_is_read_by_the_hub() {
    let world = World::over(Arc::new(Memory::default())).await;
    let upsert = parlor_store::UserUpsert { username: Some("sue".into()), ..Default::default() };
    let (sue, _) = world.store.directory.upsert_user(world.tenant, upsert, 1).await.unwrap();
    let topic = Topic::State(world.tenant, StateOf::Presence);
    let mailbox = Arc::new(Mailbox::<()>::new(4096));
    let _watch = world.hub.watch(topic, mailbox.clone(), |_| {}).await.unwrap();
    let busy = parlor_store::Availability::Busy;
    let revision = world.store.presence.set_availability(world.tenant, sue.id, busy).await.unwrap().revision;
    world.hub.publish(topic, revision, &presence_changed(None));
    let heard = tokio::time::timeout(PATIENCE, mailbox.next()).await.expect("all are told");
    let Item::Event(_, announced) = heard else { panic!("{heard:?}") };
    assert_eq!(announced.number, revision);
    assert!(matches!(announced.event.payload, Some(Payload::PresenceSnapshot(_))));
}

fn presence_changed(presence: Option<v1::Presence>) -> v1::Event {
    let changed = v1::PresenceChanged { presence, ..Default::default() };
    v1::Event { payload: Some(Payload::PresenceChanged(changed)), ..Default::default() }
}

#[tokio::test]
async fn a_topic_is_open_for_its_linger_after_the_last_interest() {
    let (bus, clock) = (Arc::new(Memory::default()), Clock::default());
    let hub = Hub::start(bus, Arc::new(Nothing), clock.clone());
    let id = ConversationId::new();
    let topic = Topic::typing(TenantId(1), id);
    // As who sets a mark does: interested for a moment, and again before the first linger is over.
    for _ in 0..2 {
        clock.advance(TYPING_LIFETIME);
        drop(hub.open(topic).await.unwrap());
        tokio::task::yield_now().await;
        hub.publish(topic, 1, &mark(id));
    }
    clock.advance(TYPING_LIFETIME - Duration::from_secs(1));
    tokio::task::yield_now().await;
    let mailbox = Arc::new(Mailbox::<()>::new(4096));
    let mut shown = None;
    let _watch = hub.watch(topic, mailbox, |began| shown = began.snapshot).await.unwrap();
    match &shown.unwrap().payload {
        Some(Payload::TypingState(state)) => assert_eq!(state.authors.len(), 1),
        other => panic!("{other:?}"),
    }
}

/// A source whose feed answers only when the test lets it.
#[derive(Default)]
struct Slow {
    /// How many events are stored in every log.
    stored: std::sync::atomic::AtomicI64,
    asked: tokio::sync::Notify,
    answers: CancellationToken,
}

#[async_trait::async_trait]
impl Source for Slow {
    async fn head(&self, topic: Topic) -> Result<i64> {
        if matches!(topic, Topic::Feed(_)) {
            self.asked.notify_one();
            self.answers.cancelled().await;
        }
        Ok(self.stored.load(Ordering::SeqCst))
    }

    async fn tail(&self, _: Topic, after: i64, _: u64) -> Result<Vec<Announced>> {
        let stored = self.stored.load(Ordering::SeqCst);
        Ok((after + 1..=stored).map(|number| Announced::new(number, v1::Event::default())).collect())
    }

    async fn state(&self, _: Topic) -> Result<Option<(i64, v1::Event)>> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_topic_opened_while_heads_are_compared_is_compared_too() {
    let source = Arc::new(Slow::default());
    let hub = Hub::start(Arc::new(Memory::default()), source.clone(), Clock::default());
    let open = async || {
        let mailbox = Arc::new(Mailbox::<()>::new(4096));
        let topic = Topic::conversation(TenantId(1), ConversationId::new());
        let watch = hub.watch(topic, mailbox.clone(), |_| {}).await.unwrap();
        (watch, mailbox)
    };
    let _earlier = open().await;
    let compared = hub.compare_heads();
    let meanwhile = async {
        source.asked.notified().await;
        let opened = open().await;
        // Stored, and lost by the bus.
        source.stored.store(1, Ordering::SeqCst);
        source.answers.cancel();
        opened
    };
    let (compared, (_watch, mailbox)) = futures::join!(compared, meanwhile);
    compared.unwrap();
    let heard = tokio::time::timeout(PATIENCE, mailbox.next()).await.expect("it is found");
    assert!(matches!(heard, Item::Event(_, announced) if announced.number == 1));
}
