//! The `[retention]` table: how long what is kept.

use serde::{Deserialize, Serialize};

/// How long what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// 0 for ever.
    pub messages_days: u32,
    /// 0 for ever.
    pub visits_days: u32,
}
