//! Socket.IO packets, protocol 5 and, for clients of Engine.IO 3, protocol 4.
//!
//! A packet is text: a digit for its kind, a count of attachments, a namespace, a number, JSON. Binary values are taken
//! out of the JSON and follow as messages of their own. JSON is checked once, when it comes in, and is otherwise passed
//! on as the text it is.

mod attach;
mod burst;
mod decode;
mod encode;
mod event;
mod kind;
mod placeholder;
#[cfg(test)]
mod properties;
mod scan;

pub use attach::{Assembler, Bounds};
pub use burst::Burst;
pub use decode::{Error, Packet, decode};
pub use encode::{Head, connect, connect_error, disconnect};
pub use event::{Event, InvalidEvent};
pub use kind::{Kind, MAX_NAMESPACE_BYTES, Protocol};
