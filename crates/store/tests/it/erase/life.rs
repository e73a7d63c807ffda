//! Ann, who has left something everywhere.

use parlor_store::{
    Access, Arose, Availability, Begun, ConversationId, ConversationPatch, EnsureConversation, Identity,
    Mutation, NewLife, NewMessage, NewSession, OwnConversation, ProviderUpsert, Rates, Reacting, Recording,
    RequestKey, Revocation, SeenBy, SessionKind, SessionMove, Step, Store, Subject, SubjectKind, TenantId,
    User, UserId, UserUpsert, VisitProfile, VisitState, Wallet,
    ledger::{Order, Policy},
};
use sea_orm::{ConnectionTrait as _, Database};

use super::KEY;
use crate::world::{World, cause, customer, guest, named, new_message, staff};

pub fn account() -> Identity {
    Identity { issuer: "legacy".into(), subject: "needle-subject".into() }
}

pub async fn ann(store: &Store, tenant: TenantId) -> User {
    let wanted = UserUpsert {
        display_name: Some("needle-name".into()),
        username: Some("needle-username".into()),
        email: Some("needle-mail@x.test".into()),
        avatar_url: Some("https://x.test/needle-picture".into()),
        password_hash: Some("needle-hash".into()),
        identities: vec![account()],
        ..UserUpsert::default()
    };
    store.directory.upsert_user(tenant, wanted, 1).await.unwrap().0
}

pub fn said(world: &World, user: &User, id: ConversationId, text: &str) -> NewMessage {
    NewMessage {
        access: Access { person: Some(user.id), ..Access::STAFF },
        author_key: format!("user:{}", user.id),
        request: Some(named(&format!("needle-request-{text}"), 1)),
        ..new_message(world.tenant, id, customer(user), text)
    }
}

/// What Ann has left everywhere.
pub struct Life {
    pub ann: User,
    pub sam: User,
    pub own: ConversationId,
    pub keyed: ConversationId,
    /// Of somebody else.
    pub others: ConversationId,
}

pub async fn live(world: &World) -> Life {
    let (store, tenant) = (&world.store, world.tenant);
    let (ann, sam) = (ann(store, tenant).await, world.user("Sam").await);
    let by = |user: &User| cause(tenant, customer(user), 20);
    let wanted = OwnConversation { cause: by(&ann), owner: ann.id, kind: "support".into(), waiting: true };
    let own = store.apply(Mutation::own_conversation(wanted)).await.unwrap().0.id;
    let first = store.chat.append(said(world, &ann, own, "needle-text-1")).await.unwrap().message;
    let answer = new_message(tenant, own, staff(&sam), "how may I help?");
    let answer = store.chat.append(answer).await.unwrap().message;

    let keyed = world.conversation(KEY).await.id;
    let before = NewMessage {
        cause: cause(tenant, parlor_store::Author { name: "needle-guest".into(), ..guest() }, 21),
        ..new_message(tenant, keyed, guest(), "needle-text-before")
    };
    store.chat.append(before).await.unwrap();
    let owns = EnsureConversation { cause: by(&ann), owner_id: Some(ann.id), ..world.wanted(KEY) };
    store.chat.ensure_conversation(owns).await.unwrap();

    let room = EnsureConversation {
        cause: cause(tenant, staff(&sam), 22),
        key: None,
        members: vec![ann.id, sam.id],
        seen_by: SeenBy::Nobody,
        ..world.wanted("")
    };
    let room = store.chat.ensure_conversation(room).await.unwrap().0.id;
    store.chat.append(said(world, &ann, room, "needle-text-2")).await.unwrap();

    let others = world.conversation("the key of somebody else").await.id;
    store.chat.append(said(world, &ann, others, "needle-text-3")).await.unwrap();
    let patch = ConversationPatch { assignee_id: Some(Some(ann.id)), ..ConversationPatch::default() };
    store.chat.update_conversation(others, patch, cause(tenant, staff(&ann), 23)).await.unwrap();
    let patch = ConversationPatch { tags: Some(vec!["needle-label".into()]), ..ConversationPatch::default() };
    store.chat.update_conversation(own, patch, cause(tenant, staff(&sam), 23)).await.unwrap();

    for (user, message) in [(&ann, &answer), (&sam, &first)] {
        store.apply(Mutation::react(reacting(world, user, own, message.sequence))).await.unwrap();
    }
    store.chat.mark_read(own, None, by(&ann)).await.unwrap();
    store.tokens.revoke(Revocation::User { tenant, user: ann.id, at: 2 }, 1_000_000, 2).await.unwrap();
    come(world, ann.id).await;
    browse(world, ann.id).await;
    consult(world, &ann).await;

    // An answer to herself, one to somebody else that names her, and one from before her conversation was hers.
    for (principal, response) in [
        (format!("user:{}/{own}", ann.id), "needle-answer".to_owned()),
        (format!("user:{}", sam.id), format!("{} is needle-name", ann.id)),
        (format!("guest/{keyed}"), format!("{keyed} needle-text-before")),
    ] {
        let key = RequestKey {
            tenant,
            principal,
            method: "UpdateConversation",
            request_id: "1".into(),
            payload_hash: [0; 32],
            at: 3,
        };
        let nothing = Mutation::mark_read(others, None, cause(tenant, staff(&sam), 30));
        let once = store.apply_once(key, nothing, move |_| response.clone().into_bytes()).await.unwrap();
        assert!(!once.replayed);
    }
    pay(world, &ann).await;
    let db = Database::connect(world.place.url()).await.unwrap();
    let imported = format!(
        "INSERT INTO external_id (tenant, kind, external, number) VALUES ({}, 'user', 'needle-imported', {})",
        tenant.0, ann.number
    );
    db.execute_unprepared(&imported).await.unwrap();
    db.close().await.unwrap();
    Life { ann, sam, own, keyed, others }
}

