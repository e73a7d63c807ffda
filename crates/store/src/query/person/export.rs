//! Everything that is stored of one person, read page by page. Nothing is held but a page, and nobody who writes waits for it.
//!
//! What erasing takes away is here, and in the conversations that are theirs also what others have written to them.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::ExprTrait as _};
use uuid::Uuid;

use super::find::{self, Who};
use crate::{
    Conversation, ConversationId, Error, Message, Millis, Part, PresenceRow, Provider, Result, Session,
    SessionFilter, StoredEvent, TenantId, User, UserId, Visit, VisitAction, VisitPage,
    database::Database,
    entity::{TenantOwned, conversation, message, participant, revocation, user},
    failure::Failure,
    ledger::{Balances, Entry, Transaction},
    query::{
        billing,
        chat::{
            self,
            change::erase::OnMessage,
            join::{self, ERASED},
        },
        code::Code,
        event as order,
        presence::Presence,
        session::Sessions,
        token, users,
        visit::{self, Visits},
    },
};

/// Rows of a page: some hundreds of kilobytes at most.
const PAGE_ROWS: u64 = 256;

/// One thing that is stored of somebody.
#[derive(Clone, Debug)]
pub enum Trace {
    Person {
        user: User,
        has_password: bool,
    },
    Presence(PresenceRow),
    /// Everything that they were given up to a moment was withdrawn.
    Withdrawn(Millis),
    /// A conversation that is theirs, that they look after, or that they take part in.
    Conversation {
        conversation: Box<Conversation>,
        /// With the moment at which they left.
        seat: Option<(Part, Option<Millis>)>,
    },
    Message {
        message: Box<Message>,
        /// The caller's name for it.
        request_id: Option<String>,
        own: bool,
    },
    Event(Box<StoredEvent>),
    Reaction {
        conversation: ConversationId,
        sequence: i64,
        emoji: String,
        at: Millis,
    },
    ReadMark {
        conversation: ConversationId,
        through: i64,
        at: Millis,
    },
    /// A session that they take part in.
    Session(Box<Session>),
    /// What is known of them as a provider.
    Provider(Box<Provider>),
    /// A visit that is known to be theirs, with what is kept of its pages and actions.
    Visit {
        visit: Box<Visit>,
        pages: Vec<VisitPage>,
        actions: Vec<VisitAction>,
    },
    /// A request whose answer is recorded.
    Request {
        method: String,
        request_id: String,
        expires_at: Millis,
    },
    /// What they have of a unit.
    Wallet {
        unit: String,
        balances: Balances,
    },
    /// What was booked on a wallet of theirs, with its transaction.
    Booked(Box<(Entry, Transaction)>),
}

/// What is left to read of somebody.
pub struct Traces {
    db: Arc<Database>,
    who: Who,
    stage: Stage,
}

#[derive(Clone)]
enum Stage {
    Person,
    Owned(Option<Uuid>),
    /// What others wrote in a conversation of theirs, behind a sequence.
    Answers(Uuid, i64),
    Assigned(Option<Uuid>),
    Seats(Option<Uuid>),
    Written(i64, i64),
    Caused(i64, i64),
    Reactions(Option<OnMessage>),
    ReadMarks(Option<Uuid>),
    /// Before this number.
    Sessions(Option<i64>),
    Visits(i64),
    Requests,
    Wallets,
    /// Behind a number and line.
    Booked(i64, i16),
    End,
}

impl Traces {
    pub(super) fn new(db: Arc<Database>, tenant: TenantId, user: UserId) -> Self {
        Self { db, who: (tenant, user), stage: Stage::Person }
    }

    /// The next page, which may be empty; `None` when all has been read. `NotFound` for who is not there.
    pub async fn next(&mut self) -> Result<Option<Vec<Trace>>> {
        let (page, next) = match self.stage.clone() {
            Stage::Person => (self.person().await?, Stage::Owned(None)),
            Stage::Owned(after) => match self.conversation(conversation::Column::OwnerId, after).await? {
                Some((id, page)) => (page, Stage::Answers(id, 0)),
                None => (Vec::new(), Stage::Assigned(None)),
            },
            Stage::Answers(id, after) => self.answers(id, after).await?,
            Stage::Assigned(after) => {
                match self.conversation(conversation::Column::AssigneeId, after).await? {
                    Some((id, page)) => (page, Stage::Assigned(Some(id))),
                    None => (Vec::new(), Stage::Seats(None)),
                }
            }
            Stage::Seats(after) => self.seats(after).await?,
            Stage::Written(after, until) => self.written(after, until).await?,
            Stage::Caused(after, until) => self.caused(after, until).await?,
            Stage::Reactions(after) => self.reactions(after).await?,
            Stage::ReadMarks(after) => self.read_marks(after).await?,
            Stage::Sessions(before) => self.sessions(before).await?,
            Stage::Requests => (self.requests().await?, Stage::Wallets),
            Stage::Wallets => (self.wallets().await?, Stage::Booked(0, 0)),
            Stage::Booked(number, line) => self.booked((number, line)).await?,
            Stage::Visits(after) => self.visits(after).await?,
            Stage::End => return Ok(None),
        };
        self.stage = next;
        Ok(Some(page))
    }

