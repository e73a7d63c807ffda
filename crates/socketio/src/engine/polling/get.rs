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

/// Answers a GET, when there is something to take away.
pub(in crate::engine) async fn answer(session: &Arc<Session>) -> Answer {
    session.check(Instant::now());
    let (mut get, probed) = match Get::begin(session) {
        Ok(begun) => begun,
        Err(answer) => return answer,
    };
    if probed {
        if let Ok(answer) = timeout(NOOP_DELAY, poll_fn(|cx| get.poll(cx))).await {
            return answer;
        }
        if let Some(polling) = &mut session.lock().transport.polling {
            polling.noop = true;
        }
    }
    poll_fn(|cx| get.poll(cx)).await
}

/// The place of the one GET of a session. One that its client gives up ends the session: what it would have taken away
/// might be lost.
struct Get<'a> {
    session: &'a Arc<Session>,
    answered: bool,
}

impl<'a> Get<'a> {
    /// With it, whether the client upgrades.
    fn begin(session: &'a Arc<Session>) -> Result<(Self, bool), Answer> {
        let mut state = session.lock();
        let transport = &mut state.transport;
        let lingers = transport.polling.as_ref().is_some_and(|polling| polling.lingers.is_some());
        if transport.ended.is_some() && !lingers {
            return Err(Answer::Unknown);
        }
        if transport.socket.is_some() {
            return Err(Answer::Bad);
        }
        let Some(polling) = &mut transport.polling else { return Err(Answer::Bad) };
        if polling.polled {
            session.finish(&mut state, Reason::TransportError, Told::AtOnce);
            return Err(Answer::Bad);
        }
        polling.polled = true;
        Ok((Self { session, answered: false }, polling.probed))
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<Answer> {
        let mut state = self.session.lock();
        let form = state.transport.form;
        let answer = match &mut state.transport.polling {
            Some(polling) if !polling.took_over => {
                let waits = polling.released && !polling.queue.is_empty();
                if polling.farewell.is_none() && !waits && !polling.noop {
                    polling.poller = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                let answer = polling.drain(form);
                polling.polled = false;
                polling.noop = false;
                if polling.lingers.take().is_some() {
                    self.session.registry.remove(&self.session.key);
                }
                answer
            }
            Some(_) | None => Answer::Bad,
        };
        self.answered = true;
        Poll::Ready(answer)
    }
}

impl Drop for Get<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.session.end(Reason::TransportError, Told::AtOnce);
        }
    }
}
