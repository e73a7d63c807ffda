//! Those whom a life has left online: each change of all of them is one statement, however many they are.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, Select, Statement, Value,
};
use uuid::Uuid;

use crate::{Millis, TenantId, UserId, entity::presence_lease, failure::Failure, tx::Tx};

/// What all leases of one life have in common.
#[derive(Clone, Copy)]
pub(super) struct Lease<'life> {
    pub node: &'life str,
    pub epoch: &'life str,
}

impl Lease<'_> {
    fn all(self) -> Select<presence_lease::Entity> {
        presence_lease::Entity::find()
            .filter(presence_lease::Column::Node.eq(self.node))
            .filter(presence_lease::Column::Epoch.eq(self.epoch))
    }
}

/// Whose tenants they are.
pub(super) async fn tenants(tx: &Tx, of: Lease<'_>) -> Result<Vec<TenantId>, Failure> {
    let tenants: Vec<i64> = of
        .all()
        .select_only()
        .column(presence_lease::Column::Tenant)
        .distinct()
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(tenants.into_iter().map(TenantId).collect())
}

/// Who they are.
pub(super) async fn people(tx: &Tx, of: Lease<'_>) -> Result<Vec<(TenantId, UserId)>, Failure> {
    let columns = [presence_lease::Column::Tenant, presence_lease::Column::UserId];
    let people: Vec<(i64, Uuid)> = of.all().select_only().columns(columns).into_tuple().all(tx.db()).await?;
    Ok(people.into_iter().map(|(tenant, user)| (TenantId(tenant), UserId(user))).collect())
}

/// They were there until then, and are not any more.
pub(super) async fn see(tx: &Tx, of: Lease<'_>, at: Millis) -> Result<(), Failure> {
    const SEE: &str = "UPDATE presence SET last_seen = ? FROM presence_lease AS l \
        WHERE l.node = ? AND l.epoch = ? AND presence.tenant = l.tenant AND presence.user_id = l.user_id \
        AND (presence.last_seen IS NULL OR presence.last_seen < ?)";
    execute(tx, SEE, [at.into(), of.node.into(), of.epoch.into(), at.into()]).await
}

/// Passes their leases to another life, as left over at a time. Who was on several nodes keeps one, of when they came
/// first and were there last; what is not passed on goes with the earlier life.
pub(super) async fn pass_on(tx: &Tx, of: Lease<'_>, to: Lease<'_>, at: Millis) -> Result<(), Failure> {
    const JOIN: &str = "UPDATE presence_lease SET \
        since = CASE WHEN l.since < presence_lease.since THEN l.since ELSE presence_lease.since END, \
        left_at = CASE WHEN presence_lease.left_at > ? THEN presence_lease.left_at ELSE ? END \
        FROM presence_lease AS l WHERE l.node = ? AND l.epoch = ? AND presence_lease.tenant = l.tenant \
        AND presence_lease.user_id = l.user_id AND presence_lease.node = ?";
    const RENAME: &str = "UPDATE presence_lease SET node = ?, epoch = ?, left_over = ?, left_at = ? \
        WHERE node = ? AND epoch = ? AND NOT EXISTS (SELECT 1 FROM presence_lease AS k \
        WHERE k.tenant = presence_lease.tenant AND k.user_id = presence_lease.user_id AND k.node = ?)";
    const PASS: &str =
        "UPDATE presence_lease SET epoch = ?, left_over = ?, left_at = ? WHERE node = ? AND epoch = ?";
    let (node, epoch) = (Value::from(of.node), Value::from(of.epoch));
    let (new_node, new_epoch) = (Value::from(to.node), Value::from(to.epoch));
    if of.node == to.node {
        return execute(tx, PASS, [new_epoch, true.into(), at.into(), node, epoch]).await;
    }
    execute(tx, JOIN, [at.into(), at.into(), node.clone(), epoch.clone(), new_node.clone()]).await?;
    let renamed = [new_node.clone(), new_epoch, true.into(), at.into(), node, epoch, new_node];
    execute(tx, RENAME, renamed).await
}

/// Removes the leases that are still there.
pub(super) async fn forget(tx: &Tx, of: Lease<'_>) -> Result<(), Failure> {
    presence_lease::Entity::delete_many()
        .filter(presence_lease::Column::Node.eq(of.node))
        .filter(presence_lease::Column::Epoch.eq(of.epoch))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Places are written as SQLite has them.
async fn execute(tx: &Tx, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<(), Failure> {
    let backend = tx.db().get_database_backend();
    let sql = if backend == DbBackend::Sqlite { sql.to_owned() } else { numbered(sql) };
    tx.db().execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    Ok(())
}

/// `?` as `$1`, `$2` and so on.
fn numbered(sql: &str) -> String {
    let mut pieces = sql.split('?');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for (before, piece) in pieces.enumerate() {
        text.push_str(&format!("${}", before + 1));
        text.push_str(piece);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted() {
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(numbered("nothing"), "nothing");
    }
}
