//! Erasing a person, and reading out what there is of one.
//!
//! Everything of Ann's is marked. The whole schema is looked through for the mark and for her id, whatever tables there are;
//! and every table has something of her before, but for those that are named here.

mod life;
mod walk;

use std::{collections::BTreeSet, sync::Arc};

use parlor_store::{
    Access, ConversationChange, ConversationId, ConversationPatch, Departing, Erasure, Error, Identity,
    Message, MessageFilter, Mutation, NewMessage, OutsideAccount, OwnConversation, Revocation, Scrubbed,
    Store, TenantId, UserId, UserUpsert, Walk, What,
};
use tokio::task::JoinSet;

use self::{
    life::{Life, account, ann, live, said},
    walk::{rows, tables},
};
use crate::world::{
    Place, World, cause, change, customer, guest, named, new_message, new_tenant, open, staff,
};

crate::stories!(
    nothing_is_left_of_who_is_erased,
    numbers_outlive_content,
    an_export_reads_what_an_erasure_removes,
    who_writes_while_they_are_erased_leaves_nothing,
    an_erasure_goes_on_after_a_crash,
    whole_conversations_go_with_what_others_wrote,
    a_key_opens_nothing_once_its_owner_is_erased,
    a_token_from_before_lets_nobody_in,
    steps_are_bounded,
    what_is_swept_meanwhile_stops_no_erasure,
);

/// Stands in everything that is Ann's.
const MARK: &str = "needle";
const KEY: &str = "needle-key-0123456789";

/// Tables that have nothing of a person, and why.
const NOBODYS: [&str; 12] = [
    "api_key",        // what a program is called
    "api_key_tenant", // which tenants it opens
    "departed",       // a keyed hash, of who was erased before
    "erasure",        // who is being erased: none yet
    "ledger_entry",   // amounts on accounts
    "ledger_hold",    // what is held on accounts; keys of services name no person
    "node_epoch",     // the lives of nodes
    "seaql_migrations",
    "session_policy", // what a tenant wants
    "sqlite_sequence",
    "tenant",
    "tenant_counter",
];

/// What says that a row is about her.
fn marks(ann: UserId) -> [String; 4] {
    let hex: String = MARK.bytes().map(|byte| format!("{byte:02x}")).collect();
    [MARK.to_owned(), hex, ann.to_string(), ann.0.simple().to_string()]
}

async fn about(world: &World, ann: UserId) -> Vec<(String, String)> {
    let mut found = rows(&world.place.url()).await;
    found.retain(|(_, row)| marks(ann).iter().any(|mark| row.contains(mark)));
    found
}

async fn nothing_names(world: &World, ann: UserId) {
    assert_eq!(about(world, ann).await, []);
    let Place::Sqlite(directory) = &world.place else { return };
    assert_eq!(world.store.scrub(true).await, Ok(Scrubbed::Clean));
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let id = ann.to_string();
        for mark in [MARK.as_bytes(), id.as_bytes(), ann.0.as_bytes()] {
            assert!(!bytes.windows(mark.len()).any(|part| part == mark), "{mark:?} is in {}", path.display());
        }
    }
}

async fn begin(store: &Store, tenant: TenantId, user: UserId, whole_conversations: bool) {
    let mark_of = Arc::new(|account: &Identity| (mark_of(account), 2_000));
    let departing = Departing { tenant, user, whole_conversations, at: 1_000, mark_of };
    assert_eq!(store.apply(Mutation::begin_erasure(departing)).await, Ok(1_000));
}

fn mark_of(account: &Identity) -> [u8; 32] {
    let sum = account.subject.bytes().fold(0_u8, u8::wrapping_add);
    [sum; 32]
}

async fn go_on(store: &Store) {
    let erasures: Vec<Erasure> = store.persons.being_erased().await.unwrap();
    for erasure in erasures {
        let mut walk = Walk::new(erasure);
        while !store.persons.erase_some(&mut walk, 1_001).await.unwrap() {}
        store.persons.end_erasure(erasure).await.unwrap();
    }
}

pub async fn erase(world: &World, user: UserId, whole_conversations: bool) {
    begin(&world.store, world.tenant, user, whole_conversations).await;
    go_on(&world.store).await;
}

async fn messages(world: &World, id: ConversationId) -> Vec<Message> {
    world.store.chat.list_messages(world.tenant, id, &MessageFilter::default(), 10_000).await.unwrap()
}

