//! Watches that begin and end while the connection is open, and the rest of what a client missed.

use parlor_api::v1;
use serde_json::json;

use super::{Phase, Socket, Work, done};
use crate::dialect::{
    Answer, Effect, Tag,
    native::{
        hearing::{Beginning, Begun, Start, WATCHED_MAX, subscribe},
        join, render,
        wire::{self, Reply},
    },
    refusal::{Kind, Refusal},
};

impl Socket {
    pub(super) fn watch_conversation(
        &mut self,
        name: &str,
        request: v1::WatchConversationRequest,
        reply: Reply,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if self.watched.len() >= WATCHED_MAX {
            return Err(join::too_many_watches());
        }
        effects.push(Effect::Hold);
        let audience = self.eyes.audience;
        let beginning = Beginning::start(vec![request], Start::Now, audience, &mut self.tags, effects);
        let (name, reply, beginning) = (name.to_owned(), Some(reply), Box::new(beginning));
        let work = Work::Watch { name, reply, beginning };
        self.phase = Phase::Open(Some(work));
        Ok(())
    }

    /// The answer to a watch comes after the older events it asked for: who has it has those.
    pub(super) fn watch_answered(
        &mut self,
        name: String,
        reply: Reply,
        mut beginning: Box<Beginning>,
        tag: Tag,
        answer: Result<Answer, Refusal>,
        effects: &mut Vec<Effect>,
    ) {
        match answer {
            Ok(page @ Answer::Called(_)) if tag == self.tags.latest() => {
                let Ok(page) = page.read() else { return self.break_off(effects) };
                beginning.reached(&page);
                effects.extend(page.events.iter().filter_map(render::older).map(Effect::Send));
                if page.more {
                    return self.go_on(Work::Watch { name, reply: Some(reply), beginning }, effects);
                }
                self.watch_begun(&name, reply, &beginning, effects);
            }
            // What is half begun is known to nobody.
            Err(refusal) if beginning.heard().next().is_some() && refusal.is_outage() => {
                self.break_off(effects);
            }
            answer => {
                let audience = self.eyes.audience;
                let all = beginning.answered(tag, answer, audience, &mut self.tags, effects);
                if all && beginning.heard().next().is_none() {
                    return self.watch_begun(&name, reply, &beginning, effects);
                }
                if all {
                    return self.go_on(Work::Watch { name, reply: Some(reply), beginning }, effects);
                }
                self.phase = Phase::Open(Some(Work::Watch { name, reply: Some(reply), beginning }));
            }
        }
    }

    pub(super) fn watch_begun(
        &mut self,
        name: &str,
        reply: Reply,
        beginning: &Beginning,
        effects: &mut Vec<Effect>,
    ) {
        self.tell_begun(beginning, name, reply, effects);
        // What waits is of other conversations too, and nobody else sends that.
        effects.push(Effect::Release { above: 0 });
        self.phase = Phase::Open(None);
    }

    /// More of what a client missed.
    pub(super) fn rest_answered(
        &mut self,
        name: String,
        mut beginning: Box<Beginning>,
        answer: Result<Answer, Refusal>,
        effects: &mut Vec<Effect>,
    ) {
        let Ok(page) = answer.and_then(Answer::read::<v1::ListMissedEventsResponse>) else {
            return self.break_off(effects);
        };
        beginning.reached(&page);
        effects.extend(page.events.iter().filter_map(render::shown).map(Effect::Send));
        if page.more {
            return self.go_on(Work::Watch { name, reply: None, beginning }, effects);
        }
        if !page.complete {
            let lost = Refusal::of(Kind::Lost, "some of what was missed is no longer kept");
            effects.push(Effect::Send(wire::problem(&lost, Some(&name))));
        }
        effects.push(Effect::Release { above: beginning.position() });
        self.phase = Phase::Open(None);
    }

    /// Asks for the next page.
    pub(super) fn go_on(&mut self, work: Work, effects: &mut Vec<Effect>) {
        let tag = self.tags.next();
        if let Work::Watch { beginning, .. } = &work {
            effects.extend(beginning.ask(tag));
        }
        self.phase = Phase::Open(Some(work));
    }

    pub(super) fn tell_begun(
        &mut self,
        beginning: &Beginning,
        name: &str,
        reply: Reply,
        effects: &mut Vec<Effect>,
    ) {
        let refusal = beginning.begun().into_iter().find_map(|begun| match begun {
            Begun::Refused(refusal) => Some(refusal),
            Begun::From { .. } => None,
        });
        let told = self.begin(beginning, effects).into_iter().next().unwrap_or_default();
        let outcome = refusal.as_ref().map_or(Ok(told), Err);
        effects.extend(done(reply, name, outcome));
    }

    pub(super) fn unwatch_conversation(
        &mut self,
        argument: &str,
        reply: Reply,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = join::conversation_id(argument)?;
        if let Some(place) = self.watched.iter().position(|watched| watched.conversation_id == id) {
            self.watched.swap_remove(place).end(effects);
        }
        effects.extend(done(reply, "UnwatchConversation", Ok(json!({}))));
        Ok(())
    }

    pub(super) fn watch_presence(
        &mut self,
        name: &str,
        request: v1::WatchPresenceRequest,
        reply: Reply,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(topic) = self.presence.take() {
            effects.push(Effect::Unsubscribe { topic });
        }
        self.eyes.role = Some(request.role()).filter(|role| *role != v1::Role::Unspecified);
        let topic = v1::topic::Name::Presence(v1::TopicPresence {});
        effects.push(subscribe(self.tags.next(), topic, self.eyes.audience));
        self.phase = Phase::Open(Some(Work::Presence { name: name.to_owned(), reply }));
    }

    pub(super) fn unwatch_presence(
        &mut self,
        reply: Reply,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if let Some(topic) = self.presence.take() {
            effects.push(Effect::Unsubscribe { topic });
        }
        effects.extend(done(reply, "UnwatchPresence", Ok(json!({}))));
        Ok(())
    }
}
