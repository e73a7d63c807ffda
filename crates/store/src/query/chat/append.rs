//! Appends messages together: whatever their number, each table is read or written once (in pieces of round sizes).
//!
//! The conversations are read under the tenants' locks, unless the writer knows them; a message of a missing one, or from
//! somebody who does not reach it, is refused and does not touch the others. So nobody's rights change while a message is
//! stored. A message with a request id that is stored already, or that comes earlier in the same call, is answered with
//! the stored one; with another payload it is refused. Hardly any message repeats another, so they may be stored without looking,
//! and then the unique key of requests refuses all of them. The effects of the others on their conversation are computed one
//! after the other, so each event shows the conversation as it was right after it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use uuid::Uuid;

use crate::{
    Appended, AuthorKind, Conversation, ConversationStatus, Error, EventBody, Message, MessageId, NewMessage,
    Result, SeenBy, SessionState, Shown, StoredEvent, TenantId, User, UserId, What, bulk,
    connection::Script,
    entity::{conversation, message},
    failure::Failure,
    query::{
        chat::{
            join::{self, Named, People},
            participant::{self, Seat},
            recent::{Known, Left, Recent},
        },
        code::Code,
    },
    tx::Tx,
};

/// A conversation's place.
type Place = (i64, Uuid);
/// (place, author key, request id): what makes a message a repetition.
type Request = (Place, String, String);

fn place(message: &NewMessage) -> Place {
    (message.cause.tenant.0, message.conversation_id.0)
}

fn seat(message: &NewMessage) -> Option<Seat> {
    let person = message.access.person?;
    Some((message.cause.tenant.0, message.conversation_id.0, person.0))
}

fn request(message: &NewMessage) -> Option<Request> {
    let id = message.request.as_ref()?.id.clone();
    Some((place(message), message.author_key.clone(), id))
}

/// How a message is found out that repeats one that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// Those that are stored are read.
    LookedFor,
    /// By the unique key, which then refuses the whole.
    LeftToTheKey,
}

/// An answer for each message, and what the writer knows if it is committed.
#[derive(Default)]
pub(crate) struct Appending {
    pub answers: Vec<Result<Appended>>,
    pub learnt: Learnt,
}

/// What the writer knows after a transaction, by tenant.
#[derive(Default)]
pub(crate) struct Learnt {
    pub conversations: BTreeMap<i64, Left<conversation::Model>>,
    pub people: BTreeMap<i64, Left<Arc<User>>>,
}

/// Appends all, and answers for each. An error of the whole is either grave, or has one message as its cause.
pub(crate) async fn append(
    tx: &mut Tx,
    recent: &Recent,
    messages: &[NewMessage],
    repeats: Repeats,
) -> Result<Appending, Failure> {
    if messages.is_empty() {
        return Ok(Appending::default());
    }
    let mut batch = Gathered::fetch(tx, recent, messages, repeats).await?;
    let mut answers = Vec::with_capacity(messages.len());
    let mut replays = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let answer = match batch.admits(message).and_then(|()| batch.known(message)) {
            Ok(Some(known)) => {
                replays.push((index, known.clone()));
                // Answered below, when all is stored.
                Err(Error::Defect("a replay without an answer".to_owned()))
            }
            Ok(None) if batch.is_over(message) => {
                if repeats == Repeats::LeftToTheKey && message.request.is_some() {
                    // It may be stored already, and then it is answered.
                    return Err(over().into());
                }
                Err(over())
            }
            Ok(None) => batch.add(tx, message)?,
            Err(refused) => Err(refused),
        };
        answers.push(answer);
    }
    let Gathered { conversations, touched, new_rows, newcomers, .. } = batch;
    let backend = tx.db().get_database_backend();
    tx.later(bulk::insert(backend, &new_rows));
    let changed = touched.iter().filter_map(|(place, touch)| Some((touch, conversations.get(place)?)));
    let (by_customers, by_others): (Vec<_>, Vec<_>) = changed.partition(|(touch, _)| touch.by_customer);
    for (by_customer, changed) in [(true, by_customers), (false, by_others)] {
        let rows: Vec<_> = changed.into_iter().map(|(_, row)| row.clone()).collect();
        tx.later(bulk::update_conversations(backend, by_customer, &rows));
    }
    for (index, answer) in answer_replays(tx, replays, &conversations).await? {
        answers[index] = Ok(answer);
    }
    let learnt = Learnt { conversations: left(tx, &touched, conversations)?, people: met(tx, newcomers)? };
    Ok(Appending { answers, learnt })
}

