//! Finds out who calls. A bad credential is refused here; a missing one is left to the service, because some calls are
//! open to everybody.

use std::sync::Arc;

use http::{HeaderMap, Request, header::AUTHORIZATION, request::Parts};
use parlor_api::metadata;
use subtle::ConstantTimeEq as _;
use tonic::body::Body;

use super::{
    layer::{Answer, refused},
    trace::Call,
};
use crate::{
    Error, Result,
    auth::{self, Auth, RawCredential},
    caller::{Caller, Principal},
};

/// What callers are known by.
pub struct Identify {
    auth: Arc<Auth>,
    edge_keys: Vec<String>,
}

impl Identify {
    pub fn new(auth: Arc<Auth>, edge_keys: &[String]) -> Self {
        let edge_keys = edge_keys.iter().filter(|key| !key.is_empty()).cloned().collect();
        Self { auth, edge_keys }
    }

    pub async fn around<F>(&self, request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let (mut head, body) = request.into_parts();
        match self.caller(&head).await {
            Ok(caller) => {
                // Secrets end here; no service has a use for them.
                head.headers.remove(metadata::EDGE_KEY);
                head.headers.remove(AUTHORIZATION);
                head.extensions.insert(caller);
                next(Request::from_parts(head, body)).await
            }
            Err(error) => refused(error),
        }
    }

    async fn caller(&self, head: &Parts) -> Result<Caller> {
        let headers = &head.headers;
        let call = head.extensions.get::<Call>();
        let mut caller = Caller {
            edge: self.is_edge(headers)?,
            request_id: call.map(|call| Arc::clone(&call.request_id)).unwrap_or_default(),
            tenant_wish: text(headers, metadata::TENANT)?.map(str::to_owned),
            ..Caller::default()
        };
        let mut guests = false;
        if caller.edge {
            caller.connection = text(headers, metadata::CONNECTION)?.unwrap_or_default().to_owned();
            caller.peer = text(headers, metadata::PEER)?.unwrap_or_default().to_owned();
            caller.signup = headers.contains_key(metadata::SIGNUP);
            caller.issuers = list(text(headers, metadata::ISSUERS)?.unwrap_or_default());
            guests = headers.contains_key(metadata::GUEST);
        }
        caller.principal = self.principal(headers, &caller, guests).await?;
        // What is a gateway's alone is not for the client whose words it passes on.
        caller.edge &= !headers.contains_key(metadata::PUBLIC);
        Ok(caller)
    }

    async fn principal(
        &self,
        headers: &HeaderMap,
        caller: &Caller,
        guests: bool,
    ) -> Result<Option<Arc<Principal>>> {
        if caller.edge
            && let Some(handle) = text(headers, metadata::HANDLE)?
        {
            return self.auth.open_handle(handle).await.map(Some);
        }
        let credential = match text(headers, AUTHORIZATION.as_str())? {
            Some(value) => RawCredential::Bearer(bearer(value)?.to_owned()),
            None if guests => RawCredential::Guest,
            None => return Ok(None),
        };
        let context = auth::Context {
            tenant: caller.tenant_wish.clone(),
            issuers: caller.issuers.clone(),
            guests,
            ..auth::Context::default()
        };
        self.auth.resolve(&credential, &context).await.map(Some)
    }

    /// A wrong key is refused and not ignored: a gateway would wonder why it has no rights.
    fn is_edge(&self, headers: &HeaderMap) -> Result<bool> {
        let Some(shown) = headers.get(metadata::EDGE_KEY) else { return Ok(false) };
        let matches = |key: &String| bool::from(key.as_bytes().ct_eq(shown.as_bytes()));
        if self.edge_keys.iter().any(matches) { Ok(true) } else { Err(Error::EdgeKeyRequired) }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::CredentialInvalid("metadata is not text".to_owned()))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn list(names: &str) -> Vec<String> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn bearer(value: &str) -> Result<&str> {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Error::CredentialInvalid("authorization is not \"Bearer …\"".to_owned())),
    }
}
