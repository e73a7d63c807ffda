//! Reading out a person: what the store finds, as lines of JSON, for the eyes of who reads them.
//!
//! Only a page is held at a time. What reads is bounded for all exports together, and a reader who is slow holds no place.

use std::{fmt::Write as _, sync::Arc};

use futures::stream;
use parlor_api::{
    v1,
    veil::{Veiled as _, Viewer},
};
use parlor_store::{
    Author, AuthorKind, Conversation, ConversationChange, ConversationId, ConversationStatus, EventBody,
    Message, Part, Session, Side, StoredEvent, Tenant, Trace, Traces, User, UserId, Visit, VisitAction,
    VisitPage,
};

use serde_json::{Value, json};
use tonic::Status;

use super::{Directory, turns::Turn};
use crate::{
    Error, Result,
    caller::{Caller, Principal},
    field,
    request::Answers,
    wire::{self, timestamp},
};

/// The form of what is read out. It changes when a reader of before would read it wrong.
const VERSION: u32 = 1;

/// Bytes of an answer after which another begins; a line is no longer than that.
const ANSWER_BYTES: usize = 64 * 1024;

/// An export that is going on.
struct Export {
    traces: Traces,
    turn: Turn,
    writer: Writer,
    /// Lines that wait to be sent.
    waiting: std::vec::IntoIter<String>,
    over: bool,
}

impl Directory {
    /// Reads out somebody: anybody for an admin, themselves for everybody else.
    pub(super) async fn export(
        &self,
        caller: &Caller,
        request: &v1::ExportUserRequest,
    ) -> Result<Answers<v1::ExportUserResponse>> {
        let principal = Arc::clone(caller.principal()?);
        let wanted = field::some_id("user_id", &request.user_id, UserId::parse)?.or(principal.user_id());
        let id =
            wanted.ok_or_else(|| Error::field("user_id", "must name somebody: the caller has no account"))?;
        let is_admin = principal.is_admin();
        if principal.user_id() != Some(id) && !is_admin {
            return Err(Error::RoleRequired("admin"));
        }
        let turn = self.turns.of(is_admin);
        let tenant = self.store.directory.tenant_by_id(principal.tenant).await?;
        let writer = Writer::new(&principal, id, &tenant, self.clock.now());
        let traces = self.store.persons.traces(principal.tenant, id);
        let mut export = Export { traces, turn, writer, waiting: Vec::new().into_iter(), over: false };
        // Who is not there is told so at once.
        export.read().await?;
        let rights = Arc::clone(&self.auth);
        let ended = async move { rights.standing().ended(&principal).await };
        let state = Some((export, Box::pin(ended)));
        let answers = stream::unfold(state, async |state| {
            let (mut export, mut ended) = state?;
            tokio::select! {
                biased;
                error = &mut ended => Some((Err(Status::from(error)), None)),
                lines = export.next() => match lines {
                    Ok(lines) => {
                        let lines = lines?;
                        Some((Ok(v1::ExportUserResponse { lines }), Some((export, ended))))
                    }
                    Err(error) => Some((Err(error.into()), None)),
                },
            }
        });
        Ok(Box::pin(answers))
    }
}

impl Export {
    /// The next lines; `None` behind the last.
    async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(lines) = self.waiting.next() {
                return Ok(Some(lines));
            }
            if self.over {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<()> {
        let page = {
            let _turn = self.turn.come().await?;
            self.traces.next().await?
        };
        match page {
            Some(page) => page.iter().for_each(|trace| self.writer.trace(trace)),
            None => {
                self.writer.end();
                self.over = true;
            }
        }
        self.waiting = self.writer.take().into_iter();
        Ok(())
    }
}

/// Writes records, for whoever reads them.
struct Writer {
    viewer: Viewer,
    of: UserId,
    /// The conversation that was told last, and up to where it was cleared for who reads.
    cleared: Option<(ConversationId, i64)>,
    records: u64,
    full: Vec<String>,
    lines: String,
}

impl Writer {
    fn new(reader: &Principal, of: UserId, tenant: &Tenant, now: i64) -> Self {
        let viewer = reader.viewer();
        let (full, lines) = (Vec::new(), String::new());
        let mut writer = Self { viewer, of, cleared: None, records: 0, full, lines };
        writer
            .line(&json!({"record": "export", "version": VERSION, "tenant": tenant.slug, "time": time(now)}));
        writer
    }

    fn end(&mut self) {
        self.line(&json!({"record": "end", "records": self.records}));
    }

    fn take(&mut self) -> Vec<String> {
        if !self.lines.is_empty() {
            self.full.push(std::mem::take(&mut self.lines));
        }
        std::mem::take(&mut self.full)
    }

