//! What waits its turn, in order.

use std::collections::VecDeque;

use parlor_api::limits::FRAME_BYTES;

use super::{
    read::{Asked, Sending},
    wire::WIRE,
};
use crate::dialect::Frame;

/// Requests that may wait: as many as the pace lets in at once. After the join, more are not taken.
pub(super) const QUEUE_MAX: usize = WIRE.pace.burst as usize;

/// Bytes of them that may wait.
pub(super) const QUEUE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) enum Waiting {
    Request {
        asked: Asked,
        /// The acknowledgement that is waited for.
        ack: Option<u64>,
        bytes: usize,
    },
    /// A customer's conversation was closed: it is still heard, and so is the next one.
    HearOn { closed: String },
    /// The list has changed; what was asked before it came is answered first.
    List(Frame),
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True while there is room for another one, of whatever size.
    pub(super) fn has_room(&self) -> bool {
        self.len() < QUEUE_MAX && self.fits(FRAME_BYTES)
    }

    /// True while so many bytes more may wait.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.bytes + bytes <= QUEUE_BYTES_MAX
    }

    pub(super) fn push(&mut self, asked: Asked, ack: Option<u64>, bytes: usize) {
        self.bytes += bytes;
        self.waiting.push_back(Waiting::Request { asked, ack, bytes });
    }

    /// Once for each conversation.
    pub(super) fn hear_on(&mut self, id: &str) {
        let of_it = |waiting: &Waiting| matches!(waiting, Waiting::HearOn { closed } if closed == id);
        if !self.waiting.iter().any(of_it) {
            self.waiting.push_back(Waiting::HearOn { closed: id.to_owned() });
        }
    }

    /// In the place of an older one.
    pub(super) fn push_list(&mut self, list: Frame) {
        self.waiting.retain(|waiting| !matches!(waiting, Waiting::List(_)));
        self.waiting.push_back(Waiting::List(list));
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.pop_if(|_| true)
    }

    /// The next one, if it is a message.
    pub(super) fn pop_message(&mut self) -> Option<(Option<Sending>, Option<u64>)> {
        match self.pop_if(|next| matches!(next, Waiting::Request { asked: Asked::Send(_), .. }))? {
            Waiting::Request { asked: Asked::Send(sending), ack, .. } => Some((sending, ack)),
            Waiting::Request { .. } | Waiting::HearOn { .. } | Waiting::List(_) => None,
        }
    }

    fn pop_if(&mut self, wanted: impl FnOnce(&mut Waiting) -> bool) -> Option<Waiting> {
        let next = self.waiting.pop_front_if(wanted)?;
        if let Waiting::Request { bytes, .. } = next {
            self.bytes -= bytes;
        }
        if self.is_empty() {
            // At rest nothing waits, and most connections are at rest.
            self.waiting = VecDeque::new();
        }
        Some(next)
    }
}
