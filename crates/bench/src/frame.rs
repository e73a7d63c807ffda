//! WebSocket frames (RFC 6455, section 5.2), as plain functions over bytes: the generator's side and the floor's.
//!
//! Only what a measurement needs: no extensions, no check that text is UTF-8. A frame is either whole or not yet there.

use anyhow::{Result, bail};

/// Larger frames are a fault of the server under test: the longest list a scenario provokes is far below.
pub const FRAME_MAX: usize = 16 * 1024 * 1024;

/// The mask of every frame we send. A server has to undo it as it has any other; zeros would let some skip the work.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Where a whole frame stands in the bytes it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    pub fin: bool,
    pub mask: Option<[u8; 4]>,
    /// Where its payload begins and ends; the next frame begins at the end.
    pub start: usize,
    pub end: usize,
}

/// Finds the frame at the beginning of these bytes, if all of it is there.
pub fn find(bytes: &[u8]) -> Result<Option<Frame>> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    let (length, mut start) = match second & 0x7f {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > FRAME_MAX {
        bail!("a frame of {length} bytes");
    }
    let mut mask = None;
    if second & 0x80 != 0 {
        match bytes.get(start..start + 4) {
            Some(key) => mask = key.first_chunk::<4>().copied(),
            None => return Ok(None),
        }
        start += 4;
    }
    let end = start + length;
    let frame = Frame { opcode: first & 0x0f, fin: first & 0x80 != 0, mask, start, end };
    Ok((bytes.len() >= end).then_some(frame))
}

/// Appends a frame as a client sends it.
pub fn put_masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_head(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Appends a frame as a server sends it.
pub fn put(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_head(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

/// A text as a server sends it.
pub fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 4);
    put(&mut bytes, TEXT, text.as_bytes());
    bytes
}

/// Undoes a mask in place.
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

fn put_head(out: &mut Vec<u8>, opcode: u8, length: usize, masked: u8) {
    out.push(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(masked | short),
        (_, Ok(middle)) => {
            out.push(masked | 126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Around where the form of a length changes.
    fn lengths() -> impl Strategy<Value = usize> {
        prop_oneof![0..130_usize, 65_530..65_540_usize]
    }

    proptest! {
        #[test]
        fn what_is_put_is_found(length in lengths(), byte: u8, masked: bool) {
            let payload: Vec<u8> = (0..length).map(|at| byte.wrapping_add(at as u8)).collect();
            let mut bytes = Vec::new();
            if masked { put_masked(&mut bytes, TEXT, &payload) } else { put(&mut bytes, TEXT, &payload) }
            let frame = find(&bytes).unwrap().unwrap();
            prop_assert_eq!((frame.opcode, frame.fin, frame.end), (TEXT, true, bytes.len()));
            prop_assert_eq!(frame.mask.is_some(), masked);
            if let Some(mask) = frame.mask {
                unmask(&mut bytes[frame.start..], mask);
            }
            prop_assert_eq!(&bytes[frame.start..frame.end], &payload);
        }

        #[test]
        fn a_part_of_a_frame_is_not_yet_one(length in lengths(), cut in 0_usize..70_000) {
            let mut bytes = Vec::new();
            put(&mut bytes, BINARY, &vec![7; length]);
            let cut = cut.min(bytes.len() - 1);
            prop_assert_eq!(find(&bytes[..cut]).unwrap(), None);
        }
    }

    #[test]
    fn an_absurd_length_is_a_fault() {
        let mut bytes = vec![0x82, 127];
        bytes.extend_from_slice(&(FRAME_MAX as u64).to_be_bytes());
        assert_eq!(find(&bytes).unwrap(), None);
        let mut bytes = vec![0x82, 127];
        bytes.extend_from_slice(&(FRAME_MAX as u64 + 1).to_be_bytes());
        assert!(find(&bytes).is_err());
    }
}
