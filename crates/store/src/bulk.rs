//! Statements over many rows. Sizes are powers of two, so that a connection keeps few statements prepared: what is missing is
//! filled up with rows of a tenant that nobody has.

use sea_orm::{
    ConnectionTrait, DbBackend, EntityName, EntityTrait, FromQueryResult, IdenStatic, Iterable, ModelTrait,
    Statement, Value,
};

use crate::{
    entity::{conversation, presence, tenant_counter},
    failure::Failure,
};

/// No statement is about more rows: with the widest row it stays below SQLite's 32,766 parameters.
const ROWS_MAX: usize = 256;

/// A tenant that nobody has.
const NOBODYS: i64 = -1;

/// The list, made as long as a power of two by repetition.
pub(crate) fn padded<T: Copy>(mut list: Vec<T>) -> Vec<T> {
    if let Some(&last) = list.last() {
        list.resize(list.len().next_power_of_two(), last);
    }
    list
}

/// `VALUES ($1, $2), ($3, $4)` for rows that begin with their tenant, and what is bound there. For SQLite it is `?`, which
/// looks up each named parameter in a list of all of them.
fn table(backend: DbBackend, rows: Vec<Vec<Value>>) -> (String, Vec<Value>) {
    let width = rows.first().map_or(0, Vec::len);
    let nobodys = rows.last().map(|last| {
        let mut row = last.clone();
        row[0] = NOBODYS.into();
        row
    });
    let size = rows.len().next_power_of_two();
    let mut list = String::with_capacity(8 + size * width * 6);
    list.push_str("VALUES ");
    for row in 0..size {
        list.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..width {
            if column > 0 {
                list.push_str(", ");
            }
            if backend == DbBackend::Sqlite {
                list.push('?');
            } else {
                list.push('$');
                list.push_str(&(row * width + column + 1).to_string());
            }
        }
        list.push(')');
    }
    let missing = size - rows.len();
    let filled = rows.into_iter().chain(nobodys.into_iter().cycle().take(missing));
    (list, filled.flatten().collect())
}

/// The names of columns, for SQL.
fn names<C: IdenStatic>(columns: &[C]) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    names.join(", ")
}

/// Statements about so many rows each, which are made of the SQL around their table.
fn each<R>(
    backend: DbBackend,
    rows: &[R],
    values: impl Fn(&R) -> Vec<Value>,
    sql: impl Fn(&str) -> String,
) -> Vec<Statement> {
    let of_piece = |piece: &[R]| {
        let (table, bound) = table(backend, piece.iter().map(&values).collect());
        Statement::from_sql_and_values(backend, sql(&table), bound)
    };
    rows.chunks(ROWS_MAX).map(of_piece).collect()
}

/// What reads the rows whose `columns` have one of these values. The first column is the tenant. Keys must differ from each
/// other.
pub(crate) fn selection<E: EntityTrait, const N: usize>(
    backend: DbBackend,
    columns: [E::Column; N],
    keys: &[[Value; N]],
) -> Vec<Statement> {
    let table = E::default();
    let table = table.table_name();
    let matches: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| format!("t.\"{}\" = v.column{}", column.as_str(), at + 1))
        .collect();
    let matches = matches.join(" AND ");
    each(
        backend,
        keys,
        |key| key.to_vec(),
        |keys| format!("SELECT t.* FROM ({keys}) AS v JOIN \"{table}\" AS t ON {matches}"),
    )
}

/// The rows of a [`selection`].
pub(crate) async fn select<E, const N: usize>(
    db: &impl ConnectionTrait,
    columns: [E::Column; N],
    keys: Vec<[Value; N]>,
) -> Result<Vec<E::Model>, Failure>
where
    E: EntityTrait,
    E::Model: FromQueryResult,
{
    let mut rows = Vec::with_capacity(keys.len());
    for statement in selection::<E, N>(db.get_database_backend(), columns, &keys) {
        rows.extend(E::Model::find_by_statement(statement).all(db).await?);
    }
    Ok(rows)
}

/// What adds these rows. The first column of their table is the tenant.
pub(crate) fn insert<M: ModelTrait>(backend: DbBackend, rows: &[M]) -> Vec<Statement> {
    let columns: Vec<_> = <M::Entity as EntityTrait>::Column::iter().collect();
    let (table, names) = (M::Entity::default(), names(&columns));
    let table = table.table_name();
    each(
        backend,
        rows,
        |row| columns.iter().map(|column| row.get(*column)).collect(),
        |rows| {
            format!(
                "INSERT INTO \"{table}\" ({names}) SELECT * FROM ({rows}) AS v WHERE v.column1 <> {NOBODYS}"
            )
        },
    )
}

/// Removes the rows whose `columns`, a key, have one of these values. The first column is the tenant.
pub(crate) async fn delete<E: EntityTrait, const N: usize>(
    db: &impl ConnectionTrait,
    columns: [E::Column; N],
    keys: Vec<[Value; N]>,
) -> Result<(), Failure> {
    let table = E::default();
    let beginning = format!("DELETE FROM \"{}\"", table.table_name());
    of_these(db, &beginning, columns, &keys).await
}

