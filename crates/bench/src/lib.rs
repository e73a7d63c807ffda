//! A load generator, and what it is measured beside.
//!
//! A *scenario* (`scenario`) drives a server by its *script* (`script`: the words of one dialect) with many lean
//! connections in one thread (`member`, `crowd`). Messages are sent in open loop (`pace`), carry a stamp in their text
//! (`stamp`), and every delivery is counted, checked for order and timed from the moment it was meant to be sent
//! (`tally`). Rooms of two (`duo`) are also spoken in over gRPC (`converse`). What the server spent is read from its process (`process`). `floor` is the least a program can do for the
//! same deliveries.

pub mod cli;
pub mod converse;
pub mod crowd;
pub mod duo;
pub mod floor;
mod frame;
pub mod histogram;
pub mod member;
pub mod outcome;
pub mod pace;
pub mod process;
pub mod scenario;
pub mod script;
pub mod stamp;
pub mod tally;
pub mod target;
pub mod world;
