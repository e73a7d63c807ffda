//! Events that go to many sockets one after another: encoded once for all WebSockets of a namespace.

use std::sync::{Arc, OnceLock};

use super::{Event, Head, Kind};
use crate::websocket::{self, Joined};

/// See the module. Events of several namespaces, of polling clients, and those with attachments go one by one.
#[derive(Debug)]
pub struct Burst {
    events: Vec<Event>,
    /// None has attachments.
    plain: bool,
    /// For the namespace that asked first.
    joined: OnceLock<(Arc<str>, Joined)>,
}

impl Burst {
    #[must_use]
    pub fn new(events: Vec<Event>) -> Self {
        let plain = events.iter().all(|event| event.attachments.is_empty());
        Self { events, plain, joined: OnceLock::new() }
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// All of it for WebSockets of this namespace, if it can be had as one.
    pub(crate) fn joined(&self, namespace: &Arc<str>) -> Option<&Joined> {
        if !self.plain {
            return None;
        }
        let (made_for, joined) = self.joined.get_or_init(|| (Arc::clone(namespace), self.join(namespace)));
        (Arc::ptr_eq(made_for, namespace) || made_for == namespace).then_some(joined)
    }

    fn join(&self, namespace: &str) -> Joined {
        let head = Head::new(Kind::Event, 0, namespace, None);
        Joined::new(self.events.iter().map(|event| (websocket::Kind::Text, head.as_bytes(), &*event.json)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn it_is_made_for_one_namespace() {
        let burst = Burst::new(vec![Event::new("a", &["1"]), Event::new::<&str>("b", &[])]);
        let admin: Arc<str> = "/admin".into();
        let frames = [&b"42/admin,[\"a\",1]"[..], b"42/admin,[\"b\"]"];
        let expected = Joined::new(frames.map(|frame| (websocket::Kind::Text, &b""[..], frame)));
        assert_eq!(burst.joined(&admin), Some(&expected));
        assert_eq!(burst.joined(&"/admin".into()), Some(&expected));
        assert_eq!(burst.joined(&"/".into()), None);
    }

    #[test]
    fn attachments_have_frames_of_their_own() {
        let event = Event::new("a", &["{\"_placeholder\":true,\"num\":0}"]);
        let burst = Burst::new(vec![event.with_attachments(vec![Bytes::from_static(b"x")])]);
        assert_eq!(burst.joined(&"/".into()), None);
    }
}
