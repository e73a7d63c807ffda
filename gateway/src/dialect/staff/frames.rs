//! What the frames of a socket do: registrations and staff messages.
//!
//! ```text
//! register        [ask for the conversation with the token] ─► [attach] ─► subscribe the conversation ─► registered
//! register_admin  attach with the token ─► staff? ─► subscribe the feed ─► admin_registered
//! staff_message   staff? ─► SendMessage
//! ```
//!
//! What a socket hears is only what it registered for and still may hear. A registration that fails leaves the ones
//! before as they were.
//!
//! The connection speaks for one person at a time: for staff once `register_admin` has succeeded, else for whoever the
//! latest `register` proved, else for a guest. Staff who show a customer's token to `register_admin` are staff no more.
//!
//! A reply that a client both posts and sends as `staff_message` is two messages, stored and delivered twice: identical
//! texts by one person within seconds also happen on purpose, and no key of the client tells the two apart.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use parlor_api::v1::{self, topic::Name};
use serde_json::{Map, Value};

use super::{read, shape};
use crate::dialect::{
    Credential, Effect, Frame, Recovery, TopicHandle,
    ask::Core,
    refusal::{Kind, Refusal},
    who::{CUSTOMER, STAFF, is_staff},
};

const NOT_REGISTERED: Fault = Fault::Refused("Registration failed");
const ADMIN_NOT_REGISTERED: Fault = Fault::Failed("Admin registration failed");

/// What came of a frame: perhaps an answer.
pub(super) type Handled = Result<Option<Frame>, Fault>;

/// Why a frame is not carried out, in the words that are told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Refused(&'static str),
    /// Nobody could say whether it may be.
    Failed(&'static str),
    /// What was shown does not prove that somebody is staff.
    Unproven,
}

/// A socket as its handlers see it.
#[derive(Clone)]
pub(super) struct Client {
    core: Core,
    standing: Arc<Mutex<Standing>>,
}

/// Whom the connection speaks for, and what it hears. It changes while a handler waits if the rights end.
#[derive(Debug, Default)]
pub(super) struct Standing {
    speaker: Speaker,
    /// The session it registered for last.
    session: Option<Session>,
    feed: Feed,
    /// Proofs refused in a row.
    refused_proofs: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Speaker {
    #[default]
    Nobody,
    Guest,
    Customer,
    Staff,
}

#[derive(Debug)]
struct Session {
    id: String,
    /// `None` while it is being subscribed again.
    topic: Option<TopicHandle>,
}

/// How far a socket hears what staff hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Feed {
    #[default]
    Unheard,
    /// The subscription is on its way.
    Asked,
    Heard(TopicHandle),
}

impl Standing {
    /// The rights have ended; with what was heard of the feed by them.
    pub fn end(&mut self) -> Feed {
        self.speak_for(Speaker::Nobody)
    }

    /// Speaks for somebody who is not staff; with what was heard of the feed.
    fn speak_for(&mut self, speaker: Speaker) -> Feed {
        self.speaker = speaker;
        mem::take(&mut self.feed)
    }

    /// It has registered for something: as staff, or for a session.
    pub fn has_joined(&self) -> bool {
        self.speaker == Speaker::Staff || self.session.is_some()
    }

    fn speak_for_staff(&mut self) {
        self.speaker = Speaker::Staff;
        self.refused_proofs = 0;
    }

    /// A proof is refused; how many in a row that makes.
    pub fn refuse_proof(&mut self) -> u32 {
        self.refused_proofs += 1;
        self.refused_proofs
    }

    /// The session's subscription is gone; false if there is no session.
    pub fn forget_topic(&mut self) -> bool {
        self.session.as_mut().map(|session| session.topic = None).is_some()
    }

    /// The session that is to be heard again.
    fn unheard(&self) -> Option<String> {
        let unheard = self.session.as_ref().filter(|session| session.topic.is_none());
        unheard.map(|session| session.id.clone())
    }

    fn hears(&self, session_id: &str) -> bool {
        self.session.as_ref().is_some_and(|session| session.id == session_id && session.topic.is_some())
    }
}

impl Client {
    pub fn new(core: &Core) -> Self {
        Self { core: core.clone(), standing: Arc::default() }
    }

    /// `register`: hears the conversation of a session.
    pub async fn register(self, frame: Map<String, Value>) -> Handled {
        let session_id = frame.get("sessionId").and_then(Value::as_str);
        let session_id = session_id.and_then(read::customer_session_id).ok_or(NOT_REGISTERED)?;
        let token = frame.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        if let Some(token) = token {
            let credential = self.judge(session_id, token).await?;
            self.hear(session_id, credential).await?;
        } else if !self.standing().hears(session_id) {
            self.hear(session_id, Credential::Guest).await?;
        }
        Ok(Some(shape::registered_frame(session_id)))
    }

    /// Hears the session again as a guest, unless it is heard.
    pub async fn restore(self) -> Handled {
        let unheard = self.standing().unheard();
        if let Some(id) = unheard {
            self.hear(&id, Credential::Guest).await?;
        }
        Ok(None)
    }

