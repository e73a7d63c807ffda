//! Turns bytes into frames, requests and calls, and interprets nothing.

pub mod address;
pub(crate) mod front;
mod grpc;
mod health;
pub(crate) mod limits;
pub mod listener;
pub(crate) mod rest;
mod tls;
mod websocket;
