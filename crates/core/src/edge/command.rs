//! What a command of a gateway does before its session records the outcome: everything that waits for something.

use std::{sync::Arc, time::Duration};

use parlor_api::v1::{self, link_attach::Credential, topic::Name};
use parlor_store::UserId;
use prost::Message as _;

use super::{Shared, queue::Handle};
use crate::{
    Error, Result,
    auth::{Context, RawCredential},
    caller::Principal,
    chat::access::{Named, check_key},
    hub::{Interest, Topic},
    presence::{MAX_LINGER, Presence},
    wire::{signed, unsigned},
};

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
}

/// Counts a connection for its person's presence, until it is dropped.
pub(super) struct Present {
    presence: Presence,
    principal: Arc<Principal>,
    user: UserId,
    key: String,
    linger: Duration,
    stays: bool,
}

/// A topic that a connection may hear, open.
pub(super) struct Hearing {
    pub topic: Topic,
    pub conversation_id: String,
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
            self.presence.disconnect(self.principal.tenant, self.user, &self.key, self.linger);
        }
    }
}

/// Proves a connection and counts it. `scope` makes its name unique among all gateways.
pub(super) async fn attach(shared: &Shared, scope: &str, request: v1::LinkAttach) -> Result<Attached> {
    let mount = request.mount.unwrap_or_default();
    let guests = matches!(request.credential, Some(Credential::Guest(true)));
    let credential = match request.credential {
        Some(Credential::Bearer(token)) => RawCredential::Bearer(token),
        Some(Credential::ApiKey(key)) => RawCredential::ApiKey(key),
        Some(Credential::Guest(true)) => RawCredential::Guest,
        Some(Credential::Handle(handle)) => RawCredential::Handle(handle),
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
    };
    let principal = shared.rights.resolve(&credential, &context).await?;
    if principal.tenant == Principal::NO_TENANT {
        return Err(Error::field("mount.tenant", "the credential opens several tenants: name one"));
    }
    let linger = linger(request.linger)?;
    let peer: Arc<str> = request.peer.into();
    let Some(user) = principal.user().filter(|_| request.present) else {
        return Ok(Attached { principal, peer, present: None });
    };
    let present = Present {
        presence: shared.presence.clone(),
        user: user.id,
        principal: Arc::clone(&principal),
        key: format!("{scope}/{}", request.connection),
        linger,
        stays: false,
    };
    // Guarded before it is counted: whatever ends this future takes the count back.
    shared.presence.connect(principal.tenant, user, present.key.clone()).await?;
    Ok(Attached { principal, peer, present: Some(present) })
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
    hears: &[Topic],
    topic: Option<v1::Topic>,
) -> Result<Hearing> {
    let tenant = principal.tenant;
    let named = |id: &str| {
        parlor_store::ConversationId::parse(id)
            .map(Named::Id)
            .ok_or_else(|| Error::field("topic", "must be named by a UUID"))
    };
    let topic = match topic.and_then(|topic| topic.name) {
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
            if !hears.contains(&Topic::Conversation(tenant, named.id())) {
                shared.chat.may_hear(principal, peer, &named).await?;
            }
            Topic::Typing(tenant, named.id())
        }
        None => return Err(Error::field("topic", "must be named")),
    };
    let conversation_id = match topic {
        Topic::Conversation(_, id) | Topic::Typing(_, id) => id.to_string(),
        Topic::Feed(_) | Topic::Presence(_) => String::new(),
    };
    Ok(Hearing { topic, conversation_id, interest: shared.hub.open(topic).await? })
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
