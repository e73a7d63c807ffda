//! What a client does, and what it may do when.

use std::sync::Arc;

use bytes::Bytes;

use super::{Connection, Incoming, namespaces::Standing};
use crate::{
    engine::{Message, Told},
    packet::{Assembler, Bounds, Error, Event, Kind, Packet, Protocol, connect_error, decode},
    reason::Reason,
};

impl Connection {
    pub(super) fn received(&mut self, message: Message) -> Option<Incoming> {
        let outcome = match message {
            Message::Ended(reason) => return Some(Incoming::Ended(reason)),
            Message::Text(text) => self.text(text.as_bytes()),
            Message::Binary(bytes) => self.binary(bytes),
        };
        outcome.unwrap_or_else(|error| {
            self.end(if error == Error::TooBig { Reason::TooBig } else { Reason::ParseError });
            None
        })
    }

    fn text(&mut self, text: &Bytes) -> Result<Option<Incoming>, Error> {
        if self.assembler.is_some() {
            return Err(Error::TextForAttachment);
        }
        let packet = decode(text, self.link.session().config().max_attachments)?;
        if !packet.kind.is_binary() {
            return Ok(self.packet(packet));
        }
        let config = self.link.session().config();
        let bounds = match self.namespaces.standing(packet.namespace) {
            Standing::Joined(_) => Bounds { taken: config.max_payload, kept: config.max_event },
            // What reaches nobody is counted and let go.
            Standing::Left => Bounds { taken: config.max_payload, kept: 0 },
            // Its attachments are not awaited: who is not let in sends none.
            Standing::Unknown | Standing::Asked => {
                self.end(Reason::ForcedServerClose);
                return Ok(None);
            }
        };
        let assembler = Assembler::within(&packet, bounds);
        self.assembler = Some(Box::new(assembler));
        self.link.expect_more(true);
        self.assembled()
    }

    fn binary(&mut self, bytes: Bytes) -> Result<Option<Incoming>, Error> {
        self.assembler.as_mut().ok_or(Error::UnexpectedAttachment)?.push(bytes)?;
        self.assembled()
    }

    fn assembled(&mut self) -> Result<Option<Incoming>, Error> {
        let Some(whole) = self.assembler.take_if(|assembler| assembler.is_complete()) else {
            return Ok(None);
        };
        self.link.expect_more(false);
        let (kind, id) = (whole.kind, whole.id);
        let namespace = whole.namespace.clone();
        let is_oversized = whole.is_oversized();
        let event = whole.finish()?;
        match self.standing(&namespace) {
            Some(namespace) if is_oversized => oversized(kind, namespace, id, event),
            Some(namespace) => Ok(deliver(kind, namespace, id, event)),
            None => Ok(None),
        }
    }

    fn packet(&mut self, packet: Packet<'_>) -> Option<Incoming> {
        match packet.kind {
            Kind::Connect => self.connect(packet.namespace, packet.data),
            Kind::Disconnect => {
                let namespace = self.standing(packet.namespace)?;
                self.namespaces.remove(&namespace);
                Some(Incoming::Leave { namespace })
            }
            Kind::Event | Kind::Ack | Kind::BinaryEvent | Kind::BinaryAck => {
                let namespace = self.standing(packet.namespace)?;
                let event = Event { json: packet.data, attachments: Arc::default() };
                deliver(packet.kind, namespace, packet.id, event)
            }
            Kind::ConnectError => {
                self.end(Reason::ForcedServerClose);
                None
            }
        }
    }

    fn connect(&mut self, namespace: &str, data: Bytes) -> Option<Incoming> {
        let (name, auth) = match self.protocol() {
            Protocol::V5 => (namespace, Some(data).filter(|data| !data.is_empty())),
            Protocol::V4 => {
                let (name, query) = namespace.split_once('?').unwrap_or((namespace, ""));
                (name, (!query.is_empty()).then(|| query_as_json(query)))
            }
        };
        match self.namespaces.standing(name) {
            Standing::Unknown | Standing::Left => {}
            Standing::Asked | Standing::Joined(_) => {
                self.end(Reason::ForcedServerClose);
                return None;
            }
        }
        if self.namespaces.count() >= self.link.session().config().max_namespaces
            && self.namespaces.standing(name) == Standing::Unknown
        {
            let _ = self.send(&connect_error(self.protocol(), name, "Too many namespaces", None));
            return None;
        }
        Some(Incoming::Connect { namespace: self.namespaces.ask(name), auth })
    }

    /// The namespace if it is joined. If the client cannot think so, the connection ends.
    fn standing(&mut self, namespace: &str) -> Option<Arc<str>> {
        match self.namespaces.standing(namespace) {
            Standing::Joined(name) => Some(name),
            Standing::Left => None,
            Standing::Unknown | Standing::Asked => {
                self.end(Reason::ForcedServerClose);
                None
            }
        }
    }

    fn end(&mut self, reason: Reason) {
        self.assembler = None;
        self.link.expect_more(false);
        self.link.session().end(reason, Told::AfterAll);
    }
}

/// An event without a name or an acknowledgement without a number reaches nobody, as in the reference.
fn deliver(kind: Kind, namespace: Arc<str>, id: Option<u64>, event: Event) -> Option<Incoming> {
    if event.json.is_empty() {
        return None;
    }
    match (kind, id) {
        (Kind::Ack | Kind::BinaryAck, Some(id)) => Some(Incoming::Ack { namespace, id, event }),
        (Kind::Event | Kind::BinaryEvent, ack) => Some(Incoming::Event { namespace, event, ack }),
        (Kind::Ack | Kind::BinaryAck, None) | (Kind::Connect | Kind::Disconnect | Kind::ConnectError, _) => {
            None
        }
    }
}

/// Of an event that is too long the text is delivered; of an acknowledgement nothing is left that anybody could use.
fn oversized(
    kind: Kind,
    namespace: Arc<str>,
    ack: Option<u64>,
    event: Event,
) -> Result<Option<Incoming>, Error> {
    match kind {
        Kind::Event | Kind::BinaryEvent => Ok(Some(Incoming::Oversized { namespace, event, ack })),
        Kind::Ack | Kind::BinaryAck | Kind::Connect | Kind::Disconnect | Kind::ConnectError => {
            Err(Error::TooBig)
        }
    }
}

/// What an old client says in the query of its namespace.
fn query_as_json(query: &str) -> Bytes {
    let fields: serde_json::Map<_, _> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), serde_json::Value::String(value.into_owned())))
        .collect();
    serde_json::Value::Object(fields).to_string().into()
}
