//! What a command of a gateway does before its session records the outcome: everything that waits for something.

use std::{sync::Arc, time::Duration};

use parlor_api::v1::{self, link_attach::Credential, topic::Name};
use parlor_store::{Roles, User, UserId};
use prost::Message as _;

use super::{
    Past, Shared,
    queue::Handle,
    session::{Heard, Redelivery},
};
use crate::{
    Error, Result,
    auth::{Context, RawCredential},
    caller::Principal,
    chat::access::{Named, check_key},
    hub::{Interest, Topic},
    presence::{Counted, MAX_LINGER},
    wire::{role, signed, unsigned},
};

/// A fetch that takes longer has failed, so that others have its place; the gateway asks again.
pub(super) const FETCH_WITHIN: Duration = Duration::from_secs(10);

/// How many events one fetch brings.
const FETCH_MAX: u64 = 500;

/// When so many bytes of events are in an answer, it is full: half of what a gRPC client takes by default.
pub(super) const FETCH_BYTES: usize = 2 * 1024 * 1024;

/// Credentials are at most so long; headers that carry them are no longer.
const MAX_CREDENTIAL_BYTES: usize = 16 * 1024;

/// A connection that is proven, and counted if it is present.
pub(super) struct Attached {
    pub principal: Arc<Principal>,
    /// The client's address; empty if unknown.
    pub peer: Arc<str>,
    pub present: Option<Present>,
    /// What it heard before and has no right to.
    pub dropped: Vec<Handle>,
    pub redelivery: Option<Box<Redelivery>>,
    pub pid: String,
    pub recovered_from: Option<i64>,
    /// Where the connection of the pid began.
    pub began: i64,
}

/// What a connection was before it proves itself again.
pub(super) struct Earlier {
    pub principal: Arc<Principal>,
    pub heard: Vec<Heard>,
    pub redelivery: Option<Box<Redelivery>>,
}

/// Counts a connection for its person's presence, until it is dropped.
pub(super) struct Present {
    shared: Arc<Shared>,
    principal: Arc<Principal>,
    user: UserId,
    counted: Counted,
    linger: Duration,
    stays: bool,
}

/// A topic that a connection may hear, open.
pub(super) struct Hearing {
    pub topic: Topic,
    pub conversation_id: String,
    /// It was named by its key.
    pub by_key: bool,
    pub interest: Interest,
}

impl Present {
    /// Leaves the person as they are: this core goes down, and the gateway goes on.
    pub fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if !self.stays {
            let presence = &self.shared.presence;
            presence.disconnect(self.principal.tenant, self.user, &self.counted, self.linger);
        }
    }
}

