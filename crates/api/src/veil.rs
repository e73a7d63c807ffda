//! What a customer may see: one veil, for every answer of the core and every event, in the core and in gateways.
//!
//! Staff see everything of their tenant. Whoever is not staff sees of another person what that person shows (the name, the
//! picture, Parlor's id and number), and never what they sign in with: not the username, not the e-mail address, not what an
//! issuer calls them. They see no labels, nothing below what was cleared in a conversation, and of those who are online
//! themselves and who is there to serve them. What is their own stays visible to them.
//!
//! The rule it keeps: the services answer as staff would see it, and an answer without [`Veiled`] does not compile there. So
//! what a new message brings is decided here, or is not told.

use crate::v1::{
    self, attend_response, conduct_response, converse_answer::Answer, converse_response, event::Payload,
    send_messages_result::Outcome,
};

/// Who looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    is_staff: bool,
    /// The user's id; empty for somebody without an account.
    own: String,
}

/// What may hold more than everybody may see.
pub trait Veiled {
    /// Takes away what the viewer may not see; false if nothing at all of it is for them.
    fn veil(&mut self, viewer: &Viewer) -> bool;
}

impl Viewer {
    /// Staff.
    #[must_use]
    pub fn staff() -> Self {
        Self { is_staff: true, own: String::new() }
    }

    /// Somebody else, by the user's id.
    #[must_use]
    pub fn customer(user_id: impl Into<String>) -> Self {
        Self { is_staff: false, own: user_id.into() }
    }

    /// Anybody: who looks has no account, or there are many who look.
    #[must_use]
    pub fn anybody() -> Self {
        Self::customer("")
    }

    #[must_use]
    pub fn is_staff(&self) -> bool {
        self.is_staff
    }

    /// Others than staff see themselves, and staff and providers who have not chosen to be off.
    #[must_use]
    pub fn sees(&self, presence: &v1::Presence) -> bool {
        let serves = presence
            .roles()
            .any(|role| matches!(role, v1::Role::Staff | v1::Role::Admin | v1::Role::Provider));
        self.is_staff
            || presence.person.as_ref().is_some_and(|person| self.is(person))
            || (serves && presence.availability() != v1::Availability::Off)
    }

    fn is(&self, person: &v1::Person) -> bool {
        !self.own.is_empty() && self.own == person.user_id
    }
}

impl<T: Veiled> Veiled for Option<T> {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        self.take_if(|shown| !shown.veil(viewer));
        true
    }
}

impl<T: Veiled> Veiled for Vec<T> {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        self.retain_mut(|shown| shown.veil(viewer));
        true
    }
}

// === People ===

impl Veiled for v1::Person {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        if !viewer.is_staff && !viewer.is(self) {
            // Who has no other name is called by the one to sign in with.
            if self.display_name == self.username {
                self.display_name.clear();
            }
            self.username.clear();
            self.email.clear();
            self.subject.clear();
        }
        true
    }
}

impl Veiled for v1::User {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        viewer.is_staff || viewer.own == self.id
    }
}

impl Veiled for v1::Presence {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        self.person.veil(viewer);
        viewer.sees(self)
    }
}

impl Veiled for v1::PresenceChanged {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        let Some(presence) = &mut self.presence else { return false };
        if !viewer.sees(presence) {
            // Somebody who chose to be off leaves, for those who saw them.
            presence.set_availability(v1::Availability::Available);
            if !viewer.sees(presence) {
                return false;
            }
            (presence.reachable, presence.connections, presence.online_since) = (false, 0, None);
        }
        self.person.veil(viewer);
        presence.veil(viewer)
    }
}

// === Conversations ===

impl Veiled for v1::Message {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        self.author.veil(viewer)
    }
}

impl Veiled for v1::Conversation {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        if viewer.is_staff {
            return true;
        }
        self.tags.clear();
        self.owner.veil(viewer);
        self.assignee.veil(viewer);
        let cleared = self.cleared_sequence;
        self.last_message.take_if(|message| message.sequence <= cleared);
        self.last_message.veil(viewer)
    }
}

