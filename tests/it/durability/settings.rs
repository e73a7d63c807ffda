//! The settings that durability rests on, as the databases themselves tell them.

use parlor_tests::{Configuration, Program};
use toml::Table;

#[test]
fn sqlite_flushes_every_commit() {
    let program = Program::new();
    let report = doctor(&program, &format!("sqlite://{}", program.folder().join("parlor.db").display()));
    assert!(report.contains("journal_mode=wal") && report.contains("synchronous=2"), "{report}");
}

#[test]
fn postgres_flushes_every_commit() {
    let database = parlor_testdb::Database::create();
    let report = doctor(&Program::new(), &database.url());
    assert!(report.contains("synchronous_commit=on") && report.contains("fsync=on"), "{report}");
}

/// What `parlor doctor` says of the database.
fn doctor(program: &Program, database_url: &str) -> String {
    let configuration = Configuration::new(database_url, &Table::new(), &Table::new());
    let file = program.folder().join("parlor.toml");
    let table = configuration.server(&[("data_dir", program.data_dir().to_str().unwrap())]);
    std::fs::write(&file, toml::to_string(&table).unwrap()).unwrap();
    let migrated = program.run(&["migrate", "up", "--config", file.to_str().unwrap()]);
    assert!(migrated.status.success(), "{migrated:?}");
    let output = program.run(&["doctor", "--config", file.to_str().unwrap()]);
    String::from_utf8(output.stdout).unwrap()
}
