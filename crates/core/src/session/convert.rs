//! From rows to messages of the contract, as staff see them; what others do not, `parlor_api::veil` takes away.

use parlor_api::v1::{self, event::Payload};
use parlor_store::{
    EndReason, EventBody, Provider, Rates, Session, SessionKind, SessionPolicy, SessionState, StoredEvent,
};

use super::kind_to_proto;
use crate::wire::{person, timestamp, unsigned};

const MILLIS_PER_SECOND: i64 = 1_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Says in an event what happened to a session.
pub(super) fn tell(stored: &StoredEvent, event: &mut v1::Event) {
    let (Some(of), EventBody::Encoded { author, kind, .. }) = (&stored.session, &stored.body) else { return };
    match SessionState::of_event(*kind) {
        Ok(state) => {
            let changed = v1::SessionChanged {
                state: state_to_proto(state).into(),
                session: Some(session(of)),
                by: author.user.as_deref().map(person),
            };
            event.payload = Some(Payload::SessionChanged(changed));
        }
        // A newer version wrote it: those who wait for its number go on.
        Err(error) => tracing::error!(%error, "an event is told without what it says"),
    }
}

/// A session.
#[must_use]
pub fn session(row: &Session) -> v1::Session {
    let end_reason = match row.end_reason {
        None => v1::SessionEndReason::Unspecified,
        Some(EndReason::Party) => v1::SessionEndReason::Party,
        Some(EndReason::Staff) => v1::SessionEndReason::Staff,
        Some(EndReason::Erased) => v1::SessionEndReason::Erased,
        Some(EndReason::Funds) => v1::SessionEndReason::Funds,
    };
    v1::Session {
        id: row.id.to_string(),
        number: unsigned(row.number),
        kind: kind_to_proto(row.kind).into(),
        state: state_to_proto(row.state).into(),
        payer: row.payer.as_deref().map(person),
        provider: row.provider.as_deref().map(person),
        offered: row.offered,
        rate_per_minute: row.rate,
        topic: row.topic.clone(),
        intake: row.intake.clone(),
        request_time: Some(timestamp(row.requested_at)),
        expire_time: Some(timestamp(row.expires_at)),
        accept_time: row.accepted_at.map(timestamp),
        end_time: row.ended_at.map(timestamp),
        ended_by: row.ended_by.map(|by| by.to_string()).unwrap_or_default(),
        end_reason: end_reason.into(),
        note: row.note.clone(),
        conversation_id: row.conversation_id.map(|id| id.to_string()).unwrap_or_default(),
        last_sequence: unsigned(row.last_sequence),
        paid_until_time: row.paid_until.map(timestamp),
        runs_out: row.runs_out,
        charged: row.charged,
    }
}

fn state_to_proto(state: SessionState) -> v1::SessionState {
    match state {
        SessionState::Pending => v1::SessionState::Pending,
        SessionState::Active => v1::SessionState::Active,
        SessionState::Ended => v1::SessionState::Ended,
        SessionState::Declined => v1::SessionState::Declined,
        SessionState::Cancelled => v1::SessionState::Cancelled,
        SessionState::Expired => v1::SessionState::Expired,
    }
}

/// A provider.
#[must_use]
pub fn provider(row: &Provider) -> v1::Provider {
    v1::Provider {
        person: Some(person(&row.user)),
        catalogue_id: row.catalogue_id.clone().unwrap_or_default(),
        headline: row.headline.clone(),
        catalogue_json: row.catalogue.clone(),
        rates: rates(&row.rates),
        accepts_requests: Some(row.accepts_requests),
        present: row.present,
        busy: row.busy,
    }
}

fn rates(of: &Rates) -> Vec<v1::SessionRate> {
    let offered = |kind: SessionKind| {
        let per_minute = of.of(kind)?;
        Some(v1::SessionRate { kind: kind_to_proto(kind).into(), per_minute })
    };
    [SessionKind::Chat, SessionKind::Audio, SessionKind::Video].into_iter().filter_map(offered).collect()
}

/// What a tenant wants of its sessions.
#[must_use]
pub fn policy(row: &SessionPolicy) -> v1::SessionPolicy {
    let lifetime = row.request_lifetime_ms;
    let nanos = i32::try_from(lifetime % MILLIS_PER_SECOND * NANOS_PER_MILLI).unwrap_or_default();
    let request_lifetime = prost_types::Duration { seconds: lifetime / MILLIS_PER_SECOND, nanos };
    v1::SessionPolicy { request_lifetime: Some(request_lifetime), payers_exclusive: row.payers_exclusive }
}
