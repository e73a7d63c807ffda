//! Visits in the words of the contract, and what is recorded of them out of these.

use parlor_api::v1::{self, record_visit_request::Event};
use parlor_store::{Arose, Millis, User, Visit, VisitAction, VisitPage, VisitProfile, VisitState};

use super::tabs::Sign;
use crate::{
    Error, Result,
    wire::{self, timestamp, unsigned},
};

pub(super) fn visit(visit: Visit, person: Option<&User>, connections: usize) -> v1::Visit {
    v1::Visit {
        id: visit.id.to_string(),
        number: unsigned(visit.number),
        key: visit.key,
        visitor_key: visit.visitor_key,
        person: person.map(wire::person),
        state: state(visit.state).into(),
        connections: u32::try_from(connections).unwrap_or(u32::MAX),
        first_seen: Some(timestamp(visit.first_seen)),
        last_seen: Some(timestamp(visit.last_seen)),
        current_page: visit.current_page,
        page_count: unsigned(visit.page_count),
        action_count: unsigned(visit.action_count),
        time_on_site: Some(duration(visit.spent_ms)),
        profile: Some(v1::VisitProfile {
            landing_page: visit.profile.landing_page,
            referrer: visit.profile.referrer,
            device: visit.profile.device,
            browser: visit.profile.browser,
            os: visit.profile.os,
            ip_address: visit.profile.ip_address,
            country: visit.profile.country,
            city: visit.profile.city,
        }),
    }
}

pub(super) fn page(page: VisitPage) -> v1::PageView {
    v1::PageView {
        number: unsigned(page.number),
        page: page.page,
        time: Some(timestamp(page.at)),
        time_spent: Some(duration(page.spent_ms)),
    }
}

pub(super) fn action(action: VisitAction) -> v1::VisitorAction {
    v1::VisitorAction {
        number: unsigned(action.number),
        action: action.action,
        element: action.element,
        time: Some(timestamp(action.at)),
    }
}

pub(super) fn state(state: VisitState) -> v1::VisitState {
    match state {
        VisitState::Active => v1::VisitState::Active,
        VisitState::Idle => v1::VisitState::Idle,
        VisitState::Left => v1::VisitState::Left,
    }
}

/// `None` if none is asked for.
pub(super) fn wanted_state(asked: i32) -> Result<Option<VisitState>> {
    let asked =
        v1::VisitState::try_from(asked).map_err(|_| Error::field("state", "must be one of the states"))?;
    Ok(match asked {
        v1::VisitState::Unspecified => None,
        v1::VisitState::Active => Some(VisitState::Active),
        v1::VisitState::Idle => Some(VisitState::Idle),
        v1::VisitState::Left => Some(VisitState::Left),
    })
}

/// What is recorded of an event; `seen_address` is what the server sees, `None` if the caller may say it.
pub(super) fn arose(event: Event, seen_address: Option<&str>) -> Result<(Arose, Sign)> {
    match event {
        Event::Connected(connected) => {
            given("connected.page", &connected.page)?;
            let or_page = |page: String| if page.is_empty() { connected.page.clone() } else { page };
            let profile = VisitProfile {
                landing_page: or_page(connected.landing_page),
                referrer: connected.referrer,
                device: connected.device,
                browser: connected.browser,
                os: connected.os,
                ip_address: seen_address.map_or(connected.ip_address, str::to_owned),
                country: connected.country,
                city: connected.city,
            };
            let (visitor_key, page) = (connected.visitor_key, connected.page);
            Ok((Arose::Loaded { visitor_key, page, profile }, Sign::Load))
        }
        Event::Page(page) => {
            given("page.page", &page.page)?;
            let said_ms = page.time_on_previous_page.map(|said| milliseconds(&said));
            Ok((Arose::Opened { page: page.page, said_ms }, Sign::Act))
        }
        Event::Action(action) => {
            given("action.action", &action.action)?;
            Ok((Arose::Done { action: action.action, element: action.element }, Sign::Act))
        }
        Event::Idle(_) => Ok((Arose::Hidden, Sign::Hide)),
        Event::Leave(_) => Ok((Arose::Leaving, Sign::Leave)),
    }
}

fn given(field: &'static str, text: &str) -> Result<()> {
    if text.is_empty() { Err(Error::field(field, "must not be empty")) } else { Ok(()) }
}

/// What is negative is nothing; the store bounds what is long.
fn milliseconds(said: &prost_types::Duration) -> Millis {
    said.seconds.saturating_mul(1_000).saturating_add(i64::from(said.nanos / 1_000_000)).max(0)
}

fn duration(ms: i64) -> prost_types::Duration {
    let nanos = i32::try_from(ms.rem_euclid(1_000)).unwrap_or_default() * 1_000_000;
    prost_types::Duration { seconds: ms.div_euclid(1_000), nanos }
}
