//! The whole schema, whatever tables there are.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};

/// Every row of every table, as text in lower case: bytes are in hexadecimal.
pub async fn rows(url: &str) -> Vec<(String, String)> {
    let db = Database::connect(url).await.unwrap();
    let backend = db.get_database_backend();
    let texts = async |sql: String| -> Vec<String> {
        let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
        rows.iter()
            .map(|row| row.try_get_by_index::<Option<String>>(0).unwrap().unwrap_or_default())
            .collect()
    };
    let tables = match backend {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        _ => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    };
    let mut found = Vec::new();
    for table in texts(tables.to_owned()).await {
        let row = match backend {
            DbBackend::Sqlite => {
                let columns = texts(format!("SELECT name FROM pragma_table_info('{table}')")).await;
                let columns: Vec<String> = columns.iter().map(|name| format!("quote(\"{name}\")")).collect();
                columns.join(" || ' ' || ")
            }
            _ => "t::text".to_owned(),
        };
        for row in texts(format!("SELECT {row} FROM \"{table}\" AS t")).await {
            found.push((table.clone(), row.to_lowercase()));
        }
    }
    db.close().await.unwrap();
    found
}

/// Every table.
pub async fn tables(url: &str) -> BTreeSet<String> {
    let db = Database::connect(url).await.unwrap();
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        _ => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    };
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    let names = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect();
    db.close().await.unwrap();
    names
}
