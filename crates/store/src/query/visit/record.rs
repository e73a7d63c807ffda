//! Something happens in a visit. One statement finds the visit, and one hand-over writes all that follows from it.

use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ColumnTrait, ConnectionTrait as _, DbBackend, EntityTrait,
    IntoActiveModel, QueryFilter, QueryTrait, Statement,
};

use super::{VISIT_KEPT, Visits};
use crate::{
    Error, Millis, Mutation, Result, TenantId, UserId, Visit, VisitId, VisitProfile, VisitState, What,
    entity::{TenantOwned, visit, visit_action, visit_page},
    failure::Failure,
    query::{code::Code, presence, users},
    tx::Tx,
};

/// No page is read for longer; more is a computer that slept.
const LONGEST_ON_PAGE_MS: i64 = 24 * 3600 * 1000;

/// What happened in a visit, and what the core decided on.
#[derive(Clone, Debug)]
pub struct Recording {
    pub tenant: TenantId,
    pub key: String,
    /// Who does it, if it is a person.
    pub person: Option<UserId>,
    /// They may, whosever it is, and do not become its person.
    pub any: bool,
    pub node: String,
    pub epoch: String,
    /// In the order of the life's decisions.
    pub turn: i64,
    /// What it is from now on; `None` as it was.
    pub state: Option<VisitState>,
    /// A connection of it lives.
    pub connected: bool,
    pub at: Millis,
    pub arose: Arose,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Arose {
    /// A page was loaded: begins the visit if there is none.
    Loaded {
        visitor_key: String,
        page: String,
        profile: VisitProfile,
    },
    /// Another page was opened.
    Opened {
        page: String,
        said_ms: Option<i64>,
    },
    Done {
        action: String,
        element: String,
    },
    /// A page was hidden.
    Hidden,
    /// A page is being left.
    Leaving,
    /// Connections ended, which nobody said.
    Gone,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub visit: Visit,
    pub created: bool,
}

impl Visits {
    /// Records it. `NotFound` for a visit that is not there, unless a page was loaded, and for a life that is over;
    /// `NotOwner` for one that is another's.
    pub async fn record(&self, recording: Recording) -> Result<Recorded> {
        let tenant = recording.tenant;
        let records = Mutation::new(tenant, recording, |recording, tx| Box::pin(record(tx, recording)));
        self.db.apply(records.refuses_first()).await
    }
}

async fn record(tx: &mut Tx, recording: &Recording) -> Result<Recorded, Failure> {
    presence::require_living(tx, &recording.node, &recording.epoch).await?;
    if let Some(person) = recording.person.filter(|_| !recording.any) {
        users::require_standing(tx.db(), recording.tenant, person).await?;
    }
    let known = visit::Entity::of(recording.tenant)
        .filter(visit::Column::Key.eq(&recording.key))
        .one(tx.db())
        .await?;
    let created = known.is_none();
    let mut row = match known {
        Some(row) => row,
        None => begun(tx, recording)?,
    };
    if !recording.any {
        let own = recording.person.map(|person| person.0);
        if row.person_id.is_some() && row.person_id != own {
            return Err(Error::NotOwner.into());
        }
        // Who signs in while they visit is known from then on.
        row.person_id = own.or(row.person_id);
    }
    let mut writes = Writes { backend: tx.db().get_database_backend(), statements: Vec::new() };
    writes.happen(&mut row, recording);
    let is_later = row.epoch != recording.epoch || row.turn < recording.turn;
    if is_later {
        row.epoch.clone_from(&recording.epoch);
        row.turn = recording.turn;
        row.connected = recording.connected;
        if let Some(state) = recording.state {
            row.state = state.code();
            row.present = state != VisitState::Left;
        }
    }
    let of_visit = row.clone().into_active_model();
    let write = if created {
        visit::Entity::insert(of_visit).build(writes.backend)
    } else {
        let changed = visit::ActiveModel { tenant: NotSet, number: NotSet, ..of_visit.reset_all() };
        visit::Entity::update_many()
            .set(changed)
            .filter(visit::Column::Tenant.eq(row.tenant))
            .filter(visit::Column::Number.eq(row.number))
            .build(writes.backend)
    };
    // What belongs to the visit comes behind it.
    writes.statements.insert(0, write);
    tx.later(writes.statements);
    tx.write().await?;
    Ok(Recorded { visit: Visit::of(row)?, created })
}

/// A visit that begins.
fn begun(tx: &mut Tx, recording: &Recording) -> Result<visit::Model, Failure> {
    let Arose::Loaded { .. } = &recording.arose else { return Err(Error::NotFound(What::Visit).into()) };
    let counters = tx.counters(recording.tenant)?;
    counters.visit_number += 1;
    Ok(visit::Model {
        tenant: recording.tenant.0,
        number: counters.visit_number,
        id: VisitId::new().0,
        key: recording.key.clone(),
        visitor_key: String::new(),
        person_id: None,
        state: VisitState::Active.code(),
        present: true,
        connected: false,
        epoch: String::new(),
        turn: 0,
        first_seen: recording.at,
        last_seen: recording.at,
        landing_page: String::new(),
        referrer: String::new(),
        device: String::new(),
        browser: String::new(),
        os: String::new(),
        ip_address: String::new(),
        country: String::new(),
        city: String::new(),
        current_page: String::new(),
        page_at: recording.at,
        page_spent_ms: 0,
        page_count: 0,
        action_count: 0,
        spent_ms: 0,
    })
}

struct Writes {
    backend: DbBackend,
    statements: Vec<Statement>,
}

impl Writes {
    fn happen(&mut self, row: &mut visit::Model, recording: &Recording) {
        let at = recording.at;
        // Who has left was on their page until then.
        let until = if row.present { at } else { row.last_seen };
        match &recording.arose {
            Arose::Loaded { visitor_key, page, profile } => {
                self.leave_page(row, until, None);
                if row.visitor_key.is_empty() {
                    row.visitor_key.clone_from(visitor_key);
                }
                describe(row, profile);
                self.open_page(row, page, at);
            }
            Arose::Opened { page, said_ms } => {
                self.leave_page(row, until, *said_ms);
                self.open_page(row, page, at);
            }
            Arose::Done { action, element } => self.act(row, action, element, at),
            Arose::Leaving | Arose::Gone if row.present => self.leave_page(row, at, None),
            Arose::Hidden | Arose::Leaving | Arose::Gone => {}
        }
        if !matches!(recording.arose, Arose::Hidden | Arose::Gone) {
            row.last_seen = row.last_seen.max(at);
        }
    }

