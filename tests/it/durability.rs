//! Acknowledged means durable: shown by killing the process, by reading the databases' settings back, and by watching
//! its system calls.

mod flush;
mod kill;
mod settings;
