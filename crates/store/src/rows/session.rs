//! Sessions, and who can be asked for them, as values.

use std::sync::Arc;

use crate::{ConversationId, Millis, SessionId, SessionState, Side, TenantId, User, UserId};

/// What a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionKind {
    Chat,
    Audio,
    Video,
    /// Staff ask somebody to talk: it costs nothing, and reserves nobody.
    Invitation,
}

/// Why an active session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    Party,
    Staff,
    /// A party was erased.
    Erased,
    /// The payer had no more than it cost until then.
    Funds,
}

/// A session, with its two people.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub tenant: TenantId,
    pub id: SessionId,
    pub number: i64,
    pub kind: SessionKind,
    pub state: SessionState,
    /// `None` once they are erased.
    pub payer_id: Option<UserId>,
    pub payer: Option<Arc<User>>,
    pub provider_id: Option<UserId>,
    pub provider: Option<Arc<User>>,
    /// The provider asked, and not the payer.
    pub offered: bool,
    /// Minor units for each minute, as they were when it was asked for.
    pub rate: i64,
    /// What it has cost; 0 until it is over.
    pub charged: i64,
    /// While it is active and charged: until when it is paid for.
    pub paid_until: Option<Millis>,
    /// What it is paid for until then is all that the payer has.
    pub runs_out: bool,
    pub topic: String,
    pub intake: String,
    pub requested_at: Millis,
    pub expires_at: Millis,
    pub accepted_at: Option<Millis>,
    /// When it left the states in which it can go on.
    pub ended_at: Option<Millis>,
    pub ended_by: Option<UserId>,
    pub end_reason: Option<EndReason>,
    /// What was said with its end.
    pub note: String,
    pub conversation_id: Option<ConversationId>,
    pub last_sequence: i64,
}

impl Session {
    /// On which side somebody is.
    #[must_use]
    pub fn side_of(&self, person: UserId) -> Option<Side> {
        match Some(person) {
            person if person == self.payer_id => Some(Side::Payer),
            person if person == self.provider_id => Some(Side::Provider),
            _ => None,
        }
    }

    /// Who asked for it.
    #[must_use]
    pub fn requester_side(&self) -> Side {
        if self.offered { Side::Provider } else { Side::Payer }
    }
}

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    pub states: Vec<SessionState>,
    /// Only those in which somebody takes part, on either side.
    pub party: Option<UserId>,
    /// Only what somebody may see: their own, and for the staff every invitation too. Everything if nobody is named.
    pub seen_by: Option<(Option<UserId>, bool)>,
}

/// Minor units for each minute, by kind; `None` where it is not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub chat: Option<i64>,
    pub audio: Option<i64>,
    pub video: Option<i64>,
}

impl Rates {
    /// That of a kind, if it is offered.
    #[must_use]
    pub fn of(&self, kind: SessionKind) -> Option<i64> {
        match kind {
            SessionKind::Chat => self.chat,
            SessionKind::Audio => self.audio,
            SessionKind::Video => self.video,
            SessionKind::Invitation => None,
        }
    }
}

/// Somebody who can be asked for sessions, and how they are now.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    pub user: Arc<User>,
    /// What an outside catalogue calls them.
    pub catalogue_id: Option<String>,
    pub headline: String,
    /// What a front-end shows of them, in its own words.
    pub catalogue: String,
    pub rates: Rates,
    /// What they chose: whether they can be asked.
    pub accepts_requests: bool,
    /// They are in an exclusive session.
    pub busy: bool,
    /// They are online, and have not chosen to be busy or off.
    pub present: bool,
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// What is to be known of a provider; what they chose stays, unless it is said.
#[derive(Clone, Debug)]
pub struct ProviderUpsert {
    pub tenant: TenantId,
    pub user: UserId,
    pub catalogue_id: Option<String>,
    pub headline: String,
    pub catalogue: String,
    pub rates: Rates,
    pub accepts_requests: Option<bool>,
    pub at: Millis,
}

/// Which providers to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProviderFilter {
    pub offers: Option<SessionKind>,
    /// Only those whom a request would reach now.
    pub available: bool,
}

/// What a tenant wants of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// How long a request waits.
    pub request_lifetime_ms: Millis,
    /// A payer is in one paid session at most; a provider always is.
    pub payers_exclusive: bool,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self { request_lifetime_ms: 120_000, payers_exclusive: true }
    }
}
