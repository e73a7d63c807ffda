//! What a connection needs of its byte stream: reading and writing without waiting, and readiness apart from both.
//!
//! Waiting for readiness holds no buffer. Other streams than TCP implement [`Stream`] themselves.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    net::Shutdown,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

#[cfg(feature = "tls")]
pub mod tls;

/// A byte stream that is read and written without waiting; readiness is awaited apart.
///
/// At most one task waits for each of the two readinesses; reads and writes may come from any thread.
pub trait Stream: Send + Sync + 'static {
    /// Ready when a read may yield something.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when a write may be taken.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads what is there; 0 at the end, [`io::ErrorKind::WouldBlock`] if nothing is there yet.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes as much as is taken now; [`io::ErrorKind::WouldBlock`] if that is nothing.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Passes on what the stream itself holds of earlier writes; [`io::ErrorKind::WouldBlock`] if some of it stays.
    fn try_flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Says that nothing more is written. What the other side sends can still be read.
    fn finish(&self);

    /// Ends the stream at once, in both directions. When it is dropped then, what the kernel still holds for it is freed
    /// and the other side sees a reset.
    fn abort(&self);
}

/// With edge-triggered readiness, a read or write that was cut short has taken all there was: the next one would only be
/// told to wait. So readiness is given back at once, which saves a system call for each.
const CUT_SHORT_IS_ALL: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl Stream for TcpStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, cx)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len();
        self.without_waiting(Interest::READABLE, |socket| (&**socket).read(buffer), wanted)
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        self.without_waiting(Interest::WRITABLE, |socket| (&**socket).write_vectored(slices), wanted)
    }

    fn finish(&self) {
        // Fails only where the connection has ended anyway.
        let _ = SockRef::from(self).shutdown(Shutdown::Write);
    }

    fn abort(&self) {
        // Both fail only where the connection has ended anyway.
        let _ = self.set_zero_linger();
        let _ = SockRef::from(self).shutdown(Shutdown::Both);
    }
}

trait WithoutWaiting {
    fn without_waiting(
        &self,
        interest: Interest,
        act: impl FnOnce(&SockRef<'_>) -> io::Result<usize>,
        wanted: usize,
    ) -> io::Result<usize>;
}

impl WithoutWaiting for TcpStream {
    fn without_waiting(
        &self,
        interest: Interest,
        act: impl FnOnce(&SockRef<'_>) -> io::Result<usize>,
        wanted: usize,
    ) -> io::Result<usize> {
        let mut short = None;
        let acted = self.try_io(interest, || {
            let done = act(&SockRef::from(self))?;
            if CUT_SHORT_IS_ALL && (1..wanted).contains(&done) {
                short = Some(done);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(done)
        });
        short.map_or(acted, Ok)
    }
}
