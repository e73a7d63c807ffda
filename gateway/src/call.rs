//! Asks the core on a connection's behalf: each [`Call`] is one unary method, with the context as metadata.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parlor_api::{codec::Raw, failure, limits::ANSWER_BYTES, metadata, v1::Reason};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataMap, MetadataValue},
};

use crate::{
    backend::Backend,
    dialect::{Answer, Call, refusal::Refusal},
    mount::Mount,
};

mod refusal;

/// The core answers or refuses within this. It is longer than any legacy client waits for an answer.
pub const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// What the wait for a core that does not answer at all is longer than the deadline the core was told.
const DEADLINE_SLACK: Duration = Duration::from_millis(500);

/// The value of metadata that only says yes.
const YES: &str = "true";

/// By what somebody is who they are.
pub(crate) use parlor_api::v1::link_attach::Credential as Proof;

/// Who asks, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub mount: Arc<Mount>,
    pub connection: Arc<str>,
    pub peer: Option<IpAddr>,
    pub proof: Proof,
}

/// Makes calls with the gateway's key.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    pub backend: Backend,
    pub edge_key: MetadataValue<Ascii>,
    /// How long the core may take for a call.
    pub deadline: Duration,
}

impl Calls {
    /// Asks the core; the answer comes with the tenant position of what the call stored, if it stored something.
    pub async fn call(&self, call: Call, caller: &Caller) -> (Result<Answer, Refusal>, Option<u64>) {
        let bound = self.deadline + DEADLINE_SLACK;
        let answered = tokio::time::timeout(bound, self.dispatch(call, caller)).await;
        match answered.unwrap_or_else(|_elapsed| Err(Status::deadline_exceeded("the core did not answer"))) {
            Ok((answer, position)) => (Ok(answer), position),
            Err(status) => (Err(Refusal::from(&status)), None),
        }
    }

    async fn dispatch(&self, call: Call, caller: &Caller) -> Result<(Answer, Option<u64>), Status> {
        let mut request = self.request(call.message, caller)?;
        if call.public {
            request.metadata_mut().insert(metadata::PUBLIC, MetadataValue::from_static(YES));
        }
        let mut client =
            tonic::client::Grpc::new(self.backend.service.clone()).max_decoding_message_size(ANSWER_BYTES);
        client.ready().await?;
        let response = client.unary(request, call.path, Raw).await;
        let response = response.map_err(|status| if call.public { told(status) } else { status })?;
        let position = position(response.metadata());
        Ok((Answer::Called(response.into_inner()), position))
    }

    fn request<T>(&self, message: T, caller: &Caller) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        let map = request.metadata_mut();
        map.insert(metadata::EDGE_KEY, self.edge_key.clone());
        put(map, metadata::REQUEST_ID, &uuid::Uuid::now_v7().to_string())?;
        put(map, metadata::CONNECTION, &caller.connection)?;
        if let Some(tenant) = &caller.mount.tenant {
            put(map, metadata::TENANT, tenant)?;
        }
        if !caller.mount.issuers.is_empty() {
            put(map, metadata::ISSUERS, &caller.mount.issuers.join(","))?;
        }
        if caller.mount.allow_signup {
            put(map, metadata::SIGNUP, YES)?;
        }
        if let Some(peer) = caller.peer {
            put(map, metadata::PEER, &peer.to_string())?;
        }
        match &caller.proof {
            Proof::Handle(handle) => put(map, metadata::HANDLE, handle)?,
            Proof::Bearer(token) => put(map, "authorization", &format!("Bearer {token}"))?,
            Proof::Guest(_) => put(map, metadata::GUEST, YES)?,
            Proof::ApiKey(_) | Proof::Claim(_) => {
                return Err(Status::unauthenticated("this proof is for attaching"));
            }
        }
        Ok(request)
    }
}

/// What is not the core's own word is of the way to it: whether something was stored is not known.
fn told(status: Status) -> Status {
    let is_of_the_way = matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Unavailable)
        && failure::reason(&status) == Reason::Unspecified;
    if !is_of_the_way {
        return status;
    }
    failure::status(Code::Unavailable, Reason::TryAgain, "the core does not answer", HashMap::new(), &[])
}

/// A value that cannot be written into metadata was no credential of ours.
fn put(map: &mut MetadataMap, name: &'static str, value: &str) -> Result<(), Status> {
    let value = MetadataValue::try_from(value)
        .map_err(|_invalid| Status::unauthenticated("the credential is not a credential"))?;
    map.insert(name, value);
    Ok(())
}

fn position(map: &MetadataMap) -> Option<u64> {
    map.get(metadata::POSITION)?.to_str().ok()?.parse().ok()
}
