//! Appends messages together: whatever their number, each table is read or written once (in pieces of round sizes).
//!
//! The conversations are read under the tenants' locks, unless the writer knows them; a message of a missing one, or from
//! somebody who does not reach it, is refused and does not touch the others. So nobody's rights change while a message is
//! stored. A message with a request id that is stored already, or that comes earlier in the same call, is answered with
//! the stored one; with another payload it is refused. The effects of the others on their conversation are computed one
//! after the other, so each event shows the conversation as it was right after it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry};

use sea_orm::IntoActiveModel;
use uuid::Uuid;

use crate::{
    Appended, AuthorKind, Conversation, ConversationStatus, Error, EventBody, Message, MessageId, NewMessage,
    Result, SeenBy, Shown, StoredEvent, TenantId, UserId, What, bulk,
    entity::{conversation, message},
    failure::Failure,
    query::{
        chat::{
            join::{self, Named, People},
            participant::{self, Seat},
            recent::{Left, Recent},
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

/// An answer for each message, and what the writer knows if it is committed.
#[derive(Default)]
pub(crate) struct Appending {
    pub answers: Vec<Result<Appended>>,
    pub left: BTreeMap<i64, Left>,
}

/// Appends all, and answers for each. An error of the whole is either grave, or has one message as its cause.
pub(crate) async fn append(
    tx: &mut Tx,
    recent: &Recent,
    messages: &[NewMessage],
) -> Result<Appending, Failure> {
    if messages.is_empty() {
        return Ok(Appending::default());
    }
    let mut batch = Gathered::fetch(tx, recent, messages).await?;
    let mut answers = Vec::with_capacity(messages.len());
    let mut replays = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let answer = match batch.admits(message).and_then(|()| batch.known(message)) {
            Ok(Some(known)) => {
                replays.push((index, known.clone()));
                // Answered below, when all is stored.
                Err(Error::Defect("a replay without an answer".to_owned()))
            }
            Ok(None) => batch.add(tx, message)?,
            Err(refused) => Err(refused),
        };
        answers.push(answer);
    }
    let Gathered { conversations, touched, new_rows, .. } = batch;
    let changed: Vec<_> = touched.keys().filter_map(|place| conversations.get(place).cloned()).collect();
    bulk::insert(tx.db(), new_rows.into_iter().map(IntoActiveModel::into_active_model).collect()).await?;
    bulk::update_conversations(tx.db(), &changed).await?;
    for (index, answer) in answer_replays(tx, replays, &conversations).await? {
        answers[index] = Ok(answer);
    }
    let left = leave(tx, touched, changed)?;
    Ok(Appending { answers, left })
}

/// What was changed, by tenant, between the revision at which its first change was made and the present one.
fn leave(
    tx: &mut Tx,
    touched: BTreeMap<Place, i64>,
    changed: Vec<conversation::Model>,
) -> Result<BTreeMap<i64, Left>, Failure> {
    let mut left: BTreeMap<i64, Left> = BTreeMap::new();
    for (row, before) in changed.into_iter().zip(touched.into_values()) {
        let tenant = left.entry(row.tenant);
        let tenant = match tenant {
            Entry::Vacant(vacant) => {
                let after = tx.counters(TenantId(row.tenant))?.conversation_revision;
                vacant.insert(Left { before, after, conversations: Vec::new() })
            }
            Entry::Occupied(occupied) => occupied.into_mut(),
        };
        tenant.before = tenant.before.min(before);
        tenant.conversations.push(row);
    }
    Ok(left)
}

/// What the messages are about, read once for all of them, and what becomes of it.
struct Gathered {
    conversations: HashMap<Place, conversation::Model>,
    /// Stored messages by their request, old ones and those of this batch.
    requests: HashMap<Request, message::Model>,
    /// Seats that are taken, of those on which it depends whether a message is stored.
    seats: HashSet<Seat>,
    people: People,
    /// The conversations that change, each with the tenant's revision before its first change.
    touched: BTreeMap<Place, i64>,
    new_rows: Vec<message::Model>,
}

impl Gathered {
    async fn fetch(tx: &mut Tx, recent: &Recent, messages: &[NewMessage]) -> Result<Self, Failure> {
        let conversations = conversations(tx, recent, messages).await?;
        let requests = stored_requests(tx, messages).await?;
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
        Ok(Self {
            people: named.fetch(tx.db()).await?,
            seats: participant::taken(tx.db(), unsure).await?,
            conversations,
            requests,
            touched: BTreeMap::new(),
            new_rows: Vec::new(),
        })
    }

    /// Fails unless whoever writes a message reaches its conversation.
    fn admits(&self, message: &NewMessage) -> Result<()> {
        let takes_part = seat(message).is_some_and(|seat| self.seats.contains(&seat));
        admits(&self.conversations, message, takes_part)
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
        self.touched.entry(place(new)).or_insert(before);
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

fn admits(
    conversations: &HashMap<Place, conversation::Model>,
    message: &NewMessage,
    takes_part: bool,
) -> Result<()> {
    let row = conversations.get(&place(message)).ok_or(Error::NotFound(What::Conversation))?;
    message.access.check(row.owner_id.map(UserId), SeenBy::of_code(row.seen_by)?, takes_part)
}

/// The conversations of these messages: those the writer knows, and the others read.
async fn conversations(
    tx: &mut Tx,
    recent: &Recent,
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

async fn stored_requests(
    tx: &Tx,
    messages: &[NewMessage],
) -> Result<HashMap<Request, message::Model>, Failure> {
    use message::Column;
    let requests: BTreeSet<Request> = messages.iter().filter_map(request).collect();
    let keys = requests
        .into_iter()
        .map(|((tenant, id), author, request)| [tenant.into(), id.into(), author.into(), request.into()])
        .collect();
    let columns = [Column::Tenant, Column::ConversationId, Column::AuthorKey, Column::RequestId];
    let rows = bulk::select::<message::Entity, 4>(tx.db(), columns, keys).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let request = row.request_id.clone()?;
            Some((((row.tenant, row.conversation_id), row.author_key.clone(), request), row))
        })
        .collect())
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
        conversation: Some(std::sync::Arc::new(after.clone())),
    }
}

/// Answers repetitions with the stored message, and with the conversation as it is now.
async fn answer_replays(
    tx: &Tx,
    replays: Vec<(usize, message::Model)>,
    conversations: &HashMap<Place, conversation::Model>,
) -> Result<Vec<(usize, Appended)>, Failure> {
    if replays.is_empty() {
        return Ok(Vec::new());
    }
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
