//! What one connection asks of the core and the link, in the name of whom it has proved to be.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parlor_api::v1;
use tokio::time::Instant;

use crate::{
    call::{Caller, Proof},
    derived::Hearer,
    dialect::{
        After, Answer, Call, Credential, Derived, Input, OpeningKind, Recovery, Tag, TopicHandle,
        refusal::{Kind, Refusal},
    },
    edge::Edge,
    link::{Attach, Command, Proving, Wanted},
    mounted::Mounted,
    outbox::{Item, Outbox},
};

/// See the module.
pub(super) struct Questions {
    edge: Arc<Edge>,
    mounted: Mounted,
    outbox: Arc<Outbox>,
    connection: Arc<str>,
    peer: Option<IpAddr>,
    kind: OpeningKind,
    /// The principal's handle, once attached.
    handle: Option<String>,
    tenant: Option<String>,
    /// The link knows of the connection and must be told of its end.
    announced: bool,
    /// Those that have no answer yet.
    in_flight: usize,
}

impl Questions {
    pub fn new(
        edge: &Arc<Edge>,
        mounted: &Mounted,
        outbox: &Arc<Outbox>,
        peer: Option<IpAddr>,
        kind: OpeningKind,
    ) -> Self {
        Self {
            outbox: Arc::clone(outbox),
            connection: edge.next_connection(),
            edge: Arc::clone(edge),
            mounted: mounted.clone(),
            peer,
            kind,
            handle: None,
            tenant: mounted.mount.tenant.clone(),
            announced: false,
            in_flight: 0,
        }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub fn is_proven(&self) -> bool {
        self.handle.is_some()
    }

    /// Waits until the gateway has handed on what a reply names, within a bound.
    pub async fn hold(&self, after: After) {
        self.edge.link.passed(after, self.tenant.as_deref(), self.edge.limits.reply_hold).await;
    }

    /// Tells the log of a refusal to let somebody in, now and then: old front-ends say that they are connected whatever comes
    /// of it.
    pub fn refused(&self, what: &'static str, why: &'static str) {
        if !self.mounted.dialect.wire().joins.contains(&what) {
            return;
        }
        let mount = &*self.mounted.mount.name;
        if let Some(times) = self.edge.seldom.is_time(mount, why, Instant::now()) {
            tracing::warn!(mount, what, why, times, "clients are not let in");
        }
    }

    /// Keeps what the machine's inputs say of the connection itself.
    pub fn learn(&mut self, input: &Input) {
        match input {
            Input::Answer { answer, .. } => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if let Ok(Answer::Attached(attached)) = answer {
                    self.handle = Some(attached.handle.clone());
                    self.tenant = Some(attached.tenant.clone());
                }
            }
            Input::RightsEnded(_) => self.handle = None,
            Input::Frame(_)
            | Input::Connect { .. }
            | Input::Emitted { .. }
            | Input::Request(_)
            | Input::Event { .. }
            | Input::Refreshed(_)
            | Input::Timer(_)
            | Input::Closed => {}
        }
    }

    /// Counts a question. One of whoever has not proved who they are is answered at once.
    fn asks(&mut self, tag: Tag, is_proven: bool) -> bool {
        self.in_flight += 1;
        if !is_proven {
            let unproven = Refusal::of(Kind::NotProven, "the connection has not proved who it is");
            self.outbox.push(Item::answer(tag, Err(unproven), None));
        }
        is_proven
    }

    /// By what a credential is proven, if it is, and as whom alone, where not all that it grants is wanted.
    fn proof(&self, credential: Credential) -> Option<(Proof, v1::Role)> {
        let all = v1::Role::Unspecified;
        match credential {
            Credential::Connection => self.handle.clone().map(|handle| (Proof::Handle(handle), all)),
            Credential::Bearer(token) => Some((Proof::Bearer(token), all)),
            Credential::BearerAsCustomer(token) => Some((Proof::Bearer(token), v1::Role::Customer)),
            Credential::Guest => Some((Proof::Guest(true), all)),
            Credential::Claim { subject, role } => {
                Some((Proof::Claim(v1::LinkClaim { subject, role: role.into() }), all))
            }
        }
    }

    /// Calls run beside the connection, so that what was asked is done even if the client leaves. A call is made with all
    /// that a proof grants.
    pub fn call(&mut self, tag: Tag, call: Call, credential: Credential) {
        let proof = self.proof(credential).filter(|(_, role)| *role == v1::Role::Unspecified);
        self.asks(tag, proof.is_some());
        let Some((proof, _)) = proof else { return };
        let (caller, outbox) = (self.caller(proof), Arc::clone(&self.outbox));
        let calls = self.edge.calls.clone();
        self.edge.tasks.spawn(async move {
            let (answer, position) = calls.call(call, &caller).await;
            outbox.push(Item::answer(tag, answer, position));
        });
    }

    /// Nothing is sent to whoever has not proved who they are.
    pub fn refresh(&self, list: &'static Derived) {
        if let Some(handle) = self.handle.clone() {
            let caller = self.caller(Proof::Handle(handle));
            let hearer = Hearer { caller, outbox: Arc::clone(&self.outbox) };
            self.edge.lists.refresh(list, self.tenant.clone(), hearer);
        }
    }

    fn caller(&self, proof: Proof) -> Caller {
        let (mount, connection) = (Arc::clone(&self.mounted.mount), Arc::clone(&self.connection));
        Caller { mount, connection, peer: self.peer, proof }
    }

    pub async fn attach(&mut self, tag: Tag, credential: Credential, recovery: Recovery) {
        let proof = self.proof(credential);
        self.asks(tag, proof.is_some());
        let Some((proof, as_role)) = proof else { return };
        self.announced = true;
        let present = self.kind != OpeningKind::Rest;
        let attach = Attach {
            connection: Arc::clone(&self.connection),
            outbox: Arc::clone(&self.outbox),
            mounted: self.mounted.clone(),
            proving: Proving { as_role, peer: self.peer, present, recovery },
            proof,
            tag,
        };
        self.edge.link.tell(Command::Attach(Box::new(attach))).await;
    }

    pub async fn detach(&mut self, silence: Duration) {
        if self.announced {
            self.announced = false;
            self.edge.link.tell(Command::Detach { connection: Arc::clone(&self.connection), silence }).await;
        }
    }

    pub async fn subscribe(&mut self, wanted: Wanted) {
        if self.asks(wanted.tag, self.announced) {
            let connection = Arc::clone(&self.connection);
            self.edge.link.tell(Command::Subscribe { connection, wanted }).await;
        }
    }

    pub async fn unsubscribe(&self, topic: TopicHandle, only: Option<String>) {
        let connection = Arc::clone(&self.connection);
        self.edge.link.tell(Command::Unsubscribe { connection, topic, only }).await;
    }
}
