//! The program: configuration, command line, wiring. A library too, so that tests start a server in their own process.

pub mod cli;
pub mod config;
pub mod contract;
pub mod data_dir;
pub mod development;
mod fresh;
pub mod log;
pub mod secrets;
pub mod seed;
pub mod server;
pub mod start_page;
