//! `/api/auth`: a password, or a new account, for a token in the shape of the mount's own issuer; and the cookie that
//! proves a page's sockets, where the mount trusts one. Absent unless the mount names an issuer.
//!
//! The e-mail address is the name to sign in with. Of a new account only name, e-mail and password are taken, whatever
//! else the body says: nobody registers as an admin.

use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use parlor_api::v1::{self, exchange_credential_request::Credential as Proof};
use serde::Serialize;
use serde_json::{Map, Value};
use tonic::{Code, Status};

use super::{
    Support,
    read::id_of_digits,
    rest::{Endpoint, Next, json, refused},
    shape::filled,
};
use crate::{
    dialect::{
        Answer, Call, Credential, Dialect as _, Request, Response,
        javascript::{self, iso},
    },
    mount::{Cookie, Identity, Mount},
};

/// `POST /api/auth/login` and `POST /api/auth/register`.
pub(super) struct Login {
    proof: Result<Proof, Response>,
    signup: bool,
    tenant: String,
    issuer: String,
    /// The cookie to set, where this request may get one.
    cookie: Option<Cookie>,
    received: Timestamp,
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

impl Login {
    /// Signs in; `None` where the mount serves no login.
    pub(super) fn password(request: &Request, mount: &Mount) -> Option<Self> {
        let proof = object(request).and_then(|body| {
            let username = word(&body, "email").ok_or_else(wrong)?;
            let password = word(&body, "password").ok_or_else(wrong)?;
            Ok(Proof::Password(v1::PasswordCredential { username, password }))
        });
        Self::new(proof, false, request, mount)
    }

    /// Makes an account; closed where the mount lets nobody do so, `None` where it serves no login.
    pub(super) fn signup(request: &Request, mount: &Mount) -> Option<Self> {
        let proof = object(request).and_then(|body| {
            if !mount.allow_signup {
                return Err(bad("Registration is closed!"));
            }
            let required = || bad("Email and password are required!");
            Ok(Proof::Signup(v1::SignupCredential {
                // The address is the name.
                username: String::new(),
                password: word(&body, "password").ok_or_else(required)?,
                display_name: word(&body, "name").unwrap_or_default(),
                email: word(&body, "email").ok_or_else(required)?,
            }))
        });
        Self::new(proof, true, request, mount)
    }

    fn new(proof: Result<Proof, Response>, signup: bool, request: &Request, mount: &Mount) -> Option<Self> {
        let issuer = mount.login_issuer.clone()?;
        let tenant = mount.tenant.clone().unwrap_or_default();
        // A page that is not the mount's could sign its visitor in as somebody else.
        let cookie = match &mount.identity {
            Identity::Cookie(cookie) if mount.admits(&request.headers) => Some(cookie.clone()),
            Identity::Cookie(_) | Identity::Token | Identity::Claims => None,
        };
        Some(Self { proof, signup, tenant, issuer, cookie, received: request.received })
    }

    fn respond(&self, exchanged: &v1::ExchangeCredentialResponse) -> Response {
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
        let Some(user) = &exchanged.user else { return Support.unavailable() };
        let (status, message) = if self.signup {
            (StatusCode::CREATED, "Registration successful!")
        } else {
            (StatusCode::OK, "Login successful!")
        };
        let data = Data { user: User::new(user, &exchanged.subject), token: &exchanged.token };
        let mut response = json(status, &Body { message, data });
        let cookie = self.cookie.as_ref().and_then(|cookie| self.set_cookie(cookie, exchanged));
        response.headers.extend(cookie.map(|value| (header::SET_COOKIE, value)));
        response.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        response
    }

    /// Scripts cannot read it, and browsers send it to no other site (RFC 6265).
    fn set_cookie(&self, cookie: &Cookie, exchanged: &v1::ExchangeCredentialResponse) -> Option<HeaderValue> {
        let ends = exchanged.expire_time.map_or(0, |time| time.seconds);
        let lives = ends.saturating_sub(self.received.as_second()).max(0);
        let secure = if cookie.secure { "; Secure" } else { "" };
        let (name, token) = (&cookie.name, &exchanged.token);
        let text = format!("{name}={token}; Max-Age={lives}; Path=/; HttpOnly; SameSite=Lax{secure}");
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn refuse(&self, status: &Status) -> Response {
        match (status.code(), self.signup) {
            (Code::ResourceExhausted, _) => Support.too_many_requests(),
            (Code::AlreadyExists, true) => bad("Email already in use!"),
            (Code::InvalidArgument, true) => bad("Email or password is invalid!"),
            (Code::PermissionDenied | Code::Unimplemented, true) => bad("Registration is closed!"),
            (
                Code::Unauthenticated | Code::InvalidArgument | Code::NotFound | Code::PermissionDenied,
                false,
            ) => wrong(),
            _ => Support.unavailable(),
        }
    }
}

impl Endpoint for Login {
    fn begin(&mut self) -> Next {
        match &self.proof {
            Err(refusal) => Next::Respond(refusal.clone()),
            Ok(proof) => Next::ask(
                Call::ExchangeCredential(v1::ExchangeCredentialRequest {
                    tenant: self.tenant.clone(),
                    credential: Some(proof.clone()),
                    issuer: self.issuer.clone(),
                    ..v1::ExchangeCredentialRequest::default()
                }),
                Credential::Guest,
            ),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>) -> Next {
        Next::Respond(match answer {
            Ok(Answer::ExchangeCredential(exchanged)) => self.respond(&exchanged),
            Ok(_) => Support.unavailable(),
            Err(status) => self.refuse(&status),
        })
    }
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

/// The object a body holds; an empty body and what is no object hold nothing.
fn object(request: &Request) -> Result<Map<String, Value>, Response> {
    let text = str::from_utf8(&request.body).map_err(|_| bad("Invalid JSON!"))?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match javascript::json(text) {
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Ok(Map::new()),
        None => Err(bad("Invalid JSON!")),
    }
}

fn word(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).filter(|word| !word.is_empty()).map(ToOwned::to_owned)
}

/// The one answer to every sign-in that fails, so that nobody learns which addresses have an account.
fn wrong() -> Response {
    refused(StatusCode::UNAUTHORIZED, "Incorrect email or password!")
}

fn bad(message: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, message)
}
