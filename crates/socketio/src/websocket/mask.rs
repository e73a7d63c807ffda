//! Masks of client frames (RFC 6455 section 5.3), taken off by words.

const WORD: usize = size_of::<u64>();

/// XORs `bytes` with the key; `from` bytes of the same payload came before them.
pub fn apply(bytes: &mut [u8], mut key: [u8; 4], from: usize) {
    key.rotate_left(from % 4);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(WORD);
    for chunk in &mut words {
        let masked = u64::from_ne_bytes((&*chunk).try_into().expect("a chunk is a word")) ^ word;
        chunk.copy_from_slice(&masked.to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn every_length_from_every_place_is_as_byte_by_byte() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..40 {
            for from in 0..9 {
                let mut bytes: Vec<u8> = (0..length).collect();
                let expected: Vec<u8> =
                    bytes.iter().enumerate().map(|(at, byte)| byte ^ key[(from + at) % 4]).collect();
                apply(&mut bytes, key, from);
                assert_eq!(bytes, expected);
            }
        }
    }
}
