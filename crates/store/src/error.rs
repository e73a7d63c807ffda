//! What can go wrong with remembering.

use crate::{SessionId, SessionState, Side};

/// Why a query or a write failed. Nothing was changed, except where a variant says otherwise.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The row is not there, or is another tenant's.
    #[error("no such {0}")]
    NotFound(What),
    /// The conversation is there, and somebody else's.
    #[error("it belongs to somebody else")]
    NotOwner,
    /// Nobody acts as the person any more: they were disabled, or are erased.
    #[error("nobody acts as this person any more")]
    Withdrawn,
    /// A unique field is taken.
    #[error("{0} is taken")]
    AlreadyExists(Unique),
    /// The request id was used before with another payload.
    #[error("request id was used before with another payload")]
    RequestIdReused,
    /// There is less than is needed.
    #[error("{available} is available, and {required} is needed")]
    InsufficientFunds { available: i64, required: i64 },
    /// The transaction was taken back before.
    #[error("it was refunded before")]
    AlreadyRefunded,
    /// A transaction of this kind cannot be taken back.
    #[error("what only moves money within a wallet, or takes another transaction back, is not refunded")]
    NotRefundable,
    /// Nothing is held any more, or something is already.
    #[error("the hold is not as it must be for this")]
    HoldState,
    /// There is no room for another.
    #[error("{limit} is at most {maximum}")]
    LimitReached { limit: &'static str, maximum: u64 },
    /// The session is not in the state that this asks for.
    #[error("the session is {0:?}")]
    SessionState(SessionState),
    /// Whoever asks is not the party of the session that may do this.
    #[error("only a party of the session may do this, and not this one")]
    NotParty,
    /// Somebody on this side is in another session.
    #[error("the {0:?} is in another session")]
    PartyBusy(Side),
    /// Whoever would pay for a session cannot pay for its beginning; by how much is theirs to know.
    #[error("the payer cannot pay for the beginning of the session")]
    PayerCannotPay,
    /// The two have a session that is pending or active.
    #[error("there is a session between the two already: {0}")]
    SessionExists(SessionId),
    /// The provider takes no requests now.
    #[error("the provider takes no requests")]
    TakesNoRequests,
    /// The provider does not offer sessions of this kind.
    #[error("the provider does not offer this kind of session")]
    NotOffered,
    /// The database is away, full or busy, or a commit's outcome is unknown. Safe to retry with the same request id.
    #[error("the database did not answer: {0}")]
    Unavailable(String),
    /// A row that this version cannot read, or a query that it should not have made.
    #[error("defect: {0}")]
    Defect(String),
}

/// What is not there.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum What {
    #[error("tenant")]
    Tenant,
    #[error("user")]
    User,
    #[error("API key")]
    ApiKey,
    #[error("conversation")]
    Conversation,
    #[error("message")]
    Message,
    #[error("node epoch")]
    NodeEpoch,
    #[error("session")]
    Session,
    #[error("provider")]
    Provider,
    #[error("transaction")]
    Transaction,
    #[error("hold")]
    Hold,
    #[error("billing policy")]
    BillingPolicy,
    #[error("visit")]
    Visit,
}

/// What is taken: a key of its kind, or one unique field.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unique {
    #[error("tenant")]
    Tenant,
    #[error("tenant number")]
    TenantNumber,
    #[error("user")]
    User,
    #[error("email")]
    Email,
    #[error("username")]
    Username,
    #[error("identity")]
    Identity,
    #[error("api key")]
    ApiKey,
    #[error("node epoch")]
    NodeEpoch,
    #[error("catalogue id")]
    CatalogueId,
}

/// What every query answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;
