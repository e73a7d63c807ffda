//! How a session ends: by whoever ends it, by silence, by a client that takes nothing, by one that
//! joins nothing, by one that finishes nothing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Session, State, Told};
use crate::{engine::beat::Due, outbox::Closed, reason::Reason, wheel::Timed};

/// How long an ended polling session is kept for the request that fetches its last packets.
const LINGER: Duration = Duration::from_secs(1);

impl Session {
    /// Ends the session, once.
    pub fn end(self: &Arc<Self>, reason: Reason, told: Told) {
        self.finish(&mut self.lock(), reason, told);
    }

    pub(in crate::engine) fn finish(self: &Arc<Self>, state: &mut State, reason: Reason, told: Told) {
        if state.transport.ended.is_some() {
            return;
        }
        let fetched = state.transport.end(reason, told);
        match &mut state.transport.polling {
            Some(polling) if !fetched && told != Told::AtOnce => {
                let until = Instant::now() + LINGER;
                polling.lingers = Some(until);
                self.registry.wheel.add(self, until);
            }
            _ => self.registry.remove(&self.key),
        }
    }

    /// Does what is due; `None` once there is nothing to come back for.
    pub fn check(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let rhythm = self.registry.rhythm();
        // The wheel comes up to a slot early. Whoever owes something has all the time for it; the rest may be as early.
        let soon = now + rhythm.slot;
        if state.transport.ended.is_some() {
            let polling = state.transport.polling.as_mut()?;
            let until = polling.lingers?;
            if until > soon {
                return Some(until);
            }
            polling.lingers = None;
            polling.flushed();
            self.registry.remove(&self.key);
            return None;
        }
        if state.connect_by.is_some_and(|by| by <= soon) {
            self.finish(&mut state, Reason::ForcedServerClose, Told::AfterAll);
            return None;
        }
        let patience = self.registry.config.message_timeout;
        if state.unfinished.is_some() && !self.attended.load(Ordering::Relaxed) {
            // Nobody reads what it sends.
            state.unfinished = Some(now);
        }
        let whole_by = state.unfinished.map(|since| since + patience);
        if whole_by.is_some_and(|by| by <= soon) {
            self.finish(&mut state, Reason::TooSlow, Told::AfterAll);
            return None;
        }
        match state.beat.due(now, rhythm) {
            Due::Nothing => {}
            Due::Ping => {
                if let Err(Closed(reason)) = state.transport.send(b"2", &Bytes::new(), &[], true) {
                    self.finish(&mut state, reason, Told::AtOnce);
                }
            }
            Due::Death if state.transport.socket.is_some() && !self.attended.load(Ordering::Relaxed) => {
                state.beat.excuse(now, rhythm);
            }
            Due::Death => {
                self.finish(&mut state, Reason::PingTimeout, Told::AtOnce);
                return None;
            }
        }
        let stalled = state.transport.stalled_since().map(|since| since + rhythm.timeout);
        if stalled.is_some_and(|until| until <= now) {
            self.finish(&mut state, Reason::SlowReader, Told::AtOnce);
            return None;
        }
        // A stall is looked for once in each interval, so that it is never found later than a missing answer, and what is
        // unfinished as often as it has time: what begins after a visit is found by the next one.
        let soonest = [Some(now + rhythm.interval.min(patience)), stalled, state.connect_by, whole_by];
        soonest.into_iter().flatten().chain([state.beat.next(now)]).min()
    }
}

impl Timed for Session {
    fn visit(self: Arc<Self>, now: Instant) -> Option<Instant> {
        self.check(now)
    }
}
