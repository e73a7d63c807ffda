//! What a client is told of the end.

/// What a client is told of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The client itself has closed.
    Already,
    /// The transport is broken, or the client does not deserve its last packets.
    AtOnce,
    /// What waits goes out before.
    AfterAll,
}
