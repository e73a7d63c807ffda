//! `/api/auth`: a password, or a new account, for a token, and the end of one; and the cookie that proves a page's sockets, where the mount
//! trusts one. Absent unless the mount names an issuer.
//!
//! The e-mail address is the name to sign in with. Of a new account only name, e-mail and password are taken, whatever
//! else the body says: nobody registers as an admin.

use http::{HeaderValue, StatusCode, header};
use parlor_api::v1::{self, exchange_credential_request::Credential as Proof};
use serde::Serialize;

use super::{
    identity::tokens_of_request,
    read::id_of_digits,
    shape::{filled, not_found, refused},
    wire::WIRE,
};
use crate::{
    dialect::{
        Response,
        javascript::iso,
        login::{Fault, exchange, withdraw, word},
        rest::{Asked, Failure, json},
    },
    mount::{Cookie, Identity},
};

/// `POST /api/auth/login`
pub(super) async fn password(asked: Asked) -> Result<Response, Failure> {
    let issuer = asked.mount.login_issuer.clone().ok_or_else(not_found)?;
    let body = asked.object()?;
    let wrong = || said(Fault::Wrong);
    let username = word(&body, "email").ok_or_else(wrong)?;
    let password = word(&body, "password").ok_or_else(wrong)?;
    let proof = Proof::Password(v1::PasswordCredential { username, password });
    let exchanged = exchange(&asked, issuer, proof).await.map_err(said)?;
    welcome(&asked, &exchanged, StatusCode::OK, "Login successful!")
}

/// `POST /api/auth/register`
pub(super) async fn signup(asked: Asked) -> Result<Response, Failure> {
    let issuer = asked.mount.login_issuer.clone().ok_or_else(not_found)?;
    let body = asked.object()?;
    if !asked.mount.allow_signup {
        return Err(said(Fault::Closed).into());
    }
    let required = || bad("Email and password are required!");
    let proof = Proof::Signup(v1::SignupCredential {
        // The address is the name.
        username: String::new(),
        password: word(&body, "password").ok_or_else(required)?,
        display_name: word(&body, "name").unwrap_or_default(),
        email: word(&body, "email").ok_or_else(required)?,
    });
    let exchanged = exchange(&asked, issuer, proof).await.map_err(|fault| match fault {
        // There is no sign-in that could be wrong, and whatever is refused of an account is a 400.
        Fault::Wrong => bad("Registration failed!"),
        fault => said(fault),
    })?;
    welcome(&asked, &exchanged, StatusCode::CREATED, "Registration successful!")
}

/// `POST /api/auth/logout`: the tokens that came with it are withdrawn, which ends their sockets too.
pub(super) async fn signout(asked: Asked) -> Result<Response, Failure> {
    asked.mount.login_issuer.as_ref().ok_or_else(not_found)?;
    for token in tokens_of_request(&asked.mount, &asked.request.headers) {
        withdraw(&asked, &token).await?;
    }
    let mut response = json(StatusCode::OK, &serde_json::json!({"message": "Logged out successfully!"}));
    let gone = settable(&asked).and_then(|cookie| set_cookie(cookie, "", 0));
    response.headers.extend(gone.map(|value| (header::SET_COOKIE, value)));
    response.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    Ok(response)
}

/// The person, a token, and the cookie where this request may get one.
fn welcome(
    asked: &Asked,
    exchanged: &v1::ExchangeCredentialResponse,
    status: StatusCode,
    message: &'static str,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Body<'a> {
        message: &'static str,
        data: Data<'a>,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        user: User<'a>,
        token: &'a str,
    }
    let user = exchanged.user.as_ref().ok_or_else(|| said(Fault::Failed))?;
    let data = Data { user: User::new(user, &exchanged.subject), token: &exchanged.token };
    let mut response = json(status, &Body { message, data });
    response.headers.extend(cookie(asked, exchanged).map(|value| (header::SET_COOKIE, value)));
    response.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    Ok(response)
}

fn cookie(asked: &Asked, exchanged: &v1::ExchangeCredentialResponse) -> Option<HeaderValue> {
    let ends = exchanged.expire_time.map_or(0, |time| time.seconds);
    let lives = ends.saturating_sub(asked.request.received.as_second()).max(0);
    set_cookie(settable(asked)?, &exchanged.token, lives)
}

/// The cookie that this request may have set. A page that is not the mount's gets none: it could sign its visitor in as
/// somebody else, or out.
fn settable(asked: &Asked) -> Option<&Cookie> {
    match &asked.mount.identity {
        Identity::Cookie(cookie) if asked.mount.admits(&asked.request.headers) => Some(cookie),
        _ => None,
    }
}

/// The cookie, which scripts cannot read and browsers send to no other site (RFC 6265).
fn set_cookie(cookie: &Cookie, token: &str, lives: i64) -> Option<HeaderValue> {
    let secure = if cookie.secure { "; Secure" } else { "" };
    let name = &cookie.name;
    let text = format!("{name}={token}; Max-Age={lives}; Path=/; HttpOnly; SameSite=Lax{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A person as the storefront keeps them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User<'a> {
    id: u64,
    email: &'a str,
    name: Option<&'a str>,
    phone: Option<&'a str>,
    role: &'static str,
    avatar: Option<&'a str>,
    created_at: String,
}

impl<'a> User<'a> {
    fn new(user: &'a v1::User, subject: &str) -> Self {
        let is_admin = user.roles().any(|role| matches!(role, v1::Role::Staff | v1::Role::Admin));
        Self {
            id: id_of_digits(subject).unwrap_or(user.number),
            email: &user.email,
            name: filled(&user.display_name),
            phone: None,
            role: if is_admin { "ADMIN" } else { "CUSTOMER" },
            avatar: filled(&user.avatar_url),
            created_at: iso(user.create_time.as_ref()),
        }
    }
}

fn said(fault: Fault) -> Response {
    match fault {
        Fault::Wrong => refused(StatusCode::UNAUTHORIZED, "Incorrect email or password!"),
        Fault::TooMany => (WIRE.too_many_requests)(),
        Fault::Taken => bad("Email already in use!"),
        Fault::Malformed => bad("Email or password is invalid!"),
        Fault::Closed => bad("Registration is closed!"),
        Fault::Failed => (WIRE.unavailable)(),
    }
}

fn bad(message: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, message)
}
