//! Agora's byte order: little endian, texts behind their length.

use std::collections::BTreeMap;

use crate::Problem;

const SHORT: Problem = Problem::Malformed("it ends too soon");

/// Writes.
#[derive(Default)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Texts are checked to be short before they come here.
    pub fn text(self, text: &[u8]) -> Self {
        let length = u16::try_from(text.len()).expect("what is written is far below 64 KiB");
        let mut writer = self.u16(length);
        writer.0.extend_from_slice(text);
        writer
    }

    /// Keys ascending.
    pub fn map(self, map: &BTreeMap<u16, u32>) -> Self {
        let count = u16::try_from(map.len()).expect("there are few privileges");
        map.iter().fold(self.u16(count), |writer, (key, value)| writer.u16(*key).u32(*value))
    }
}

/// Reads what a stranger wrote.
pub(crate) struct Reader<'b>(pub &'b [u8]);

impl<'b> Reader<'b> {
    pub fn u16(&mut self) -> Result<u16, Problem> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Problem> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn bytes(&mut self) -> Result<&'b [u8], Problem> {
        let length = usize::from(self.u16()?);
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn text(&mut self) -> Result<String, Problem> {
        let text = str::from_utf8(self.bytes()?);
        text.map(str::to_owned).map_err(|_| Problem::Malformed("a text of it is no UTF-8"))
    }

    pub fn map(&mut self) -> Result<BTreeMap<u16, u32>, Problem> {
        let count = self.u16()?;
        (0..count).map(|_| Ok((self.u16()?, self.u32()?))).collect()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*bytes)
    }
}
