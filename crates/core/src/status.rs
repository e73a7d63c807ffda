//! Every domain error, and the one place that turns it into a `Status` with its details.

use std::{collections::HashMap, future::Future, sync::Arc};

use parlor_api::{bound::Exceeded, failure, v1::Reason};
use parlor_store::{SessionId, SessionState, Side, Unique, What};
use tonic::{Code, Status};

/// Why a rule refused, or a call could not be served.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("a credential is needed")]
    CredentialMissing,
    #[error("the credential is not valid: {0}")]
    CredentialInvalid(String),
    #[error("the credential has expired")]
    CredentialExpired,
    #[error("the credential was withdrawn")]
    CredentialRevoked,
    #[error("role {0} is needed")]
    RoleRequired(&'static str),
    #[error("it belongs to somebody else")]
    NotOwner,
    #[error("only a gateway may call this")]
    EdgeKeyRequired,
    #[error("{field}: {problem}")]
    Field { field: &'static str, problem: String },
    #[error("{0}")]
    Exceeded(Exceeded),
    #[error("the page token is not one of this list")]
    PageToken,
    #[error("no such {0}")]
    NotFound(What),
    #[error("{0} is taken")]
    AlreadyExists(Unique),
    #[error("the request id was used before with another payload")]
    RequestIdReused,
    #[error("too many calls")]
    RateLimited { retry_after_ms: u64 },
    #[error("{available} is available, and {required} is needed")]
    InsufficientFunds { available: i64, required: i64 },
    #[error("it was refunded before")]
    AlreadyRefunded,
    #[error("a transaction of this kind cannot be refunded")]
    NotRefundable,
    #[error("the tenant counts in {unit}")]
    UnitMismatch { unit: String },
    #[error("nothing is held any more for this, or something is already")]
    HoldState,
    #[error("{limit} is at most {maximum}")]
    LimitReached { limit: &'static str, maximum: u64 },
    #[error("not known to be stored, try again")]
    TryAgain,
    #[error("the keys of its issuer cannot be fetched, try again")]
    KeysAway { retry_after_ms: u64 },
    #[error("the deadline has passed")]
    DeadlineExceeded,
    #[error("this is switched off: {0}")]
    SwitchedOff(&'static str),
    #[error("events up to {floor} are gone")]
    PositionTrimmed { floor: i64 },
    #[error("the reader fell too far behind")]
    SlowReader,
    /// The text is for the log, never for the caller.
    #[error("internal error")]
    Internal(String),
    #[error("the session is {}", state_name(*.0).to_lowercase())]
    SessionState(SessionState),
    #[error("the caller is not the party of the session that may do this")]
    NotParty,
    #[error("the {} is in another session", side_name(*.0))]
    PartyBusy(Side),
    #[error("the payer cannot pay for the beginning of the session")]
    PayerCannotPay,
    #[error("the two have a session already")]
    SessionExists(SessionId),
    #[error("the provider takes no requests")]
    TakesNoRequests,
    #[error("the provider does not offer this kind of session")]
    NotOffered,
}

/// As the contract calls it, without its prefix.
fn state_name(state: SessionState) -> &'static str {
    match state {
        SessionState::Pending => "PENDING",
        SessionState::Active => "ACTIVE",
        SessionState::Ended => "ENDED",
        SessionState::Declined => "DECLINED",
        SessionState::Cancelled => "CANCELLED",
        SessionState::Expired => "EXPIRED",
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Payer => "payer",
        Side::Provider => "provider",
    }
}

tokio::task_local! {
    static REQUEST_ID: Arc<str>;
}

/// Runs a call under its request id, so that a defect can name it.
pub(crate) fn named<F: Future>(request_id: Arc<str>, call: F) -> impl Future<Output = F::Output> {
    REQUEST_ID.scope(request_id, call)
}

/// The id of the call that runs here; empty outside of one.
pub(crate) fn request_id() -> String {
    REQUEST_ID.try_with(|id| id.to_string()).unwrap_or_default()
}

/// What every rule answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An invalid field of a request.
    pub fn field(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Field { field, problem: problem.into() }
    }

    /// What callers tell it by.
    fn kind(&self) -> (Code, Reason) {
        match self {
            Self::CredentialMissing => (Code::Unauthenticated, Reason::CredentialMissing),
            Self::CredentialInvalid(_) => (Code::Unauthenticated, Reason::CredentialInvalid),
            Self::CredentialExpired => (Code::Unauthenticated, Reason::CredentialExpired),
            Self::CredentialRevoked => (Code::Unauthenticated, Reason::CredentialRevoked),
            Self::RoleRequired(_) => (Code::PermissionDenied, Reason::RoleRequired),
            Self::NotOwner => (Code::PermissionDenied, Reason::NotOwner),
            Self::EdgeKeyRequired => (Code::PermissionDenied, Reason::EdgeKeyRequired),
            Self::Field { .. } | Self::Exceeded(_) => (Code::InvalidArgument, Reason::FieldInvalid),
            Self::PageToken => (Code::InvalidArgument, Reason::PageTokenInvalid),
            Self::NotFound(What::Tenant) => (Code::NotFound, Reason::TenantNotFound),
            Self::NotFound(What::User) => (Code::NotFound, Reason::UserNotFound),
            Self::NotFound(What::ApiKey) => (Code::NotFound, Reason::ApiKeyNotFound),
            Self::NotFound(What::Conversation) => (Code::NotFound, Reason::ConversationNotFound),
            Self::NotFound(What::Session) => (Code::NotFound, Reason::SessionNotFound),
            Self::NotFound(What::Provider) => (Code::NotFound, Reason::ProviderNotFound),
            Self::SessionState(_) => (Code::FailedPrecondition, Reason::SessionState),
            Self::NotParty => (Code::PermissionDenied, Reason::NotParty),
            Self::PartyBusy(_) => (Code::FailedPrecondition, Reason::PartyBusy),
            Self::SessionExists(_) => (Code::AlreadyExists, Reason::SessionExists),
            Self::TakesNoRequests => (Code::FailedPrecondition, Reason::TakesNoRequests),
            Self::NotOffered => (Code::FailedPrecondition, Reason::KindNotOffered),
            // One that is no longer kept.
            Self::NotFound(What::Message) => (Code::InvalidArgument, Reason::FieldInvalid),
            Self::NotFound(What::Transaction) => (Code::NotFound, Reason::TransactionNotFound),
            Self::NotFound(What::BillingPolicy) => (Code::NotFound, Reason::BillingPolicyNotFound),
            Self::NotFound(What::Hold) | Self::HoldState => (Code::FailedPrecondition, Reason::HoldState),
            Self::InsufficientFunds { .. } | Self::PayerCannotPay => {
                (Code::FailedPrecondition, Reason::InsufficientFunds)
            }
            Self::AlreadyRefunded => (Code::FailedPrecondition, Reason::AlreadyRefunded),
            Self::NotRefundable => (Code::FailedPrecondition, Reason::NotRefundable),
            Self::UnitMismatch { .. } => (Code::FailedPrecondition, Reason::UnitMismatch),
            Self::NotFound(What::Visit) => (Code::NotFound, Reason::VisitNotFound),
            // A core's own lease: no client names one.
            Self::NotFound(What::NodeEpoch) => (Code::NotFound, Reason::Internal),
            Self::AlreadyExists(Unique::Email) => (Code::AlreadyExists, Reason::EmailTaken),
            Self::AlreadyExists(_) => (Code::AlreadyExists, Reason::AlreadyExists),
            Self::RequestIdReused => (Code::FailedPrecondition, Reason::RequestIdReused),
            Self::RateLimited { .. } => (Code::ResourceExhausted, Reason::RateLimited),
            Self::LimitReached { .. } => (Code::ResourceExhausted, Reason::LimitReached),
            Self::TryAgain | Self::KeysAway { .. } => (Code::Unavailable, Reason::TryAgain),
            Self::DeadlineExceeded => (Code::DeadlineExceeded, Reason::DeadlineExceeded),
            Self::SwitchedOff(_) => (Code::Unimplemented, Reason::SwitchedOff),
            Self::PositionTrimmed { .. } => (Code::OutOfRange, Reason::PositionTrimmed),
            Self::SlowReader => (Code::Aborted, Reason::SlowReader),
            Self::Internal(_) => (Code::Internal, Reason::Internal),
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        let pairs: Vec<(&str, String)> = match self {
            Self::RoleRequired(role) => vec![("role", (*role).to_owned())],
            Self::AlreadyExists(field) => vec![("field", field.to_string())],
            Self::RateLimited { retry_after_ms } | Self::KeysAway { retry_after_ms } => {
                vec![("retry_after_ms", retry_after_ms.to_string())]
            }
            Self::LimitReached { limit, maximum } => {
                vec![("limit", (*limit).to_owned()), ("maximum", maximum.to_string())]
            }
            Self::InsufficientFunds { available, required } => {
                vec![("available", available.to_string()), ("required", required.to_string())]
            }
            Self::UnitMismatch { unit } => vec![("unit", unit.clone())],
            Self::PositionTrimmed { floor } => vec![("floor", floor.to_string())],
            Self::SessionState(state) => vec![("state", state_name(*state).to_owned())],
            Self::PartyBusy(side) => vec![("party", side_name(*side).to_owned())],
            Self::SessionExists(id) => vec![("session_id", id.to_string())],
            Self::Internal(_) => vec![("request_id", request_id())],
            _ => Vec::new(),
        };
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if let Error::Internal(detail) = &error {
            tracing::error!(detail, "internal error");
        }
        let fields = match &error {
            Error::Field { field, problem } => vec![((*field).to_owned(), problem.clone())],
            Error::Exceeded(Exceeded { field, problem }) => vec![(field.clone(), problem.clone())],
            _ => Vec::new(),
        };
        let (code, reason) = error.kind();
        failure::status(code, reason, error.to_string(), error.metadata(), &fields)
    }
}

impl From<Exceeded> for Error {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(exceeded)
    }
}

impl From<parlor_store::Error> for Error {
    fn from(error: parlor_store::Error) -> Self {
        use parlor_store::Error as Store;
        match error {
            Store::NotFound(what) => Self::NotFound(what),
            Store::NotOwner => Self::NotOwner,
            Store::Withdrawn => Self::CredentialRevoked,
            Store::AlreadyExists(field) => Self::AlreadyExists(field),
            Store::RequestIdReused => Self::RequestIdReused,
            Store::InsufficientFunds { available, required } => {
                Self::InsufficientFunds { available, required }
            }
            Store::AlreadyRefunded => Self::AlreadyRefunded,
            Store::NotRefundable => Self::NotRefundable,
            Store::HoldState => Self::HoldState,
            Store::LimitReached { limit, maximum } => Self::LimitReached { limit, maximum },
            Store::SessionState(state) => Self::SessionState(state),
            Store::NotParty => Self::NotParty,
            Store::PartyBusy(side) => Self::PartyBusy(side),
            Store::PayerCannotPay => Self::PayerCannotPay,
            Store::SessionExists(id) => Self::SessionExists(id),
            Store::TakesNoRequests => Self::TakesNoRequests,
            Store::NotOffered => Self::NotOffered,
            Store::Unavailable(detail) => {
                tracing::warn!(detail, "the database did not answer");
                Self::TryAgain
            }
            Store::Defect(detail) => Self::Internal(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_api_key_of_the_store_is_not_told_as_a_conversation() {
        let error = Error::from(parlor_store::Error::NotFound(What::ApiKey));
        assert_eq!(error.kind().1, Reason::ApiKeyNotFound);
        assert_eq!(error.to_string(), "no such API key");
    }
}
