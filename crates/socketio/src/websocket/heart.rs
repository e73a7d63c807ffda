//! Whether the client lives: silence is answered by a ping, an unanswered ping by the end. The wheel visits; a socket has
//! no timer of its own.
//!
//! Silence says nothing while the socket's owner does not read. What is written and not taken is like a ping without an
//! answer, whatever the client itself sends meanwhile. A message that has begun is whole in time, or that is the end too.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    close::{self, Close},
    frame::{Head, Opcode},
};
use crate::{outbox::Outbox, reason::Reason, wheel::Timed};

/// How often a silent client is asked whether it lives, and how long it may take to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    pub interval: Duration,
    pub timeout: Duration,
    /// How long it may take nothing of what is written to it.
    pub stall: Duration,
    /// How long a message may take from its first byte to its last.
    pub message: Duration,
}

/// What the wheel visits of a socket.
pub(super) struct Heart {
    line: Weak<Outbox>,
    pulse: Pulse,
    epoch: Instant,
    /// When something came last, in milliseconds of the epoch.
    heard: AtomicU64,
    /// When the last ping went out, 0 for never.
    pinged: AtomicU64,
    /// When the message that is not whole yet began, 0 for none.
    begun: AtomicU64,
    reading: AtomicBool,
}

impl Heart {
    pub fn new(line: &Arc<Outbox>, pulse: Pulse) -> Self {
        Self {
            line: Arc::downgrade(line),
            pulse,
            epoch: Instant::now(),
            heard: AtomicU64::new(0),
            pinged: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            reading: AtomicBool::new(false),
        }
    }

    pub fn first_visit(&self) -> Instant {
        self.epoch + self.pulse.interval.min(self.pulse.stall).min(self.pulse.message)
    }

    /// The owner waits for something to read.
    pub fn reads(&self) {
        if !self.reading.swap(true, Ordering::Relaxed) {
            self.hears();
        }
    }

    /// The owner does something else.
    pub fn pauses(&self) {
        self.reading.store(false, Ordering::Relaxed);
    }

    /// Something came.
    pub fn hears(&self) {
        self.heard.store(self.since_epoch(Instant::now()), Ordering::Relaxed);
    }

    /// The client owes the rest of a message, or does not.
    pub fn owes(&self, rest: bool) {
        let begun = self.begun.load(Ordering::Relaxed);
        if rest != (begun > 0) {
            self.begun
                .store(if rest { self.since_epoch(Instant::now()).max(1) } else { 0 }, Ordering::Relaxed);
        }
    }

    /// Until when a message that has begun must be whole; meanwhile somebody has to read it.
    fn whole_by(&self, now: Instant) -> Option<Instant> {
        let begun = self.begun.load(Ordering::Relaxed);
        if begun == 0 {
            return None;
        }
        if self.reading.load(Ordering::Relaxed) {
            return Some(self.at(begun) + self.pulse.message);
        }
        // If it has become whole meanwhile, that stays.
        let later = self.since_epoch(now).max(1);
        let _ = self.begun.compare_exchange(begun, later, Ordering::Relaxed, Ordering::Relaxed);
        Some(now + self.pulse.message)
    }

    fn since_epoch(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    fn at(&self, millis: u64) -> Instant {
        self.epoch + Duration::from_millis(millis)
    }

    /// What silence asks for, and when to look again.
    fn listen(&self, line: &Outbox, now: Instant) -> Option<Instant> {
        let (heard, pinged) = (self.heard.load(Ordering::Relaxed), self.pinged.load(Ordering::Relaxed));
        if !self.reading.load(Ordering::Relaxed) {
            self.heard.store(self.since_epoch(now), Ordering::Relaxed);
            return Some(now + self.pulse.interval);
        }
        if pinged > heard {
            let over = self.at(pinged) + self.pulse.timeout;
            if now < over {
                return Some(over);
            }
            tell(line, close::GOING_AWAY, "no answer to a ping", Reason::PingTimeout);
            return None;
        }
        let asks = self.at(heard) + self.pulse.interval;
        if now < asks {
            return Some(asks);
        }
        // Later than what was heard, even within the same millisecond.
        self.pinged.store(self.since_epoch(now).max(heard + 1), Ordering::Relaxed);
        let ping = Head::new(Opcode::Ping, b"", 0);
        line.send(ping.as_bytes(), &Bytes::new()).ok()?;
        Some(now + self.pulse.timeout.min(self.pulse.interval))
    }
}

impl Timed for Heart {
    fn visit(self: Arc<Self>, now: Instant) -> Option<Instant> {
        let line = self.line.upgrade()?;
        if line.closing().is_some() {
            return None;
        }
        let stalled = line.stalled_since().unwrap_or(now) + self.pulse.stall;
        if stalled <= now {
            line.end(Reason::SlowReader);
            return None;
        }
        // What begins after this visit is found by the next one.
        let whole_by = self.whole_by(now).unwrap_or(now + self.pulse.message);
        if whole_by <= now {
            tell(&line, close::POLICY, "message not finished in time", Reason::TooSlow);
            return None;
        }
        Some(self.listen(&line, now)?.min(stalled).min(whole_by))
    }
}

/// Says why, if there is a chance that it is read.
fn tell(line: &Outbox, code: u16, why: &str, reason: Reason) {
    if line.waiting_bytes() > 0 {
        line.end(reason);
        return;
    }
    let payload = Close::payload(code, why);
    let head = Head::new(Opcode::Close, b"", payload.len());
    // If the line has ended already, there is nobody to tell.
    let _ = line.send_last(head.as_bytes(), &payload, reason);
}