/// Proves a connection and counts it under a name that is unique among all gateways.
pub(super) async fn attach(
    shared: &Arc<Shared>,
    counted: Counted,
    number: u64,
    request: v1::LinkAttach,
    earlier: Option<Earlier>,
) -> Result<Attached> {
    let as_what = request.as_role();
    let mount = request.mount.unwrap_or_default();
    let by_handle = matches!(request.credential, Some(Credential::Handle(_)));
    let guests = matches!(request.credential, Some(Credential::Guest(true)));
    let credential = match request.credential {
        Some(Credential::Bearer(token)) => RawCredential::Bearer(token),
        Some(Credential::ApiKey(key)) => RawCredential::ApiKey(key),
        Some(Credential::Guest(true)) => RawCredential::Guest,
        Some(Credential::Handle(handle)) => RawCredential::Handle(handle),
        Some(Credential::Claim(claim)) => {
            let role = role(claim.role()).ok_or_else(|| Error::field("claim.role", "must be named"))?;
            RawCredential::Claim { subject: claim.subject, role }
        }
        Some(Credential::Guest(false)) | None => return Err(Error::CredentialMissing),
    };
    if let RawCredential::Bearer(text) | RawCredential::ApiKey(text) | RawCredential::Handle(text) =
        &credential
        && text.len() > MAX_CREDENTIAL_BYTES
    {
        return Err(Error::CredentialInvalid("it is too long".to_owned()));
    }
    let context = Context {
        tenant: Some(mount.tenant).filter(|slug| !slug.is_empty()),
        issuers: mount.issuers,
        guests,
        claims: mount.claims,
    };
    let principal = as_role(shared.rights.resolve(&credential, &context).await?, as_what)?;
    if principal.tenant == Principal::NO_TENANT {
        return Err(Error::field("mount.tenant", "the credential opens several tenants: name one"));
    }
    let linger = linger(request.linger)?;
    let peer: Arc<str> = request.peer.into();
    let dropped = match &earlier {
        Some(earlier) => without_right(shared, &principal, earlier).await?,
        None => Vec::new(),
    };
    let mut attached = Attached {
        principal,
        peer,
        present: None,
        dropped,
        redelivery: None,
        pid: String::new(),
        recovered_from: None,
        began: 0,
    };
    let Some(user) = attached.principal.user().cloned() else { return Ok(attached) };
    let head = shared.past.head(attached.principal.tenant).await?;
    let past = Recall { number, head, by_handle, redelivers: request.redelivers };
    attached.name(shared, &mount.name, &request.recover, head);
    if request.present {
        attached.present = Some(count(shared, &attached.principal, &user, counted, linger).await?);
    }
    // Last: what is taken for a connection that comes to nothing would have to be put back.
    attached.redelivery = recall(shared, &attached.principal, user.id, past, earlier).await?;
    Ok(attached)
}

/// Counts a connection for its person's presence.
async fn count(
    shared: &Arc<Shared>,
    principal: &Arc<Principal>,
    user: &Arc<User>,
    counted: Counted,
    linger: Duration,
) -> Result<Present> {
    let present = Present {
        shared: Arc::clone(shared),
        user: user.id,
        principal: Arc::clone(principal),
        counted: counted.clone(),
        linger,
        stays: false,
    };
    // Guarded before it is counted: whatever ends this future takes the count back.
    if let Err(error) = shared.presence.connect(principal.tenant, user, counted).await {
        // Nothing was counted; an earlier attach of this connection still is, under the same name.
        present.stay();
        return Err(error);
    }
    Ok(present)
}

/// What an attach says of the past.
struct Recall {
    number: u64,
    head: i64,
    by_handle: bool,
    redelivers: bool,
}

/// What a redelivering connection is told.
async fn recall(
    shared: &Shared,
    principal: &Principal,
    user: UserId,
    recall: Recall,
    earlier: Option<Earlier>,
) -> Result<Option<Box<Redelivery>>> {
    let Recall { number, head, by_handle, redelivers } = recall;
    if !redelivers {
        return Ok(None);
    }
    let key = (principal.tenant, user);
    let is_same = |was: &Principal| (was.tenant, was.user_id()) == (key.0, Some(user));
    let earlier = earlier.filter(|earlier| is_same(&earlier.principal));
    let missed = match earlier.and_then(|earlier| earlier.redelivery) {
        // The answer to the first may have been lost with the link; a new proof of who is here already misses nothing.
        Some(told) if told.number == number => return Ok(Some(told)),
        Some(told) => return Ok(Some(Box::new(Redelivery { number, missed: None, ..*told }))),
        None if by_handle => {
            shared.past.never_left(key);
            None
        }
        None => shared.past.take(key).await?,
    };
    Ok(Some(Box::new(Redelivery { number, missed, began: head })))
}

impl Attached {
    /// Names the connection for a later recovery, and takes up the one that it continues.
    fn name(&mut self, shared: &Shared, mount: &str, recover: &str, head: i64) {
        let (past, principal) = (&shared.past, &self.principal);
        let known = Some(recover).filter(|pid| !pid.is_empty());
        // One beyond the head is of a database that is no more.
        let began =
            known.and_then(|pid| past.recovered(principal, mount, pid)).filter(|began| *began <= head);
        self.pid = match began {
            Some(_) => recover.to_owned(),
            None => past.pid(principal, mount, head),
        };
        self.recovered_from = began;
        self.began = began.unwrap_or(head);
    }