/// From which connection something came is between gateways and the core.
impl Veiled for v1::Event {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        self.origin_connection.clear();
        if viewer.is_staff {
            return true;
        }
        let cleared = self.conversation.as_ref().map_or(0, |conversation| conversation.cleared_sequence);
        self.conversation.veil(viewer);
        let is_for_all = self.audience() == v1::Audience::Participants;
        // What cannot be read says nothing to them.
        self.payload
            .as_mut()
            .is_some_and(|payload| is_for_all && payload.veil(viewer) && !is_below(payload, cleared))
    }
}

impl Veiled for Payload {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        match self {
            Self::MessageSent(sent) => sent.message.as_mut().is_some_and(|message| message.veil(viewer)),
            Self::ConversationChanged(changed) => {
                if !viewer.is_staff {
                    changed.fields.retain(|field| field != TAGS);
                }
                changed.author.veil(viewer)
            }
            Self::MessagesRead(read) => read.reader.veil(viewer),
            Self::ReactionChanged(changed) => changed.author.veil(viewer),
            // Who hears of a wallet may see it.
            Self::MessagesErased(_) | Self::WalletChanged(_) => true,
            Self::TypingState(typing) => typing.authors.veil(viewer),
            Self::PresenceSnapshot(snapshot) => snapshot.presences.veil(viewer),
            Self::PresenceChanged(changed) => changed.veil(viewer),
            Self::SessionsSnapshot(snapshot) => snapshot.sessions.veil(viewer),
            Self::SessionChanged(changed) => changed.by.veil(viewer) && changed.session.veil(viewer),
            // Who knows the key of a visit may record as its visitor.
            Self::VisitSnapshot(_) | Self::VisitChanged(_) => viewer.is_staff,
        }
    }
}

/// The field of a conversation that holds its labels.
const TAGS: &str = "tags";

/// True for what is said of a message that was cleared.
fn is_below(payload: &Payload, cleared: u64) -> bool {
    let sequence = match payload {
        Payload::MessageSent(sent) => sent.message.as_ref().map(|message| message.sequence),
        Payload::ReactionChanged(changed) => Some(changed.message_sequence),
        Payload::MessagesErased(erased) => erased.message_sequences.iter().max().copied(),
        _ => None,
    };
    sequence.is_some_and(|sequence| sequence <= cleared)
}

/// Of an event of presence, what concerns people with a role; false if it concerns none.
pub fn is_about(event: &mut v1::Event, role: Option<v1::Role>) -> bool {
    let wanted = |presence: &v1::Presence| role.is_none_or(|role| presence.roles().any(|held| held == role));
    match &mut event.payload {
        Some(Payload::PresenceSnapshot(snapshot)) => {
            snapshot.presences.retain(wanted);
            true
        }
        Some(Payload::PresenceChanged(changed)) => changed.presence.as_ref().is_some_and(wanted),
        _ => false,
    }
}

// === Answers ===

/// Messages that are veiled where these fields are; those that are one event, of which nothing is left if it is not for the
/// viewer; the others hold nothing that could be somebody else's, or are for those alone who may see all of it.
macro_rules! veiled {
    ($($message:ident: $($field:ident),+;)+ - event; $($stream:ident;)+ - nothing; $($plain:ident;)+) => {
        $(impl Veiled for v1::$message {
            fn veil(&mut self, viewer: &Viewer) -> bool {
                $(self.$field.veil(viewer);)+
                true
            }
        })+
        $(impl Veiled for v1::$stream {
            fn veil(&mut self, viewer: &Viewer) -> bool {
                self.event.as_mut().is_some_and(|event| event.veil(viewer))
            }
        })+
        $(impl Veiled for v1::$plain {
            fn veil(&mut self, _viewer: &Viewer) -> bool {
                true
            }
        })+
    };
}

