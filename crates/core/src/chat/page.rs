//! Where the next page of a list begins; sealed by `page.rs` for its list, tenant and filter.

use parlor_store::Millis;
use serde::{Deserialize, Serialize};

/// Where the next page of conversations begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCursor {
    pub active_at: Millis,
    pub number: i64,
}

/// Where the next page of messages begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageCursor {
    /// Above a sequence, up to another.
    Forward { after: i64, through: i64 },
    /// Up to a sequence, newest first.
    Backward { through: i64 },
}

impl MessageCursor {
    /// True if it continues in this direction.
    #[must_use]
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Backward { .. })
    }
}