    /// Comes to nothing: what it was told of the past is told to the next.
    pub fn give_back(&self, past: &Past) {
        let missed = self.redelivery.as_ref().and_then(|redelivery| redelivery.missed);
        if let (Some(missed), Some(user)) = (missed, self.principal.user_id()) {
            past.put_back((self.principal.tenant, user), missed);
        }
    }
}

/// Fails if it takes longer than anybody waits for it.
pub(super) async fn in_time<T>(within: Duration, fetch: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(within, fetch).await.unwrap_or(Err(Error::DeadlineExceeded))
}

/// The principal as what it comes.
fn as_role(principal: Arc<Principal>, role: v1::Role) -> Result<Arc<Principal>> {
    match role {
        v1::Role::Unspecified => Ok(principal),
        v1::Role::Customer if principal.user().is_none() || !principal.is_staff() => Ok(principal),
        v1::Role::Customer => {
            Ok(Arc::new(Principal { roles: Roles::CUSTOMER, ..Arc::unwrap_or_clone(principal) }))
        }
        v1::Role::Staff | v1::Role::Admin | v1::Role::Provider => {
            Err(Error::field("as_role", "must be CUSTOMER or unspecified"))
        }
    }
}

/// What a connection heard that its new principal has no right to.
async fn without_right(shared: &Shared, principal: &Principal, earlier: &Earlier) -> Result<Vec<Handle>> {
    let was = &earlier.principal;
    if was.tenant != principal.tenant {
        return Ok(earlier.heard.iter().map(|heard| heard.handle).collect());
    }
    let is_same = was.user_id() == principal.user_id() && was.is_staff() == principal.is_staff();
    if is_same || principal.is_staff() {
        return Ok(Vec::new());
    }
    let (mut dropped, mut kept, mut typing) = (Vec::new(), Vec::new(), Vec::new());
    for heard in &earlier.heard {
        match heard.topic {
            Topic::Feed(_) => dropped.push(heard.handle),
            Topic::Presence(_) => {}
            Topic::Typing(_, id) => typing.push((heard.handle, id)),
            Topic::Conversation(_, id) => {
                if shared.chat.may_hear_on(principal, id, heard.by_key).await? {
                    kept.push(id);
                } else {
                    dropped.push(heard.handle);
                }
            }
        }
    }
    for (handle, id) in typing {
        // Who hears a conversation, by whatever right, may hear who is typing in it.
        if !kept.contains(&id) && !shared.chat.may_hear_on(principal, id, false).await? {
            dropped.push(handle);
        }
    }
    Ok(dropped)
}

fn linger(linger: Option<prost_types::Duration>) -> Result<Duration> {
    let Some(linger) = linger else { return Ok(Duration::ZERO) };
    Duration::try_from(linger)
        .ok()
        .filter(|linger| *linger <= MAX_LINGER)
        .ok_or_else(|| Error::field("linger", format!("must be 0 to {} seconds", MAX_LINGER.as_secs())))
}

