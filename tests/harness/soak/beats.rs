//! How late messages were heard.

use std::{fmt, time::Duration};

use tokio::time::Instant;

/// When a message was due to be said, and how much later it was heard.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    pub due: Instant,
    pub late: Duration,
}

/// Those of a part of a run.
#[derive(Clone, Copy, Debug)]
pub struct Beats {
    pub count: usize,
    pub p50: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl Beats {
    /// Those that were due within this time.
    pub fn between(beats: &[Beat], from: Instant, to: Instant) -> Self {
        let here = beats.iter().filter(|beat| beat.due >= from && beat.due < to);
        let mut late: Vec<Duration> = here.map(|beat| beat.late).collect();
        late.sort();
        let at = |hundredths: usize| late.get(late.len() * hundredths / 100).copied().unwrap_or_default();
        Self { count: late.len(), p50: at(50), p99: at(99), max: late.last().copied().unwrap_or_default() }
    }
}

impl fmt::Display for Beats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
        let [p50, p99, max] = [self.p50, self.p99, self.max].map(milliseconds);
        write!(f, "{} messages heard, p50 {p50:.1} ms, p99 {p99:.1} ms, at most {max:.1} ms", self.count)
    }
}
