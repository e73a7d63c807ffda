//! Where a session stands, what moves it on, and on which side somebody is: what is also said where something is refused.

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

/// What is done to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionMove {
    /// By whoever was asked.
    Accept,
    /// By whoever was asked.
    Decline,
    /// By whoever asked.
    Cancel,
    /// By either of them; one that is pending is refused.
    End,
    /// By either of them: ends what is active; what is pending is cancelled, or declined by whoever was asked.
    Leave,
    /// By the clock, of what is pending.
    Expire,
    /// By the clock, of what is active and charged: more is held, or it ends where what is held ends.
    Meter,
}
