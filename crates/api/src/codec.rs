//! The codec of every call: Prost's, with small first buffers, and with the bounds of what arrives.
//!
//! Tonic's default reserves 8 KiB for each direction of each call. A gateway holds one open stream for each of many
//! clients, so that reservation is most of what an idle stream costs.

mod raw;

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstCodec;

pub use self::raw::Raw;
use crate::bound::Arriving;

/// What a call reserves before it knows its message's size; the buffer grows as it needs.
const FIRST_BUFFER_BYTES: usize = 512;

/// When this much is encoded, it is handed to the transport.
const YIELD_THRESHOLD_BYTES: usize = 32 * 1024;

/// Prost's codec with buffers that fit small messages.
#[derive(Debug)]
pub struct SmallCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SmallCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for SmallCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Arriving + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = Held<<ProstCodec<T, U> as Codec>::Decoder>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(FIRST_BUFFER_BYTES, YIELD_THRESHOLD_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        let settings = BufferSettings::new(FIRST_BUFFER_BYTES, YIELD_THRESHOLD_BYTES);
        Held(ProstCodec::<T, U>::raw_decoder(settings))
    }
}

/// A decoder that holds what it has decoded to its bounds.
#[derive(Debug)]
pub struct Held<D>(D);

impl<D> Decoder for Held<D>
where
    D: Decoder<Error = Status>,
    D::Item: Arriving,
{
    type Item = D::Item;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let message = self.0.decode(from)?;
        if let Some(message) = &message {
            message.arrived()?;
        }
        Ok(message)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}
