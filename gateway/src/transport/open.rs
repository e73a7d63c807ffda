//! How many sockets are open: counted up when one opens, and down however it ends.

/// One open socket.
pub(super) struct Open(metrics::Gauge);

impl Open {
    pub fn new(dialect: &'static str) -> Self {
        let sockets = metrics::gauge!(crate::metric::SOCKETS, "dialect" => dialect);
        sockets.increment(1);
        Self(sockets)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
