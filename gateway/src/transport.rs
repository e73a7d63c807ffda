//! Turns bytes into frames, requests and calls, and interprets nothing.

pub mod address;
pub(crate) mod front;
mod grpc;
mod health;
pub(crate) mod limits;
pub mod listener;
mod open;
pub(crate) mod rest;
pub(crate) mod socketio;
mod tls;
mod websocket;
