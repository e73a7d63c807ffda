//! TLS over TCP, driven without waiting: the session is used synchronously, under a small lock.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    sync::{Mutex, MutexGuard},
    task::{Context, Poll},
};

use rustls::ServerConnection;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Stream;

/// A TLS connection of a server.
pub struct Tls {
    tcp: TcpStream,
    session: Mutex<Session>,
}

struct Session {
    tls: ServerConnection,
    /// The last read filled its buffer: there may be more inside, of which the kernel knows nothing.
    more: bool,
}

impl Tls {
    /// Takes a connection apart, handshake done.
    #[must_use]
    pub fn new(stream: TlsStream<TcpStream>) -> Self {
        let (tcp, tls) = stream.into_inner();
        Self { tcp, session: Mutex::new(Session { tls, more: true }) }
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().expect("nothing panics while it holds a session")
    }
}

impl Stream for Tls {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lock().more {
            return Poll::Ready(Ok(()));
        }
        self.tcp.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_write_ready(cx)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut session = self.lock();
        let read = session.read(&self.tcp, buffer);
        session.more = matches!(read, Ok(read) if read == buffer.len());
        // An answer to a key update, or an alert: what the kernel does not take goes out with the next write.
        let _ = session.flush(&self.tcp);
        read
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.lock();
        session.flush(&self.tcp)?;
        let taken = session.tls.writer().write_vectored(slices)?;
        match session.flush(&self.tcp) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    fn try_flush(&self) -> io::Result<()> {
        self.lock().flush(&self.tcp)
    }

    fn finish(&self) {
        let mut session = self.lock();
        session.tls.send_close_notify();
        let _ = session.flush(&self.tcp);
        self.tcp.finish();
    }

    fn abort(&self) {
        self.tcp.abort();
    }
}

impl Session {
    fn read(&mut self, tcp: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match self.tls.reader().read(&mut buffer[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if filled == 0 => return Err(error),
                // It is told again by the next read.
                Err(_later) => return Ok(filled),
            }
            if filled == buffer.len() {
                return Ok(filled);
            }
            match self.tls.read_tls(&mut Unwaiting(tcp)) {
                Ok(_) => {
                    self.tls.process_new_packets().map_err(io::Error::other)?;
                }
                Err(error) if filled == 0 => return Err(error),
                Err(_later) => return Ok(filled),
            }
        }
    }

    fn flush(&mut self, tcp: &TcpStream) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut Unwaiting(tcp))?;
        }
        Ok(())
    }
}

/// The TCP stream as the session reads and writes it.
struct Unwaiting<'a>(&'a TcpStream);

impl io::Read for Unwaiting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Stream::try_read(self.0, buffer)
    }
}

impl io::Write for Unwaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Stream::try_write_vectored(self.0, &[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Stream::try_write_vectored(self.0, slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
