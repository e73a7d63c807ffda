//! A kind of subject that only this file knows: stored, told over a link, and recovered, by adding it to a core's kinds.

use parlor_api::v1::event::Payload;
use parlor_store::{
    Author, AuthorKind, Cause, EventBody, Shown, Store, StoredEvent, Subject, SubjectKind, TenantId,
};
use uuid::Uuid;

use super::*;
use crate::{caller::Principal, subject::Kind};

const VISIT: SubjectKind = SubjectKind(77);

/// What visitors look at: its events are pages, for the staff.
struct Visits;

#[async_trait::async_trait]
impl Kind for Visits {
    fn tell(&self, stored: &StoredEvent, event: &mut v1::Event) {
        let EventBody::Encoded { bytes, .. } = &stored.body else { return };
        let page = String::from_utf8_lossy(bytes).into_owned();
        let message = Some(v1::Message { text: page, ..Default::default() });
        event.payload = Some(Payload::MessageSent(v1::MessageSent { message }));
    }

    async fn may_hear(&self, _: &Store, principal: &Principal, _: Uuid, _: bool) -> Result<()> {
        if principal.is_staff() { Ok(()) } else { Err(Error::RoleRequired("staff")) }
    }
}

/// A visit of the tenant `shop`.
struct Visit {
    store: Store,
    tenant: TenantId,
    id: Uuid,
}

impl Visit {
    async fn of(world: &World) -> Self {
        let tenant = world.core.tenant("shop").await.unwrap();
        Self { store: world.core.store().clone(), tenant, id: Uuid::now_v7() }
    }

    fn name(&self) -> Name {
        Name::Subject(v1::TopicSubject { kind: 77, id: self.id.to_string() })
    }

    async fn look_at(&self, page: &str) {
        let author = Author { kind: AuthorKind::Customer, user_id: None, name: String::new(), user: None };
        let cause = Cause { tenant: self.tenant, author, at: 0, origin: String::new() };
        let subject = Subject { kind: VISIT, id: self.id };
        self.store.log.tell(cause, subject, 1, page.into(), Shown::Staff).await.unwrap();
    }
}

fn page(event: &v1::LinkEvent) -> (u64, &str) {
    match &event.event.as_ref().unwrap().payload {
        Some(Payload::MessageSent(sent)) => (event.number, &sent.message.as_ref().unwrap().text),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_subject_of_any_kind_is_told_over_a_link_and_recovered_after_a_cut() {
    let world = World::knowing((VISIT, Arc::new(Visits))).await;
    let (_, token) = world.somebody("shop", v1::Role::Staff).await;
    let visit = Visit::of(&world).await;
    visit.look_at("/").await;

    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("staff", Credential::Bearer(token)).await;
    let heard = gateway.subscribed("staff", visit.name()).await;
    assert_eq!((heard.position, heard.snapshot), (1, None), "a log");
    gateway.subscribed("staff", feed()).await;
    visit.look_at("/prices").await;
    for number in [2, 2] {
        assert_eq!(page(&gateway.event().await), (number, "/prices"), "in its own order and in the tenant's");
    }
    drop(gateway);

    visit.look_at("/contact").await;
    let (mut gateway, welcome) = Gateway::link(&world, "g", "1").await;
    assert!(welcome.resumed);
    gateway.say(Command::Fetch(v1::LinkFetch { topic: heard.topic, after: 2, limit: 0 })).await;
    let mut lagged = Vec::new();
    let fetched = loop {
        match gateway.next().await {
            Body::Fetched(fetched) => break fetched,
            Body::Lagged(topic) => lagged.push(topic.topic),
            // It may have come after the gateway was back.
            Body::Event(event) => assert_eq!(page(&event), (3, "/contact")),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fetched.events.iter().map(page).collect::<Vec<_>>(), [(3, "/contact")]);
    assert_eq!((fetched.through, fetched.head, fetched.floor), (3, 3, 1));
    while !lagged.contains(&heard.topic) {
        if let Body::Lagged(topic) = gateway.next().await {
            lagged.push(topic.topic);
        }
    }
}

#[tokio::test]
async fn who_may_hear_a_subject_is_said_by_its_kind() {
    let world = World::knowing((VISIT, Arc::new(Visits))).await;
    let (_, token) = world.somebody("shop", v1::Role::Staff).await;
    let visit = Visit::of(&world).await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("a", Credential::Guest(true)).await;
    assert_eq!(reason(&gateway.subscribe("a", visit.name()).await), v1::Reason::RoleRequired);
    gateway.attach("a", Credential::Bearer(token)).await;
    let heard = gateway.subscribed("a", visit.name()).await;
    let conversation = v1::TopicSubject { kind: 1, id: visit.id.to_string() };
    let refused = gateway.subscribe("a", Name::Subject(conversation)).await;
    assert_eq!(reason(&refused), v1::Reason::ConversationNotFound);
    for (kind, id) in [(78, visit.id.to_string()), (70_000, visit.id.to_string()), (77, "x".to_owned())] {
        let refused = gateway.subscribe("a", Name::Subject(v1::TopicSubject { kind, id })).await;
        assert_eq!(reason(&refused), v1::Reason::FieldInvalid);
    }
    match gateway.attach("a", Credential::Guest(true)).await {
        Body::Attached(attached) => assert_eq!(attached.dropped, [heard.topic], "no right to it any more"),
        other => panic!("{other:?}"),
    }
}
