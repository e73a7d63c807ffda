//! What requests say of sessions and providers, checked.

use std::time::Duration;

use parlor_api::{
    limits::{RATE_PER_MINUTE, REQUEST_LIFETIME_MS},
    v1::{self, provider_ref, request_session_request, session_ref},
};
use parlor_store::{
    Millis, ProviderUpsert, Rates, SessionId, SessionKind, SessionPolicy, SessionState, TenantId, UserId,
};

use crate::{Error, Result, field, wire::signed};

/// A session, as a caller named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Id(SessionId),
    Number(i64),
}

/// A provider, as a caller named them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Id(UserId),
    CatalogueId(String),
}

/// Whom a caller asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Responder {
    Provider(Named),
    Payer(UserId),
}

/// A session that a caller wants.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub kind: SessionKind,
    pub responder: Responder,
    pub topic: String,
    pub intake: String,
}

pub(super) fn reference(named: Option<v1::SessionRef>) -> Result<Reference> {
    match named.and_then(|named| named.name) {
        None => Err(Error::field("session", "must be named")),
        Some(session_ref::Name::Id(id)) => Ok(Reference::Id(field::id("session.id", &id, SessionId::parse)?)),
        Some(session_ref::Name::Number(number)) => Ok(Reference::Number(signed(number))),
    }
}

pub(super) fn provider(named: Option<v1::ProviderRef>) -> Result<Named> {
    match named.and_then(|named| named.name) {
        Some(provider_ref::Name::UserId(id)) => {
            Ok(Named::Id(field::id("provider.user_id", &id, UserId::parse)?))
        }
        Some(provider_ref::Name::CatalogueId(id)) if !id.is_empty() => Ok(Named::CatalogueId(id)),
        Some(provider_ref::Name::CatalogueId(_)) | None => Err(Error::field("provider", "must be named")),
    }
}

pub(super) fn wish(request: v1::RequestSessionRequest) -> Result<Wish> {
    let kind = field::given("kind", kind("kind", request.kind)?)?;
    let responder = match field::given("responder", request.responder)? {
        request_session_request::Responder::Provider(named) => Responder::Provider(provider(Some(named))?),
        request_session_request::Responder::PayerId(id) => {
            Responder::Payer(field::id("payer_id", &id, UserId::parse)?)
        }
    };
    Ok(Wish { kind, responder, topic: request.topic, intake: request.intake })
}

/// A kind; `None` if none was named.
pub(super) fn kind(of: &'static str, number: i32) -> Result<Option<SessionKind>> {
    let kind = v1::SessionKind::try_from(number).map_err(|_| Error::field(of, "must be a kind"))?;
    Ok(match kind {
        v1::SessionKind::Unspecified => None,
        v1::SessionKind::Chat => Some(SessionKind::Chat),
        v1::SessionKind::Audio => Some(SessionKind::Audio),
        v1::SessionKind::Video => Some(SessionKind::Video),
        v1::SessionKind::Invitation => Some(SessionKind::Invitation),
    })
}

pub(super) fn states(numbers: &[i32]) -> Result<Vec<SessionState>> {
    let state = |number: &i32| match v1::SessionState::try_from(*number) {
        Ok(v1::SessionState::Pending) => Ok(SessionState::Pending),
        Ok(v1::SessionState::Active) => Ok(SessionState::Active),
        Ok(v1::SessionState::Ended) => Ok(SessionState::Ended),
        Ok(v1::SessionState::Declined) => Ok(SessionState::Declined),
        Ok(v1::SessionState::Cancelled) => Ok(SessionState::Cancelled),
        Ok(v1::SessionState::Expired) => Ok(SessionState::Expired),
        Ok(v1::SessionState::Unspecified) | Err(_) => Err(Error::field("states", "must be states")),
    };
    numbers.iter().map(state).collect()
}

pub(super) fn upsert(tenant: TenantId, wanted: v1::Provider, at: Millis) -> Result<ProviderUpsert> {
    let person = field::given("provider.person", wanted.person)?;
    let user = field::id("provider.person.user_id", &person.user_id, UserId::parse)?;
    if !wanted.catalogue_json.is_empty() {
        let read = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&wanted.catalogue_json);
        read.map_err(|_| Error::field("provider.catalogue_json", "must be a JSON object"))?;
    }
    Ok(ProviderUpsert {
        tenant,
        user,
        catalogue_id: Some(wanted.catalogue_id).filter(|id| !id.is_empty()),
        headline: wanted.headline,
        catalogue: wanted.catalogue_json,
        rates: rates(&wanted.rates)?,
        accepts_requests: wanted.accepts_requests,
        at,
    })
}

fn rates(wanted: &[v1::SessionRate]) -> Result<Rates> {
    const KIND: &str = "provider.rates.kind";
    let mut rates = Rates::default();
    for rate in wanted {
        let place = match kind(KIND, rate.kind)? {
            Some(SessionKind::Chat) => &mut rates.chat,
            Some(SessionKind::Audio) => &mut rates.audio,
            Some(SessionKind::Video) => &mut rates.video,
            Some(SessionKind::Invitation) | None => {
                return Err(Error::field(KIND, "must be a kind that is offered"));
            }
        };
        if !(0..=RATE_PER_MINUTE).contains(&rate.per_minute) {
            let problem = format!("must be 0 to {RATE_PER_MINUTE}");
            return Err(Error::field("provider.rates.per_minute", problem));
        }
        if place.replace(rate.per_minute).is_some() {
            return Err(Error::field(KIND, "must be there once"));
        }
    }
    Ok(rates)
}

pub(super) fn policy(wanted: v1::SessionPolicy) -> Result<SessionPolicy> {
    const LIFETIME: &str = "policy.request_lifetime";
    let lifetime = field::given(LIFETIME, wanted.request_lifetime)?;
    let lifetime = Duration::try_from(lifetime).ok().and_then(|time| Millis::try_from(time.as_millis()).ok());
    let request_lifetime_ms = lifetime
        .filter(|lifetime| REQUEST_LIFETIME_MS.contains(lifetime))
        .ok_or_else(|| Error::field(LIFETIME, "must be 5 seconds to 24 hours"))?;
    Ok(SessionPolicy { request_lifetime_ms, payers_exclusive: wanted.payers_exclusive })
}
