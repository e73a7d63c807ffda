//! Statements over many rows. Sizes are rounded to powers of two, so that a connection keeps few statements prepared:
//! a selection is padded with a key that nobody has, a change is cut into pieces.

use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, EntityName, EntityTrait, FromQueryResult, IdenStatic,
    IntoActiveModel, ModelTrait, Statement, Value,
};

use crate::{
    entity::{conversation, presence, tenant_counter},
    failure::Failure,
};

/// No statement is about more rows: with the widest row it stays below SQLite's 32,766 parameters.
const ROWS_MAX: usize = 256;

/// The list, made as long as a power of two by repetition.
pub(crate) fn padded<T: Copy>(mut list: Vec<T>) -> Vec<T> {
    if let Some(&last) = list.last() {
        list.resize(list.len().next_power_of_two(), last);
    }
    list
}

/// Pieces that are powers of two long.
fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = match rows.len() {
            0 => return None,
            long if long >= ROWS_MAX => ROWS_MAX,
            short => 1 << short.ilog2(),
        };
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

/// `($1, $2), ($3, $4)`, or with `?` for SQLite, which looks up each named parameter in a list of all of them.
fn value_list(backend: DbBackend, rows: usize, width: usize) -> String {
    let mut list = String::with_capacity(rows * width * 6);
    for row in 0..rows {
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
    list
}

/// The rows whose `columns` have one of these values. The first column is the tenant. Keys must differ from each other.
pub(crate) async fn select<E, const N: usize>(
    db: &impl ConnectionTrait,
    columns: [E::Column; N],
    keys: Vec<[Value; N]>,
) -> Result<Vec<E::Model>, Failure>
where
    E: EntityTrait,
    E::Model: FromQueryResult,
{
    let backend = db.get_database_backend();
    let mut rows = Vec::with_capacity(keys.len());
    let matches: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, c)| format!("t.\"{}\" = v.column{}", c.as_str(), at + 1))
        .collect();
    for piece in keys.chunks(ROWS_MAX) {
        let mut values: Vec<Value> = piece.iter().flatten().cloned().collect();
        let size = piece.len().next_power_of_two();
        let nobody = piece.last().map(|last| {
            let mut key = last.clone();
            key[0] = Value::BigInt(Some(-1));
            key
        });
        values.extend(nobody.into_iter().cycle().take(size - piece.len()).flatten());
        let sql = format!(
            "SELECT t.* FROM (VALUES {}) AS v JOIN \"{}\" AS t ON {}",
            value_list(backend, size, N),
            E::default().table_name(),
            matches.join(" AND "),
        );
        let statement = Statement::from_sql_and_values(backend, sql, values);
        rows.extend(E::Model::find_by_statement(statement).all(db).await?);
    }
    Ok(rows)
}

/// Adds rows.
pub(crate) async fn insert<A>(db: &impl ConnectionTrait, rows: Vec<A>) -> Result<(), Failure>
where
    A: ActiveModelTrait + Clone,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    for piece in pieces(&rows) {
        A::Entity::insert_many(piece.to_vec()).exec_without_returning(db).await?;
    }
    Ok(())
}

/// Removes the rows whose `columns`, a key, have one of these values.
pub(crate) async fn delete<E: EntityTrait, const N: usize>(
    db: &impl ConnectionTrait,
    columns: [E::Column; N],
    keys: Vec<[Value; N]>,
) -> Result<(), Failure> {
    let backend = db.get_database_backend();
    let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    for piece in pieces(&keys) {
        let sql = format!(
            "DELETE FROM \"{}\" WHERE ({}) IN (VALUES {})",
            E::default().table_name(),
            names.join(", "),
            value_list(backend, piece.len(), N),
        );
        let bound = piece.iter().flatten().cloned();
        db.execute_raw(Statement::from_sql_and_values(backend, sql, bound)).await?;
    }
    Ok(())
}

/// Writes what a message changes in its conversation.
pub(crate) async fn update_conversations(
    db: &impl ConnectionTrait,
    rows: &[conversation::Model],
) -> Result<(), Failure> {
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
    update(db, &[C::Tenant, C::Id], &set, rows).await
}

/// Writes when people were last seen.
pub(crate) async fn update_last_seen(
    db: &impl ConnectionTrait,
    rows: &[presence::Model],
) -> Result<(), Failure> {
    use presence::Column as C;
    update(db, &[C::Tenant, C::UserId], &[C::LastSeen], rows).await
}

/// Writes counters.
pub(crate) async fn update_counters(
    db: &impl ConnectionTrait,
    rows: &[tenant_counter::Model],
) -> Result<(), Failure> {
    use tenant_counter::Column as C;
    let set = [
        C::Position,
        C::MessageNumber,
        C::ConversationNumber,
        C::UserNumber,
        C::PresenceRevision,
        C::ConversationRevision,
    ];
    update(db, &[C::Tenant], &set, rows).await
}

async fn update<M: ModelTrait>(
    db: &impl ConnectionTrait,
    key: &[<M::Entity as EntityTrait>::Column],
    set: &[<M::Entity as EntityTrait>::Column],
    rows: &[M],
) -> Result<(), Failure> {
    let backend = db.get_database_backend();
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
    for piece in pieces(rows) {
        let sql = format!(
            "UPDATE \"{table}\" SET {} FROM (VALUES {}) AS v WHERE {}",
            assignments.join(", "),
            value_list(backend, piece.len(), key.len() + set.len()),
            matches.join(" AND "),
        );
        let bound = piece.iter().flat_map(|row| key.iter().chain(set).map(|column| row.get(*column)));
        db.execute_raw(Statement::from_sql_and_values(backend, sql, bound)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_powers_of_two_and_cover_everything() {
        for length in [0, 1, 2, 3, 7, 100, 255, 256, 257, 1_000] {
            let rows: Vec<usize> = (0..length).collect();
            let cut: Vec<&[usize]> = pieces(&rows).collect();
            assert_eq!(cut.concat(), rows);
            assert!(cut.iter().all(|piece| piece.len().is_power_of_two() && piece.len() <= ROWS_MAX));
        }
    }

    #[test]
    fn padding_repeats_the_last() {
        assert_eq!(padded(vec![1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(padded(Vec::<i64>::new()), Vec::<i64>::new());
    }
}
