//! What can go wrong with remembering.

/// Why a query or a write failed. Nothing was changed, except where a variant says otherwise.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The row is not there, or is another tenant's.
    #[error("no such {0}")]
    NotFound(What),
    /// The conversation is there, and somebody else's.
    #[error("it belongs to somebody else")]
    NotOwner,
    /// A unique field is taken.
    #[error("{0} is taken")]
    AlreadyExists(Unique),
    /// The request id was used before with another payload.
    #[error("request id was used before with another payload")]
    RequestIdReused,
    /// There is no room for another.
    #[error("{limit} is at most {maximum}")]
    LimitReached { limit: &'static str, maximum: u64 },
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
    #[error("node epoch")]
    NodeEpoch,
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
}

/// What every query answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;