    /// `register_admin`: hears what staff hear.
    pub async fn register_admin(self, frame: Map<String, Value>) -> Handled {
        let token = match frame.get("token") {
            Some(Value::String(token)) if !token.is_empty() => token.clone(),
            token if read::falsy(token) => return Err(Fault::Refused("Token required")),
            _ => return Err(Fault::Unproven),
        };
        let attached = match self.attach(Credential::Bearer(token)).await {
            Ok(attached) => attached,
            Err(refusal) if refusal.is_outage() => return Err(ADMIN_NOT_REGISTERED),
            Err(_) => return Err(Fault::Unproven),
        };
        if !is_staff(&attached) {
            if let Feed::Heard(topic) = self.standing().speak_for(Speaker::Customer) {
                self.core.tell(Effect::unsubscribe(topic));
            }
            return Err(Fault::Unproven);
        }
        self.standing().speak_for_staff();
        let user_id = attached.person.map(|person| person.subject).unwrap_or_default();
        Ok(self.hear_feed().await?.then(|| shape::admin_registered_frame(&user_id)))
    }

    /// `staff_message`: a reply, which nothing answers.
    pub async fn staff_message(self, frame: Map<String, Value>) -> Handled {
        if !matches!(self.standing().feed, Feed::Heard(_)) {
            return Err(Fault::Refused("Authentication failed"));
        }
        let text = read::text(frame.get("content"));
        let text = text.map_err(|_problem| Fault::Refused("Invalid message content"))?;
        let session_id = frame.get("sessionId").and_then(Value::as_str).and_then(read::session_id);
        let session_id = session_id.ok_or(Fault::Refused("Conversation not found"))?;
        let request = v1::SendMessageRequest {
            conversation: Some(read::by_name(session_id)),
            text: text.to_owned(),
            ..v1::SendMessageRequest::default()
        };
        let sent = self.core.ask(request, &Credential::Connection).await;
        sent.map(|_sent| None).map_err(|refusal| Fault::Refused(why_unsent(&refusal)))
    }

    /// Whom a customer's token speaks for. The core is asked whether it may see the conversation: if it is nobody's yet,
    /// everybody may, and a token that proves nothing is as good as none.
    async fn judge(&self, session_id: &str, token: &str) -> Result<Credential, Fault> {
        let credential = Credential::Bearer(token.to_owned());
        let request = v1::GetConversationRequest { conversation: Some(read::by_key(session_id)) };
        let Err(refusal) = self.core.ask(request, &credential).await else { return Ok(credential) };
        match refusal.reason {
            v1::Reason::ConversationNotFound => Ok(credential),
            v1::Reason::NotOwner => Err(NOT_REGISTERED),
            _ if refusal.is_outage() => Err(NOT_REGISTERED),
            _ => Ok(Credential::Guest),
        }
    }

    /// Hears a conversation, in the place of the one before.
    async fn hear(&self, session_id: &str, credential: Credential) -> Result<(), Fault> {
        let speaker = if credential == Credential::Guest { Speaker::Guest } else { Speaker::Customer };
        let speaks_for = self.standing().speaker;
        // Staff may hear every conversation, and a guest who stays one proves nothing anew.
        if speaks_for != Speaker::Staff && (speaker, speaks_for) != (Speaker::Guest, Speaker::Guest) {
            self.attach(credential).await.map_err(|_refusal| NOT_REGISTERED)?;
            self.standing().speaker = speaker;
        }
        let name = Name::ConversationKey(session_id.to_owned());
        let replaces = self.standing().session.as_ref().and_then(|session| session.topic.clone());
        let heard = self.core.subscribe(name, CUSTOMER, replaces).await;
        let topic = Some(heard.map_err(|_refusal| NOT_REGISTERED)?);
        self.standing().session = Some(Session { id: session_id.to_owned(), topic });
        Ok(())
    }

    /// Hears the feed of the tenant; false if the rights to it ended meanwhile, which was told.
    async fn hear_feed(&self) -> Result<bool, Fault> {
        if self.standing().feed != Feed::Unheard {
            return Ok(true);
        }
        self.standing().feed = Feed::Asked;
        let heard = self.core.subscribe(Name::Feed(v1::TopicFeed::default()), STAFF, None).await;
        let mut standing = self.standing();
        let asked = mem::take(&mut standing.feed) == Feed::Asked;
        match heard {
            Ok(topic) if asked => standing.feed = Feed::Heard(topic),
            Ok(topic) => self.core.tell(Effect::unsubscribe(topic)),
            Err(_) if asked => return Err(ADMIN_NOT_REGISTERED),
            Err(_) => {}
        }
        Ok(asked)
    }

    /// Proves who the connection is. A session that belongs to somebody else is heard no longer.
    async fn attach(&self, credential: Credential) -> Result<v1::LinkAttached, Refusal> {
        let attached = self.core.attach(credential, Recovery::default()).await?;
        if let Some(session) = &mut self.standing().session {
            session.topic.take_if(|topic| attached.dropped.contains(&topic.0));
        }
        Ok(attached)
    }

    /// It is locked for a moment at a time, and never while a handler waits.
    pub fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn why_unsent(refusal: &Refusal) -> &'static str {
    match refusal.kind {
        Kind::NotFound => "Conversation not found",
        Kind::Malformed => "Invalid message content",
        Kind::NotProven | Kind::NotPermitted => "Authentication failed",
        Kind::TooMany => "Too many messages",
        _ => "Error sending message",
    }
}
