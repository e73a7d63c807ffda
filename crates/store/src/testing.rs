//! What tests from inside begin with: a store with one tenant, and what is said in it.

use crate::{
    Access, Author, AuthorKind, Cause, ConversationId, EnsureConversation, Millis, NewMessage, OnCommit,
    Options, SeenBy, Store, Tenant, TenantId,
};

/// A store with a schema, and its tenant.
pub(crate) async fn open(url: &str, on_commit: OnCommit) -> (Store, TenantId) {
    parlor_migration::up(url).await.unwrap();
    let store = Store::open(Options { url: url.to_owned(), read_connections: 2 }, on_commit).await.unwrap();
    let tenant = Tenant {
        id: TenantId(0),
        slug: "acme".into(),
        number: None,
        display_name: String::new(),
        origins: Vec::new(),
        created_at: 1,
    };
    let tenant = store.directory.create_tenant(tenant).await.unwrap().id;
    (store, tenant)
}

/// Where the database is in a folder.
pub(crate) fn sqlite(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("parlor.db").display())
}

/// A guest does something at a time, over no connection.
pub(crate) fn cause(tenant: TenantId, at: Millis) -> Cause {
    let author = Author { kind: AuthorKind::Customer, user_id: None, name: "Guest".into(), user: None };
    Cause { tenant, author, at, origin: String::new() }
}

/// A new conversation of a guest.
pub(crate) fn room(tenant: TenantId, at: Millis) -> EnsureConversation {
    EnsureConversation {
        cause: cause(tenant, at),
        key: None,
        kind: String::new(),
        waiting: false,
        owner_id: None,
        members: Vec::new(),
        seen_by: SeenBy::Staff,
    }
}

/// What a guest says.
pub(crate) fn message(tenant: TenantId, at: Millis, room: ConversationId, text: &str) -> NewMessage {
    NewMessage {
        cause: cause(tenant, at),
        conversation_id: room,
        access: Access::STAFF,
        author_key: "guest".into(),
        leaves_unread: false,
        request: None,
        text: text.to_owned(),
    }
}
