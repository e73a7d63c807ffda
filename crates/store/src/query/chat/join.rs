//! Rows become values: a conversation with its people and its newest message, a message with its author. Each kind of row
//! is fetched once for all that need it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{ConnectionTrait, DbBackend};
use uuid::Uuid;

use crate::{
    Author, Conversation, ConversationId, Message, MessageId, TenantId, User, UserId, bulk,
    connection::Script,
    entity::{conversation, message},
    failure::Failure,
    query::{code::Code, users},
};

/// The author key of a message whose author was erased. No principal has it.
pub(crate) const ERASED: &str = "erased";

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
        Ok(users::by_key(db, self.0.into_iter().collect()).await?.into_iter().collect())
    }

    /// Leaves out those of whom this is not true.
    pub(crate) fn retain(&mut self, mut is_true: impl FnMut(i64, Uuid) -> bool) {
        self.0.retain(|(tenant, id)| is_true(*tenant, *id));
    }

    /// Reads them with other things.
    pub(crate) fn reading(self, backend: DbBackend, script: &mut Script) -> users::Reading {
        users::Reading::by_key(backend, script, self.0.into_iter().collect())
    }
}

impl FromIterator<User> for People {
    fn from_iter<I: IntoIterator<Item = User>>(users: I) -> Self {
        Self(users.into_iter().map(|user| ((user.tenant.0, user.id.0), Arc::new(user))).collect())
    }
}

impl People {
    pub(crate) fn add(&mut self, user: Arc<User>) {
        self.0.insert((user.tenant.0, user.id.0), user);
    }

    pub(crate) fn find(&self, tenant: i64, id: Option<Uuid>) -> Option<Arc<User>> {
        id.and_then(|id| self.0.get(&(tenant, id)).cloned())
    }

    /// True if somebody is meant as whom nobody acts any more.
    pub(crate) fn is_withdrawn(&self, tenant: i64, id: Option<Uuid>) -> bool {
        id.is_some() && self.find(tenant, id).is_none_or(|user| user.disabled)
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
            erased: row.author_key == ERASED,
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
