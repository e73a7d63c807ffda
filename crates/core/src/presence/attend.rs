//! Being online is holding this stream open: commands up, each answered by its number, events down.

use std::{sync::Arc, time::Duration};

use futures::{Stream, future::BoxFuture, stream};
use parlor_api::{
    bound::Bounded as _,
    v1::{self, attend_request::Command, attend_response::Body},
};
use parlor_store::User;
use tokio::time::Instant;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::{Counted, Presence, Present, linger, wanted_role, watch::Feed};
use crate::{Error, Result, caller::Caller, field, hub::Hub, optional::some};

/// A stream that says nothing for so long is dead, whatever its connection says.
const LEASE: Duration = Duration::from_secs(30);

/// How long somebody stays online after the stream breaks, where they do not say: long enough for a page to reload.
const DEFAULT_LINGER: Duration = Duration::from_secs(5);

/// One stream.
struct Attendance {
    presence: Presence,
    hub: Hub,
    caller: Caller,
    user: Arc<User>,
    commands: Streaming<v1::AttendRequest>,
    online: Option<Present>,
    feed: Option<Feed>,
    ended: BoxFuture<'static, Error>,
    lease_until: Instant,
}

/// The answers and events of an `Attend` call.
pub(super) fn attend(
    presence: Presence,
    hub: Hub,
    ended: BoxFuture<'static, Error>,
    caller: Caller,
    user: Arc<User>,
    commands: Streaming<v1::AttendRequest>,
) -> impl Stream<Item = Result<v1::AttendResponse, Status>> + Send {
    let lease_until = Instant::now() + LEASE;
    let attendance =
        Attendance { presence, hub, caller, user, commands, online: None, feed: None, ended, lease_until };
    stream::unfold(Some(attendance), async |state| {
        let mut attendance = state?;
        match attendance.next().await {
            Ok(Some(body)) => Some((Ok(v1::AttendResponse { body: Some(body) }), Some(attendance))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    })
}

impl Attendance {
    /// The next thing to send; `None` when the caller has hung up.
    async fn next(&mut self) -> Result<Option<Body>, Status> {
        tokio::select! {
            biased;
            error = &mut self.ended => Err(error.into()),
            () = tokio::time::sleep_until(self.lease_until) => Err(Error::DeadlineExceeded.into()),
            command = self.commands.message() => match command? {
                Some(request) => Ok(Some(self.answer(request).await)),
                None => Ok(None),
            },
            event = some(self.feed.as_mut().map(Feed::next)) => Ok(Some(Body::Event(event))),
        }
    }

    async fn answer(&mut self, request: v1::AttendRequest) -> Body {
        self.lease_until = Instant::now() + LEASE;
        let number = request.number;
        match self.carry_out(request).await {
            Ok(presence) => Body::Answer(v1::AttendAnswer {
                number,
                presence: Some(presence),
                lease: prost_types::Duration::try_from(LEASE).ok(),
            }),
            Err(error) => {
                let failure = v1::Failure::from(&Status::from(error));
                Body::Failure(v1::AttendFailure { number, failure: Some(failure) })
            }
        }
    }

    async fn carry_out(&mut self, request: v1::AttendRequest) -> Result<v1::Presence> {
        request.check()?;
        let command = field::given("command", request.command)?;
        if self.online.is_none() && !matches!(command, Command::Attach(_)) {
            return Err(Error::field("command", "must be attach at first"));
        }
        match command {
            Command::Attach(attach) => self.attach(&attach).await?,
            Command::Heartbeat(_) => {}
            Command::SetAvailability(request) => return self.presence.choose(&self.caller, &request).await,
            Command::Watch(watch) => self.watch(&watch).await?,
        }
        let tenant = self.caller.principal()?.tenant;
        Ok(self.presence.person(tenant, self.user.id).await?.to_proto())
    }

    async fn attach(&mut self, attach: &v1::AttendAttach) -> Result<()> {
        let linger = linger("attach.linger", attach.linger)?.unwrap_or(DEFAULT_LINGER);
        if let Some(online) = &mut self.online {
            online.linger = linger;
            return Ok(());
        }
        let tenant = self.caller.principal()?.tenant;
        let name = Uuid::now_v7().to_string().into();
        let counted = Counted { scope: "attend".into(), name };
        self.online = Some(Present::count(&self.presence, tenant, &self.user, counted, linger).await?);
        Ok(())
    }

    async fn watch(&mut self, watch: &v1::AttendWatch) -> Result<()> {
        self.feed = None;
        if watch.enabled {
            let tenant = self.caller.principal()?.tenant;
            self.feed = Some(Feed::open(&self.hub, tenant, wanted_role(watch.role)?).await?);
        }
        Ok(())
    }
}
