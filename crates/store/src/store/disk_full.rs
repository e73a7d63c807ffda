//! A full disk, from inside: only the writer's own connection can be told that the file may not grow.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Statement};

use crate::{
    Author, AuthorKind, Cause, ConversationId, EnsureConversation, Error, MessageFilter, Mutation,
    NewMessage, Options, Store, Tenant, TenantId,
};

/// Lets the database grow by so many pages from now on, as long as the connection lives.
fn leave_pages(pages: i64) -> Mutation<()> {
    Mutation::new(TenantId::INSTALLATION, pages, |pages, tx| {
        Box::pin(async move {
            let backend = tx.db().get_database_backend();
            let count = Statement::from_string(backend, "PRAGMA page_count");
            let row = tx.db().query_one_raw(count).await?.expect("a count");
            let limit = row.try_get_by_index::<i64>(0)? + pages;
            let limit = Statement::from_string(backend, format!("PRAGMA max_page_count = {limit}"));
            tx.db().query_one_raw(limit).await?;
            Ok(())
        })
    })
}

fn guest() -> Author {
    Author { kind: AuthorKind::Customer, user_id: None, name: String::new(), user: None }
}

fn message(tenant: TenantId, room: ConversationId, n: usize) -> NewMessage {
    NewMessage {
        cause: Cause { tenant, author: guest(), at: 1, origin: String::new() },
        conversation_id: room,
        access: crate::Access::STAFF,
        author_key: "guest".into(),
        leaves_unread: false,
        request: Some(Box::new(crate::MessageRequest { id: n.to_string(), payload_hash: [0; 32] })),
        text: "x".repeat(4_000),
    }
}

async fn store_with_a_room(directory: &std::path::Path) -> (Store, TenantId, ConversationId) {
    let url = format!("sqlite://{}", directory.join("parlor.db").display());
    parlor_migration::up(&url).await.unwrap();
    let store = Store::open(Options { url, read_connections: 1 }, Box::new(|_| {})).await.unwrap();
    let tenant = Tenant {
        id: TenantId(0),
        slug: "acme".into(),
        number: None,
        display_name: String::new(),
        origins: Vec::new(),
        created_at: 1,
    };
    let tenant = store.directory.create_tenant(tenant).await.unwrap().id;
    let wanted = EnsureConversation {
        cause: Cause { tenant, author: guest(), at: 1, origin: String::new() },
        key: None,
        kind: String::new(),
        waiting: false,
        owner_id: None,
        members: Vec::new(),
        seen_by: crate::SeenBy::Staff,
    };
    let room = store.chat.ensure_conversation(wanted).await.unwrap().0.id;
    (store, tenant, room)
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let (store, tenant, room) = store_with_a_room(directory.path()).await;
    store.apply(leave_pages(20)).await.unwrap();
    let store = Arc::new(store);
    let appends = (0..64).map(|n| store.chat.append(message(tenant, room, n)));
    let one_batch = futures::future::join_all(appends).await;
    assert!(one_batch.iter().all(|answer| matches!(answer, Err(Error::Unavailable(_)))), "all or nothing");

    store.apply(leave_pages(20)).await.unwrap();
    let mut kept = 0;
    let refused = loop {
        match store.chat.append(message(tenant, room, kept)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
    assert!(kept > 0);

    // The writer has given up the connection that met the full disk; the next one finds room again.
    let after = store.chat.append(message(tenant, room, kept)).await.unwrap();
    assert!(!after.replayed);
    let all = store.chat.list_messages(tenant, room, &MessageFilter::default(), 1_000).await.unwrap();
    assert_eq!(all.len(), kept + 1);
    let sequences: Vec<i64> = all.iter().map(|message| message.sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert!(store.chat.append(message(tenant, room, 0)).await.unwrap().replayed);
    store.close().await;
}
