//! A sweep of very many messages, from inside: rows that old are only made by hand.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Statement};

use crate::{
    ConversationId, Mutation, TenantId,
    testing::{self, message, room},
};

const MANY: i64 = 100_000;

/// Nobody's message waits for longer while very many others go. It was 74, 191 and 336 ms when it was measured, in a debug
/// build on a machine with five times as much to do as it has processors.
const HELD_UP_AT_MOST: Duration = Duration::from_secs(2);

/// So many old messages at once, which the writer makes well within its time.
const PIECE: i64 = 10_000;

/// Adds old messages to a conversation.
fn fill(tenant: TenantId, room: ConversationId) -> Mutation<()> {
    Mutation::new(tenant, (tenant, room), |(tenant, room), tx| {
        Box::pin(async move {
            let backend = tx.db().get_database_backend();
            let head = tx.position(*tenant);
            let rows = "WITH RECURSIVE n(i) AS (SELECT $3 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < $4) \
                        INSERT INTO message (tenant, conversation_id, sequence, position, author_kind, author_name, \
                        created_at, id, number, author_key, text) \
                        SELECT $1, $2, i, i, 1, '', 1000, randomblob(16), i, 'guest', 'what somebody wrote long ago' FROM n";
            let values = [tenant.0.into(), room.0.into(), head.into(), (head + PIECE).into()];
            tx.db().execute_raw(Statement::from_sql_and_values(backend, rows, values)).await?;
            let row = "UPDATE conversation SET last_sequence = $3, last_message_sequence = $3, unread_count = $3 - 1 \
                       WHERE tenant = $1 AND id = $2";
            let values = [tenant.0.into(), room.0.into(), (head + PIECE).into()];
            tx.db().execute_raw(Statement::from_sql_and_values(backend, row, values)).await?;
            let counters = tx.counters(*tenant)?;
            counters.position += PIECE;
            counters.message_number = counters.position;
            counters.conversation_revision += 1;
            Ok(())
        })
    })
}

#[tokio::test]
async fn a_sweep_of_very_many_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (store, tenant) = testing::open(&testing::sqlite(&directory), Box::new(|_| {})).await;
    let room = store.chat.ensure_conversation(room(tenant, 500)).await.unwrap().0.id;
    for _ in 0..MANY / PIECE {
        store.apply(fill(tenant, room)).await.unwrap();
    }

    let sweeping = async {
        let mut messages = 0;
        loop {
            let swept = store.log.sweep(tenant, 2_000).await.unwrap();
            messages += swept.messages;
            if !swept.more {
                return messages;
            }
        }
    };
    let writing = async {
        let mut longest = Duration::ZERO;
        loop {
            let began = Instant::now();
            store.chat.append(message(tenant, 2_000, room, "now")).await.unwrap();
            longest = longest.max(began.elapsed());
            tokio::task::yield_now().await;
            if store.log.tenant_floor(tenant).await.unwrap() > MANY {
                return longest;
            }
        }
    };
    let (messages, longest) = tokio::join!(sweeping, writing);
    println!("the longest wait of a message was {longest:?}");
    assert_eq!(messages, u64::try_from(MANY).unwrap());
    assert!(longest < HELD_UP_AT_MOST, "{longest:?}");
    let conversation = store.chat.conversation(tenant, room).await.unwrap();
    assert_eq!(conversation.floor_sequence, MANY + 2);
    assert_eq!(conversation.unread_count, conversation.last_sequence - MANY - 1, "those that are new");
    store.close().await;
}
