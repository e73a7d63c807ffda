//! Latencies: counted in buckets whose width is at most a sixty-fourth of what they hold, so a quantile is right to 1.6 %.

use std::time::Duration;

/// Buckets for each doubling.
const FINE: u64 = 64;
const FINE_BITS: u32 = FINE.trailing_zeros();
/// Doublings: 2^36 µs are 19 hours; what is longer counts as that.
const DOUBLINGS: u32 = 30;

/// How long things took, in microseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; (FINE as usize) * (DOUBLINGS as usize + 1)], count: 0, max: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, micros: u64) {
        let bucket = bucket_of(micros).min(self.buckets.len() - 1);
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max = self.max.max(micros);
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max)
    }

    /// The time within which this part of all stayed: 0.99 for p99. The upper edge of its bucket; zero if there is none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let wanted = ((part * self.count as f64).ceil() as u64).max(1);
        let mut passed = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            passed += count;
            if passed >= wanted {
                return Duration::from_micros(upper_edge(bucket).min(self.max));
            }
        }
        Duration::ZERO
    }
}

fn bucket_of(micros: u64) -> usize {
    if micros < FINE {
        return micros as usize;
    }
    let doubling = micros.ilog2() - FINE_BITS;
    let within = (micros >> doubling) - FINE;
    (FINE * (u64::from(doubling) + 1) + within) as usize
}

fn upper_edge(bucket: usize) -> u64 {
    let (doubling, within) = (bucket as u64 / FINE, bucket as u64 % FINE);
    if doubling == 0 { within } else { ((FINE + within + 1) << (doubling - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_narrow_and_holds_its_values(micros in 0_u64..1 << 36) {
            let edge = upper_edge(bucket_of(micros));
            prop_assert!(edge >= micros);
            prop_assert!(edge - micros <= micros / FINE);
            prop_assert_ne!(bucket_of(edge), bucket_of(edge + 1));
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.record(value));
        let near = |part: f64, value: u128| {
            let found = histogram.quantile(part).as_micros();
            assert!(found >= value && found <= value + value / 60 + 1, "{part}: {found}");
        };
        near(0.5, 500);
        near(0.99, 990);
        near(0.999, 999);
        assert_eq!(histogram.quantile(1.0), Duration::from_micros(1000));
        assert_eq!((histogram.count(), histogram.max()), (1000, Duration::from_micros(1000)));
    }

    #[test]
    fn nothing_recorded_has_no_quantile_and_the_longest_has_a_bucket() {
        assert_eq!(Histogram::default().quantile(0.99), Duration::ZERO);
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.count(), 1);
    }
}
