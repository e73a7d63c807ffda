//! REST as every dialect speaks it: a table of routes, and the one machine that reads it.
//!
//! ```text
//! request ─► route ─► [attach with the token] ─► handler ⇄ core ─► respond
//! ```
//!
//! The rule it keeps: what is for staff begins only for staff, and exactly one answer leaves. Where a token is a matter of
//! choice, one that proves nothing is as good as none, and staff who use the customer's endpoints are customers there.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Method, StatusCode};
use parlor_api::v1;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Credential, Effect, Input, Machine, Recovery, Reply, Request, Response,
    ask::{Core, Work},
    javascript,
    refusal::Refusal,
    rpc::Rpc,
    who::is_staff,
};
use crate::mount::Mount;

/// The REST of a dialect: its routes, and its words for what they share.
pub(super) struct Rest {
    pub routes: &'static [Route],
    /// The token that a request carries.
    pub token: fn(&Request, &Mount) -> Option<String>,
    pub not_found: fn() -> Response,
    /// The body is not JSON.
    pub not_json: fn() -> Response,
    pub token_missing: fn() -> Response,
    pub token_invalid: fn() -> Response,
    pub staff_only: fn() -> Response,
    /// The core could not say who it is.
    pub unproven: fn(&Refusal) -> Response,
    /// The core refused what a handler asked; with the route's own words for what should not happen.
    pub refused: fn(&Refusal, &'static str) -> Response,
}

/// An endpoint.
pub(super) struct Route {
    /// GET is HEAD too.
    pub method: Method,
    /// Its segments; `:` and a name stand for any one segment, which is [`Asked::id`].
    pub path: &'static str,
    pub access: Access,
    /// What is said where something happened that should not.
    pub failed: &'static str,
    pub handler: fn(Asked) -> Handling,
}

pub(super) type Handling = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// Writes a table of routes: method, path, access, the words for a failure, and the `async fn` that answers.
macro_rules! routes {
    ($($method:ident $path:literal $access:ident $failed:literal => $handler:path,)*) => {
        &[$($crate::dialect::rest::Route {
            method: ::http::Method::$method,
            path: $path,
            access: $crate::dialect::rest::Access::$access,
            failed: $failed,
            handler: |asked| ::std::boxed::Box::pin(async move { $handler(asked).await.map(Into::into) }),
        }),*]
    };
}
pub(super) use routes;

/// Who may use an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody; a token makes no difference.
    Open,
    /// Everybody; a token says who.
    Optional,
    Staff,
}

/// What a handler is asked.
pub(super) struct Asked {
    pub request: Request,
    /// The segment of the path that the route leaves open.
    pub id: String,
    pub mount: Arc<Mount>,
    /// On whose behalf the core is asked.
    pub credential: Credential,
    /// Who it is; `None` for a guest.
    pub person: Option<v1::Person>,
    pub core: Core,
}

impl Asked {
    /// Asks the core for who calls.
    pub async fn ask<R: Rpc>(&self, request: R) -> Result<R::Answer, Refusal> {
        self.core.ask(request, &self.credential).await
    }

    /// The object that the body holds; an empty body and what is no object hold nothing.
    pub fn object(&self) -> Result<Map<String, Value>, Failure> {
        let text = str::from_utf8(&self.request.body).map_err(|_| Failure::NotJson)?;
        if text.trim().is_empty() {
            return Ok(Map::new());
        }
        match javascript::json(text) {
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Ok(Map::new()),
            None => Err(Failure::NotJson),
        }
    }
}

/// Why a handler ends early.
pub(super) enum Failure {
    /// It says so itself.
    Said(Response),
    NotJson,
    Refused(Refusal),
}

