//! What a client says when it comes in: the `auth` of Socket.IO, or the argument of `connect`.

use parlor_api::v1;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{contract, hearing::WATCHED_MAX, wire};
use crate::dialect::refusal::{Kind, Refusal};

/// The longest name of a session that is looked at; the core makes none longer.
const PID_CHARS_MAX: usize = 512;

/// What it says. What is not named here is the application's own.
#[derive(Deserialize)]
struct Auth<'a> {
    token: Option<String>,
    pid: Option<String>,
    offset: Option<String>,
    #[serde(borrow)]
    watch: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    presence: Option<&'a RawValue>,
}

/// What it wants.
#[derive(Debug)]
pub(super) struct Join {
    pub token: Option<String>,
    pub pid: Option<String>,
    pub offset: Option<String>,
    pub watch: Vec<v1::WatchConversationRequest>,
    /// It names its watches, if only none: each time it comes it says what it shall hear.
    pub names_watches: bool,
    /// It watches who is online, perhaps only those of a role.
    pub presence: Option<Option<v1::Role>>,
}

/// Reads it.
pub(super) fn read(auth: &[u8]) -> Result<Join, Refusal> {
    let auth: Auth<'_> =
        serde_json::from_slice(auth).map_err(|error| wire::invalid(format!("auth is malformed: {error}")))?;
    if auth.watch.as_ref().is_some_and(|watch| watch.len() > WATCHED_MAX) {
        return Err(too_many_watches());
    }
    let names_watches = auth.watch.is_some();
    let watch = auth.watch.into_iter().flatten().map(watched).collect::<Result<_, _>>()?;
    let presence = auth.presence.map(|presence| present(presence.get())).transpose()?.flatten();
    Ok(Join {
        token: auth.token.filter(|token| !token.is_empty()),
        pid: auth.pid.filter(|pid| names_watches && !pid.is_empty() && pid.len() <= PID_CHARS_MAX),
        offset: auth.offset,
        watch,
        names_watches,
        presence,
    })
}

/// A conversation's id, or a request as `WatchConversation` takes it.
fn watched(entry: &RawValue) -> Result<v1::WatchConversationRequest, Refusal> {
    if let Ok(id) = serde_json::from_str::<String>(entry.get()) {
        let name = Some(v1::conversation_ref::Name::Id(id));
        let conversation = Some(v1::ConversationRef { name });
        return Ok(v1::WatchConversationRequest { conversation, after_sequence: None });
    }
    contract::method("WatchConversation").expect("the contract has it").message(entry.get())
}

/// `true`, `false`, or a request as `WatchPresence` takes it.
fn present(json: &str) -> Result<Option<Option<v1::Role>>, Refusal> {
    if let Ok(wanted) = serde_json::from_str::<bool>(json) {
        return Ok(wanted.then_some(None));
    }
    let method = contract::method("WatchPresence").expect("the contract has it");
    Ok(Some(role(&method.message(json)?)))
}

/// The role that is wanted, if one alone is.
pub(super) fn role(request: &v1::WatchPresenceRequest) -> Option<v1::Role> {
    Some(request.role()).filter(|role| *role != v1::Role::Unspecified)
}

/// The conversation that a request names by its id.
pub(super) fn conversation_id(argument: &str) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Unwatch {
        conversation_id: String,
    }
    let unwatch: Unwatch = serde_json::from_str(argument)
        .map_err(|error| wire::invalid(format!("the request is malformed: {error}")))?;
    Ok(unwatch.conversation_id)
}

pub(super) fn token_missing() -> Refusal {
    Refusal::new(Kind::NotProven, v1::Reason::CredentialMissing, "auth.token is missing")
}

pub(super) fn too_many_watches() -> Refusal {
    let message = format!("a connection watches at most {WATCHED_MAX} conversations");
    Refusal::over_limit("conversations watched", WATCHED_MAX, message)
}

pub(super) fn rights_ended(reason: v1::RightsEndedReason) -> Refusal {
    let (reason, message) = match reason {
        v1::RightsEndedReason::Revoked => (v1::Reason::CredentialRevoked, "the credential was withdrawn"),
        v1::RightsEndedReason::Expired | v1::RightsEndedReason::Unspecified => {
            (v1::Reason::CredentialExpired, "the credential's time is over")
        }
    };
    Refusal::new(Kind::NotProven, reason, message)
}
