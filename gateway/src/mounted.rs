//! A mount that has found its dialect.

use std::sync::Arc;

use crate::{
    dialect::{Dialect, Pace},
    mount::Mount,
};

/// A mount with the dialect that it speaks.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    pub mount: Arc<Mount>,
    pub dialect: Arc<dyn Dialect>,
}

impl Mounted {
    /// How fast its sockets may send.
    pub fn pace(&self) -> Pace {
        let pace = self.dialect.wire().pace;
        self.mount.rate.map_or(pace, |rate| Pace { burst: rate.burst, per_second: rate.per_second, ..pace })
    }
}
