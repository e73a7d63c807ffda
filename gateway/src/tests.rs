//! The gateway from outside: real sockets, a core of the contract's shape behind it.

mod address;
pub mod core;
pub(crate) mod echo;
mod grpc;
mod joining;
mod link;
mod listener;
mod log;
mod rest;
mod socketio;
mod sockets;
pub mod world;