/// The conversations that were changed, by tenant, between the revision at which the first change was made and the present one.
fn left(
    tx: &mut Tx,
    touched: &BTreeMap<Place, Touch>,
    mut conversations: HashMap<Place, conversation::Model>,
) -> Result<BTreeMap<i64, Left<conversation::Model>>, Failure> {
    let mut left: BTreeMap<i64, Left<conversation::Model>> = BTreeMap::new();
    for (place, touch) in touched {
        let Some(row) = conversations.remove(place) else { continue };
        let after = tx.counters(TenantId(row.tenant))?.conversation_revision;
        let tenant = left.entry(row.tenant).or_insert_with(|| Left {
            before: touch.before,
            after,
            values: Vec::new(),
        });
        tenant.before = tenant.before.min(touch.before);
        tenant.values.push((row.id, row));
    }
    Ok(left)
}

/// The people who were read, by tenant, at the revision at which they were.
fn met(tx: &mut Tx, newcomers: Vec<Arc<User>>) -> Result<BTreeMap<i64, Left<Arc<User>>>, Failure> {
    let mut met: BTreeMap<i64, Left<Arc<User>>> = BTreeMap::new();
    for user in newcomers {
        let revision = tx.counters(user.tenant)?.people_revision;
        let new = || Left { before: revision, after: revision, values: Vec::new() };
        met.entry(user.tenant.0).or_insert_with(new).values.push((user.id.0, user));
    }
    Ok(met)
}

/// What the messages are about, read once for all of them, and what becomes of it.
struct Gathered {
    conversations: HashMap<Place, conversation::Model>,
    /// Stored messages by their request, old ones and those of this batch.
    requests: HashMap<Request, message::Model>,
    /// Seats that are taken, of those on which it depends whether a message is stored.
    seats: HashSet<Seat>,
    people: People,
    /// Those of the people whom the writer did not know.
    newcomers: Vec<Arc<User>>,
    /// The conversations that change.
    touched: BTreeMap<Place, Touch>,
    new_rows: Vec<message::Model>,
}

/// What changes of a conversation.
struct Touch {
    /// The tenant's revision before the first change.
    before: i64,
    /// A customer wrote.
    by_customer: bool,
}

impl Gathered {
    async fn fetch(
        tx: &mut Tx,
        recent: &Recent,
        messages: &[NewMessage],
        repeats: Repeats,
    ) -> Result<Self, Failure> {
        let conversations = conversations(tx, &recent.conversations, messages).await?;
        let backend = tx.db().get_database_backend();
        let mut named = Named::default();
        conversations.iter().for_each(|row| named.conversation(row));
        for message in messages {
            named.add(message.cause.tenant.0, message.cause.author.user_id.map(|UserId(id)| id));
        }
        let conversations = conversations.into_iter().map(|row| ((row.tenant, row.id), row)).collect();
        let mut unsure = BTreeSet::new();
        for message in messages {
            if admits(&conversations, message, false).is_err() {
                unsure.extend(seat(message));
            }
        }
        let mut people = People::default();
        named.retain(|tenant, id| {
            let revision = tx.counters(TenantId(tenant)).map(|counters| counters.people_revision);
            let known = revision.ok().and_then(|revision| recent.people.find(tenant, revision, id));
            known.inspect(|user| people.add(Arc::clone(user))).is_none()
        });
        let mut script = Script::default();
        let requests = match repeats {
            Repeats::LookedFor => script.read(stored_requests(backend, messages)),
            Repeats::LeftToTheKey => 0..0,
        };
        let reading = named.reading(backend, &mut script);
        let gave = tx.read(script).await?;
        let newcomers: Vec<_> = reading.of(&gave)?.into_iter().map(Arc::new).collect();
        newcomers.iter().for_each(|user| people.add(Arc::clone(user)));
        Ok(Self {
            requests: by_request(gave.rows(requests)?),
            people,
            newcomers,
            seats: participant::taken(tx.db(), unsure).await?,
            conversations,
            touched: BTreeMap::new(),
            new_rows: Vec::new(),
        })
    }

