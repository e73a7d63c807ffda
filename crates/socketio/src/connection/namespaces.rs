//! The namespaces of one connection: asked for, joined, or left by the server.

use std::sync::Arc;

use super::socket::Socket;

/// Few, so a list.
#[derive(Default)]
pub(super) struct Namespaces(Vec<Entry>);

enum Entry {
    /// The client has asked, the user has not answered.
    Asked(Arc<str>),
    Joined(Socket),
}

/// How a namespace stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Unknown,
    Asked,
    Joined(Arc<str>),
    /// By the server: what the client has sent before it knew is nobody's fault.
    Left,
}

impl Entry {
    fn name(&self) -> &Arc<str> {
        match self {
            Self::Asked(name) => name,
            Self::Joined(socket) => socket.name(),
        }
    }
}

impl Namespaces {
    pub fn standing(&self, namespace: &str) -> Standing {
        match self.0.iter().find(|entry| &**entry.name() == namespace) {
            None => Standing::Unknown,
            Some(Entry::Asked(_)) => Standing::Asked,
            Some(Entry::Joined(socket)) if socket.is_joined() => Standing::Joined(Arc::clone(socket.name())),
            Some(Entry::Joined(_)) => Standing::Left,
        }
    }

    /// How many are asked for, joined, or left without the client's word.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Notes that the client asks.
    pub fn ask(&mut self, namespace: &str) -> Arc<str> {
        self.remove(namespace);
        let name: Arc<str> = namespace.into();
        self.push(Entry::Asked(Arc::clone(&name)));
        name
    }

    pub fn join(&mut self, socket: &Socket) {
        self.remove(socket.namespace());
        self.push(Entry::Joined(socket.clone()));
    }

    /// Forgets a namespace; if it was joined, the client has left it.
    pub fn remove(&mut self, namespace: &str) {
        if let Some(at) = self.0.iter().position(|entry| &**entry.name() == namespace)
            && let Entry::Joined(socket) = self.0.swap_remove(at)
        {
            socket.left_by_client();
        }
    }

    fn push(&mut self, entry: Entry) {
        // Nearly always there is one.
        self.0.reserve_exact(1);
        self.0.push(entry);
    }
}
