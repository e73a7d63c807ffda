//! How choices are kept: small numbers that never change their meaning.

use crate::{ApiKeyKind, AuthorKind, Availability, ConversationStatus, Error, Part, SeenBy, Shown};

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
codes!(Availability { Available = 1, Busy = 2, Off = 3 });
codes!(SeenBy { Staff = 1, Nobody = 2 });
codes!(Part { Owner = 1, Member = 2 });
codes!(Shown { Participants = 1, Staff = 2 });