fn reacting(world: &World, user: &User, conversation_id: ConversationId, sequence: i64) -> Reacting {
    Reacting {
        cause: cause(world.tenant, customer(user), 24),
        conversation_id,
        sequence,
        reactor: format!("user:{}", user.id),
        emoji: "🪡".into(),
        remove: false,
        of_message: 20,
        of_person: 20,
    }
}

/// Ann has looked at pages, after she came.
async fn browse(world: &World, ann: UserId) {
    let needle = |what: &str| format!("needle-{what}");
    let profile = VisitProfile { landing_page: needle("landing"), ..VisitProfile::default() };
    let loaded = Arose::Loaded { visitor_key: needle("visitor"), page: needle("page"), profile };
    let done = Arose::Done { action: needle("action"), element: needle("element") };
    for (turn, arose) in (1..).zip([loaded, done]) {
        let recording = Recording {
            tenant: world.tenant,
            key: needle("visit"),
            person: Some(ann),
            any: false,
            node: "node".into(),
            epoch: "one".into(),
            turn,
            state: Some(VisitState::Active),
            connected: true,
            at: 6,
            arose,
        };
        world.store.visits.record(recording).await.unwrap();
    }
}

/// Ann can be asked, and has asked: a session of hers goes on.
async fn consult(world: &World, ann: &User) {
    let tenant = world.tenant;
    let pam = world.user("Pam").await;
    for (user, headline) in [(ann, "needle-headline"), (&pam, "palms")] {
        let wanted = ProviderUpsert {
            tenant,
            user: user.id,
            catalogue_id: Some(headline.into()),
            headline: headline.into(),
            catalogue: String::new(),
            rates: Rates { chat: Some(1), ..Rates::default() },
            accepts_requests: None,
            at: 25,
        };
        world.store.apply(Mutation::upsert_provider(wanted)).await.unwrap();
    }
    let new = NewSession {
        cause: cause(tenant, customer(ann), 26),
        kind: SessionKind::Chat,
        payer: ann.id,
        provider: pam.id,
        offered: false,
        topic: "needle-topic".into(),
        intake: "needle-intake".into(),
    };
    let asked = world.store.apply(Mutation::request_session(new)).await.unwrap();
    let accept = Step {
        cause: cause(tenant, customer(&pam), 27),
        id: asked.id,
        what: SessionMove::Accept,
        administers: false,
        note: String::new(),
    };
    world.store.apply(Mutation::move_session(accept)).await.unwrap();
}

async fn come(world: &World, user: UserId) {
    let life =
        NewLife { node: "node".into(), epoch: "one".into(), home: "home".into(), ..NewLife::default() };
    let begun = world.store.presence.begin_epoch(life, 4).await.unwrap();
    assert_eq!(begun, Begun::Lives(vec![]));
    world.store.presence.arrive(world.tenant, user, "node", "one", 5).await.unwrap();
    world.store.presence.set_availability(world.tenant, user, Availability::Busy).await.unwrap();
}

async fn pay(world: &World, ann: &User) {
    let made_by = format!("user:{}", ann.id);
    let order = |key: &str, subject| Order {
        cause: cause(world.tenant, customer(ann), 25),
        made_by: made_by.clone(),
        key: key.to_owned(),
        subject,
        note: "needle-note".to_owned(),
    };
    let wallet = Wallet { tenant: world.tenant, owner: ann.id, unit: "coin".into() };
    let credit = Mutation::credit(order("request:needle-payment", None), wallet.clone(), 50);
    world.store.apply(credit).await.unwrap();
    let session = Some(Subject { kind: SubjectKind(2), id: uuid::Uuid::from_u128(3) });
    world.store.apply(Mutation::hold(order("session:3/begin", session), wallet, 20)).await.unwrap();
    let rules = Policy { made_by: made_by.clone(), ..Policy::default() };
    world.store.apply(Mutation::set_policy(world.tenant, rules)).await.unwrap();
}
