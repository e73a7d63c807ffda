//! One Socket.IO connection: one task that reads it, and runs the driver of each namespace it has joined.
//!
//! It waits for one thing at a time; nobody waits for it. At rest it holds no timer and no buffer, and what it needs to
//! do something is in a box that is made when there is something to do: most connections are at rest.

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::HeaderMap;
use parlor_socketio::{Connection, Incoming, Reason};
use tokio::time::{Instant, Sleep};

use super::{mounts::Mounts, namespace::Namespace};
use crate::{driver, edge::Edge, transport::origin};

/// What the client of a namespace that nobody mounted is told, as the reference tells it.
const INVALID_NAMESPACE: &str = "Invalid namespace";

/// What the client of a page that may not come here is told.
const FOREIGN_ORIGIN: &str = "Origin not allowed";

pub(super) struct Task {
    edge: Arc<Edge>,
    mounts: Arc<Mounts>,
    connection: Connection,
    peer: Option<IpAddr>,
    /// What says who opened it, if anything does.
    headers: Option<Box<HeaderMap>>,
    namespaces: Vec<Namespace>,
    /// Set only while there is something to wait for.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// What there is to do next.
enum Happened {
    Incoming(Incoming),
    /// Something waits for the namespace at this place.
    Waiting(usize),
    Alarm,
    Draining,
}

impl Task {
    pub fn new(edge: Arc<Edge>, mounts: Arc<Mounts>, mut connection: Connection) -> Self {
        let request = connection.take_request();
        let peer = request.as_ref().and_then(|request| request.peer);
        let headers = request.map(|request| driver::telling(&request.headers));
        let headers = headers.filter(|headers| !headers.is_empty()).map(Box::new);
        Self { edge, mounts, connection, peer, headers, namespaces: Vec::new(), alarm: None }
    }

    pub async fn run(&mut self) {
        let reason = self.until_ended().await;
        metrics::counter!(crate::metric::SOCKETS_ENDED, "reason" => reason.as_str()).increment(1);
        self.connection.close(reason);
        // Those who end like this have taken nothing for a while, whatever was sent.
        let silent = matches!(reason, Reason::PingTimeout | Reason::SlowReader | Reason::TransportError);
        let silence = self.edge.limits.silence(silent);
        Box::pin(self.part(silence)).await;
    }

    async fn part(&mut self, silence: Duration) {
        for joined in self.namespaces.drain(..) {
            joined.close(silence).await;
        }
    }

    async fn until_ended(&mut self) -> Reason {
        let draining = self.edge.draining.clone();
        let mut draining = pin!(draining.cancelled());
        loop {
            self.set_alarm();
            let happened = poll_fn(|cx| {
                if draining.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Happened::Draining);
                }
                self.poll(cx)
            });
            let happened = happened.await;
            if let Err(reason) = Box::pin(self.answer(happened)).await {
                return reason;
            }
        }
    }

    async fn answer(&mut self, happened: Happened) -> Result<(), Reason> {
        match happened {
            Happened::Incoming(incoming) => self.incoming(incoming).await,
            Happened::Waiting(index) => self.drain(index).await,
            Happened::Alarm => self.wake().await,
            Happened::Draining => {
                for index in 0..self.namespaces.len() {
                    let _ = self.drain(index).await;
                }
                Err(Reason::ServerShuttingDown)
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        for (index, joined) in self.namespaces.iter().enumerate() {
            if joined.outbox().poll_ready(cx).is_ready() {
                return Poll::Ready(Happened::Waiting(index));
            }
        }
        if let Some(alarm) = &mut self.alarm
            && alarm.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Happened::Alarm);
        }
        if self.connection.poll_flushed(cx).is_ready() {
            self.namespaces.iter().for_each(|joined| joined.outbox().has_left());
        }
        if self.namespaces.iter().all(Namespace::reads) {
            return self.connection.poll_next(cx).map(Happened::Incoming);
        }
        self.connection.poll_drive(cx).map(|reason| Happened::Incoming(Incoming::Ended(reason)))
    }

    fn set_alarm(&mut self) {
        let now = Instant::now();
        let wakes = self.namespaces.iter().filter_map(|joined| joined.wakes(now)).min();
        match (wakes, &mut self.alarm) {
            (Some(wakes), Some(alarm)) if alarm.deadline() == wakes => {}
            (Some(wakes), Some(alarm)) => alarm.as_mut().reset(wakes),
            (Some(wakes), none) => *none = Some(Box::pin(tokio::time::sleep_until(wakes))),
            (None, alarm) => *alarm = None,
        }
    }

    async fn incoming(&mut self, incoming: Incoming) -> Result<(), Reason> {
        match incoming {
            Incoming::Connect { namespace, auth } => self.join(&namespace, auth).await,
            Incoming::Event { namespace, event, ack } => match self.place(&namespace) {
                Some(index) => {
                    self.namespaces[index].emitted(event, ack).await;
                    self.follow(index).await
                }
                None => Ok(()),
            },
            Incoming::Oversized { namespace, event, ack } => match self.place(&namespace) {
                Some(index) => {
                    self.namespaces[index].oversized(event, ack).await;
                    self.follow(index).await
                }
                None => Ok(()),
            },
            // No dialect asks its clients for acknowledgements.
            Incoming::Ack { .. } => Ok(()),
            Incoming::Leave { namespace } => {
                if let Some(index) = self.place(&namespace) {
                    self.namespaces.swap_remove(index).close(Duration::ZERO).await;
                }
                Ok(())
            }
            Incoming::Ended(reason) => Err(reason),
        }
    }

    async fn join(&mut self, namespace: &Arc<str>, auth: Option<bytes::Bytes>) -> Result<(), Reason> {
        let Some(mounted) = self.mounts.find(namespace) else {
            self.connection.refuse(namespace, INVALID_NAMESPACE, None);
            return Ok(());
        };
        let none = HeaderMap::new();
        let headers = self.headers.as_deref().unwrap_or(&none);
        if !mounted.mount.admits(headers) {
            origin::refused(&self.edge, mounted, headers);
            self.connection.refuse(namespace, FOREIGN_ORIGIN, None);
            return Ok(());
        }
        if let Some(before) = self.place(namespace) {
            self.namespaces.swap_remove(before).close(Duration::ZERO).await;
        }
        let mut joined = Namespace::open(&self.edge, mounted, namespace, self.peer, headers);
        joined.connect(auth).await;
        // One is what nearly everybody joins.
        self.namespaces.reserve_exact(1);
        self.namespaces.push(joined);
        self.follow(self.namespaces.len() - 1).await
    }

    async fn drain(&mut self, index: usize) -> Result<(), Reason> {
        let ended = self.namespaces[index].drain().await;
        self.follow(index).await?;
        ended
    }

    async fn wake(&mut self) -> Result<(), Reason> {
        let mut index = 0;
        while index < self.namespaces.len() {
            self.namespaces[index].wake().await?;
            let before = self.namespaces.len();
            self.follow(index).await?;
            // One that ended made room for the last.
            index += usize::from(self.namespaces.len() == before);
        }
        Ok(())
    }

    /// Sends what a namespace's driver wants sent, and ends the namespace if its driver ended.
    async fn follow(&mut self, index: usize) -> Result<(), Reason> {
        if self.namespaces[index].send(&mut self.connection).await {
            return Ok(());
        }
        self.namespaces.swap_remove(index).close(Duration::ZERO).await;
        Ok(())
    }

    fn place(&self, namespace: &str) -> Option<usize> {
        self.namespaces.iter().position(|joined| joined.name() == namespace)
    }
}