veiled! {
    Author: person;
    CreateConversationResponse: conversation;
    GetConversationResponse: conversation;
    ListConversationsResponse: conversations;
    UpdateConversationResponse: conversation;
    SendMessageResponse: message, conversation;
    SendMessagesResponse: results;
    ListMessagesResponse: messages, conversation;
    MarkReadResponse: conversation;
    ListMissedEventsResponse: events;
    ConverseOpened: conversation;
    ListOnlineResponse: presences;
    GetPresenceResponse: presence;
    SetAvailabilityResponse: presence;
    AttendAnswer: presence;
    UpsertUserResponse: user;
    GetUserResponse: user;
    ListUsersResponse: users;
    ListEntriesResponse: entries;
    LedgerEntry: transaction;
    // Who may see a session at all is asked before.
    Session: payer, provider;
    RequestSessionResponse: session;
    AcceptSessionResponse: session;
    DeclineSessionResponse: session;
    CancelSessionResponse: session;
    EndSessionResponse: session;
    GetSessionResponse: session;
    ListSessionsResponse: sessions;
    Provider: person;
    UpsertProviderResponse: provider;
    GetProviderResponse: provider;
    ListProvidersResponse: providers;
    SetAcceptsRequestsResponse: provider;
    - event;
    WatchConversationResponse;
    WatchPresenceResponse;
    WatchSessionsResponse;
    WatchVisitsResponse;
    WatchWalletResponse;
    - nothing;
    GetSessionPolicyResponse;
    SetSessionPolicyResponse;
    // Whose wallet it is was asked before.
    GetWalletResponse;
    GetStatementResponse;
    QuoteResponse;
    // For who manages the tenant.
    CreditWalletResponse;
    DebitWalletResponse;
    RefundTransactionResponse;
    GetBillingPolicyResponse;
    SetBillingPolicyResponse;
    VerifyLedgerResponse;
    // For staff alone.
    ListVisitsResponse;
    GetVisitResponse;
    // What a visitor is told of its own.
    RecordVisitResponse;
    ReactToMessageResponse;
    SetTypingResponse;
    CreateTenantResponse;
    GetTenantResponse;
    ListTenantsResponse;
    UpdateTenantResponse;
    CreateApiKeyResponse;
    ListApiKeysResponse;
    RevokeApiKeyResponse;
    // Its lines are written for who reads them.
    ExportUserResponse;
    EraseUserResponse;
    // The user is whose proof it was.
    ExchangeCredentialResponse;
    MintTokenResponse;
    InspectTokenResponse;
    RevokeTokenResponse;
    GetJwksResponse;
}

/// Who of the tenant ordered something is the tenant's business.
impl Veiled for v1::LedgerTransaction {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        if !viewer.is_staff {
            self.made_by.clear();
        }
        true
    }
}

impl Veiled for v1::SendMessagesResult {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        match &mut self.outcome {
            Some(Outcome::Sent(sent)) => sent.veil(viewer),
            Some(Outcome::Failure(_)) | None => true,
        }
    }
}

impl Veiled for v1::ConductResponse {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        match &mut self.body {
            Some(conduct_response::Body::Answer(answer)) => answer.session.veil(viewer),
            Some(conduct_response::Body::Event(event)) => event.veil(viewer),
            Some(conduct_response::Body::Failure(_)) | None => true,
        }
    }
}

impl Veiled for v1::ConverseResponse {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        match &mut self.body {
            Some(converse_response::Body::Answer(answer)) => match &mut answer.answer {
                Some(Answer::Opened(opened)) => opened.veil(viewer),
                Some(Answer::Sent(sent)) => sent.veil(viewer),
                Some(Answer::Read(read)) => read.veil(viewer),
                Some(Answer::Reacted(reacted)) => reacted.veil(viewer),
                Some(Answer::Typing(typing)) => typing.veil(viewer),
                Some(Answer::Closed(_)) | None => true,
            },
            Some(converse_response::Body::Event(event)) => event.veil(viewer),
            Some(converse_response::Body::Failure(_)) | None => true,
        }
    }
}

impl Veiled for v1::AttendResponse {
    fn veil(&mut self, viewer: &Viewer) -> bool {
        match &mut self.body {
            Some(attend_response::Body::Answer(answer)) => answer.veil(viewer),
            Some(attend_response::Body::Event(event)) => event.veil(viewer),
            Some(attend_response::Body::Failure(_)) | None => true,
        }
    }
}

#[cfg(test)]
mod tests;
