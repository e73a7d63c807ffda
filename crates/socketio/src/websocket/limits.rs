//! What one socket may take.

/// The largest message that is taken unless told otherwise: what the reference server takes.
pub const MESSAGE_BYTES: usize = 1_000_000;

/// What may wait for one socket unless told otherwise: a client a few seconds behind in a busy room stays below.
pub const OUTBOX_BYTES: usize = 256 * 1024;

/// What one socket may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame.
    pub frame_bytes: usize,
    /// The longest message, of however many frames. Their number is not bounded: a frame without bytes holds nothing.
    pub message_bytes: usize,
    /// What may wait to be written, beside one message that may pass it.
    pub outbox_bytes: usize,
}

impl Limits {
    /// Limits for messages up to this length, in one frame or in many.
    #[must_use]
    pub const fn messages(bytes: usize) -> Self {
        Self { frame_bytes: bytes, message_bytes: bytes, outbox_bytes: OUTBOX_BYTES }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::messages(MESSAGE_BYTES)
    }
}
