//! What waits for one client, in its order, with what it counts as. One who takes nothing of it stalls.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
};

use tokio::time::Instant;

use super::{
    piece::Piece,
    tally::{Counted, Tally},
};
use crate::stream::Stream;

/// Pieces for one system call: a burst of that many messages, well below what the kernel allows.
pub(super) const PIECES_AT_ONCE: usize = 128;

/// See the module.
pub(crate) struct Queue<P> {
    pieces: VecDeque<P>,
    /// What waits, or what waited when it was given up.
    pub tally: Tally,
    /// Since when nothing was taken although something waits.
    pub stalled: Option<Instant>,
}

impl<P> Default for Queue<P> {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), tally: Tally::default(), stalled: None }
    }
}

impl<P: Counted> Queue<P> {
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Lets a packet wait with all its pieces; gives them back if they pass the bound.
    pub fn push(&mut self, packet: impl IntoIterator<Item = P>, most: usize) -> Result<(), VecDeque<P>> {
        let before = self.pieces.len();
        self.pieces.extend(packet);
        let cost = self.pieces.range(before..).map(P::cost).sum();
        if !self.tally.admit(cost, most) {
            return Err(self.pieces.split_off(before));
        }
        if self.pieces.len() > before {
            self.stalled.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// All that waits.
    pub fn take(&mut self) -> VecDeque<P> {
        mem::take(self).pieces
    }

    /// Frees what waits. What it counted as is still known.
    pub fn give_up(&mut self) {
        self.pieces = VecDeque::new();
    }
}

impl Queue<Piece> {
    /// Gives a stream what it takes at once of the first pieces; something waits.
    pub fn write_to(&mut self, stream: &(impl Stream + ?Sized)) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); 2 * PIECES_AT_ONCE];
        let mut count = 0;
        for piece in self.pieces.iter().take(PIECES_AT_ONCE) {
            for part in piece.parts().into_iter().filter(|part| !part.is_empty()) {
                slices[count] = IoSlice::new(part);
                count += 1;
            }
        }
        let written = stream.try_write_vectored(&slices[..count])?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written(written);
        Ok(())
    }

    /// Forgets what the stream took.
    fn written(&mut self, mut written: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                self.tally.leave(written);
                first.advance(written);
                self.stalled = Some(Instant::now());
                return;
            }
            written -= first.len();
            self.tally.leave(first.cost());
            self.pieces.pop_front();
        }
        self.stalled = None;
        // At rest nothing waits, and most connections are at rest.
        self.pieces = VecDeque::new();
    }
}
