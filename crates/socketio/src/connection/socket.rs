//! One namespace of one connection, as fan-out holds it: a clone is a pointer, an emit writes a short head and the
//! shared body of the event.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;

use crate::{
    engine::{Session, Told},
    outbox::{Closed, Sent},
    packet::{Burst, Event, Head, Kind, disconnect},
    reason::Reason,
};

/// Characters of an id: 15 random bytes. Twenty, as clients are used to.
const ID_CHARS: usize = 20;

/// Whether the namespace is still joined, and who left it if not.
const JOINED: u8 = 0;
const LEFT_BY_CLIENT: u8 = 1;
const LEFT_BY_SERVER: u8 = 2;

/// See the module.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    session: Arc<Session>,
    namespace: Arc<str>,
    /// Public, and so not the sid: whoever knows that may poll for the client.
    id: [u8; ID_CHARS],
    left: AtomicU8,
    acks: AtomicU64,
}

impl Socket {
    pub(super) fn new(session: &Arc<Session>, namespace: &str) -> Self {
        let mut id = [0; ID_CHARS];
        let written = URL_SAFE_NO_PAD.encode_slice(rand::random::<[u8; 15]>(), &mut id);
        debug_assert_eq!(written, Ok(ID_CHARS));
        Self(Arc::new(Inner {
            session: Arc::clone(session),
            namespace: session.name(namespace),
            id,
            left: AtomicU8::new(JOINED),
            acks: AtomicU64::new(0),
        }))
    }

    /// The public id that the client knows itself by.
    #[must_use]
    pub fn id(&self) -> &str {
        std::str::from_utf8(&self.0.id).expect("base64 is ASCII")
    }

    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Sends an event: written at once if nothing waits, else it waits. The bytes of the event are shared, never copied.
    ///
    /// # Errors
    /// If the namespace was left, or the connection has ended, or ends now because too much waits for it.
    pub fn emit(&self, event: &Event) -> Result<(), Closed> {
        self.send(Kind::Event, None, event, true)
    }

    /// Like [`Self::emit`], but only waits: for bursts, followed by one [`Self::flush`].
    ///
    /// # Errors
    /// As for [`Self::emit`].
    pub fn queue(&self, event: &Event) -> Result<(), Closed> {
        self.send(Kind::Event, None, event, false)
    }

    /// Sends several events with one write, as far as nothing waits before them; else they wait.
    ///
    /// # Errors
    /// As for [`Self::emit`].
    pub fn emit_all(&self, burst: &Burst) -> Result<Sent, Closed> {
        match self.left() {
            Some(reason) => Err(Closed(reason)),
            None => self.0.session.send_burst(&self.0.namespace, burst),
        }
    }

    /// Writes what waits.
    pub fn flush(&self) {
        self.0.session.flush();
    }

    /// Sends an event that asks for an acknowledgement; it comes as [`super::Incoming::Ack`] with the number given here.
    ///
    /// # Errors
    /// As for [`Self::emit`].
    pub fn emit_with_ack(&self, event: &Event) -> Result<u64, Closed> {
        let id = self.0.acks.fetch_add(1, Ordering::Relaxed);
        self.send(Kind::Event, Some(id), event, true)?;
        Ok(id)
    }

    /// Acknowledges an event of the client; `args` is an array of what its callback gets.
    ///
    /// # Errors
    /// As for [`Self::emit`].
    pub fn ack(&self, id: u64, args: &Event) -> Result<(), Closed> {
        self.send(Kind::Ack, Some(id), args, true)
    }

    /// Takes the client out of the namespace and tells it so. Other namespaces go on.
    pub fn leave(&self) {
        if self.mark(LEFT_BY_SERVER) {
            // A connection that has ended has left all.
            let _ = self.0.session.send(b"", &disconnect(&self.0.namespace), &[], true);
        }
    }

    /// Ends the connection with all its namespaces, after what waits has gone out.
    pub fn close(&self, reason: Reason) {
        self.0.session.end(reason, Told::AfterAll);
    }

    /// What waits for the connection, in bytes.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.0.session.waiting_bytes()
    }

    /// What of it counts towards the bound: all but the one packet that may pass it.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.0.session.counted_bytes()
    }

    /// What waited for the connection when it ended, where a WebSocket carried it and it is still there.
    #[must_use]
    pub fn dropped_bytes(&self) -> usize {
        self.0.session.dropped_bytes()
    }

    /// Why nothing can be sent any more.
    #[must_use]
    pub fn ended(&self) -> Option<Reason> {
        self.left().or_else(|| self.0.session.ended())
    }

    pub(super) fn left_by_client(&self) {
        self.mark(LEFT_BY_CLIENT);
    }

    pub(super) fn is_joined(&self) -> bool {
        self.0.left.load(Ordering::Acquire) == JOINED
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.0.namespace
    }

    fn mark(&self, left: u8) -> bool {
        self.0.left.compare_exchange(JOINED, left, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn left(&self) -> Option<Reason> {
        match self.0.left.load(Ordering::Acquire) {
            LEFT_BY_CLIENT => Some(Reason::ClientNamespaceDisconnect),
            LEFT_BY_SERVER => Some(Reason::ServerNamespaceDisconnect),
            _ => None,
        }
    }

    fn send(&self, kind: Kind, id: Option<u64>, event: &Event, flush: bool) -> Result<(), Closed> {
        if let Some(reason) = self.left() {
            return Err(Closed(reason));
        }
        let head = Head::new(kind, event.attachments.len(), &self.0.namespace, id);
        let json: &Bytes = &event.json;
        self.0.session.send(head.as_bytes(), json, &event.attachments, flush)
    }
}
