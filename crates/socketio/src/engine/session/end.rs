//! How a session ends: by whoever ends it, by silence, by a client that takes nothing, by one that joins nothing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Session, State, Told};
use crate::{
    engine::{beat::Due, piece::Piece},
    outbox::Closed,
    reason::Reason,
    websocket,
    wheel::Timed,
};

/// How long an ended polling session is kept for the request that fetches its last packets.
const LINGER: Duration = Duration::from_secs(1);

impl Session {
    /// Ends the session, once.
    pub fn end(self: &Arc<Self>, reason: Reason, told: Told) {
        self.finish(&mut self.lock(), reason, told);
    }

    pub(in crate::engine) fn finish(self: &Arc<Self>, state: &mut State, reason: Reason, told: Told) {
        if state.ended.is_some() {
            return;
        }
        state.ended = Some(reason);
        if let Some(socket) = &state.socket {
            if reason.is_abrupt() {
                socket.end(reason);
            } else {
                // If the line has ended by itself, there is nobody left to be told.
                let _ = socket.close(websocket::close::NORMAL, "");
            }
        }
        let mut fetched = true;
        if let Some(polling) = &mut state.polling {
            if let Some(upgrade) = polling.upgrade.take() {
                upgrade.end(reason);
            }
            polling.wake_reader();
            fetched = state.socket.is_some() || polling.end(told, reason == Reason::ServerShuttingDown);
        }
        match &mut state.polling {
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
        if state.ended.is_some() {
            let polling = state.polling.as_mut()?;
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
        match state.beat.due(now, rhythm) {
            Due::Nothing => {}
            Due::Ping => self.ping(&mut state),
            Due::Death if state.socket.is_some() && !self.attended.load(Ordering::Relaxed) => {
                state.beat.excuse(now, rhythm);
            }
            Due::Death => {
                self.finish(&mut state, Reason::PingTimeout, Told::AtOnce);
                return None;
            }
        }
        let stalled = state.stalled_since().map(|since| since + rhythm.timeout);
        if stalled.is_some_and(|until| until <= now) {
            self.finish(&mut state, Reason::SlowReader, Told::AtOnce);
            return None;
        }
        // A stall is looked for once in each interval, so that it is never found later than a missing answer.
        let soonest = [Some(now + rhythm.interval), stalled, state.connect_by];
        soonest.into_iter().flatten().chain([state.beat.next(now)]).min()
    }

    fn ping(self: &Arc<Self>, state: &mut State) {
        let sent = match (&state.socket, &mut state.polling) {
            (Some(socket), _) => socket.send(websocket::Kind::Text, b"2", &Bytes::new()),
            (None, Some(polling)) => {
                let pushed =
                    polling.push(self.registry.config.outbox_bytes, [Piece::text(b"2", &Bytes::new())]);
                polling.release();
                pushed
            }
            (None, None) => Ok(()),
        };
        if let Err(Closed(reason)) = sent {
            self.finish(state, reason, Told::AtOnce);
        }
    }
}

impl Timed for Session {
    fn visit(self: Arc<Self>, now: Instant) -> Option<Instant> {
        self.check(now)
    }
}

impl State {
    /// Since when the client has taken nothing of what waits for it. The kernel is asked first: a user who is busy
    /// drives no writing.
    fn stalled_since(&self) -> Option<Instant> {
        match (&self.socket, &self.polling) {
            (Some(socket), _) => {
                socket.stalled_since()?;
                socket.flush();
                socket.stalled_since()
            }
            (None, polling) => polling.as_ref()?.stalled_since(),
        }
    }
}
