//! A GET: takes away what waits, or waits for it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use crate::{
    engine::{answer::Answer, session::Session, told::Told},
    reason::Reason,
};

/// How long a GET that comes while the client upgrades is held before it is sent away with a NOOP: long enough that one
/// which overtakes the end of its own upgrade is refused, short enough that nobody notices.
const NOOP_DELAY: Duration = Duration::from_millis(100);

impl Session {
    /// A GET: waits for something to take away.
    pub(in crate::engine) async fn poll(self: &Arc<Self>) -> Answer {
        self.check(Instant::now());
        let probed = match self.begin_poll() {
            Ok(probed) => probed,
            Err(answer) => return answer,
        };
        let open = OpenPoll { session: self, answered: false };
        let answer = if probed {
            let held = timeout(NOOP_DELAY, poll_fn(|cx| self.poll_payload(cx))).await;
            match held {
                Ok(answer) => answer,
                Err(_late) => {
                    if let Some(polling) = &mut self.lock().polling {
                        polling.noop = true;
                    }
                    poll_fn(|cx| self.poll_payload(cx)).await
                }
            }
        } else {
            poll_fn(|cx| self.poll_payload(cx)).await
        };
        open.answered();
        answer
    }

    fn begin_poll(self: &Arc<Self>) -> Result<bool, Answer> {
        let mut state = self.lock();
        let lingers = state.polling.as_ref().is_some_and(|polling| polling.lingers.is_some());
        if state.ended.is_some() && !lingers {
            return Err(Answer::Unknown);
        }
        if state.socket.is_some() {
            return Err(Answer::Bad);
        }
        let Some(polling) = &mut state.polling else { return Err(Answer::Bad) };
        if polling.polled {
            self.finish(&mut state, Reason::TransportError, Told::AtOnce);
            return Err(Answer::Bad);
        }
        polling.polled = true;
        Ok(polling.probed)
    }

    fn poll_payload(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.lock();
        let base64 = state.base64;
        let Some(polling) = &mut state.polling else { return Poll::Ready(Answer::Bad) };
        let ready = if polling.took_over {
            Some(Answer::Bad)
        } else if polling.farewell.is_some()
            || (polling.released && !polling.waiting.is_empty())
            || polling.noop
        {
            Some(polling.drain(self.v3, base64))
        } else {
            None
        };
        let Some(answer) = ready else {
            polling.poller = Some(cx.waker().clone());
            return Poll::Pending;
        };
        polling.polled = false;
        polling.noop = false;
        if polling.lingers.take().is_some() {
            self.registry.remove(&self.key);
        }
        Poll::Ready(answer)
    }
}

/// A GET that its client gives up ends the session: what it would have taken away might be lost.
struct OpenPoll<'a> {
    session: &'a Arc<Session>,
    answered: bool,
}

impl OpenPoll<'_> {
    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.session.end(Reason::TransportError, Told::AtOnce);
        }
    }
}
