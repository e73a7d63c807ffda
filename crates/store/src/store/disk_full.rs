//! A full disk, from inside: only the writer's own connection can be told that the file may not grow.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Statement};

use crate::{
    ConversationId, Error, MessageFilter, MessageRequest, Mutation, NewMessage, TenantId,
    testing::{self, room},
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

fn message(tenant: TenantId, room: ConversationId, n: usize) -> NewMessage {
    let request = Some(Box::new(MessageRequest { id: n.to_string(), payload_hash: [0; 32] }));
    NewMessage { request, ..testing::message(tenant, 1, room, &"x".repeat(4_000)) }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let (store, tenant) = testing::open(&testing::sqlite(&directory), Box::new(|_| {})).await;
    let room = store.chat.ensure_conversation(room(tenant, 1)).await.unwrap().0.id;
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
