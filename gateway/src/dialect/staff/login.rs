//! `/auth`: a password, or a new account, for a token. Absent unless the mount names an issuer.

use http::StatusCode;
use parlor_api::v1::{self, exchange_credential_request::Credential as Proof};
use serde::Serialize;
use serde_json::json;

use super::{
    shape::{self, not_found},
    wire::WIRE,
};
use crate::dialect::{
    Response,
    login::{Fault, exchange, word},
    rest::{Asked, Failure},
};

/// `POST /auth/login`
pub(super) async fn password(asked: Asked) -> Result<Response, Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct SignedIn<'a> {
        token: &'a str,
        role: &'static str,
        user_id: &'a str,
    }
    let issuer = asked.mount.login_issuer.clone().ok_or_else(not_found)?;
    let body = asked.object()?;
    let wrong = || said(Fault::Wrong);
    let username = word(&body, "username").ok_or_else(wrong)?;
    let password = word(&body, "password").ok_or_else(wrong)?;
    let proof = Proof::Password(v1::PasswordCredential { username, password });
    let exchanged = exchange(&asked, issuer, proof).await.map_err(said)?;
    let (token, user_id) = (&exchanged.token, &exchanged.subject);
    Ok(shape::json(StatusCode::OK, &SignedIn { token, role: role(exchanged.user.as_ref()), user_id }))
}

/// `POST /auth/register`; absent too where the mount lets nobody make an account.
pub(super) async fn signup(asked: Asked) -> Result<Response, Failure> {
    let issuer = asked.mount.login_issuer.clone().filter(|_| asked.mount.allow_signup);
    let issuer = issuer.ok_or_else(not_found)?;
    let body = asked.object()?;
    let required = || bad("Username and password are required");
    let names = [word(&body, "firstName"), word(&body, "lastName")];
    let proof = Proof::Signup(v1::SignupCredential {
        username: word(&body, "username").ok_or_else(required)?,
        password: word(&body, "password").ok_or_else(required)?,
        display_name: names.into_iter().flatten().collect::<Vec<_>>().join(" "),
        email: word(&body, "email").unwrap_or_default(),
    });
    let exchanged = exchange(&asked, issuer, proof).await.map_err(said)?;
    Ok(shape::json(StatusCode::OK, &json!({"token": exchanged.token})))
}

fn said(fault: Fault) -> Response {
    match fault {
        Fault::Wrong => bad("Invalid Credentials"),
        Fault::TooMany => (WIRE.too_many_requests)(),
        Fault::Taken => bad("User already exists"),
        Fault::Malformed => bad("Username or password is invalid"),
        Fault::Closed => shape::refused(StatusCode::FORBIDDEN, "Registration is closed"),
        Fault::Failed => shape::refused(StatusCode::INTERNAL_SERVER_ERROR, "Server error"),
    }
}

fn bad(message: &str) -> Response {
    shape::refused(StatusCode::BAD_REQUEST, message)
}

fn role(user: Option<&v1::User>) -> &'static str {
    let has = |role| user.is_some_and(|user| user.roles().any(|has| has == role));
    if has(v1::Role::Admin) {
        "admin"
    } else if has(v1::Role::Staff) {
        "staff"
    } else {
        "customer"
    }
}