    /// Fails unless whoever writes a message is still somebody, and reaches its conversation.
    fn admits(&self, message: &NewMessage) -> Result<()> {
        let author = message.cause.author.user_id.map(|UserId(id)| id);
        if self.people.is_withdrawn(message.cause.tenant.0, author) {
            return Err(Error::Withdrawn);
        }
        let takes_part = seat(message).is_some_and(|seat| self.seats.contains(&seat));
        admits(&self.conversations, message, takes_part)
    }

    /// What nobody but its participants sees takes no messages any more once it is closed: nobody else could have closed it
    /// but the session that it belonged to.
    fn is_over(&self, message: &NewMessage) -> bool {
        self.conversations.get(&place(message)).is_some_and(|row| {
            row.seen_by == SeenBy::Nobody.code() && row.status == ConversationStatus::Closed.code()
        })
    }

    /// The stored message of the same request; an error if the request says something else.
    fn known(&self, message: &NewMessage) -> Result<Option<&message::Model>> {
        let Some(stored) = request(message).and_then(|request| self.requests.get(&request)) else {
            return Ok(None);
        };
        let same = match (&stored.payload_hash, &message.request) {
            (Some(stored), Some(request)) => *stored == request.payload_hash,
            // Of a message from before hashes were kept only the text is known.
            (None, _) | (_, None) => stored.text == message.text,
        };
        if same { Ok(Some(stored)) } else { Err(Error::RequestIdReused) }
    }

    /// Numbers a new message, and does to its conversation what it does.
    fn add(&mut self, tx: &mut Tx, new: &NewMessage) -> Result<Result<Appended>, Failure> {
        let Some(conversation) = self.conversations.get_mut(&place(new)) else {
            return Ok(Err(Error::NotFound(What::Conversation)));
        };
        let before = tx.counters(new.cause.tenant)?.conversation_revision;
        let row = number(tx, conversation, new)?;
        take_effect(conversation, &row, new.leaves_unread)?;
        let touch = self.touched.entry(place(new)).or_insert(Touch { before, by_customer: false });
        touch.by_customer |= new.cause.author.kind == AuthorKind::Customer;
        let message = self.people.message(&row)?;
        let after = self.people.conversation(conversation, Some(message.clone()))?;
        tx.announce(event(new, &message, &after));
        if let Some(request) = request(new) {
            self.requests.insert(request, row.clone());
        }
        self.new_rows.push(row);
        Ok(Ok(Appended { message, conversation: after, replayed: false }))
    }
}

fn over() -> Error {
    Error::SessionState(SessionState::Ended)
}

fn admits(
    conversations: &HashMap<Place, conversation::Model>,
    message: &NewMessage,
    takes_part: bool,
) -> Result<()> {
    let row = conversations.get(&place(message)).ok_or(Error::NotFound(What::Conversation))?;
    let (key, owner) = (row.key.as_deref(), row.owner_id.map(UserId));
    message.access.check_keyed(key, owner, SeenBy::of_code(row.seen_by)?, takes_part)
}

/// The conversations of these messages: those the writer knows, and the others read.
async fn conversations(
    tx: &mut Tx,
    recent: &Known<conversation::Model>,
    messages: &[NewMessage],
) -> Result<Vec<conversation::Model>, Failure> {
    let places: BTreeSet<Place> = messages.iter().map(place).collect();
    let (mut known, mut keys) = (Vec::with_capacity(places.len()), Vec::new());
    for (tenant, id) in places {
        // A tenant that is not there has no counters, and no conversations.
        let Ok(counters) = tx.counters(TenantId(tenant)) else { continue };
        match recent.find(tenant, counters.conversation_revision, id) {
            Some(row) => known.push(row.clone()),
            None => keys.push([tenant.into(), id.into()]),
        }
    }
    let columns = [conversation::Column::Tenant, conversation::Column::Id];
    known.extend(bulk::select::<conversation::Entity, 2>(tx.db(), columns, keys).await?);
    Ok(known)
}

/// What reads the messages that some of these may repeat.
fn stored_requests(backend: DbBackend, messages: &[NewMessage]) -> Vec<Statement> {
    use message::Column;
    let requests: BTreeSet<Request> = messages.iter().filter_map(request).collect();
    let keys: Vec<_> = requests
        .into_iter()
        .map(|((tenant, id), author, request)| [tenant.into(), id.into(), author.into(), request.into()])
        .collect();
    let columns = [Column::Tenant, Column::ConversationId, Column::AuthorKey, Column::RequestId];
    bulk::selection::<message::Entity, 4>(backend, columns, &keys)
}

