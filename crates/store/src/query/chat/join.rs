//! Rows become values: a conversation with its people and its newest message, a message with its author. Each kind of row
//! is fetched once for all that need it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::{
    Author, Conversation, ConversationId, Message, MessageId, TenantId, User, UserId, bulk,
    entity::{conversation, message},
    failure::Failure,
    query::{code::Code, users},
};

/// The users that some rows name.
#[derive(Default)]
pub(crate) struct People(HashMap<(i64, Uuid), Arc<User>>);

/// Collects whom to fetch.
#[derive(Default)]
pub(crate) struct Named(BTreeSet<(i64, Uuid)>);

impl Named {
    pub(crate) fn add(&mut self, tenant: i64, user: Option<Uuid>) {
        self.0.extend(user.map(|user| (tenant, user)));
    }

    pub(crate) fn conversation(&mut self, row: &conversation::Model) {
        self.add(row.tenant, row.owner_id);
        self.add(row.tenant, row.assignee_id);
    }

    pub(crate) fn message(&mut self, row: &message::Model) {
        self.add(row.tenant, row.author_id);
    }

    pub(crate) async fn fetch(self, db: &impl ConnectionTrait) -> Result<People, Failure> {
        let users = users::by_key(db, self.0.into_iter().collect()).await?;
        Ok(People(users.into_iter().map(|user| ((user.tenant.0, user.id.0), Arc::new(user))).collect()))
    }
}

impl People {
    fn find(&self, tenant: i64, id: Option<Uuid>) -> Option<Arc<User>> {
        id.and_then(|id| self.0.get(&(tenant, id)).cloned())
    }

    pub(crate) fn author(
        &self,
        tenant: i64,
        kind: i16,
        id: Option<Uuid>,
        name: &str,
    ) -> Result<Author, Failure> {
        Ok(Author {
            kind: Code::of_code(kind)?,
            user_id: id.map(UserId),
            name: name.to_owned(),
            user: self.find(tenant, id),
        })
    }

    pub(crate) fn message(&self, row: &message::Model) -> Result<Message, Failure> {
        Ok(Message {
            id: MessageId(row.id),
            number: row.number,
            conversation_id: ConversationId(row.conversation_id),
            sequence: row.sequence,
            position: row.position,
            author: self.author(row.tenant, row.author_kind, row.author_id, &row.author_name)?,
            text: row.text.clone(),
            created_at: row.created_at,
        })
    }

    pub(crate) fn conversation(
        &self,
        row: &conversation::Model,
        last_message: Option<Message>,
    ) -> Result<Conversation, Failure> {
        Ok(Conversation {
            tenant: TenantId(row.tenant),
            id: ConversationId(row.id),
            number: row.number,
            key: row.key.clone(),
            kind: row.kind.clone(),
            seen_by: Code::of_code(row.seen_by)?,
            status: Code::of_code(row.status)?,
            owner_id: row.owner_id.map(UserId),
            owner: self.find(row.tenant, row.owner_id),
            assignee_id: row.assignee_id.map(UserId),
            assignee: self.find(row.tenant, row.assignee_id),
            tags: row.tags.0.clone(),
            waiting: row.waiting,
            unanswered: row.unanswered,
            unread_count: row.unread_count,
            staff_read_sequence: row.staff_read_sequence,
            staff_read_at: row.staff_read_at,
            last_sequence: row.last_sequence,
            last_message_sequence: row.last_message_sequence,
            last_message: last_message.map(Box::new),
            floor_sequence: row.floor_sequence,
            cleared_sequence: row.cleared_sequence,
            created_at: row.created_at,
            updated_at: row.updated_at,
            customer_active_at: row.customer_active_at,
        })
    }
}

/// Conversations in the order of their rows.
pub(crate) async fn conversations(
    db: &impl ConnectionTrait,
    rows: Vec<conversation::Model>,
) -> Result<Vec<Conversation>, Failure> {
    use message::Column;
    let newest = rows.iter().filter(|row| row.last_message_sequence > 0);
    let newest =
        newest.map(|row| [row.tenant.into(), row.id.into(), row.last_message_sequence.into()]).collect();
    let columns = [Column::Tenant, Column::ConversationId, Column::Sequence];
    let newest = bulk::select::<message::Entity, 3>(db, columns, newest).await?;
    let mut named = Named::default();
    rows.iter().for_each(|row| named.conversation(row));
    newest.iter().for_each(|row| named.message(row));
    let people = named.fetch(db).await?;
    let newest =
        newest.into_iter().map(|row| ((row.tenant, row.conversation_id), row)).collect::<HashMap<_, _>>();
    rows.iter()
        .map(|row| {
            let last =
                newest.get(&(row.tenant, row.id)).map(|message| people.message(message)).transpose()?;
            people.conversation(row, last)
        })
        .collect()
}

/// Messages in the order of their rows.
pub(crate) async fn messages(
    db: &impl ConnectionTrait,
    rows: &[message::Model],
) -> Result<Vec<Message>, Failure> {
    let mut named = Named::default();
    rows.iter().for_each(|row| named.message(row));
    let people = named.fetch(db).await?;
    rows.iter().map(|row| people.message(row)).collect()
}
