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

use super::{
    Answer, Audience, Call, Credential, Effect, Frame, Recovery, Subscribed, Tag, TopicHandle,
    refusal::Refusal, rpc::Rpc,
};

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

/// An answer, with the position of what was stored.
type Outcome = Result<(Answer, Option<u64>), Refusal>;

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
        let (answer, position) = self.call(request.call(), who).await?;
        Ok((answer.read()?, position))
    }

    /// The same with a call that is encoded, and so is its answer.
    pub async fn call(&self, call: Call, who: &Credential) -> Result<(Answer, Option<u64>), Refusal> {
        let credential = who.clone();
        let tag = self.want(|tag| Effect::Call { tag, call, credential });
        self.answer(&[tag]).await.1
    }

    /// Proves who the connection is.
    pub async fn attach(
        &self,
        credential: Credential,
        recovery: Recovery,
    ) -> Result<v1::LinkAttached, Refusal> {
        let tag = self.want(|tag| Effect::Attach { tag, credential, recovery });
        match self.answer(&[tag]).await.1? {
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
        Ok(heard(self.answer(&[tag]).await.1)?.topic)
    }

    /// Hears several topics, asked for together; what came of each, in their order. An outage ends it.
    pub async fn subscribe_all(
        &self,
        topics: Vec<v1::topic::Name>,
        audience: Audience,
    ) -> Result<Vec<Result<Subscribed, Refusal>>, Refusal> {
        let ask = |topic| self.want(|tag| Effect::Subscribe { tag, topic, audience, replaces: None });
        let tags: Vec<Tag> = topics.into_iter().map(ask).collect();
        let mut found: Vec<_> = tags.iter().map(|_| None).collect();
        while found.iter().any(Option::is_none) {
            let (tag, answer) = self.answer(&tags).await;
            let place = tags.iter().position(|asked| *asked == tag);
            match heard(answer) {
                Err(refusal) if refusal.is_outage() => return Err(refusal),
                heard => found[place.expect("it is one of them")] = Some(heard),
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Wants something that is not answered. It follows what was wanted before.
    pub fn tell(&self, effect: Effect) {
        self.desk().wants.push(effect);
    }

    /// Sends a frame to the client.
    pub fn send(&self, frame: Frame) {
        self.tell(Effect::Send(frame));
    }

    /// Counts input that is refused.
    pub fn refuse(&self, what: &'static str, why: &'static str) {
        self.tell(Effect::Refused { what, why });
    }

    /// Counts what the core refused.
    pub fn refused(&self, what: &'static str, refusal: &Refusal) {
        refusal.why().into_iter().for_each(|why| self.refuse(what, why));
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

    /// The next answer to one of these questions.
    async fn answer(&self, tags: &[Tag]) -> (Tag, Outcome) {
        let answered = poll_fn(|_| {
            let answered = self.desk().answered.take_if(|answered| tags.contains(&answered.tag));
            answered.map_or(Poll::Pending, Poll::Ready)
        });
        let Answered { tag, answer, position } = *answered.await;
        (tag, answer.map(|answer| (answer, position)))
    }

    /// It is locked by one step at a time, and whole whenever it is not.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn heard(outcome: Outcome) -> Result<Subscribed, Refusal> {
    match outcome? {
        (Answer::Subscribed(subscribed), _) => Ok(subscribed),
        _ => Err(Refusal::unexpected()),
    }
}

/// What a machine works on: one handler at a time. Whoever runs it gives out what [`Self::core`] wants.
pub(super) struct Work<T> {
    /// What its handlers ask.
    pub core: Core,
    handler: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self { core: Core::default(), handler: None }
    }
}

impl<T> Work<T> {
    /// Begins with a handler, and goes on as far as it can without an answer; what it came to, if it is done.
    pub fn begin(&mut self, handler: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.handler = Some(Box::pin(handler));
        self.go_on()
    }

    /// Goes on with an answer. One that it does not wait for changes nothing.
    pub fn answered(
        &mut self,
        tag: Tag,
        answer: Result<Answer, Refusal>,
        position: Option<u64>,
    ) -> Option<T> {
        self.core.desk().answered = Some(Box::new(Answered { tag, answer, position }));
        self.go_on()
    }

    /// Nothing is worked on.
    pub fn is_idle(&self) -> bool {
        self.handler.is_none()
    }

    /// Drops what is worked on.
    pub fn stop(&mut self) {
        self.handler = None;
    }

    fn go_on(&mut self) -> Option<T> {
        let polled = self.handler.as_mut().map(|handler| {
            let mut context = Context::from_waker(Waker::noop());
            handler.as_mut().poll(&mut context)
        });
        self.core.desk().answered = None;
        let Some(Poll::Ready(done)) = polled else { return None };
        self.handler = None;
        Some(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Marked = Result<Option<u64>, Refusal>;

    fn mark_read(work: &mut Work<Marked>) -> Option<Marked> {
        let core = work.core.clone();
        work.begin(async move {
            core.ask(v1::MarkReadRequest::default(), &Credential::Guest).await?;
            Ok(core.store(v1::MarkReadRequest::default(), &Credential::Guest).await?.1)
        })
    }

    /// The tag of the one call that is wanted.
    fn tag(work: &Work<Marked>) -> Tag {
        let mut effects = Vec::new();
        work.core.give_out(&mut effects);
        let Some(Effect::Call { tag, .. }) = effects.pop() else { panic!("no call") };
        tag
    }

    fn marked() -> Result<Answer, Refusal> {
        Ok(v1::MarkReadResponse::default().into())
    }

    #[test]
    fn a_handler_goes_on_in_the_step_of_its_answer() {
        let mut work = Work::default();
        assert!(mark_read(&mut work).is_none());
        let first = tag(&work);
        assert!(work.answered(first + 7, marked(), None).is_none());
        let mut effects = Vec::new();
        work.core.give_out(&mut effects);
        assert!(effects.is_empty(), "that was nobody's answer");
        assert!(work.answered(first, marked(), None).is_none());
        let second = tag(&work);
        assert_ne!(first, second);
        assert!(!work.is_idle());
        assert_eq!(work.answered(second, marked(), Some(9)), Some(Ok(Some(9))));
        assert!(work.is_idle());
    }

    #[test]
    fn another_answer_than_was_asked_for_is_a_refusal() {
        let mut work = Work::default();
        mark_read(&mut work);
        let other = Ok(Answer::Attached(v1::LinkAttached::default()));
        assert_eq!(work.answered(tag(&work), other, None), Some(Err(Refusal::unexpected())));
    }

    #[test]
    fn an_answer_that_is_no_message_is_a_refusal() {
        let mut work = Work::default();
        mark_read(&mut work);
        let garbage = Ok(Answer::Called(bytes::Bytes::from_static(b"\xff")));
        assert_eq!(work.answered(tag(&work), garbage, None), Some(Err(Refusal::unexpected())));
    }

    #[test]
    fn topics_that_are_asked_for_together_are_answered_in_any_order() {
        let mut work = Work::default();
        let core = work.core.clone();
        let names = ["a", "b"].map(|key| v1::topic::Name::ConversationKey(key.to_owned()));
        let all = async move { core.subscribe_all(names.into(), Audience(0)).await };
        assert!(work.begin(all).is_none());
        let answer = |topic| {
            let (topic, conversation_id) = (TopicHandle(topic), String::new());
            Ok(Answer::Subscribed(Subscribed { topic, position: 0, conversation_id }))
        };
        assert!(work.answered(2, answer(7), None).is_none());
        let heard = work.answered(1, answer(8), None).unwrap().unwrap();
        assert_eq!(heard.into_iter().map(|heard| heard.unwrap().topic.0).collect::<Vec<_>>(), [8, 7]);
    }
}
