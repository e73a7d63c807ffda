//! A password, or a new account, for a token in the shape of the mount's own issuer, and the end of one. Absent unless the
//! mount names one.

use parlor_api::v1::{
    self, exchange_credential_request::Credential as Proof, revoke_token_request::Selector,
};
use serde_json::{Map, Value};

use super::{
    Credential,
    refusal::{Kind, Refusal},
    rest::Asked,
};

/// Why somebody is not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The same for every sign-in that fails, so that nobody learns which names exist.
    Wrong,
    TooMany,
    /// Somebody has an account of that name.
    Taken,
    /// No account can be made of this.
    Malformed,
    /// Nobody may make an account.
    Closed,
    Failed,
}

/// Trades a proof for a token of this issuer.
pub(super) async fn exchange(
    asked: &Asked,
    issuer: String,
    proof: Proof,
) -> Result<v1::ExchangeCredentialResponse, Fault> {
    let signup = matches!(proof, Proof::Signup(_));
    let request = v1::ExchangeCredentialRequest {
        tenant: asked.mount.tenant.clone().unwrap_or_default(),
        credential: Some(proof),
        issuer,
        ..v1::ExchangeCredentialRequest::default()
    };
    asked.core.ask(request, &Credential::Guest).await.map_err(|refusal| fault(&refusal, signup))
}

fn fault(refusal: &Refusal, signup: bool) -> Fault {
    match (refusal.kind, signup) {
        (Kind::TooMany, _) => Fault::TooMany,
        (Kind::Taken, true) => Fault::Taken,
        (Kind::Malformed, true) => Fault::Malformed,
        (Kind::NotPermitted | Kind::NotServed, true) => Fault::Closed,
        (Kind::NotProven | Kind::Malformed | Kind::NotFound | Kind::NotPermitted, _) => Fault::Wrong,
        _ => Fault::Failed,
    }
}

/// Withdraws a token. One that proves nothing here has nothing to withdraw.
pub(super) async fn withdraw(asked: &Asked, token: &str) -> Result<(), Refusal> {
    let selector = Some(Selector::Token(token.to_owned()));
    match asked.core.ask(v1::RevokeTokenRequest { selector }, &Credential::Guest).await {
        Err(refusal) if refusal.kind != Kind::Malformed => Err(refusal),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A text of a body, if there is one.
pub(super) fn word(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).filter(|word| !word.is_empty()).map(ToOwned::to_owned)
}
