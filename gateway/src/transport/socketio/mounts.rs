//! Which dialect is in which namespace of one path.

use std::collections::HashMap;

use http::HeaderMap;
use parlor_socketio::Cors;

use crate::mounted::Mounted;

/// The mounts of one path, by namespace.
pub(super) struct Mounts(HashMap<String, Mounted>);

impl Mounts {
    pub fn new(path: &str, mounts: &[Mounted]) -> Self {
        let mut found = HashMap::new();
        for mounted in mounts.iter().filter(|mounted| mounted.dialect.wire().carriers.socketio == Some(path))
        {
            let prefix = mounted.mount.prefix.trim_end_matches('/');
            let namespace = if prefix.is_empty() { "/" } else { prefix };
            found.entry(namespace.to_owned()).or_insert_with(|| mounted.clone());
        }
        Self(found)
    }

    pub fn find(&self, namespace: &str) -> Option<&Mounted> {
        self.0.get(namespace)
    }

    /// Whose pages may read the answers to polling requests: those of any mount here. Each mount looks again when it is
    /// joined.
    pub fn cors(&self) -> Cors {
        if self.0.values().any(|mounted| mounted.mount.origins.is_empty()) {
            return Cors::Any;
        }
        Cors::Origins(self.0.values().flat_map(|mounted| mounted.mount.origins.clone()).collect())
    }

    /// The longest event that a dialect here takes.
    pub fn max_event(&self) -> usize {
        self.0.values().map(|mounted| mounted.pace().max_frame_bytes).max().unwrap_or(0)
    }

    pub fn all(&self) -> impl Iterator<Item = &Mounted> {
        self.0.values()
    }

    /// Some mount here lets pages of this origin open sockets.
    pub fn may_come(&self, headers: &HeaderMap) -> bool {
        self.0.values().any(|mounted| mounted.mount.admits(headers))
    }
}
