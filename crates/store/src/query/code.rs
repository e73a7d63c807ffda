//! How choices are kept: small numbers that never change their meaning.

use crate::{
    AccountKind, ApiKeyKind, AuthorKind, Availability, ConversationStatus, EndReason, Error, Part, SeenBy,
    SessionKind, SessionState, Shown, TransactionKind, VisitState, meter::Rounding,
};

/// A choice that has a number in the database.
pub(crate) trait Code: Copy + Sized {
    fn code(self) -> i16;
    fn of_code(code: i16) -> Result<Self, Error>;
}

macro_rules! codes {
    ($name:ident { $($variant:ident = $code:literal),* $(,)? }) => {
        impl Code for $name {
            fn code(self) -> i16 {
                match self { $(Self::$variant => $code),* }
            }

            fn of_code(code: i16) -> Result<Self, Error> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    unknown => Err(Error::Defect(format!(concat!(stringify!($name), " {}"), unknown))),
                }
            }
        }
    };
}

codes!(AuthorKind { Customer = 1, Staff = 2, System = 3 });
codes!(ConversationStatus { Open = 1, Pending = 2, Closed = 3 });
codes!(ApiKeyKind { Widget = 1, Admin = 2, Service = 3 });
codes!(Availability { Available = 1, Busy = 2, Off = 3, Away = 4 });
codes!(VisitState { Active = 1, Idle = 2, Left = 3 });
codes!(SeenBy { Staff = 1, Nobody = 2 });
codes!(Part { Owner = 1, Member = 2 });
codes!(Shown { Participants = 1, Staff = 2 });
codes!(SessionKind { Chat = 1, Audio = 2, Video = 3, Invitation = 4 });
codes!(SessionState { Pending = 1, Active = 2, Ended = 3, Declined = 4, Cancelled = 5, Expired = 6 });
codes!(EndReason { Party = 1, Staff = 2, Erased = 3, Funds = 4 });
codes!(AccountKind { Available = 1, Held = 2, Earnings = 3, Issued = 4, Revenue = 5 });
codes!(TransactionKind {
    Credit = 1,
    Debit = 2,
    WelcomeBonus = 3,
    Hold = 4,
    Release = 5,
    Charge = 6,
    Refund = 7,
});
codes!(Rounding { Second = 1, StartedMinute = 2 });

/// What happens to a session: it comes into a state. The kind of the event is the state's number, and there is nothing else to
/// say that the session does not.
impl SessionState {
    /// What an event of a session says.
    pub fn of_event(kind: i16) -> Result<Self, Error> {
        Code::of_code(kind)
    }
}
