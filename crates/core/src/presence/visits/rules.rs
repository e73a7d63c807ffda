//! Who may record what of a visit, and who may see it.

use std::sync::Arc;

use parlor_api::{
    limits::VISIT_KEY_CHARS,
    network::network,
    v1::{self, get_visit_request::Name},
};
use parlor_store::{Listed, Millis, Recording, VisitId};

use super::{LINGER, NEW_VISITS, Visits, convert, tabs::Sign};
use crate::{
    Error, Result,
    caller::Caller,
    field,
    page::{self, Pages},
};

/// What `ListVisits` gives without a page size, and at most.
const PAGE: page::Sizes = page::Sizes { default: 100, maximum: 500 };

const MINUTE_MS: Millis = 60_000;

impl Visits {
    /// Records what a visitor does: the visitor's own connection or whoever knows the key, and staff and services for
    /// anybody. What staff record over a connection does not count as a visitor's.
    pub async fn record(
        &self,
        caller: &Caller,
        request: v1::RecordVisitRequest,
    ) -> Result<v1::RecordVisitResponse> {
        let principal = caller.principal()?;
        check_key("visit_key", &request.visit_key)?;
        let any = principal.is_staff();
        let seen_address = (!any).then_some(caller.peer.as_str());
        let (arose, sign) = convert::arose(field::given("event", request.event)?, seen_address)?;
        // Behind an address that none can begin any more, those that are there cannot be told from those that are not.
        let address = caller.peer.parse().ok().map(network).filter(|_| !any && sign == Sign::Load);
        if let Some(address) = &address {
            self.new_visits.check(address, NEW_VISITS, self.clock.now())?;
        }
        let connection = Some(caller.connection.as_str()).filter(|name| !any && !name.is_empty());
        let key = (principal.tenant, Arc::from(request.visit_key));
        let (signed, at) = (self.tabs().sign(&key, connection, sign), self.clock.now());
        let signed = signed.map_err(|_| Error::NotOwner)?;
        if let Some(number) = signed.linger {
            self.tasks.spawn(self.clone().linger(key.clone(), number, LINGER, at));
        }
        let recording = self.recording(&key, signed.decision, at, arose);
        let recording = Recording { person: principal.user_id(), any, ..recording };
        match self.store.visits.record(recording).await {
            Ok(recorded) => {
                if let Some(address) = address.filter(|_| recorded.created) {
                    // It is stored: who came at the same moment is one too many at most.
                    let _ = self.new_visits.take(&[(address, NEW_VISITS)], self.clock.now());
                }
                self.changed(principal.tenant, recorded.visit.number);
                Ok(v1::RecordVisitResponse {
                    visit_id: recorded.visit.id.to_string(),
                    state: convert::state(recorded.visit.state).into(),
                    created: recorded.created,
                })
            }
            Err(error) => {
                if let Some(connection) = connection.filter(|_| signed.is_bound) {
                    self.tabs().refuse(&key, connection);
                }
                let error = Error::from(error);
                self.life.heed(&error);
                Err(error)
            }
        }
    }

    /// A page of them, for staff.
    pub async fn list(
        &self,
        pages: &Pages,
        caller: &Caller,
        request: v1::ListVisitsRequest,
    ) -> Result<v1::ListVisitsResponse> {
        let principal = caller.staff()?;
        let size = PAGE.of("page_size", request.page_size)?;
        let minutes = request.active_within_minutes;
        let since = self.clock.now().saturating_sub(Millis::from(minutes) * MINUTE_MS);
        let listed = Listed {
            state: convert::wanted_state(request.state)?,
            seen_since: (minutes > 0).then_some(since),
        };
        let filters = format!("{}/{minutes}", request.state);
        let scope = ["ListVisits", &principal.tenant_slug, &filters];
        let before = pages.open(&scope, &request.page_token)?;
        let mut rows = self.store.visits.list(principal.tenant, listed, before, size + 1).await?;
        let next_page_token = pages.cut(&scope, &mut rows, size, |visit| (visit.last_seen, visit.number));
        let visits = self.shown(principal.tenant, rows).await?;
        Ok(v1::ListVisitsResponse { visits, next_page_token })
    }

    /// One with what is kept of it, for staff.
    pub async fn get(&self, caller: &Caller, request: v1::GetVisitRequest) -> Result<v1::GetVisitResponse> {
        let principal = caller.staff()?;
        let tenant = principal.tenant;
        let visit = match field::given("name", request.name)? {
            Name::Id(id) => self.store.visits.by_id(tenant, field::id("id", &id, VisitId::parse)?).await?,
            Name::Key(key) => {
                check_key("key", &key)?;
                self.store.visits.by_key(tenant, &key).await?
            }
        };
        let number = visit.number;
        let pages = self.store.visits.pages(tenant, number).await?;
        let actions = self.store.visits.actions(tenant, number).await?;
        Ok(v1::GetVisitResponse {
            visit: self.shown(tenant, vec![visit]).await?.pop(),
            pages: pages.into_iter().map(convert::page).collect(),
            actions: actions.into_iter().map(convert::action).collect(),
        })
    }
}

fn check_key(field: &'static str, key: &str) -> Result<()> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=VISIT_KEY_CHARS).contains(&key.len()) && key.bytes().all(is_good) {
        return Ok(());
    }
    Err(Error::field(field, "must have 1 to 128 of A-Z, a-z, 0-9 and \"_.:-\""))
}
