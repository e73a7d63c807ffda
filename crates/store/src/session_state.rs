//! Where a session stands, and on which side somebody is: what is also said where something is refused.

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// It was asked for, and waits for the other one.
    Pending,
    Active,
    Ended,
    Declined,
    Cancelled,
    Expired,
}

impl SessionState {
    /// It can still go on.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Active)
    }
}

/// A side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Payer,
    Provider,
}