    fn line(&mut self, record: &Value) {
        // Writing into a text cannot fail.
        let _ = writeln!(self.lines, "{record}");
        if self.lines.len() >= ANSWER_BYTES {
            self.full.push(std::mem::take(&mut self.lines));
        }
    }

    fn record(&mut self, record: &Value) {
        self.records += 1;
        self.line(record);
    }

    fn trace(&mut self, trace: &Trace) {
        match trace {
            Trace::Person { user, has_password } => self.person(user, *has_password),
            Trace::Presence(row) => self.record(&json!({
                "record": "presence",
                "availability": format!("{:?}", row.availability).to_lowercase(),
                "last_seen": row.last_seen.map(time),
                "online_since": row.leases.iter().map(|(_, _, since)| *since).min().map(time),
            })),
            Trace::Withdrawn(at) => self.record(&json!({"record": "withdrawal", "time": time(*at)})),
            Trace::Conversation { conversation, seat } => self.conversation(conversation, *seat),
            Trace::Message { message, request_id, own } => self.message(message, request_id.as_deref(), *own),
            Trace::Event(event) => self.event(event),
            Trace::Reaction { conversation, sequence, emoji, at } => self.record(&json!({
                "record": "reaction",
                "conversation_id": conversation.to_string(),
                "message_sequence": sequence,
                "emoji": emoji,
                "create_time": time(*at),
            })),
            Trace::ReadMark { conversation, through, at } => self.record(&json!({
                "record": "read_mark",
                "conversation_id": conversation.to_string(),
                "through_sequence": through,
                "time": time(*at),
            })),
            Trace::Session(session) => self.session(session),
            Trace::Provider(provider) => self.record(&json!({
                "record": "provider",
                "catalogue_id": provider.catalogue_id,
                "headline": provider.headline,
                "catalogue_json": provider.catalogue,
                "rates": {
                    "chat": provider.rates.chat,
                    "audio": provider.rates.audio,
                    "video": provider.rates.video,
                },
                "accepts_requests": provider.accepts_requests,
                "create_time": time(provider.created_at),
                "update_time": time(provider.updated_at),
            })),
            Trace::Visit { visit, pages, actions } => self.visit(visit, pages, actions),
            Trace::Request { method, request_id, expires_at } => self.record(&json!({
                "record": "request",
                "method": method,
                "request_id": request_id,
                "expire_time": time(*expires_at),
            })),
            Trace::Wallet { unit, balances } => self.record(&json!({
                "record": "wallet",
                "unit": unit,
                "available": balances.available,
                "held": balances.held,
                "earnings": balances.earnings,
            })),
            Trace::Booked(booked) => {
                let (entry, of) = &**booked;
                self.record(&json!({
                    "record": "ledger_entry",
                    "transaction_id": of.id.to_string(),
                    "kind": of.kind.name(),
                    "account": format!("{:?}", entry.account_kind).to_lowercase(),
                    "unit": of.unit,
                    "amount": entry.amount,
                    "balance": entry.balance,
                    "note": of.note,
                    "time": time(of.at),
                }));
            }
        }
    }

    fn visit(&mut self, visit: &Visit, pages: &[VisitPage], actions: &[VisitAction]) {
        let mut record = json!({
            "record": "visit",
            "id": visit.id.to_string(),
            "number": visit.number,
            "first_seen": time(visit.first_seen),
            "last_seen": time(visit.last_seen),
            "visitor_key": visit.visitor_key,
            "landing_page": visit.profile.landing_page,
            "referrer": visit.profile.referrer,
            "device": visit.profile.device,
            "browser": visit.profile.browser,
            "os": visit.profile.os,
            "ip_address": visit.profile.ip_address,
            "country": visit.profile.country,
            "city": visit.profile.city,
            "time_on_site_ms": visit.spent_ms,
        });
        record["pages"] = pages
            .iter()
            .map(|page| json!({"page": page.page, "time": time(page.at), "time_spent_ms": page.spent_ms}))
            .collect();
        record["actions"] = actions
            .iter()
            .map(|done| json!({"action": done.action, "element": done.element, "time": time(done.at)}))
            .collect();
        self.record(&record);
    }

    fn person(&mut self, user: &User, has_password: bool) {
        let roles: Vec<&str> = crate::auth::claims::names(user.roles);
        self.record(&json!({
            "record": "person",
            "id": user.id.to_string(),
            "number": user.number,
            "display_name": user.display_name,
            "username": user.username,
            "email": user.email,
            "avatar_url": user.avatar_url,
            "roles": roles,
            "disabled": user.disabled,
            "has_password": has_password,
            "create_time": time(user.created_at),
            "update_time": time(user.updated_at),
        }));
        for identity in &user.identities {
            self.record(
                &json!({"record": "identity", "issuer": identity.issuer, "subject": identity.subject}),
            );
        }
    }

