//! Clients that poll, over time: bounded memory, bounded time to leave, no panic. What a story is stands beside the crate's tests, which tell some
//! of them too.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/socketio/tests/it/story.rs"]
#[expect(dead_code, reason = "the other fuzzer tells the other stories")]
mod story;

fuzz_target!(|bytes: &[u8]| story::polling(bytes));
