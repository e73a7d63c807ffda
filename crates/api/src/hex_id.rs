//! 24-hex ids for front-ends that were written against a document database: a reversible function of (kind, number).
//!
//! ```text
//! 50 4c  kind  00  number, 8 bytes, big-endian
//! "PL"
//! ```

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A user.
    User = 1,
    /// A conversation.
    Conversation = 2,
    /// A message.
    Message = 3,
}

/// The largest number that every JSON reader keeps exactly.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

const MARK: u32 = 0x504c_0000;

/// Writes the id of a number.
#[must_use]
pub fn encode(kind: Kind, number: u64) -> String {
    format!("{:08x}{number:016x}", MARK | ((kind as u32) << 8))
}

/// Reads the number back; `None` for an id of another kind or origin.
#[must_use]
pub fn decode(kind: Kind, id: &str) -> Option<u64> {
    if id.len() != 24 || !id.is_ascii() {
        return None;
    }
    let head = u32::from_str_radix(&id[..8], 16).ok()?;
    let number = u64::from_str_radix(&id[8..], 16).ok()?;
    (head == MARK | ((kind as u32) << 8) && (1..=MAX_NUMBER).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_its_number_and_as_no_other_kind() {
        for number in [1, 2, 255, 1 << 40, MAX_NUMBER] {
            let id = encode(Kind::Conversation, number);
            assert_eq!(id.len(), 24);
            assert_eq!(decode(Kind::Conversation, &id), Some(number));
            assert_eq!(decode(Kind::User, &id), None);
        }
    }

    #[test]
    fn foreign_ids_are_refused() {
        for id in ["", "64b000000000000000000001", "+04c020000000000000001", "504c02000000000000000000"] {
            assert_eq!(decode(Kind::Conversation, id), None, "{id}");
        }
        assert_eq!(decode(Kind::Conversation, &encode(Kind::Conversation, MAX_NUMBER + 1)), None);
    }
}
