//! `/auth`: a password, or a new account, for a token in the shape of the mount's own issuer. Absent unless the mount
//! names one.

use http::StatusCode;
use parlor_api::v1::{self, exchange_credential_request::Credential as Proof};
use serde::Serialize;
use serde_json::{Map, Value};
use tonic::{Code, Status};

use super::{
    Staff, body,
    rest::{Caller, Endpoint, Next},
    shape,
};
use crate::{
    dialect::{Answer, Call, Credential, Dialect as _, Request, Response},
    mount::Mount,
};

/// `POST /auth/login` and `POST /auth/register`.
pub(super) struct Login {
    proof: Result<Proof, Response>,
    signup: bool,
    tenant: String,
    issuer: String,
}

impl Login {
    /// Signs in; `None` where the mount serves no login.
    pub(super) fn password(request: &Request, mount: &Mount) -> Option<Self> {
        let proof = body::object(&request.body).and_then(|body| {
            let username = word(&body, "username").ok_or_else(invalid_credentials)?;
            let password = word(&body, "password").ok_or_else(invalid_credentials)?;
            Ok(Proof::Password(v1::PasswordCredential { username, password }))
        });
        Self::new(proof, false, mount)
    }

    /// Makes an account; `None` where the mount lets nobody do so.
    pub(super) fn signup(request: &Request, mount: &Mount) -> Option<Self> {
        if !mount.allow_signup {
            return None;
        }
        let proof = body::object(&request.body).and_then(|body| {
            let required = || shape::refused(StatusCode::BAD_REQUEST, "Username and password are required");
            let names = [word(&body, "firstName"), word(&body, "lastName")];
            Ok(Proof::Signup(v1::SignupCredential {
                username: word(&body, "username").ok_or_else(required)?,
                password: word(&body, "password").ok_or_else(required)?,
                display_name: names.into_iter().flatten().collect::<Vec<_>>().join(" "),
                email: word(&body, "email").unwrap_or_default(),
            }))
        });
        Self::new(proof, true, mount)
    }

    fn new(proof: Result<Proof, Response>, signup: bool, mount: &Mount) -> Option<Self> {
        let issuer = mount.login_issuer.clone()?;
        Some(Self { proof, signup, tenant: mount.tenant.clone().unwrap_or_default(), issuer })
    }

    fn respond(&self, exchanged: &v1::ExchangeCredentialResponse) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct SignedIn<'a> {
            token: &'a str,
            #[serde(flatten)]
            who: Option<Who<'a>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Who<'a> {
            role: &'static str,
            user_id: &'a str,
        }
        let who = Who { role: role(exchanged.user.as_ref()), user_id: &exchanged.subject };
        let token = &exchanged.token;
        shape::json(StatusCode::OK, &SignedIn { token, who: (!self.signup).then_some(who) })
    }

    fn refuse(&self, status: &Status) -> Response {
        match (status.code(), self.signup) {
            (Code::ResourceExhausted, _) => Staff.too_many_requests(),
            (Code::AlreadyExists, true) => shape::refused(StatusCode::BAD_REQUEST, "User already exists"),
            (Code::InvalidArgument, true) => {
                shape::refused(StatusCode::BAD_REQUEST, "Username or password is invalid")
            }
            (Code::PermissionDenied | Code::Unimplemented, true) => {
                shape::refused(StatusCode::FORBIDDEN, "Registration is closed")
            }
            (Code::Unauthenticated | Code::InvalidArgument | Code::NotFound | Code::PermissionDenied, _) => {
                invalid_credentials()
            }
            _ => shape::refused(StatusCode::INTERNAL_SERVER_ERROR, "Server error"),
        }
    }
}

impl Endpoint for Login {
    fn begin(&mut self, _caller: Caller) -> Next {
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

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        Next::Respond(match answer {
            Ok(Answer::ExchangeCredential(exchanged)) => self.respond(&exchanged),
            Ok(_) => shape::refused(StatusCode::INTERNAL_SERVER_ERROR, "Server error"),
            Err(status) => self.refuse(&status),
        })
    }
}

fn word(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).filter(|word| !word.is_empty()).map(ToOwned::to_owned)
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

/// The one answer to every sign-in that fails, so that nobody learns which names exist.
fn invalid_credentials() -> Response {
    shape::refused(StatusCode::BAD_REQUEST, "Invalid Credentials")
}