async fn nothing_is_left_of_who_is_erased(world: World) {
    let other = world.store.directory.create_tenant(new_tenant("other")).await.unwrap().id;
    let twin = UserUpsert { identities: vec![account()], ..UserUpsert::default() };
    let Life { ann, own, keyed, .. } = live(&world).await;
    let before: BTreeSet<String> = about(&world, ann.id).await.into_iter().map(|(table, _)| table).collect();
    let all: BTreeSet<String> = rows(&world.place.url()).await.into_iter().map(|(table, _)| table).collect();
    let unmarked: Vec<&String> =
        all.difference(&before).filter(|table| !NOBODYS.contains(&table.as_str())).collect();
    assert!(
        unmarked.is_empty(),
        "tables that nothing of Ann's is in: {unmarked:?}; give her something there"
    );
    let tables = tables(&world.place.url()).await;
    let empty: Vec<&String> =
        tables.difference(&all).filter(|table| !NOBODYS.contains(&table.as_str())).collect();
    assert!(empty.is_empty(), "tables that are empty: {empty:?}; give Ann something there");

    erase(&world, ann.id, false).await;
    nothing_names(&world, ann.id).await;
    assert_eq!(world.store.directory.user(world.tenant, ann.id).await, Err(Error::NotFound(What::User)));
    for id in [own, keyed] {
        let left = world.store.chat.conversation(world.tenant, id).await.unwrap();
        assert_eq!((left.owner_id, left.key, left.tags), (None, None, vec![]));
        assert_eq!(left.status, parlor_store::ConversationStatus::Closed);
    }
    // The same account of another tenant is somebody else's.
    let (twin, made) = world.store.directory.upsert_user(other, twin, 2).await.unwrap();
    assert!(made);
    assert_eq!(world.store.directory.user_by_identity(other, &account()).await.unwrap().id, twin.id);
    let again = Mutation::begin_erasure(Departing {
        tenant: world.tenant,
        user: ann.id,
        whole_conversations: false,
        at: 1_000,
        mark_of: Arc::new(|account| (mark_of(account), 2_000)),
    });
    assert_eq!(world.store.apply(again).await, Err(Error::NotFound(What::User)));
}

async fn numbers_outlive_content(world: World) {
    let Life { ann, own, others, .. } = live(&world).await;
    let before = messages(&world, own).await;
    let head = world.store.log.tenant_head(world.tenant).await.unwrap();
    let known = world.heard().len();
    erase(&world, ann.id, false).await;

    let after = messages(&world, own).await;
    let place = |message: &Message| (message.id, message.number, message.sequence, message.position);
    assert_eq!(before.iter().map(place).collect::<Vec<_>>(), after.iter().map(place).collect::<Vec<_>>());
    let shown: Vec<_> = after.iter().map(|message| (message.erased, message.text.as_str())).collect();
    assert_eq!(shown, [(true, ""), (false, "how may I help?")]);
    assert_eq!((after[0].author.user_id, after[0].author.name.as_str()), (None, ""));
    assert!(messages(&world, others).await[0].erased);
    let on_them = world.store.chat.reactions(world.tenant, own, vec![1, 2, 3], "").await.unwrap();
    assert!(on_them.is_empty(), "{on_them:?}");

    // The order has no gaps, and what was told of it says what is gone.
    let events = world.store.log.tenant_events(world.tenant, 0, 10_000).await.unwrap();
    let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
    let new_head = world.store.log.tenant_head(world.tenant).await.unwrap();
    assert!(new_head > head);
    assert_eq!(positions, (1..=new_head).collect::<Vec<_>>());
    let told: Vec<_> = world.heard()[known..].iter().filter_map(|event| change(event)).collect();
    let sequence = after[0].sequence;
    assert!(told.contains(&ConversationChange::Erased(vec![sequence])), "{told:?}");
    let taken_off = |change: &ConversationChange| {
        matches!(change, ConversationChange::Reacted { removed: true, count: 0, .. })
    };
    assert!(told.iter().any(taken_off), "{told:?}");
}

