//! From polling to a WebSocket: the client probes, its open GET is sent away, and at its word the WebSocket takes over
//! with all that waits. Until then nothing leaves by the WebSocket but the answer to the probe, so order is kept.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;

use super::{session::Session, told::Told};
use crate::{
    outbox::Closed,
    websocket::{self, Event, Socket},
};

impl Session {
    /// Notes the WebSocket that asks to take over. False if one does already, or did, or there is nothing to take over.
    pub fn begin_upgrade(&self, socket: &Socket) -> bool {
        let mut state = self.lock();
        if state.ended.is_some() || state.socket.is_some() {
            return false;
        }
        let Some(polling) = state.polling.as_mut().filter(|polling| polling.upgrade.is_none()) else {
            return false;
        };
        polling.upgrade = Some(socket.sender());
        true
    }

    /// Runs the upgrade to its end, within its time; `base64` is how the client wants bytes from then on. If it fails,
    /// polling goes on as if nothing had been.
    pub async fn upgrade(self: Arc<Self>, mut socket: Socket, base64: bool) {
        if !self.begin_upgrade(&socket) {
            socket.close(websocket::close::NORMAL, "").await;
            return;
        }
        let asked = timeout(self.registry.config.upgrade_timeout, self.probe(&mut socket)).await;
        if asked == Ok(true) {
            self.take_over(socket, base64);
            return;
        }
        self.give_up();
        socket.close(websocket::close::NORMAL, "").await;
    }

    /// Answers probes until the client says that it is done. False if it says something else, or is gone.
    async fn probe(&self, socket: &mut Socket) -> bool {
        loop {
            let Event::Text(text) = socket.next().await else { return false };
            match text.as_str() {
                "2probe" => {
                    let answer = Bytes::from_static(b"3probe");
                    if socket.sender().send(websocket::Kind::Text, b"", &answer).is_err() {
                        return false;
                    }
                    if let Some(polling) = &mut self.lock().polling {
                        polling.probe();
                    }
                }
                "5" => return true,
                _ => return false,
            }
        }
    }

    fn take_over(self: &Arc<Self>, socket: Socket, base64: bool) {
        let mut state = self.lock();
        let sender = socket.sender();
        // If the session has ended meanwhile, so has the WebSocket: its end was told to both.
        let Some(polling) = &mut state.polling else { return };
        if polling.upgrade.take().is_none() {
            return;
        }
        let moved = polling.hand_over(&sender, self.v3, base64);
        polling.arrived = Some(socket);
        polling.wake_reader();
        state.socket = Some(sender);
        state.base64 = base64;
        if let Err(Closed(reason)) = moved {
            self.finish(&mut state, reason, Told::AtOnce);
        }
    }

    fn give_up(&self) {
        if let Some(polling) = &mut self.lock().polling {
            polling.unprobe();
        }
    }
}