/// Authorises a connection to hear a topic, and opens it. `hears` are the topics that the connection hears already.
pub(super) async fn subscribe(
    shared: &Shared,
    principal: &Principal,
    peer: &str,
    hears: &[Heard],
    topic: Option<v1::Topic>,
) -> Result<Hearing> {
    let tenant = principal.tenant;
    let named = |id: &str| {
        parlor_store::ConversationId::parse(id)
            .map(Named::Id)
            .ok_or_else(|| Error::field("topic", "must be named by a UUID"))
    };
    let name = topic.and_then(|topic| topic.name);
    let by_key = matches!(name, Some(Name::ConversationKey(_)));
    let mut only = None;
    let topic = match name {
        Some(Name::Feed(v1::TopicFeed { conversation: Some(reference) })) => {
            only = Some(shared.chat.may_hear_named(principal, peer, reference).await?);
            Topic::Feed(tenant)
        }
        Some(Name::Feed(_)) if principal.is_staff() => Topic::Feed(tenant),
        Some(Name::Feed(_)) => return Err(Error::RoleRequired("staff")),
        Some(Name::Presence(_)) => Topic::Presence(tenant),
        Some(Name::ConversationId(id)) => {
            Topic::Conversation(tenant, shared.chat.may_hear(principal, peer, &named(&id)?).await?)
        }
        Some(Name::ConversationKey(key)) => {
            check_key("topic.conversation_key", &key)?;
            let named = Named::by_key(tenant, key);
            Topic::Conversation(tenant, shared.chat.may_hear(principal, peer, &named).await?)
        }
        Some(Name::Typing(id)) => {
            let named = named(&id)?;
            // Who hears a conversation, by whatever right, may hear who is typing in it.
            let conversation = Topic::Conversation(tenant, named.id());
            if !hears.iter().any(|heard| heard.topic == conversation) {
                shared.chat.may_hear(principal, peer, &named).await?;
            }
            Topic::Typing(tenant, named.id())
        }
        Some(Name::Own(own)) => {
            Topic::Conversation(tenant, shared.chat.own_or_next(principal, &own.kind).await?)
        }
        None => return Err(Error::field("topic", "must be named")),
    };
    let conversation_id = match topic {
        Topic::Conversation(_, id) | Topic::Typing(_, id) => id.to_string(),
        Topic::Feed(_) => only.map(|id| id.to_string()).unwrap_or_default(),
        Topic::Presence(_) => String::new(),
    };
    Ok(Hearing { topic, conversation_id, by_key, interest: shared.hub.open(topic).await? })
}

/// The events of a log that a gateway has missed: as many as fit.
pub(super) async fn fetch(
    shared: &Shared,
    topic: Option<Topic>,
    request: &v1::LinkFetch,
    number: u64,
) -> Result<v1::LinkFetched> {
    let handle: Handle = request.topic;
    let topic = topic.ok_or_else(|| Error::field("topic", "is not subscribed"))?;
    if !topic.is_log() {
        return Err(Error::field("topic", "is a state: there is nothing to fetch"));
    }
    let limit = match u64::from(request.limit) {
        0 => FETCH_MAX,
        limit => limit.min(FETCH_MAX),
    };
    let (announced, head) = shared.hub.fetch(topic, signed(request.after), limit).await?;
    let mut bytes = 0;
    let events: Vec<v1::LinkEvent> = announced
        .into_iter()
        .map(|announced| v1::LinkEvent {
            topic: handle,
            number: unsigned(announced.number),
            event: Some(Arc::unwrap_or_clone(announced.event)),
        })
        .take_while(|event| {
            // The first always fits: a page that brings nothing would be asked for again and again.
            let fits = bytes == 0 || bytes + event.encoded_len() <= FETCH_BYTES;
            bytes += event.encoded_len();
            fits
        })
        .collect();
    let last = events.last().map(|event| event.number);
    // The head was read after the events, so it may be newer than what a page that is not full reaches.
    let head = unsigned(head).max(last.unwrap_or_default());
    let through = last.unwrap_or(request.after.min(head));
    let floor = match topic {
        Topic::Conversation(tenant, id) => match shared.chat.floor(tenant, id).await {
            Ok(floor) => unsigned(floor),
            Err(Error::NotFound(_)) => 1,
            Err(error) => return Err(error),
        },
        Topic::Feed(_) | Topic::Presence(_) | Topic::Typing(..) => 1,
    };
    Ok(v1::LinkFetched { number, topic: handle, events, through, head, floor })
}
