//! Rows of sessions become values, with their people, who are fetched once for all that need them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::{
    ConversationId, Session, SessionId, SubjectKind, TenantId, UserId, bulk,
    entity::{event, session},
    failure::Failure,
    query::{
        chat::join::{Named, People},
        code::Code,
    },
};

/// The sessions that these events are of.
pub(crate) async fn of_events(
    db: &impl ConnectionTrait,
    events: &[event::Model],
) -> Result<HashMap<(i64, Uuid), Arc<Session>>, Failure> {
    let of_sessions = events.iter().filter(|row| row.subject_kind == SubjectKind::SESSION.0);
    let places: BTreeSet<(i64, Uuid)> = of_sessions.map(|row| (row.tenant, row.subject_id)).collect();
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = places.into_iter().map(|(tenant, id)| [tenant.into(), id.into()]).collect();
    let columns = [session::Column::Tenant, session::Column::Id];
    let rows = bulk::select::<session::Entity, 2>(db, columns, keys).await?;
    let joined = joined(db, rows).await?;
    Ok(joined.into_iter().map(|each| ((each.tenant.0, each.id.0), Arc::new(each))).collect())
}

/// Sessions in the order of their rows.
pub(super) async fn joined(
    db: &impl ConnectionTrait,
    rows: Vec<session::Model>,
) -> Result<Vec<Session>, Failure> {
    let mut named = Named::default();
    for row in &rows {
        named.add(row.tenant, row.payer_id);
        named.add(row.tenant, row.provider_id);
    }
    let people = named.fetch(db).await?;
    rows.into_iter().map(|row| value(row, &people)).collect()
}

fn value(row: session::Model, people: &People) -> Result<Session, Failure> {
    Ok(Session {
        tenant: TenantId(row.tenant),
        id: SessionId(row.id),
        number: row.number,
        kind: Code::of_code(row.kind)?,
        state: Code::of_code(row.state)?,
        payer_id: row.payer_id.map(UserId),
        payer: people.find(row.tenant, row.payer_id),
        provider_id: row.provider_id.map(UserId),
        provider: people.find(row.tenant, row.provider_id),
        offered: row.offered,
        rate: row.rate,
        charged: row.charged,
        paid_until: row.paid_until,
        runs_out: row.runs_out,
        topic: row.topic,
        intake: row.intake,
        requested_at: row.requested_at,
        expires_at: row.expires_at,
        accepted_at: row.accepted_at,
        ended_at: row.ended_at,
        ended_by: row.ended_by.map(UserId),
        end_reason: row.end_reason.map(Code::of_code).transpose()?,
        note: row.note,
        conversation_id: row.conversation_id.map(ConversationId),
        last_sequence: row.last_sequence,
    })
}
