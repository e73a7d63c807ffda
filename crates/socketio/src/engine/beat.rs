//! When a client must say that it lives: the state of one heartbeat, without a clock and without a wheel.

use std::time::Duration;

use tokio::time::Instant;

/// How often, and how long an answer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    pub interval: Duration,
    pub timeout: Duration,
    /// How finely time is cut: whoever looks comes up to so much early.
    pub slot: Duration,
}

impl Rhythm {
    /// A ping goes out a slot early, since who owes an answer has the whole time for it and is missed up to a slot late:
    /// who is silent lives no longer than interval and time-out together, who sends other things one time-out more.
    fn ping(self, now: Instant) -> Instant {
        now + self.interval.saturating_sub(self.slot)
    }
}

/// The heartbeat of one session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beat {
    /// Engine.IO 4: nothing is owed; the next ping goes out then.
    Rest { ping: Instant },
    /// Engine.IO 4: a pong is owed until `dead`. If it comes, the next ping is not before `again`.
    Asked { dead: Instant, again: Instant },
    /// Engine.IO 3: the client pings by itself.
    Listening { dead: Instant },
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    Death,
}

impl Beat {
    pub fn new(v3: bool, now: Instant, rhythm: Rhythm) -> Self {
        if v3 {
            Self::Listening { dead: now + rhythm.interval + rhythm.timeout }
        } else {
            Self::Rest { ping: rhythm.ping(now) }
        }
    }

    /// What is due now, and begins to be done.
    pub fn due(&mut self, now: Instant, rhythm: Rhythm) -> Due {
        match *self {
            // The wheel will not come again in time.
            Self::Rest { ping } if ping <= now + rhythm.slot => {
                *self = Self::Asked { dead: now + rhythm.timeout, again: rhythm.ping(now) };
                Due::Ping
            }
            Self::Asked { dead, .. } | Self::Listening { dead } if dead <= now => Due::Death,
            Self::Rest { .. } | Self::Asked { .. } | Self::Listening { .. } => Due::Nothing,
        }
    }

    /// When something may be due next. An answer meanwhile makes this too early, never too late.
    pub fn next(&self, now: Instant) -> Instant {
        match *self {
            Self::Rest { ping } => ping,
            Self::Asked { dead, again } if again > now => dead.min(again),
            Self::Asked { dead, .. } | Self::Listening { dead } => dead,
        }
    }

    /// The client has given the sign of life that its protocol knows.
    pub fn alive(&mut self, now: Instant, rhythm: Rhythm) {
        *self = Self::new(matches!(self, Self::Listening { .. }), now, rhythm);
    }

    /// The client has sent something, whatever it was: the answer of one that sends much stands behind that. It puts
    /// the end off, but once.
    pub fn heard(&mut self, now: impl FnOnce() -> Instant, rhythm: Rhythm) {
        if let Self::Asked { dead, again } = self {
            // They lie so far apart until one is put off.
            let is_first = rhythm.ping(*dead) == *again + rhythm.timeout;
            if is_first {
                *dead = now() + rhythm.timeout;
            }
        }
    }

    /// What is owed is owed from now on: meanwhile nobody has listened.
    pub fn excuse(&mut self, now: Instant, rhythm: Rhythm) {
        match self {
            Self::Rest { .. } => {}
            Self::Asked { dead, .. } => *dead = now + rhythm.timeout,
            Self::Listening { dead } => *dead = now + rhythm.interval + rhythm.timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm {
        interval: Duration::from_millis(300),
        timeout: Duration::from_millis(200),
        slot: Duration::from_millis(10),
    };

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_dead_within_interval_and_timeout() {
        let start = Instant::now();
        let mut beat = Beat::new(false, start, RHYTHM);
        assert_eq!(beat.due(start, RHYTHM), Due::Nothing);
        let ping = beat.next(start);
        assert_eq!(beat.due(ping, RHYTHM), Due::Ping);
        let dead = beat.next(ping);
        assert_eq!(dead, ping + RHYTHM.timeout, "it has the whole time");
        assert_eq!(beat.due(dead.checked_sub(Duration::from_millis(1)).unwrap(), RHYTHM), Due::Nothing);
        assert!(dead + RHYTHM.slot <= start + RHYTHM.interval + RHYTHM.timeout);
        assert_eq!(beat.due(dead, RHYTHM), Due::Death);
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_is_asked_again_an_interval_later() {
        let start = Instant::now();
        let mut beat = Beat::new(false, start, RHYTHM);
        assert_eq!(beat.due(start + RHYTHM.interval, RHYTHM), Due::Ping);
        let answered = start + Duration::from_millis(310);
        beat.alive(answered, RHYTHM);
        assert_eq!(beat.due(start + Duration::from_millis(500), RHYTHM), Due::Nothing);
        assert_eq!(beat.next(answered), answered + RHYTHM.interval - RHYTHM.slot);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_other_things_has_its_time_once_more() {
        let start = Instant::now();
        let mut beat = Beat::new(false, start, RHYTHM);
        beat.heard(|| start, RHYTHM);
        let ping = beat.next(start);
        assert_eq!(beat.due(ping, RHYTHM), Due::Ping);
        let heard = ping + Duration::from_millis(150);
        beat.heard(|| heard, RHYTHM);
        beat.heard(|| heard + Duration::from_millis(100), RHYTHM);
        assert_eq!(beat.due(ping + RHYTHM.timeout, RHYTHM), Due::Nothing);
        let dead = heard + RHYTHM.timeout;
        assert_eq!(beat.next(ping + RHYTHM.interval), dead);
        assert_eq!(beat.due(dead.checked_sub(Duration::from_millis(1)).unwrap(), RHYTHM), Due::Nothing);
        assert_eq!(beat.due(dead, RHYTHM), Due::Death);
        beat.alive(heard, RHYTHM);
        assert_eq!(beat.due(dead, RHYTHM), Due::Nothing, "the answer itself counts as ever");
        assert_eq!(beat.due(heard + RHYTHM.interval, RHYTHM), Due::Ping);
        beat.heard(|| heard + RHYTHM.interval + RHYTHM.timeout / 2, RHYTHM);
        let dead = heard + RHYTHM.interval + RHYTHM.timeout;
        assert_eq!(beat.due(dead, RHYTHM), Due::Nothing, "and the next end may be put off too");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_timeout_delays_no_ping_and_spins_not() {
        let slot = Duration::from_millis(10);
        let rhythm = Rhythm { interval: 10 * slot, timeout: 90 * slot, slot };
        let start = Instant::now();
        let mut beat = Beat::new(false, start, rhythm);
        let ping = beat.next(start);
        assert_eq!(beat.due(ping, rhythm), Due::Ping);
        let again = beat.next(ping);
        assert_eq!(again, ping + rhythm.interval - slot);
        assert_eq!(beat.due(again, rhythm), Due::Nothing);
        assert_eq!(beat.next(again), ping + rhythm.timeout);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_client_pings_by_itself() {
        let start = Instant::now();
        let mut beat = Beat::new(true, start, RHYTHM);
        assert_eq!(beat.due(start + Duration::from_millis(400), RHYTHM), Due::Nothing);
        beat.alive(start + Duration::from_millis(400), RHYTHM);
        assert_eq!(beat.due(start + Duration::from_millis(899), RHYTHM), Due::Nothing);
        assert_eq!(beat.due(start + Duration::from_millis(900), RHYTHM), Due::Death);
    }
}
