//! What front-ends show of a message that was erased with whoever wrote it. They know of no such thing and want a text.

use parlor_api::v1;

/// What stands where a text was.
pub const TEXT: &str = "[erased]";

/// The text of a message, as it is shown.
#[must_use]
pub fn text(message: &v1::Message) -> &str {
    if message.erased { TEXT } else { &message.text }
}
