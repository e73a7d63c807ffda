//! Who takes part in conversations.

use std::collections::{BTreeSet, HashSet};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait,
    sea_query::{OnConflict, Query, SelectStatement},
};
use uuid::Uuid;

use crate::{
    Part, Result, TenantId, UserId, bulk,
    entity::{conversation, participant},
    failure::Failure,
    query::code::Code,
};

/// (tenant, conversation, person).
pub(crate) type Seat = (i64, Uuid, Uuid);

/// Those of the seats that are taken now.
pub(crate) async fn taken(
    db: &impl ConnectionTrait,
    seats: BTreeSet<Seat>,
) -> Result<HashSet<Seat>, Failure> {
    use participant::Column;
    let keys = seats.into_iter().map(|(tenant, id, person)| [tenant.into(), id.into(), person.into()]);
    let columns = [Column::Tenant, Column::ConversationId, Column::PersonId];
    let rows = bulk::select::<participant::Entity, 3>(db, columns, keys.collect()).await?;
    let present = rows.into_iter().filter(|row| row.until.is_none());
    Ok(present.map(|row| (row.tenant, row.conversation_id, row.person_id)).collect())
}

/// The ids of the conversations that somebody takes part in now.
pub(crate) fn conversations_of(tenant: TenantId, person: UserId) -> SelectStatement {
    use participant::Column;
    let mut seats = Query::select();
    seats
        .column(Column::ConversationId)
        .from(participant::Entity)
        .and_where(Column::Tenant.eq(tenant.0))
        .and_where(Column::PersonId.eq(person.0))
        .and_where(Column::Until.is_null());
    seats
}

/// From the present on, somebody takes part; an owner and who is there from the beginning, from its first event.
pub(crate) async fn seat(
    db: &impl ConnectionTrait,
    row: &conversation::Model,
    person: UserId,
    part: Part,
) -> Result<(), Failure> {
    use participant::Column;
    let seat = participant::ActiveModel {
        tenant: Set(row.tenant),
        conversation_id: Set(row.id),
        person_id: Set(person.0),
        role: Set(part.code()),
        since_sequence: Set(1),
        until: Set(None),
    };
    let again = OnConflict::columns([Column::Tenant, Column::ConversationId, Column::PersonId])
        .update_columns([Column::Role, Column::Until])
        .to_owned();
    participant::Entity::insert(seat).on_conflict(again).exec_without_returning(db).await?;
    Ok(())
}
