//! A connection opens, or proves who it is.
//!
//! A connection may prove itself again, as the same person or another. What it heard before it hears on only as far as the
//! new principal has a right to it by itself; the answer names what was dropped, also when the command is repeated.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use parlor_api::v1::{self, link_response::Body};
use parlor_store::User;

use super::{Done, Gateway, Work, rights};
use crate::{
    Error, Result,
    caller::Principal,
    edge::{
        attach,
        connection::{Attached, Connection, Earlier},
        past::{MAX_SILENCE, Missed},
    },
    presence::Counted,
    wire::{person, roles, timestamp, unsigned},
};

impl Gateway {
    pub(super) fn attach(&self, connection: &Arc<str>, number: u64, command: v1::LinkAttach) -> Result<Work> {
        self.check_count(connection)?;
        let earlier = self.connections.get(connection).map(|earlier| Earlier {
            principal: Arc::clone(&earlier.principal),
            heard: self.topics.heard_by(connection),
            redelivery: earlier.redelivery.clone(),
        });
        let shared = Arc::clone(&self.shared);
        let counted = Counted { scope: Arc::clone(&self.scope), name: Arc::clone(connection) };
        let attach = async move {
            let attached = attach::attach(&shared, counted, number, command, earlier).await?;
            Ok(Done::Attached(Box::new(attached)))
        };
        Ok(attach.boxed())
    }

    /// Fails if the connection is one more than a gateway may hold.
    fn check_count(&self, connection: &str) -> Result<()> {
        let maximum = self.shared.options.connections;
        let known = self.connections.contains_key(connection) || self.ended.contains_key(connection);
        if known || self.connections.len() + self.ended.len() < maximum {
            return Ok(());
        }
        Err(Error::LimitReached { limit: "connections", maximum: maximum as u64 })
    }

    pub(super) fn record_attached(&mut self, connection: &Arc<str>, number: Option<u64>, attached: Attached) {
        // Others may have been attached meanwhile.
        if let Err(error) = self.check_count(connection) {
            attached.give_back(&self.shared.past);
            return number.map_or((), |number| self.fail(number, error));
        }
        let Attached { connection: mut proven, pid, recovered_from, began } = attached;
        proven.generation = self.rights.watch(connection, &proven.principal);
        let principal = Arc::clone(&proven.principal);
        let answer = number.map(|number| v1::LinkAttached {
            number,
            connection: connection.to_string(),
            handle: self.shared.rights.seal_handle(&principal),
            person: principal.user().map(|user| as_proven(person(user), &principal)),
            roles: roles(principal.roles),
            tenant: principal.tenant_slug.to_string(),
            rights_until: rights::until(&principal).map(timestamp),
            missed: proven.redelivery.as_ref().and_then(|redelivery| redelivery.missed).map(missed),
            pid,
            recovered_from: recovered_from.map(unsigned),
            dropped: Vec::new(),
            began: unsigned(began),
        });
        self.ended.remove(connection);
        for topic in &proven.dropped {
            self.topics.unsubscribe(connection, *topic);
        }
        // Withdrawals are heard already; this one may have come before it was known whom it concerns.
        let is_withdrawn = self.shared.rights.standing().is_withdrawn(&principal);
        if let Some(earlier) = self.connections.insert(Arc::clone(connection), Box::new(proven)) {
            self.replaced(connection, *earlier);
        } else if !principal.is_staff()
            && let Some(attached) = self.connections.get_mut(connection)
        {
            attached.visiting = Some(self.shared.presence.visits().attach(connection));
        }
        if let Some(mut answer) = answer {
            answer.dropped.clone_from(&self.connections[connection].dropped);
            self.queue.control(Body::Attached(answer));
        }
        if is_withdrawn {
            self.end_rights_of(connection, v1::RightsEndedReason::Revoked);
        }
    }

    /// A redelivering connection is gone: the person's next one is told since when.
    pub(super) fn remember(&self, connection: &str, command: &v1::LinkDetach) {
        let Some(connection) = self.connections.get(connection) else { return };
        let (Some(key), Some(redelivery)) = (connection.person(), &connection.redelivery) else { return };
        let past = &self.shared.past;
        let silence =
            command.silence.and_then(|silence| Duration::try_from(silence).ok()).unwrap_or_default();
        if silence.is_zero() {
            past.left(key, redelivery.began, command.position);
        } else {
            let silence = i64::try_from(silence.min(MAX_SILENCE).as_millis()).unwrap_or_default();
            past.left_at(key, redelivery.began, past.clock().now().saturating_sub(silence));
        }
    }

    /// A connection proved somebody else, or the same person anew.
    fn replaced(&mut self, connection: &str, mut earlier: Connection) {
        self.rights.forget(&earlier.principal, earlier.generation);
        let now = self.connections.get_mut(connection).expect("it has just been recorded");
        now.visiting = earlier.visiting.take();
        // The count is kept under the connection's name: the same person must not be counted out by the earlier guard.
        if earlier.principal.user_id() == now.principal.user_id()
            && now.present.is_some()
            && let Some(present) = earlier.present.take()
        {
            present.stay();
        }
        earlier.dropped.retain(|topic| !now.dropped.contains(topic));
        now.dropped.append(&mut earlier.dropped);
    }
}

/// A person, called what the issuer calls them whose credential proved them.
fn as_proven(mut person: v1::Person, principal: &Principal) -> v1::Person {
    let proof = &principal.proof;
    let of_issuer = |user: &Arc<User>| user.identities.iter().any(|known| known.issuer == proof.issuer);
    if principal.user().is_some_and(of_issuer) {
        person.subject.clone_from(&proof.subject);
    }
    person
}

fn missed(missed: Missed) -> v1::LinkMissed {
    v1::LinkMissed { since: Some(timestamp(missed.since)), position: unsigned(missed.position) }
}
