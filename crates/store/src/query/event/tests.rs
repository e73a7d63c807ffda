//! A subject that only these tests know: its events are in the tenant's order like any other's.

use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::{
    Cause, ConversationId, EventBody, Missing, Mutation, Options, Shown, Store, StoredEvent, Subject,
    SubjectKind, TenantId,
    entity::conversation,
    testing::{self, cause, message, room},
};

const VISIT: SubjectKind = SubjectKind(77);

struct World {
    store: Store,
    tenant: TenantId,
    room: ConversationId,
    heard: Arc<Mutex<Vec<Arc<StoredEvent>>>>,
}

impl World {
    async fn on(url: &str) -> Self {
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let ear = Arc::clone(&heard);
        let (store, tenant) =
            testing::open(url, Box::new(move |events| ear.lock().unwrap().extend(events))).await;
        let room = store.chat.ensure_conversation(room(tenant, 1)).await.unwrap().0.id;
        Self { store, tenant, room, heard }
    }

    async fn say(&self) {
        let message = message(self.tenant, 1, self.room, "hello");
        self.store.chat.append(message).await.unwrap();
    }

    async fn visit(&self, id: Uuid, page: &str) -> StoredEvent {
        let cause = Cause { origin: "o-1".into(), ..cause(self.tenant, 2) };
        let subject = Subject { kind: VISIT, id };
        self.store.log.tell(cause, subject, 9, page.into(), Shown::Staff).await.unwrap()
    }
}

async fn another_subject_is_in_the_same_order(url: &str) {
    let world = World::on(url).await;
    // Of the same id as the conversation: the kind tells them apart.
    let ids = [world.room.0, Uuid::now_v7()];
    for page in ["a", "b", "c"] {
        world.visit(ids[0], page).await;
        world.say().await;
        world.visit(ids[1], page).await;
    }
    let tail = world.store.log.tenant_events(world.tenant, 0, 100).await.unwrap();
    let positions: Vec<i64> = tail.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=10).collect::<Vec<_>>(), "positions have no gaps");
    for id in ids {
        let visits: Vec<_> =
            tail.iter().filter(|event| event.subject == Subject { kind: VISIT, id }).collect();
        for (event, (sequence, page)) in visits.iter().zip([(1, "a"), (2, "b"), (3, "c")]) {
            assert_eq!((event.sequence, event.shown, &event.conversation), (sequence, Shown::Staff, &None));
            let body =
                EventBody::Encoded { author: cause(world.tenant, 2).author, kind: 9, bytes: page.into() };
            assert_eq!(event.body, body);
        }
        assert_eq!(visits.len(), 3);
    }
    let heard = world.heard.lock().unwrap().clone();
    for (heard, read) in heard.iter().zip(&tail) {
        assert_eq!((heard.position, heard.subject, &heard.body), (read.position, read.subject, &read.body));
    }
    assert_eq!(heard.len(), tail.len());

    let missing = Missing { after: 0, limit: 100, messages_only: false };
    let missed = world.store.chat.missed_in_tenant(world.tenant, missing).await.unwrap();
    assert!(missed.complete && missed.events == tail);
    let room = world.store.log.subject_events(world.tenant, world.room, 0, 100).await.unwrap();
    assert_eq!(room.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4], "and no visit");
    let visit = Subject { kind: VISIT, id: ids[1] };
    let tail = world.store.log.subject_events(world.tenant, visit, 1, 1).await.unwrap();
    assert_eq!(tail.iter().map(|event| event.sequence).collect::<Vec<_>>(), [2]);
    assert_eq!(world.store.log.subject_head(world.tenant, visit).await, Ok(3));
    world.store.close().await;
}

/// A conversation that is changed behind the writer's back shows whether it was read again.
async fn what_happens_to_others_lets_nothing_be_forgotten(url: &str) {
    let world = World::on(url).await;
    world.say().await;
    world.visit(Uuid::now_v7(), "a").await;
    let rename = Mutation::new(world.tenant, world.room, |room, tx| {
        Box::pin(async move {
            use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
            let kind = sea_orm::sea_query::Expr::value("read again");
            let rows = conversation::Entity::update_many().col_expr(conversation::Column::Kind, kind);
            rows.filter(conversation::Column::Id.eq(room.0)).exec(tx.db()).await?;
            Ok(())
        })
    });
    world.store.apply(rename).await.unwrap();
    world.say().await;
    let kind = |event: &StoredEvent| event.conversation.as_ref().map(|room| room.kind.clone());
    assert_eq!(kind(world.heard.lock().unwrap().last().unwrap()), Some(String::new()), "still known");
    // What changes a conversation does let it be forgotten.
    let read = world.store.chat.mark_read(world.room, None, cause(world.tenant, 3)).await;
    read.unwrap();
    world.say().await;
    assert_eq!(kind(world.heard.lock().unwrap().last().unwrap()), Some("read again".into()));
    world.store.close().await;
}

/// What the step that made the table found there is there afterwards, in its words.
async fn events_come_through_the_migration(url: &str) {
    use crate::ConversationPatch;
    let world = World::on(url).await;
    world.say().await;
    let patches = [
        ConversationPatch { tags: Some(vec!["vip".into()]), ..Default::default() },
        ConversationPatch { waiting: Some(true), kind: Some("sales".into()), ..Default::default() },
    ];
    for patch in patches {
        world.store.chat.update_conversation(world.room, patch, cause(world.tenant, 2)).await.unwrap();
    }
    world.store.chat.mark_read(world.room, None, cause(world.tenant, 3)).await.unwrap();
    let before = world.store.log.tenant_events(world.tenant, 0, 100).await.unwrap();
    let shown: Vec<Shown> = before.iter().map(|event| event.shown).collect();
    let all = Shown::Participants;
    assert_eq!(shown, [all, all, Shown::Staff, all, all]);
    world.store.close().await;

    assert_eq!(parlor_migration::down(url, 1).await, Ok(1));
    parlor_migration::up(url).await.unwrap();
    let options = Options { url: url.to_owned(), read_connections: 2 };
    let store = Store::open(options, Box::new(|_| {})).await.unwrap();
    assert_eq!(store.log.tenant_events(world.tenant, 0, 100).await.unwrap(), before);
    store.close().await;
}

macro_rules! stories {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                let directory = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", directory.path().join("parlor.db").display());
                super::$name(&url).await;
            }

            #[tokio::test]
            async fn postgres() {
                let database = parlor_testdb::Database::create();
                super::$name(&database.url()).await;
            }
        }
    )*};
}

stories!(
    another_subject_is_in_the_same_order,
    what_happens_to_others_lets_nothing_be_forgotten,
    events_come_through_the_migration,
);