/// Sets the same in the rows whose `columns` have one of these values. What is set is SQL without places. The first column is
/// the tenant.
pub(crate) async fn set<E: EntityTrait, const N: usize>(
    db: &impl ConnectionTrait,
    assignments: &str,
    columns: [E::Column; N],
    keys: &[[Value; N]],
) -> Result<(), Failure> {
    let table = E::default();
    let beginning = format!("UPDATE \"{}\" SET {assignments}", table.table_name());
    of_these(db, &beginning, columns, keys).await
}

/// Does what the beginning says to the rows whose columns have one of these values.
async fn of_these<C: IdenStatic, const N: usize>(
    db: &impl ConnectionTrait,
    beginning: &str,
    columns: [C; N],
    keys: &[[Value; N]],
) -> Result<(), Failure> {
    let names = names(&columns);
    let sql = |keys: &str| format!("{beginning} WHERE ({names}) IN ({keys})");
    for statement in each(db.get_database_backend(), keys, |key| key.to_vec(), sql) {
        db.execute_raw(statement).await?;
    }
    Ok(())
}

/// What writes what a message changes in its conversation; and of a customer's message, when its customer was last active,
/// which is in an index.
pub(crate) fn update_conversations(
    backend: DbBackend,
    by_customer: bool,
    rows: &[conversation::Model],
) -> Vec<Statement> {
    use conversation::Column as C;
    let set = [
        C::Status,
        C::Waiting,
        C::Unanswered,
        C::UnreadCount,
        C::StaffReadSequence,
        C::StaffReadAt,
        C::LastSequence,
        C::LastMessageSequence,
        C::UpdatedAt,
        C::CustomerActiveAt,
    ];
    let set = if by_customer { &set[..] } else { &set[..set.len() - 1] };
    update(backend, &[C::Tenant, C::Id], set, rows)
}

/// What writes from where on conversations are kept, and what is unread of that.
pub(crate) fn update_floors(backend: DbBackend, rows: &[conversation::Model]) -> Vec<Statement> {
    use conversation::Column as C;
    update(backend, &[C::Tenant, C::Id], &[C::FloorSequence, C::UnreadCount], rows)
}

/// What writes when people were last seen.
pub(crate) fn update_last_seen(backend: DbBackend, rows: &[presence::Model]) -> Vec<Statement> {
    use presence::Column as C;
    update(backend, &[C::Tenant, C::UserId], &[C::LastSeen], rows)
}

/// What writes counters.
pub(crate) fn update_counters(backend: DbBackend, rows: &[tenant_counter::Model]) -> Vec<Statement> {
    use tenant_counter::Column as C;
    let set = [
        C::Position,
        C::MessageNumber,
        C::ConversationNumber,
        C::UserNumber,
        C::PresenceRevision,
        C::ConversationRevision,
        C::PeopleRevision,
        C::FloorPosition,
        C::SessionNumber,
        C::VisitNumber,
    ];
    update(backend, &[C::Tenant], &set, rows)
}

/// Writes columns of rows that are named by a key, whose first column is the tenant.
fn update<M: ModelTrait>(
    backend: DbBackend,
    key: &[<M::Entity as EntityTrait>::Column],
    set: &[<M::Entity as EntityTrait>::Column],
    rows: &[M],
) -> Vec<Statement> {
    let table = M::Entity::default();
    let table = table.table_name();
    let assignments: Vec<String> = set
        .iter()
        .enumerate()
        .map(|(at, column)| format!("\"{}\" = v.column{}", column.as_str(), key.len() + at + 1))
        .collect();
    let matches: Vec<String> = key
        .iter()
        .enumerate()
        .map(|(at, column)| format!("\"{table}\".\"{}\" = v.column{}", column.as_str(), at + 1))
        .collect();
    let (assignments, matches) = (assignments.join(", "), matches.join(" AND "));
    each(
        backend,
        rows,
        |row| key.iter().chain(set).map(|column| row.get(*column)).collect(),
        |rows| format!("UPDATE \"{table}\" SET {assignments} FROM ({rows}) AS v WHERE {matches}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_to_a_power_of_two_is_nobodys() {
        let row = |tenant: i64| vec![Value::from(tenant), Value::from("x")];
        let (list, bound) = table(DbBackend::Postgres, vec![row(1), row(2), row(3)]);
        assert_eq!(list, "VALUES ($1, $2), ($3, $4), ($5, $6), ($7, $8)");
        assert_eq!(bound, [row(1), row(2), row(3), row(NOBODYS)].concat());
        let (list, bound) = table(DbBackend::Sqlite, vec![row(1)]);
        assert_eq!((list.as_str(), bound), ("VALUES (?, ?)", row(1)));
    }

    #[test]
    fn padding_repeats_the_last() {
        assert_eq!(padded(vec![1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(padded(Vec::<i64>::new()), Vec::<i64>::new());
    }
}