    /// They were on the page until then, or for as long as they say, if that is less.
    fn leave_page(&mut self, row: &mut visit::Model, until: Millis, said_ms: Option<i64>) {
        let passed = until.saturating_sub(row.page_at).clamp(0, LONGEST_ON_PAGE_MS);
        let spent = said_ms.map_or(passed, |said| said.clamp(0, passed));
        if row.page_count == 0 || spent == row.page_spent_ms {
            return;
        }
        row.spent_ms += spent - row.page_spent_ms;
        row.page_spent_ms = spent;
        let page = visit_page::Entity::update_many()
            .col_expr(visit_page::Column::SpentMs, spent.into())
            .filter(visit_page::Column::Tenant.eq(row.tenant))
            .filter(visit_page::Column::VisitNumber.eq(row.number))
            .filter(visit_page::Column::Number.eq(row.page_count));
        self.statements.push(page.build(self.backend));
    }

    fn open_page(&mut self, row: &mut visit::Model, page: &str, at: Millis) {
        row.page_count += 1;
        (row.page_at, row.page_spent_ms) = (at, 0);
        page.clone_into(&mut row.current_page);
        let (tenant, visit_number, number) = (row.tenant, row.number, row.page_count);
        let page = visit_page::Model { tenant, visit_number, number, page: page.to_owned(), at, spent_ms: 0 };
        self.statements.push(visit_page::Entity::insert(page.into_active_model()).build(self.backend));
        if number > VISIT_KEPT {
            let oldest = visit_page::Entity::delete_by_id((tenant, visit_number, number - VISIT_KEPT));
            self.statements.push(oldest.build(self.backend));
        }
    }

    fn act(&mut self, row: &mut visit::Model, action: &str, element: &str, at: Millis) {
        row.action_count += 1;
        let (tenant, visit_number, number) = (row.tenant, row.number, row.action_count);
        let (action, element) = (action.to_owned(), element.to_owned());
        let done = visit_action::Model { tenant, visit_number, number, action, element, at };
        self.statements.push(visit_action::Entity::insert(done.into_active_model()).build(self.backend));
        if number > VISIT_KEPT {
            let oldest = visit_action::Entity::delete_by_id((tenant, visit_number, number - VISIT_KEPT));
            self.statements.push(oldest.build(self.backend));
        }
    }
}

/// What is said anew replaces what was said before; the first landing page stays.
fn describe(row: &mut visit::Model, profile: &VisitProfile) {
    if row.landing_page.is_empty() {
        row.landing_page.clone_from(&profile.landing_page);
    }
    for (kept, said) in [
        (&mut row.referrer, &profile.referrer),
        (&mut row.device, &profile.device),
        (&mut row.browser, &profile.browser),
        (&mut row.os, &profile.os),
        (&mut row.ip_address, &profile.ip_address),
        (&mut row.country, &profile.country),
        (&mut row.city, &profile.city),
    ] {
        if !said.is_empty() {
            kept.clone_from(said);
        }
    }
}
