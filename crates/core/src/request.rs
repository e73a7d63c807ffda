//! What services do with requests the same way: that a repetition changes nothing, and the answer, of which whoever asked is
//! shown what they may see.

use futures::{
    future::ready,
    stream::{BoxStream, StreamExt as _, TryStreamExt as _},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_api::{metadata, veil::Veiled};
use parlor_store::{Mutation, RequestKey, Store};
use prost::Message;
use sha2::Sha256;
use tonic::{Request, Response, Status, metadata::MetadataValue};

use crate::{
    Error, Result,
    caller::{Caller, Principal},
    clock::Clock,
};

/// Answers a call by its rule, for the caller that the chain has proven.
pub async fn answered<S, T, R: Veiled>(
    service: &S,
    request: Request<T>,
    rule: impl AsyncFnOnce(&S, &Caller, T) -> Result<R>,
) -> Result<Response<R>, Status> {
    let caller = Caller::of(&request)?;
    let mut answer = rule(service, &caller, request.into_inner()).await?;
    answer.veil(&caller.viewer());
    Ok(Response::new(answer))
}

/// Answers a call by a rule that goes on answering.
pub async fn streamed<S, T, R: Veiled + Send + 'static>(
    service: &S,
    request: Request<T>,
    rule: impl AsyncFnOnce(&S, &Caller, T) -> Result<Answers<R>>,
) -> Result<Response<Answers<R>>, Status> {
    let caller = Caller::of(&request)?;
    let viewer = caller.viewer();
    let answers = rule(service, &caller, request.into_inner()).await?;
    let shown = answers.try_filter_map(move |mut answer| ready(Ok(answer.veil(&viewer).then_some(answer))));
    Ok(Response::new(shown.boxed()))
}

/// The answers of a stream.
pub type Answers<R> = BoxStream<'static, Result<R, Status>>;

/// Answers a call by a rule that stores: a gateway is told the position that its own reply must wait for.
pub async fn stored<S, T, R: Veiled>(
    service: &S,
    request: Request<T>,
    rule: impl AsyncFnOnce(&S, &Caller, T) -> Result<(R, Option<i64>)>,
) -> Result<Response<R>, Status> {
    let caller = Caller::of(&request)?;
    let (mut answer, position) = rule(service, &caller, request.into_inner()).await?;
    answer.veil(&caller.viewer());
    let mut response = Response::new(answer);
    if let Some(position) = position.filter(|_| caller.edge) {
        response.metadata_mut().insert(metadata::POSITION, MetadataValue::from(position));
    }
    Ok(response)
}

/// A service on the wire, with a line for each method that answers once: its messages, whether it is [`answered`] or
/// [`stored`], and by what. Methods that stream are written out behind them.
macro_rules! service {
    ($service:ident for $rpc:ty {
        $(fn $method:ident($request:ident) -> $response:ident = $how:ident($answer:expr);)*
    } $($streaming:tt)*) => {
        #[tonic::async_trait]
        impl $service for $rpc {
            $(async fn $method(
                &self,
                request: tonic::Request<parlor_api::v1::$request>,
            ) -> Result<tonic::Response<parlor_api::v1::$response>, tonic::Status> {
                $crate::request::$how(self, request, $answer).await
            })*

            $($streaming)*
        }
    };
}
pub(crate) use service;

/// Names repeatable requests.
#[derive(Clone, Debug)]
pub struct Requests {
    payloads: Hmac<Sha256>,
    clock: Clock,
}

impl Requests {
    /// Under the installation's secret.
    #[must_use]
    pub fn new(secret: &[u8], clock: Clock) -> Self {
        let mut payloads = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        payloads.update(b"requests");
        Self { payloads, clock }
    }

    /// Names a repeatable request; `None` if the caller gave it no id.
    pub fn key(
        &self,
        principal: &Principal,
        method: &'static str,
        request_id: &str,
        request: &impl Message,
    ) -> Result<Option<RequestKey>> {
        if request_id.is_empty() {
            return Ok(None);
        }
        Ok(Some(RequestKey {
            tenant: principal.tenant,
            principal: principal.key(),
            method,
            request_id: request_id.to_owned(),
            // Keyed: a payload may hold a password, and its plain hash could be searched.
            payload_hash: self.payload_hash(request),
            at: self.clock.now(),
        }))
    }

    /// What stands for all that a request says.
    pub fn payload_hash(&self, request: &impl Message) -> [u8; 32] {
        self.payloads.clone().chain_update(request.encode_to_vec()).finalize().into_bytes().into()
    }
}

/// Makes a change, once if its request has a name, and answers what the first time answered.
pub async fn apply<T, R>(
    store: &Store,
    key: Option<RequestKey>,
    mutation: Mutation<T>,
    respond: impl Fn(&T) -> R + Send + Sync + 'static,
) -> Result<Applied<T, R>>
where
    T: Send + 'static,
    R: Message + Default + 'static,
{
    let Some(key) = key else {
        let (done, position) = store.apply(mutation.positioned()).await?;
        let response = respond(&done);
        return Ok(Applied { response, done: Some(done), position });
    };
    let once = store.apply_once(key, mutation, move |done| respond(done).encode_to_vec()).await?;
    Ok(Applied { response: recorded(&once.response)?, done: None, position: once.position })
}

/// The answer that was recorded for a request.
pub fn recorded<R: Message + Default>(response: &[u8]) -> Result<R> {
    R::decode(response).map_err(|error| Error::Internal(format!("a recorded answer cannot be read: {error}")))
}

/// An answer, and what was done for it if that is known here.
#[derive(Debug)]
pub struct Applied<T, R> {
    pub response: R,
    pub done: Option<T>,
    /// Where the tenant was then.
    pub position: i64,
}