    async fn person(&self) -> Result<Vec<Trace>> {
        let (db, (tenant, id)) = (&self.db.readers, self.who);
        let user = users::one(db, tenant, user::Column::Id.eq(id.0)).await?;
        let row = user::Entity::of(tenant).filter(user::Column::Id.eq(id.0)).one(db).await?;
        let has_password = row.is_some_and(|row| row.password_hash.is_some());
        let mut page = vec![Trace::Person { user, has_password }];
        let presence = Presence { db: Arc::clone(&self.db) }.presence(tenant, id).await?;
        page.extend(presence.map(Trace::Presence));
        let withdrawn = revocation::Entity::of(tenant)
            .filter(revocation::Column::Kind.eq(token::USER))
            .filter(revocation::Column::Subject.eq(id.to_string()))
            .one(db)
            .await?;
        page.extend(withdrawn.map(|row| Trace::Withdrawn(row.at)));
        match (Sessions { db: Arc::clone(&self.db) }).provider(tenant, id).await {
            Ok(provider) => page.push(Trace::Provider(Box::new(provider))),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(page)
    }

    async fn sessions(&self, before: Option<i64>) -> Result<(Vec<Trace>, Stage)> {
        let (tenant, person) = self.who;
        let own = SessionFilter { party: Some(person), ..SessionFilter::default() };
        let sessions = Sessions { db: Arc::clone(&self.db) };
        let rows = sessions.list(tenant, &own, before, PAGE_ROWS).await?;
        let next = rows.last().map_or(Stage::Visits(0), |last| Stage::Sessions(Some(last.number)));
        Ok((rows.into_iter().map(|row| Trace::Session(Box::new(row))).collect(), next))
    }

    /// The next conversation that names them in a column.
    async fn conversation(
        &self,
        column: conversation::Column,
        after: Option<Uuid>,
    ) -> Result<Option<(Uuid, Vec<Trace>)>> {
        let found = find::conversations(self.who, column, after, 1).one(&self.db.readers).await?;
        let Some(row) = found else { return Ok(None) };
        // Who owns what they look after has read it already.
        let is_told =
            matches!(column, conversation::Column::AssigneeId) && row.owner_id == Some(self.who.1.0);
        let id = row.id;
        let page = if is_told { Vec::new() } else { self.shown(vec![row]).await? };
        Ok(Some((id, page)))
    }

    async fn shown(&self, rows: Vec<conversation::Model>) -> Result<Vec<Trace>> {
        let (db, (tenant, person)) = (&self.db.readers, self.who);
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let seats = participant::Entity::of(tenant)
            .filter(participant::Column::PersonId.eq(person.0))
            .filter(participant::Column::ConversationId.is_in(ids))
            .all(db)
            .await?;
        let mut seats: HashMap<Uuid, participant::Model> =
            seats.into_iter().map(|seat| (seat.conversation_id, seat)).collect();
        let joined = join::conversations(db, rows).await?.into_iter();
        joined
            .map(|conversation| {
                let seat = seats.remove(&conversation.id.0);
                let seat = seat.map(|seat| Ok::<_, crate::Error>((Part::of_code(seat.role)?, seat.until)));
                Ok(Trace::Conversation { conversation: Box::new(conversation), seat: seat.transpose()? })
            })
            .collect()
    }

    /// What others wrote in a conversation of theirs.
    async fn answers(&self, id: Uuid, after: i64) -> Result<(Vec<Trace>, Stage)> {
        let (tenant, person) = self.who;
        let rows = chat::messages(tenant, ConversationId(id))
            .filter(message::Column::Sequence.gt(after))
            .filter(message::Column::AuthorKey.ne(ERASED))
            .filter(message::Column::AuthorId.is_null().or(message::Column::AuthorId.ne(person.0)))
            .order_by_asc(message::Column::Sequence)
            .limit(PAGE_ROWS)
            .all(&self.db.readers)
            .await?;
        let next = rows.last().map_or(Stage::Owned(Some(id)), |last| Stage::Answers(id, last.sequence));
        Ok((self.messages(&rows).await?, next))
    }

    /// One visit at a time: its pages may be long.
    async fn visits(&self, after: i64) -> Result<(Vec<Trace>, Stage)> {
        let found = visit::visits_of(&self.db.readers, self.who, after, 1).await?;
        let Some(row) = found.into_iter().next() else { return Ok((Vec::new(), Stage::Requests)) };
        let (visits, tenant, number) = (Visits { db: Arc::clone(&self.db) }, self.who.0, row.number);
        let pages = visits.pages(tenant, number).await?;
        let actions = visits.actions(tenant, number).await?;
        let visit = Box::new(Visit::of(row)?);
        Ok((vec![Trace::Visit { visit, pages, actions }], Stage::Visits(number)))
    }

    async fn seats(&self, after: Option<Uuid>) -> Result<(Vec<Trace>, Stage)> {
        let (db, (tenant, person)) = (&self.db.readers, self.who);
        let seats = find::seats(self.who, after, PAGE_ROWS).all(db).await?;
        let Some(last) = seats.last() else {
            return Ok((Vec::new(), Stage::Written(0, order::head(db, tenant).await?)));
        };
        let next = Stage::Seats(Some(last.conversation_id));
        let ids = seats.iter().map(|seat| seat.conversation_id);
        let mut rows = conversation::Entity::of(tenant)
            .filter(conversation::Column::Id.is_in(ids))
            .order_by_asc(conversation::Column::Id)
            .all(db)
            .await?;
        rows.retain(|row| row.owner_id != Some(person.0) && row.assignee_id != Some(person.0));
        Ok((self.shown(rows).await?, next))
    }

    async fn written(&self, after: i64, until: i64) -> Result<(Vec<Trace>, Stage)> {
        let found = find::written(&self.db.readers, self.who, (after, until), PAGE_ROWS).await?;
        let next = found.next.map_or(Stage::Caused(0, until), |next| Stage::Written(next, until));
        Ok((self.messages(&found.rows).await?, next))
    }

    async fn messages(&self, rows: &[message::Model]) -> Result<Vec<Trace>> {
        let joined = join::messages(&self.db.readers, rows).await?;
        let own = |row: &message::Model| row.author_id == Some(self.who.1.0);
        let traces = rows.iter().zip(joined).map(|(row, message)| Trace::Message {
            message: Box::new(message),
            request_id: row.request_id.clone().filter(|_| own(row)),
            own: own(row),
        });
        Ok(traces.collect())
    }

    async fn caused(&self, after: i64, until: i64) -> Result<(Vec<Trace>, Stage)> {
        let found = find::caused(&self.db.readers, self.who, (after, until), PAGE_ROWS).await?;
        let next = found.next.map_or(Stage::Reactions(None), |next| Stage::Caused(next, until));
        let events = order::join(&self.db.readers, &[], &found.rows).await?;
        Ok((events.into_iter().map(|event| Trace::Event(Box::new(event))).collect(), next))
    }

    async fn reactions(&self, after: Option<OnMessage>) -> Result<(Vec<Trace>, Stage)> {
        let rows = find::reactions(&self.db.readers, self.who, after.as_ref(), PAGE_ROWS).await?;
        let last = rows.last().map(|row| (row.conversation_id, row.sequence, row.emoji.clone()));
        let next = last.map_or(Stage::ReadMarks(None), |last| Stage::Reactions(Some(last)));
        let traces = rows.into_iter().map(|row| Trace::Reaction {
            conversation: ConversationId(row.conversation_id),
            sequence: row.sequence,
            emoji: row.emoji,
            at: row.created_at,
        });
        Ok((traces.collect(), next))
    }

    async fn read_marks(&self, after: Option<Uuid>) -> Result<(Vec<Trace>, Stage)> {
        let rows = find::read_marks(&self.db.readers, self.who, after, PAGE_ROWS).await?;
        let last = rows.last().map(|row| row.conversation_id);
        let next = last.map_or(Stage::Sessions(None), |last| Stage::ReadMarks(Some(last)));
        let traces = rows.into_iter().map(|row| Trace::ReadMark {
            conversation: ConversationId(row.conversation_id),
            through: row.through_sequence,
            at: row.read_at,
        });
        Ok((traces.collect(), next))
    }

    async fn wallets(&self) -> Result<Vec<Trace>, Failure> {
        let wallets = billing::wallets(&self.db.readers, self.who).await?;
        Ok(wallets.into_iter().map(|(unit, balances)| Trace::Wallet { unit, balances }).collect())
    }

    async fn booked(&self, after: (i64, i16)) -> Result<(Vec<Trace>, Stage)> {
        let rows = billing::booked(&self.db.readers, self.who, after, PAGE_ROWS).await?;
        let next = rows.last().map_or(Stage::End, |(entry, of)| Stage::Booked(of.number, entry.line));
        Ok((rows.into_iter().map(|row| Trace::Booked(Box::new(row))).collect(), next))
    }

    /// All at once: they are a day's, and each caller has a share of what may be recorded.
    async fn requests(&self) -> Result<Vec<Trace>, Failure> {
        let rows = find::requests(self.who, u64::from(u32::MAX)).all(&self.db.readers).await?;
        let traces = rows.into_iter().map(|row| Trace::Request {
            method: row.method,
            request_id: row.request_id,
            expires_at: row.expires_at,
        });
        Ok(traces.collect())
    }
}
