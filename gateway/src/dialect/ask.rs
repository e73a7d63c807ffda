//! Questions and answers as `async fn`: what a handler may await, and how a machine runs it.
//!
//! ```text
//! handler: core.ask(request).await ─► Effect::Call ─► Input::Answer ─► the handler goes on
//! ```
//!
//! The rule it keeps: the only thing a handler waits for is the core. There is no runtime, no clock and no I/O in it, so
//! it goes on in the very step that brings the answer, and does the same thing each time. Dropping it ends it.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use parlor_api::v1;

use super::{Answer, Audience, Credential, Effect, Memory, Tag, TopicHandle, refusal::Refusal, rpc::Rpc};

/// The core as a handler sees it. Whoever runs several handlers of one connection gives them the same one, so that no two
/// calls have one tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Core(Arc<Mutex<Desk>>);

/// What lies between a handler and its machine.
#[derive(Debug, Default)]
struct Desk {
    tag: Tag,
    wants: Vec<Effect>,
    /// In a box: most connections are at rest, and it is large.
    answered: Option<Box<Answered>>,
}

#[derive(Debug)]
struct Answered {
    tag: Tag,
    answer: Result<Answer, Refusal>,
    position: Option<u64>,
}

impl Core {
    /// Asks the core on somebody's behalf.
    pub async fn ask<R: Rpc>(&self, request: R, who: &Credential) -> Result<R::Answer, Refusal> {
        Ok(self.store(request, who).await?.0)
    }

    /// The same, with the tenant position of what the request stored.
    pub async fn store<R: Rpc>(
        &self,
        request: R,
        who: &Credential,
    ) -> Result<(R::Answer, Option<u64>), Refusal> {
        let (call, credential) = (request.call(), who.clone());
        let tag = self.want(|tag| Effect::Call { tag, call, credential });
        let (answer, position) = self.answer(tag).await?;
        Ok((answer.read()?, position))
    }

    /// Proves who the connection is.
    pub async fn attach(&self, credential: Credential, memory: Memory) -> Result<v1::LinkAttached, Refusal> {
        let tag = self.want(|tag| Effect::Attach { tag, credential, memory });
        match self.answer(tag).await? {
            (Answer::Attached(attached), _) => Ok(attached),
            _ => Err(Refusal::unexpected()),
        }
    }

    /// Hears a topic, in the place of another if that is named.
    pub async fn subscribe(
        &self,
        topic: v1::topic::Name,
        audience: Audience,
        replaces: Option<TopicHandle>,
    ) -> Result<TopicHandle, Refusal> {
        let tag = self.want(|tag| Effect::Subscribe { tag, topic, audience, replaces });
        match self.answer(tag).await? {
            (Answer::Subscribed { topic, .. }, _) => Ok(topic),
            _ => Err(Refusal::unexpected()),
        }
    }

    /// Wants something that is not answered. It follows what was wanted before.
    pub fn tell(&self, effect: Effect) {
        self.desk().wants.push(effect);
    }

    /// Gives out what was wanted so far. Nothing stays allocated for it: most connections are at rest.
    pub fn give_out(&self, effects: &mut Vec<Effect>) {
        effects.append(&mut mem::take(&mut self.desk().wants));
    }

    /// True for the tag of the latest question.
    pub fn is_latest(&self, tag: Tag) -> bool {
        self.desk().tag == tag
    }

    /// A tag that no other call has.
    pub fn next_tag(&self) -> Tag {
        let mut desk = self.desk();
        desk.tag = desk.tag.wrapping_add(1);
        desk.tag
    }

    fn want(&self, effect: impl FnOnce(Tag) -> Effect) -> Tag {
        let tag = self.next_tag();
        self.tell(effect(tag));
        tag
    }

    async fn answer(&self, tag: Tag) -> Result<(Answer, Option<u64>), Refusal> {
        let answered = poll_fn(|_| {
            self.desk().answered.take_if(|answered| answered.tag == tag).map_or(Poll::Pending, Poll::Ready)
        });
        let Answered { answer, position, .. } = *answered.await;
        answer.map(|answer| (answer, position))
    }

    /// It is locked by one step at a time, and whole whenever it is not.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handler on its way.
pub(super) struct Running<T> {
    core: Core,
    work: Pin<Box<dyn Future<Output = T> + Send>>,
}

impl<T> Running<T> {
    /// The handler's `core` is the one it asks. It begins with [`Self::go_on`].
    pub fn new(core: &Core, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { core: core.clone(), work: Box::pin(work) }
    }

    /// Goes on as far as it can without an answer; what it came to, once it is done.
    pub fn go_on(&mut self, effects: &mut Vec<Effect>) -> Option<T> {
        let polled = self.work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.core.desk().answered = None;
        self.core.give_out(effects);
        match polled {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    /// Goes on with an answer. One that it does not wait for changes nothing.
    pub fn answered(
        &mut self,
        tag: Tag,
        answer: Result<Answer, Refusal>,
        position: Option<u64>,
        effects: &mut Vec<Effect>,
    ) -> Option<T> {
        self.core.desk().answered = Some(Box::new(Answered { tag, answer, position }));
        self.go_on(effects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark_read(core: &Core) -> Running<Result<Option<u64>, Refusal>> {
        let asks = core.clone();
        Running::new(core, async move {
            asks.ask(v1::MarkReadRequest::default(), &Credential::Guest).await?;
            Ok(asks.store(v1::MarkReadRequest::default(), &Credential::Guest).await?.1)
        })
    }

    fn tag(effects: &mut Vec<Effect>) -> Tag {
        let Some(Effect::Call { tag, .. }) = effects.pop() else { panic!("no call") };
        tag
    }

    fn marked() -> Result<Answer, Refusal> {
        Ok(v1::MarkReadResponse::default().into())
    }

    #[test]
    fn a_handler_goes_on_in_the_step_of_its_answer() {
        let (core, mut effects) = (Core::default(), Vec::new());
        let mut running = mark_read(&core);
        assert!(running.go_on(&mut effects).is_none());
        let first = tag(&mut effects);
        assert!(running.answered(first + 7, marked(), None, &mut effects).is_none());
        assert!(effects.is_empty(), "that was nobody's answer");
        assert!(running.answered(first, marked(), None, &mut effects).is_none());
        let second = tag(&mut effects);
        assert_ne!(first, second);
        assert_eq!(running.answered(second, marked(), Some(9), &mut effects), Some(Ok(Some(9))));
    }

    #[test]
    fn another_answer_than_was_asked_for_is_a_refusal() {
        let (core, mut effects) = (Core::default(), Vec::new());
        let mut running = mark_read(&core);
        running.go_on(&mut effects);
        let other = Ok(Answer::Attached(v1::LinkAttached::default()));
        let done = running.answered(tag(&mut effects), other, None, &mut effects);
        assert_eq!(done, Some(Err(Refusal::unexpected())));
    }

    #[test]
    fn an_answer_that_is_no_message_is_a_refusal() {
        let (core, mut effects) = (Core::default(), Vec::new());
        let mut running = mark_read(&core);
        running.go_on(&mut effects);
        let garbage = Ok(Answer::Called(bytes::Bytes::from_static(b"\xff")));
        let done = running.answered(tag(&mut effects), garbage, None, &mut effects);
        assert_eq!(done, Some(Err(Refusal::unexpected())));
    }
}