async fn an_export_reads_what_an_erasure_removes(world: World) {
    let Life { ann, .. } = live(&world).await;
    let mut traces = world.store.persons.traces(world.tenant, ann.id);
    let mut export = String::new();
    while let Some(page) = traces.next().await.unwrap() {
        page.iter().for_each(|trace| export.push_str(&format!("{trace:?}\n")));
    }
    let export = export.to_lowercase();
    // A secret, copies of what is read elsewhere, a number that is read with her, and what a service calls a payment.
    let left_out = ["needle-hash", "needle-answer", "needle-imported", "needle-payment"];
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut words = BTreeSet::new();
    for (_, row) in about(&world, ann.id).await {
        for part in row.split(|c| !is_of_word(c)).filter(|part| part.starts_with(MARK)) {
            words.insert(part.to_owned());
        }
    }
    assert!(words.len() > 12, "{words:?}");
    let missing: Vec<_> =
        words.iter().filter(|word| !left_out.contains(&word.as_str()) && !export.contains(*word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for kind in [
        "person",
        "presence",
        "withdrawn",
        "conversation",
        "message",
        "event",
        "reaction",
        "readmark",
        "request",
        "wallet",
        "booked",
    ] {
        assert!(export.lines().any(|line| line.starts_with(kind)), "{kind}");
    }
    let stranger = world.store.persons.traces(world.tenant, UserId::new()).next().await;
    assert_eq!(stranger.unwrap_err(), Error::NotFound(What::User));
}

async fn who_writes_while_they_are_erased_leaves_nothing(world: World) {
    let Life { ann, own, .. } = live(&world).await;
    let (store, tenant) = (world.store.clone(), world.tenant);
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (store, ann) = (store.clone(), ann.clone());
        writers.spawn(async move {
            let mut stored = 0;
            loop {
                let message = NewMessage {
                    author_key: format!("user:{}", ann.id),
                    request: Some(named(&format!("needle-{writer}-{stored}"), 1)),
                    ..new_message(tenant, own, customer(&ann), "needle-meanwhile")
                };
                match store.chat.append(message).await {
                    Ok(_) => stored += 1,
                    Err(error) => return (stored, error),
                }
            }
        });
    }
    let mut heard = 0;
    while heard < 40 {
        tokio::task::yield_now().await;
        heard = world.heard().len();
    }
    erase(&world, ann.id, false).await;
    for (stored, refused) in writers.join_all().await {
        assert!(stored > 0);
        assert_eq!(refused, Error::Withdrawn);
    }
    // Neither does what else is under way: her conversation, her reading, her reaction, her coming.
    let by = cause(tenant, customer(&ann), 2_000);
    let wanted = OwnConversation { cause: by.clone(), owner: ann.id, kind: "again".into(), waiting: false };
    assert!(store.apply(Mutation::own_conversation(wanted)).await.is_err());
    assert_eq!(store.chat.mark_read(own, None, by).await.unwrap_err(), Error::Withdrawn);
    assert!(store.presence.arrive(tenant, ann.id, "node", "one", 6).await.is_err());
    let revoked = Revocation::User { tenant, user: ann.id, at: 2_000 };
    store.tokens.revoke(revoked, 1_000_000, 2_000).await.unwrap();
    let change = UserUpsert {
        id: Some(ann.id),
        display_name: Some("needle-name".into()),
        change_only: true,
        ..UserUpsert::default()
    };
    let changed = store.directory.upsert_user(tenant, change, 2_000).await;
    assert_eq!(changed.unwrap_err(), Error::NotFound(What::User));
    nothing_names(&world, ann.id).await;
}

async fn an_erasure_goes_on_after_a_crash(world: World) {
    let Life { ann, sam, own, .. } = live(&world).await;
    begin(&world.store, world.tenant, ann.id, false).await;
    let erasure = world.store.persons.being_erased().await.unwrap()[0];
    let mut walk = Walk::new(erasure);
    for _ in 0..3 {
        assert!(!world.store.persons.erase_some(&mut walk, 1_001).await.unwrap());
    }
    drop(walk);
    // Nobody acts as them meanwhile, gives them anything, or changes them.
    let store = &world.store;
    assert_eq!(store.chat.append(said(&world, &ann, own, "needle")).await.unwrap_err(), Error::Withdrawn);
    let patch = ConversationPatch { assignee_id: Some(Some(ann.id)), ..ConversationPatch::default() };
    let assigned = store.chat.update_conversation(own, patch, cause(world.tenant, staff(&sam), 40)).await;
    assert_eq!(assigned.unwrap_err(), Error::NotFound(What::User));
    let enabled = UserUpsert { id: Some(ann.id), disabled: Some(false), ..UserUpsert::default() };
    let enabled = store.directory.upsert_user(world.tenant, enabled, 40).await;
    assert_eq!(enabled.unwrap_err(), Error::NotFound(What::User));
    world.store.close().await;

    let (store, heard) = open(&world.place.url()).await.unwrap();
    let world = World { store, heard, ..world };
    assert!(world.store.persons.is_being_erased(world.tenant, ann.id).await.unwrap());
    go_on(&world.store).await;
    assert!(!world.store.persons.is_being_erased(world.tenant, ann.id).await.unwrap());
    nothing_names(&world, ann.id).await;
}

async fn whole_conversations_go_with_what_others_wrote(world: World) {
    let Life { ann, own, others, .. } = live(&world).await;
    let theirs = new_message(world.tenant, others, guest(), "of somebody else");
    world.store.chat.append(theirs).await.unwrap();
    erase(&world, ann.id, true).await;
    assert!(messages(&world, own).await.iter().all(|message| message.erased && message.text.is_empty()));
    let elsewhere = messages(&world, others).await;
    assert_eq!(elsewhere.last().unwrap().text, "of somebody else");
    nothing_names(&world, ann.id).await;
}

async fn a_key_opens_nothing_once_its_owner_is_erased(world: World) {
    let Life { ann, sam, keyed, .. } = live(&world).await;
    let by_key = Access { person: None, staff: false, by_key: true };
    let guessed =
        || NewMessage { access: by_key, ..new_message(world.tenant, keyed, guest(), "is it open?") };
    world.store.chat.append(guessed()).await.unwrap();
    erase(&world, ann.id, false).await;
    assert_eq!(world.store.chat.append(guessed()).await.unwrap_err(), Error::NotOwner);
    let ensured = world.store.chat.ensure_conversation(world.wanted(KEY)).await;
    assert_eq!(ensured.unwrap_err(), Error::NotOwner);
    let by_staff = new_message(world.tenant, keyed, staff(&sam), "a note");
    world.store.chat.append(by_staff).await.unwrap();
}

async fn a_token_from_before_lets_nobody_in(world: World) {
    let before = ann(&world.store, world.tenant).await;
    erase(&world, before.id, false).await;
    let shown = |issued_at| UserUpsert {
        identities: vec![account()],
        create_only: true,
        account: Some(OutsideAccount { mark: mark_of(&account()), issued_at }),
        ..UserUpsert::default()
    };
    for early in [0, 999, 1_000] {
        let made = world.store.directory.upsert_user(world.tenant, shown(early), 1_500).await;
        assert_eq!(made.unwrap_err(), Error::Withdrawn);
    }
    let (after, made) = world.store.directory.upsert_user(world.tenant, shown(1_001), 1_500).await.unwrap();
    assert!(made);
    assert_ne!((after.id, after.number), (before.id, before.number));
}

async fn steps_are_bounded(world: World) {
    let ann = ann(&world.store, world.tenant).await;
    let room = world.conversation("a key of a busy room").await.id;
    let known = world.heard().len();
    let all = (0..257).map(|n| world.store.chat.append(said(&world, &ann, room, &format!("needle-{n}"))));
    for appended in futures::future::join_all(all).await {
        appended.unwrap();
    }
    let sent = world.heard().len() - known;
    assert_eq!(sent, 257);
    let known = world.heard().len();
    erase(&world, ann.id, false).await;
    let told: Vec<usize> = world.heard()[known..]
        .iter()
        .filter_map(|event| match change(event) {
            Some(ConversationChange::Erased(sequences)) => Some(sequences.len()),
            _ => None,
        })
        .collect();
    assert_eq!(told, [256, 1]);
    nothing_names(&world, ann.id).await;
}

async fn what_is_swept_meanwhile_stops_no_erasure(world: World) {
    const MESSAGES: i64 = 700;
    const KEPT_FROM: i64 = 400;
    let Life { ann, .. } = live(&world).await;
    let (store, tenant) = (&world.store, world.tenant);
    let room = world.conversation("a key of a busy room").await.id;
    // Hers and another's in turn, more than a step of either takes, and later than all else that happened.
    for number in 0..MESSAGES {
        let mut message = match number % 2 {
            0 => said(&world, &ann, room, &format!("needle-{number}")),
            _ => new_message(tenant, room, guest(), &format!("of another: {number}")),
        };
        message.cause.at = 10_000 + number;
        store.chat.append(message).await.unwrap();
    }
    let sweeping = async {
        for before in (10_000..=10_000 + KEPT_FROM).step_by(20) {
            while store.log.sweep(tenant, before).await.unwrap().more {}
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(sweeping, erase(&world, ann.id, false));

    nothing_names(&world, ann.id).await;
    let left = messages(&world, room).await;
    assert_eq!(left.len() as i64, MESSAGES - KEPT_FROM);
    for (message, number) in left.iter().zip(KEPT_FROM..) {
        let hers = number % 2 == 0;
        let text = if hers { String::new() } else { format!("of another: {number}") };
        assert_eq!((message.erased, &message.text), (hers, &text));
    }
    // From the floor on the order has no gaps; below it lies what is told of sessions and visits, which have clocks of
    // their own.
    let floor = store.log.tenant_floor(tenant).await.unwrap();
    let head = store.log.tenant_head(tenant).await.unwrap();
    let kept = store.log.tenant_events(tenant, floor - 1, 10_000).await.unwrap();
    let positions: Vec<i64> = kept.iter().map(|event| event.position).collect();
    assert_eq!(positions, (floor..=head).collect::<Vec<_>>());
}
