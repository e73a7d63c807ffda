//! What waits for one client, counted. The bound is for what piles up, so that one packet at a time may pass it:
//! however long a packet is, a client that reads gets it, and what is short goes on waiting beside it.

/// What is counted.
pub(crate) trait Counted {
    /// What it counts as while it waits.
    fn cost(&self) -> usize;
}

/// See the module. It never counts more than the bound and the longest packet together.
#[derive(Debug, Default)]
pub struct Tally {
    bytes: usize,
    /// The packet that has passed the bound: what it counts as, and what waits up to its end.
    over: u32,
    through: u32,
}

impl Tally {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What counts towards the bound: all but the packet that has passed it.
    pub fn beside(&self) -> usize {
        self.bytes - self.over.min(self.through) as usize
    }

    /// Counts a packet that comes to wait. False if it passes the bound, as another does already.
    pub fn admit(&mut self, cost: usize, most: usize) -> bool {
        if self.beside() + cost > most {
            if self.through > 0 {
                return false;
            }
            (self.over, self.through) = (clamped(cost), clamped(self.bytes + cost));
        }
        self.bytes += cost;
        true
    }

    /// Bytes that have left, from the front.
    pub fn leave(&mut self, cost: usize) {
        self.bytes -= cost;
        self.through = self.through.saturating_sub(clamped(cost));
    }
}

/// No packet is that long; if one were, the rest of it would count.
fn clamped(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_packet_passes_the_bound_and_others_wait_beside_it() {
        let mut tally = Tally::default();
        assert!(tally.admit(40, 100));
        assert!(tally.admit(500, 100), "the one");
        assert!(tally.admit(60, 100));
        assert!(!tally.admit(1, 100), "full beside it");
        tally.leave(41);
        assert!(tally.admit(40, 100) && !tally.admit(1, 100), "what was before it has left");
        tally.leave(498);
        assert!(!tally.admit(101, 100), "its last byte is still here");
        tally.leave(1);
        assert_eq!(tally.bytes(), 100);
        assert!(tally.admit(1, 100), "the next one");
    }

    #[test]
    fn nothing_is_left_of_what_has_left() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            assert!(tally.admit(300, 100) && tally.admit(100, 100) && !tally.admit(1, 100));
            tally.leave(400);
            assert_eq!(tally.bytes(), 0);
        }
    }
}