impl From<Response> for Failure {
    fn from(response: Response) -> Self {
        Self::Said(response)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(super) const JSON: &str = "application/json; charset=utf-8";

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    Response {
        status,
        content_type: JSON,
        body: Bytes::from(serde_json::to_vec(body).expect("our bodies have string keys only")),
        headers: Vec::new(),
    }
}

/// The machine of one exchange.
pub(super) struct Exchange {
    rest: &'static Rest,
    /// Until the request comes: one is all there is.
    mount: Option<Arc<Mount>>,
    work: Work<Reply>,
}

impl Exchange {
    pub fn new(rest: &'static Rest, mount: Arc<Mount>) -> Self {
        Self { rest, mount: Some(mount), work: Work::default() }
    }
}

impl Machine for Exchange {
    fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        let reply = match input {
            Input::Request(request) => self.mount.take().and_then(|mount| {
                let core = self.work.core.clone();
                self.work.begin(self.rest.serve(request, mount, core))
            }),
            Input::Answer { tag, answer, position } => self.work.answered(tag, answer, position),
            Input::Closed => {
                self.work.stop();
                None
            }
            // It hears no events. A revoked token fails the call it is used for.
            _ => None,
        };
        self.work.core.give_out(effects);
        effects.extend(reply.map(Effect::Respond));
    }
}

impl Rest {
    /// One request, from its route to its answer.
    async fn serve(&'static self, request: Request, mount: Arc<Mount>, core: Core) -> Reply {
        let Some((route, id)) = self.find(&request) else { return (self.not_found)().into() };
        let (credential, person) = match self.prove(route.access, &request, &mount, &core).await {
            Ok(who) => who,
            Err(response) => return response.into(),
        };
        let asked = Asked { request, id, mount, credential, person, core };
        match (route.handler)(asked).await {
            Ok(reply) => reply,
            Err(Failure::Said(response)) => response.into(),
            Err(Failure::NotJson) => (self.not_json)().into(),
            Err(Failure::Refused(refusal)) => (self.refused)(&refusal, route.failed).into(),
        }
    }

    /// Who calls, where that matters.
    async fn prove(
        &self,
        access: Access,
        request: &Request,
        mount: &Mount,
        core: &Core,
    ) -> Result<(Credential, Option<v1::Person>), Response> {
        let guest = (Credential::Guest, None);
        let token = match (access, (self.token)(request, mount)) {
            (Access::Open, _) | (Access::Optional, None) => return Ok(guest),
            (Access::Staff, None) => return Err((self.token_missing)()),
            (Access::Optional | Access::Staff, Some(token)) => token,
        };
        match (core.attach(Credential::Bearer(token), Recovery::default()).await, access == Access::Staff) {
            (Ok(attached), true) if !is_staff(&attached) => Err((self.staff_only)()),
            // Staff see every conversation and would answer as staff; with the customer's widget they are customers.
            (Ok(attached), false) if is_staff(&attached) => Ok((Credential::Guest, attached.person)),
            (Ok(attached), _) => Ok((Credential::Connection, attached.person)),
            (Err(refusal), _) if refusal.is_outage() => Err((self.unproven)(&refusal)),
            (Err(_), true) => Err((self.token_invalid)()),
            (Err(_), false) => Ok(guest),
        }
    }

    /// The route of a request, and the segment that it leaves open. Another method or path does not exist.
    fn find(&self, request: &Request) -> Option<(&'static Route, String)> {
        let path: Vec<_> = segments(&request.path)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
        let of_method = self.routes.iter().filter(|route| route.method == *method);
        of_method.map(|route| (route, route.open_segment(&path))).find_map(|(route, id)| Some((route, id?)))
    }
}

impl Route {
    /// The segment that its path leaves open, if it is a path of this route.
    fn open_segment(&self, path: &[String]) -> Option<String> {
        let wanted: Vec<_> = segments(self.path).collect();
        let open = |segment: &str| segment.starts_with(':');
        let matches = wanted.len() == path.len()
            && wanted.iter().zip(path).all(|(wanted, segment)| open(wanted) || wanted == segment);
        let id = wanted.iter().zip(path).find_map(|(wanted, segment)| open(wanted).then_some(segment));
        matches.then(|| id.cloned().unwrap_or_default())
    }
}

/// The segments of a path; one '/' at its end makes no difference.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_suffix('/').unwrap_or(path).split('/').skip(1)
}
