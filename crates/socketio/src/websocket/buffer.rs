//! The buffer that a thread lends for a read.

use std::cell::RefCell;

/// What one read takes at most. A long message takes several; every thread has one buffer of this size, no socket has any.
pub const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the buffer. It must not be lent again meanwhile.
pub fn lend<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(READ_BYTES, 0);
        read(buffer)
    })
}
