//! The secret name of an Engine.IO session: which node owns it, a random number, and a mark that this was said by us.
//!
//! Whoever knows a sid may poll for its client, so it is never a public id. The mark lets a node tell a session of
//! another node, to which a request can be forwarded, from an invented one, without asking anybody.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes that nobody guesses.
const RANDOM_BYTES: usize = 16;

/// Half of the digest is beyond any forger too.
const MARK_BYTES: usize = 16;

/// The longest name of a node.
pub(super) const MAX_NODE_BYTES: usize = 64;

/// The random part: the key of a session on its node.
pub(super) type Key = [u8; RANDOM_BYTES];

/// What a sid from outside is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Of this node; whether the session still lives is another question.
    Here(Key),
    /// Of another node, authentic.
    Elsewhere,
    /// Invented.
    Unknown,
}

/// Makes and reads the sids of one node.
pub(super) struct Sids {
    node: Box<[u8]>,
    key: [u8; 32],
}

impl Sids {
    pub(super) fn new(node: &str, key: [u8; 32]) -> Self {
        let length = node.len().min(MAX_NODE_BYTES);
        Self { node: node.as_bytes()[..length].into(), key }
    }

    /// The sid of a session.
    pub(super) fn write(&self, key: &Key) -> String {
        let mut bytes = Vec::with_capacity(RANDOM_BYTES + self.node.len() + MARK_BYTES);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&self.node);
        let mark = self.mac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mark[..MARK_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn read(&self, sid: &str) -> Origin {
        // Longer than any of ours, it is not even decoded.
        if sid.len() > (RANDOM_BYTES + MAX_NODE_BYTES + MARK_BYTES) * 4 / 3 + 3 {
            return Origin::Unknown;
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(sid) else { return Origin::Unknown };
        let Some((said, mark)) = bytes.len().checked_sub(MARK_BYTES).map(|at| bytes.split_at(at)) else {
            return Origin::Unknown;
        };
        let Some((key, node)) = said.split_first_chunk::<RANDOM_BYTES>() else { return Origin::Unknown };
        if self.mac(said).verify_truncated_left(mark).is_err() {
            return Origin::Unknown;
        }
        if node == &*self.node { Origin::Here(*key) } else { Origin::Elsewhere }
    }

    fn mac(&self, said: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.chain_update(b"sid").chain_update(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_tells_its_node_and_no_forgery_passes() {
        let here = Sids::new("a", [7; 32]);
        let there = Sids::new("b", [7; 32]);
        let stranger = Sids::new("a", [8; 32]);
        let key = [3; 16];
        let sid = here.write(&key);
        assert_eq!(here.read(&sid), Origin::Here(key));
        assert_eq!(there.read(&sid), Origin::Elsewhere);
        assert_eq!(stranger.read(&sid), Origin::Unknown);
        for at in 0..sid.len() {
            let mut forged = sid.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            // The last character holds bits that mean nothing; the decoder refuses them unless they are zero.
            assert_ne!(here.read(&forged), Origin::Here(key), "{at}");
        }
    }

    #[test]
    fn what_is_no_sid_is_unknown() {
        let sids = Sids::new(&"n".repeat(MAX_NODE_BYTES), [7; 32]);
        for bad in ["", "x", "../../etc", "ünicode", &"A".repeat(31), &"A".repeat(100_000)] {
            assert_eq!(sids.read(bad), Origin::Unknown);
        }
        assert_eq!(sids.read(&sids.write(&[1; 16])), Origin::Here([1; 16]));
    }
}
