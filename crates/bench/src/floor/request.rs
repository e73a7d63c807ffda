//! The request with which a connection begins: an upgrade, or something to be done before one.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest as _, Sha1};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// RFC 6455, section 1.3.
const ACCEPT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The generator's requests are far below this.
const REQUEST_MAX: usize = 64 * 1024;

/// The answer to everything that is no upgrade.
pub const DONE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{\"success\":true}";

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    SocketIo,
    WebSocket,
    Post,
}

pub fn asked(request: &[u8]) -> Asked {
    if request.starts_with(b"POST ") {
        Asked::Post
    } else if request.starts_with(b"GET /socket.io/") {
        Asked::SocketIo
    } else {
        Asked::WebSocket
    }
}

/// The whole request: its head, and as much as that says comes after it.
pub async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let body = header(&bytes, "content-length").and_then(|length| length.parse().ok());
            if bytes.len() >= end + 4 + body.unwrap_or(0_usize) {
                return Ok(bytes);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > REQUEST_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// The answer to an upgrade. Nothing of it matters but the key.
pub fn upgraded(request: &[u8]) -> Vec<u8> {
    let key = header(request, "sec-websocket-key").unwrap_or_default();
    let accept = Sha1::new().chain_update(key).chain_update(ACCEPT).finalize();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(accept)
    )
    .into_bytes()
}

fn header(request: &[u8], wanted: &str) -> Option<String> {
    String::from_utf8_lossy(request).lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upgrade_is_answered_as_the_specification_says() {
        // The example of RFC 6455, section 1.3.
        let answer = upgraded(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
    }

    #[test]
    fn requests_are_told_apart() {
        assert_eq!(asked(b"GET /socket.io/?EIO=4 HTTP/1.1\r\n"), Asked::SocketIo);
        assert_eq!(asked(b"GET / HTTP/1.1\r\n"), Asked::WebSocket);
        assert_eq!(asked(b"POST /chat/staff/connect HTTP/1.1\r\n"), Asked::Post);
    }
}
