//! The program's entry. Everything is in the library.

use std::process::ExitCode;

/// One process holds very many small buffers, made and dropped on all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    parlor::cli::main()
}