fn by_request(rows: Vec<message::Model>) -> HashMap<Request, message::Model> {
    let named = rows.into_iter().filter_map(|row| {
        let request = row.request_id.clone()?;
        Some((((row.tenant, row.conversation_id), row.author_key.clone(), request), row))
    });
    named.collect()
}

fn number(
    tx: &mut Tx,
    conversation: &mut conversation::Model,
    new: &NewMessage,
) -> Result<message::Model, Failure> {
    let counters = tx.counters(new.cause.tenant)?;
    counters.position += 1;
    counters.message_number += 1;
    counters.conversation_revision += 1;
    conversation.last_sequence += 1;
    Ok(message::Model {
        tenant: new.cause.tenant.0,
        conversation_id: new.conversation_id.0,
        sequence: conversation.last_sequence,
        position: counters.position,
        author_kind: new.cause.author.kind.code(),
        author_id: new.cause.author.user_id.map(|UserId(id)| id),
        author_name: new.cause.author.name.clone(),
        created_at: new.cause.at,
        id: MessageId::new().0,
        number: counters.message_number,
        author_key: new.author_key.clone(),
        request_id: new.request.as_ref().map(|request| request.id.clone()),
        text: new.text.clone(),
        payload_hash: new.request.as_ref().map(|request| request.payload_hash.to_vec()),
    })
}

/// What a message does to its conversation, by the side it comes from.
fn take_effect(
    conversation: &mut conversation::Model,
    message: &message::Model,
    leaves_unread: bool,
) -> Result<(), Failure> {
    conversation.last_message_sequence = message.sequence;
    conversation.updated_at = conversation.updated_at.max(message.created_at);
    match AuthorKind::of_code(message.author_kind)? {
        AuthorKind::Customer => {
            conversation.status = ConversationStatus::Open.code();
            conversation.unanswered = true;
            conversation.unread_count += 1;
            conversation.customer_active_at = conversation.customer_active_at.max(message.created_at);
        }
        AuthorKind::Staff => {
            conversation.status = ConversationStatus::Open.code();
            conversation.waiting = false;
            conversation.unanswered = false;
            if !leaves_unread {
                conversation.unread_count = 0;
                conversation.staff_read_sequence = message.sequence;
                conversation.staff_read_at = Some(message.created_at);
            }
        }
        AuthorKind::System => {}
    }
    Ok(())
}

fn event(new: &NewMessage, message: &Message, after: &Conversation) -> StoredEvent {
    StoredEvent {
        tenant: new.cause.tenant,
        subject: new.conversation_id.into(),
        sequence: message.sequence,
        position: message.position,
        at: new.cause.at,
        origin: new.cause.origin.clone(),
        body: EventBody::Message(message.clone()),
        shown: Shown::Participants,
        conversation: Some(Arc::new(after.clone())),
        session: None,
    }
}

/// Answers repetitions with the stored message, and with the conversation as it is now.
async fn answer_replays(
    tx: &mut Tx,
    replays: Vec<(usize, message::Model)>,
    conversations: &HashMap<Place, conversation::Model>,
) -> Result<Vec<(usize, Appended)>, Failure> {
    if replays.is_empty() {
        return Ok(Vec::new());
    }
    // They may repeat what was stored just now.
    tx.write().await?;
    let rows: BTreeMap<Place, conversation::Model> = replays
        .iter()
        .map(|(_, row)| (row.tenant, row.conversation_id))
        .filter_map(|place| conversations.get(&place).map(|row| (place, row.clone())))
        .collect();
    let joined = join::conversations(tx.db(), rows.into_values().collect()).await?;
    let joined: HashMap<Place, Conversation> =
        joined.into_iter().map(|each| ((each.tenant.0, each.id.0), each)).collect();
    let (indices, stored): (Vec<usize>, Vec<message::Model>) = replays.into_iter().unzip();
    let messages = join::messages(tx.db(), &stored).await?;
    let answers = indices.into_iter().zip(stored).zip(messages).filter_map(|((index, row), message)| {
        let conversation = joined.get(&(row.tenant, row.conversation_id))?.clone();
        Some((index, Appended { message, conversation, replayed: true }))
    });
    Ok(answers.collect())
}