    /// The other one is not named: they are somebody else.
    fn session(&mut self, row: &Session) {
        let side = match row.side_of(self.of) {
            Some(Side::Provider) => "provider",
            Some(Side::Payer) | None => "payer",
        };
        self.record(&json!({
            "record": "session",
            "id": row.id.to_string(),
            "number": row.number,
            "kind": format!("{:?}", row.kind).to_lowercase(),
            "state": format!("{:?}", row.state).to_lowercase(),
            "side": side,
            "offered": row.offered,
            "rate_per_minute": row.rate,
            "topic": row.topic,
            "intake": row.intake,
            "note": row.note,
            "conversation_id": row.conversation_id.map(|id| id.to_string()),
            "request_time": time(row.requested_at),
            "accept_time": row.accepted_at.map(time),
            "end_time": row.ended_at.map(time),
        }));
    }

    fn conversation(&mut self, row: &Conversation, seat: Option<(Part, Option<i64>)>) {
        let hidden = if self.viewer.is_staff() { 0 } else { row.cleared_sequence };
        self.cleared = Some((row.id, hidden));
        let status = match row.status {
            ConversationStatus::Open => "open",
            ConversationStatus::Pending => "pending",
            ConversationStatus::Closed => "closed",
        };
        let part = seat.map(|(part, until)| {
            let part = match part {
                Part::Owner => "owner",
                Part::Member => "member",
            };
            json!({"part": part, "until": until.map(time)})
        });
        let mut record = json!({
            "record": "conversation",
            "id": row.id.to_string(),
            "number": row.number,
            "kind": row.kind,
            "status": status,
            "owner": row.owner_id == Some(self.of),
            "assignee": row.assignee_id == Some(self.of),
            "participant": part,
            "create_time": time(row.created_at),
            "update_time": time(row.updated_at),
        });
        if row.owner_id == Some(self.of) {
            record["key"] = json!(row.key);
        }
        // Others than staff see no labels.
        if self.viewer.is_staff() {
            record["tags"] = json!(row.tags);
        }
        self.record(&record);
    }

    fn message(&mut self, row: &Message, request_id: Option<&str>, own: bool) {
        let hidden =
            self.cleared.filter(|(id, _)| *id == row.conversation_id).map_or(0, |(_, hidden)| hidden);
        if !own && row.sequence <= hidden {
            return;
        }
        let mut record = json!({
            "record": "message",
            "id": row.id.to_string(),
            "number": row.number,
            "conversation_id": row.conversation_id.to_string(),
            "sequence": row.sequence,
            "own": own,
            "author": self.author(&row.author),
            "text": row.text,
            "create_time": time(row.created_at),
        });
        if let Some(request_id) = request_id {
            record["request_id"] = json!(request_id);
        }
        self.record(&record);
    }

    fn event(&mut self, stored: &StoredEvent) {
        let EventBody::Encoded { author, kind, bytes } = &stored.body else { return };
        let mut record = json!({
            "record": "event",
            "sequence": stored.sequence,
            "author": self.author(author),
            "time": time(stored.at),
        });
        if let Some(id) = stored.subject.as_conversation() {
            record["conversation_id"] = json!(id.to_string());
            match ConversationChange::decode(*kind, bytes) {
                Ok(ConversationChange::Created) => record["event"] = json!("created"),
                Ok(ConversationChange::Changed(fields)) => {
                    record["event"] = json!("changed");
                    record["fields"] = json!(fields);
                }
                Ok(ConversationChange::Read(through)) => {
                    record["event"] = json!("read");
                    record["through_sequence"] = json!(through);
                }
                Ok(ConversationChange::Reacted { sequence, emoji, removed, .. }) => {
                    record["event"] = json!("reacted");
                    record["message_sequence"] = json!(sequence);
                    record["emoji"] = json!(emoji);
                    record["removed"] = json!(removed);
                }
                Ok(ConversationChange::Erased(_)) | Err(_) => {}
            }
        }
        self.record(&record);
    }

    /// Called what they were called then, as far as who reads may see it.
    fn author(&self, author: &Author) -> Value {
        let mut person = author.user.as_deref().map(wire::person).unwrap_or_default();
        if !author.name.is_empty() {
            person.display_name.clone_from(&author.name);
        }
        person.veil(&self.viewer);
        let side = match author.kind {
            AuthorKind::Customer => "customer",
            AuthorKind::Staff => "staff",
            AuthorKind::System => "system",
        };
        json!({"kind": side, "display_name": person.display_name})
    }
}

/// As RFC 3339 writes it.
fn time(at: i64) -> String {
    timestamp(at).to_string()
}
