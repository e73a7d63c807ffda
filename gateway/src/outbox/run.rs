//! Frames that go to many connections, one after another: what is the same on many wires is made once.

use std::sync::OnceLock;

use parlor_socketio::{Burst, websocket::Joined};

use super::Ticket;
use crate::dialect::Frame;

/// An event as those see it who hear it alike.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Its number in its topic.
    pub number: u64,
    pub frame: Frame,
    pub ticket: Ticket,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Run {
    shown: Vec<Shown>,
    burst: OnceLock<Burst>,
    joined: OnceLock<Joined>,
}

impl Shown {
    pub fn bytes(&self) -> usize {
        self.frame.bytes()
    }
}

impl Run {
    /// Of events in the order of their numbers.
    pub fn new(shown: Vec<Shown>) -> Self {
        Self { shown, burst: OnceLock::new(), joined: OnceLock::new() }
    }

    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// Nothing of it is at or below this number.
    pub fn is_above(&self, number: u64) -> bool {
        self.shown.first().is_none_or(|first| first.number > number)
    }

    /// Nothing of it is at or below this position of the tenant's log.
    pub fn is_past(&self, position: u64) -> bool {
        self.shown.iter().all(|shown| shown.ticket.is_past(position))
    }

    /// Its events for sockets of Socket.IO. Bare frames are for others: a dialect that renders them has no clients there.
    pub fn burst(&self) -> &Burst {
        self.burst.get_or_init(|| {
            let events = self.shown.iter().filter_map(|shown| match &shown.frame {
                Frame::Event(event) => Some(event.0.clone()),
                Frame::Text(_) | Frame::Binary(_) => None,
            });
            Burst::new(events.collect())
        })
    }

    /// Its messages for raw WebSockets.
    pub fn joined(&self) -> &Joined {
        self.joined.get_or_init(|| {
            Joined::new(self.shown.iter().map(|shown| {
                let (kind, body) = shown.frame.message();
                (kind, &b""[..], &**body)
            }))
        })
    }
}
