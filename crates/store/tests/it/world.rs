//! A store on a database of its own, and what a story needs to begin.

use std::sync::{Arc, Mutex};

use parlor_store::{
    Author, AuthorKind, Cause, Conversation, ConversationChange, ConversationId, EnsureConversation, Error,
    EventBody, Identity, MessageRequest, Millis, NewMessage, Options, Store, StoredEvent, Tenant, TenantId,
    User, UserUpsert,
};
use parlor_testdb::Database;

/// A database that is gone with this value.
pub enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(Database),
}

impl Place {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub fn postgres() -> Self {
        Self::Postgres(Database::create())
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => format!("sqlite://{}", directory.path().join("parlor.db").display()),
            Self::Postgres(database) => database.url(),
        }
    }
}

/// What a store told after its commits.
pub type Heard = Arc<Mutex<Vec<Arc<StoredEvent>>>>;

pub struct World {
    pub store: Store,
    pub tenant: TenantId,
    pub heard: Heard,
    pub place: Place,
}

impl World {
    /// A store with a schema and one tenant.
    pub async fn on(place: Place) -> Self {
        parlor_migration::up(&place.url()).await.unwrap();
        let (store, heard) = open(&place.url()).await.unwrap();
        let tenant = store.directory.create_tenant(new_tenant("acme")).await.unwrap().id;
        Self { store, tenant, heard, place }
    }

    pub async fn user(&self, name: &str) -> User {
        let identities = vec![Identity { issuer: "test".into(), subject: name.into() }];
        let wanted = UserUpsert { display_name: Some(name.into()), identities, ..UserUpsert::default() };
        self.store.directory.upsert_user(self.tenant, wanted, 1).await.unwrap().0
    }

    pub async fn conversation(&self, key: &str) -> Conversation {
        self.store.chat.ensure_conversation(self.wanted(key)).await.unwrap().0
    }

    pub fn wanted(&self, key: &str) -> EnsureConversation {
        EnsureConversation {
            cause: Cause { tenant: self.tenant, author: guest(), at: 10, origin: "o-0".into() },
            key: Some(key.into()),
            kind: "support".into(),
            waiting: false,
            owner_id: None,
            members: Vec::new(),
            seen_by: parlor_store::SeenBy::Staff,
        }
    }

    pub fn message(&self, id: ConversationId, author: Author, text: &str) -> NewMessage {
        new_message(self.tenant, id, author, text)
    }

    pub fn heard(&self) -> Vec<Arc<StoredEvent>> {
        self.heard.lock().unwrap().clone()
    }
}

pub async fn open(url: &str) -> Result<(Store, Heard), Error> {
    let heard = Heard::default();
    let ear = Arc::clone(&heard);
    let options = Options { url: url.to_owned(), read_connections: 4 };
    let store = Store::open(options, Box::new(move |events| ear.lock().unwrap().extend(events))).await?;
    Ok((store, heard))
}

pub fn new_tenant(slug: &str) -> Tenant {
    Tenant {
        id: TenantId(0),
        slug: slug.into(),
        number: None,
        display_name: slug.to_uppercase(),
        origins: vec!["https://example.com".into()],
        created_at: 1,
    }
}

pub fn new_message(
    tenant: TenantId,
    conversation_id: ConversationId,
    author: Author,
    text: &str,
) -> NewMessage {
    let author_key = author.user_id.map_or_else(|| "guest".to_owned(), |id| id.to_string());
    NewMessage {
        cause: Cause { tenant, author, at: 100, origin: "o-1".into() },
        conversation_id,
        access: parlor_store::Access::STAFF,
        author_key,
        leaves_unread: false,
        request: None,
        text: text.into(),
    }
}

/// The request of a message, by its id and what stands for all that it says.
pub fn named(id: &str, payload: u8) -> Box<MessageRequest> {
    Box::new(MessageRequest { id: id.into(), payload_hash: [payload; 32] })
}

/// Somebody does something at a time, over no connection.
pub fn cause(tenant: TenantId, author: Author, at: Millis) -> Cause {
    Cause { tenant, author, at, origin: String::new() }
}

pub fn guest() -> Author {
    Author { kind: AuthorKind::Customer, user_id: None, name: "Guest".into(), user: None }
}

pub fn staff(user: &User) -> Author {
    Author { kind: AuthorKind::Staff, user_id: Some(user.id), name: user.display_name.clone(), user: None }
}

pub fn customer(user: &User) -> Author {
    Author { kind: AuthorKind::Customer, ..staff(user) }
}

/// What an event says, in a word.
pub fn word(event: &StoredEvent) -> String {
    match &event.body {
        EventBody::Message(message) => format!("message {}", message.text),
        EventBody::Encoded { .. } => match change(event).unwrap() {
            ConversationChange::Created => "created".into(),
            ConversationChange::Changed(fields) => format!("changed {}", fields.join(",")),
            ConversationChange::Read(through_sequence) => format!("read {through_sequence}"),
            ConversationChange::Reacted { sequence, emoji, removed, count } => {
                format!("{sequence} {} {emoji} {count}", if removed { "lost" } else { "has" })
            }
            ConversationChange::Erased(sequences) => format!("erased {sequences:?}"),
        },
    }
}

/// What happened to a conversation, if the event is of one and no message.
pub fn change(event: &StoredEvent) -> Option<ConversationChange> {
    event.subject.as_conversation()?;
    match &event.body {
        EventBody::Message(_) => None,
        EventBody::Encoded { kind, bytes, .. } => Some(ConversationChange::decode(*kind, bytes).unwrap()),
    }
}

/// Tells each story on both databases, as two tests.
#[macro_export]
macro_rules! stories {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                super::$name($crate::world::World::on($crate::world::Place::sqlite()).await).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$name($crate::world::World::on($crate::world::Place::postgres()).await).await;
            }
        }
    )*};
}
