//! From polling to a WebSocket: the client probes, its open GET is sent away, and at its word the WebSocket takes over
//! with all that waits. Until then nothing leaves by the WebSocket but the answer to the probe, so order is kept.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;

use super::session::Session;
use crate::websocket::{self, Event, Socket};

/// Runs the upgrade to its end, within its time; `base64` is how the client wants bytes from then on. If it fails,
/// polling goes on as if nothing had been.
pub(super) async fn run(session: Arc<Session>, mut socket: Socket, base64: bool) {
    let begun = session.lock().transport.begin_upgrade(&socket);
    if begun {
        let asked = timeout(session.config().upgrade_timeout, probe(&session, &mut socket)).await;
        if asked == Ok(true) {
            // If the session ends of it, whoever looks at it is told.
            let _ = session.carry(|transport| transport.take_over(socket, base64));
            return;
        }
        if let Some(polling) = &mut session.lock().transport.polling {
            polling.unprobe();
        }
    }
    socket.close(websocket::close::NORMAL, "").await;
}

/// Answers probes until the client says that it is done. False if it says something else, or is gone.
async fn probe(session: &Session, socket: &mut Socket) -> bool {
    loop {
        let Event::Text(text) = socket.next().await else { return false };
        match text.as_str() {
            "2probe" => {
                let answer = Bytes::from_static(b"3probe");
                if socket.sender().send(websocket::Kind::Text, b"", &answer).is_err() {
                    return false;
                }
                if let Some(polling) = &mut session.lock().transport.polling {
                    polling.probe();
                }
            }
            "5" => return true,
            _ => return false,
        }
    }
}
