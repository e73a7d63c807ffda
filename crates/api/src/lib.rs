//! The contract: generated messages, clients and servers, the descriptors behind reflection, and what both sides of a
//! call need to agree on beside the messages.

pub mod bound;
pub mod codec;
pub mod failure;
pub mod hex_id;
pub mod limits;
pub mod metadata;
pub mod network;
pub mod places;
pub mod veil;

/// The generated code of `proto/parlor/v1`.
#[allow(clippy::all, clippy::pedantic, missing_docs)]
pub mod v1 {
    tonic::include_proto!("parlor.v1");
}

/// Every descriptor of the contract, encoded as a `FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/parlor.fds"));

/// The same without what only gateways call: what reflection tells strangers.
pub const PUBLIC_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/public.fds"));
