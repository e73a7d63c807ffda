//! What cannot be meant, or would lose something, is refused, and changes nothing.

use std::path::Path;

use parlor_tests::{Backend, Plan, Topology};
use toml::Table;

use super::{Installation, database};

/// An installation with tables and nothing else, and a backup of it.
fn with_backup() -> (Installation, String) {
    let installation = Installation::of(&super::configuration(&Table::new()));
    installation.done(&["migrate", "up"]);
    let file = installation.path("backup.db").to_str().unwrap().to_owned();
    let told = installation.done(&["backup", &file]);
    assert!(
        told.contains("wrote") && told.contains("0 tenants, 0 people, 0 conversations, 0 messages"),
        "{told}"
    );
    (installation, file)
}

fn another() -> Installation {
    Installation::of(&super::configuration(&Table::new()))
}

fn in_a_runtime(story: impl FnOnce()) {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async { story() });
}

#[test]
fn a_backup_overwrites_nothing_and_needs_a_folder_and_a_database() {
    in_a_runtime(|| {
        let (installation, file) = with_backup();
        let (before, files) = (std::fs::read(&file).unwrap(), installation.files());
        assert!(installation.not_done(3, &["backup", &file]).contains("is there already"));
        assert_eq!(std::fs::read(&file).unwrap(), before);
        let told = installation.not_done(1, &["backup", "nowhere/backup.db"]);
        assert!(told.contains("see that its folder is there"), "{told}");
        assert_eq!(installation.files(), files, "nothing is left of it");
        let nothing = another();
        assert!(nothing.not_done(1, &["backup", "backup.db"]).contains("there is no installation"));
        assert_eq!(nothing.files(), [""; 0]);
    });
}

#[test]
fn what_is_no_whole_backup_is_not_restored() {
    in_a_runtime(|| {
        let (installation, file) = with_backup();
        let whole = std::fs::read(&file).unwrap();
        // The newest step, as if it were of another time.
        let steps = installation.done(&["migrate", "status"]);
        let newest = steps.lines().last().unwrap().split_whitespace().last().unwrap();
        let unknown = newest.replacen("m2026", "m2099", 1);
        let target = another();
        let bad = target.path("bad.db").to_str().unwrap().to_owned();
        let newer = replaced(&whole, newest.as_bytes(), unknown.as_bytes());
        for (bytes, told) in [
            (&b"a letter, and no database"[..], "it is not a SQLite database"),
            (b"", "it is not a SQLite database"),
            (&whole[..whole.len() / 2], "is no backup, or a damaged one"),
            (&whole[..whole.len() - 1], "is no backup, or a damaged one"),
            (&newer, unknown.as_str()),
        ] {
            std::fs::write(&bad, bytes).unwrap();
            let said = target.not_done(3, &["restore", &bad]);
            assert!(said.contains(told), "{said}");
            assert_eq!(target.files(), ["bad.db"], "nothing is left of it");
        }
        assert!(target.not_done(1, &["restore", "nowhere.db"]).contains("cannot read nowhere.db"));
    });
}

#[test]
fn a_database_that_is_there_stays_or_gets_another_name() {
    in_a_runtime(|| {
        let (installation, file) = with_backup();
        installation.done(&["migrate", "down", "--steps", "1", "--yes"]);
        let said = installation.not_done(3, &["restore", &file]);
        assert!(said.contains("is there already, and stays; --replace"), "{said}");
        let told = installation.done(&["restore", &file, "--replace"]);
        assert!(told.contains("parlor.db.replaced-1 now") && told.contains("restored"), "{told}");
        installation.done(&["restore", &file, "--replace"]);
        assert_eq!(
            installation.files(),
            ["backup.db", "parlor.db", "parlor.db.replaced-1", "parlor.db.replaced-2"]
        );
        // The first is the one that has a step less.
        let kept = installation.path("parlor.db.replaced-1").to_str().unwrap().to_owned();
        let told = another().done(&["restore", &kept]);
        assert!(told.contains("1 steps are missing") && told.contains("parlor migrate up"), "{told}");
    });
}

#[test]
fn a_database_that_cannot_be_read_is_replaced_and_kept_with_its_log() {
    in_a_runtime(|| {
        let (installation, file) = with_backup();
        let database = database(&installation.program);
        std::fs::write(&database, "what a broken disk has left of it").unwrap();
        std::fs::write(installation.path("parlor.db-wal"), "a log").unwrap();
        installation.done(&["restore", &file, "--replace"]);
        assert_eq!(
            installation.files(),
            ["backup.db", "parlor.db", "parlor.db.replaced-1", "parlor.db.replaced-1-wal"]
        );
        assert!(installation.done(&["migrate", "status"]).contains("applied"));
    });
}

#[test]
fn nothing_is_restored_under_a_server_of_whatever_data_directory() {
    in_a_runtime(|| {
        let (mut installation, file) = with_backup();
        installation.serve();
        let said = installation.not_done(3, &["restore", &file, "--replace"]);
        assert!(said.contains("a server holds the data directory"), "{said}");
        let elsewhere = installation.path("elsewhere");
        let said = installation
            .not_done(3, &["restore", &file, "--replace", "--data-dir", elsewhere.to_str().unwrap()]);
        assert!(said.contains("another process has the database"), "{said}");
        // What is in use is no backup.
        let (database, target) = (database(&installation.program), another());
        let said = target.not_done(3, &["restore", database.to_str().unwrap()]);
        assert!(said.contains("make a backup of it first"), "{said}");
        assert_eq!(target.files(), [""; 0]);
    });
}

#[test]
fn postgres_is_left_to_its_own_tools_by_lines_that_work() {
    in_a_runtime(|| {
        let database = parlor_testdb::Database::create();
        let installation = another();
        let table = std::fs::read_to_string(&installation.file).unwrap();
        let mut table: Table = table.parse().unwrap();
        table["database"]["url"] = database.url().into();
        std::fs::write(&installation.file, toml::to_string(&table).unwrap()).unwrap();
        installation.done(&["migrate", "up"]);
        let file = installation.path("shop.dump");
        let file = file.to_str().unwrap();
        for command in ["backup", "restore"] {
            let said = installation.not_done(3, &[command, file]);
            let line = said.lines().last().unwrap().trim();
            assert!(line.starts_with("pg_") && line.contains(file), "{said}");
            shell(installation.program.folder(), line);
        }
        assert!(!installation.done(&["migrate", "status"]).contains("missing"));
        // A password is what the tools ask for.
        table["database"]["url"] = "postgres://parlor:s3cret-word@127.0.0.1:1/shop".into();
        std::fs::write(&installation.file, toml::to_string(&table).unwrap()).unwrap();
        for command in ["backup", "restore"] {
            let said = installation.not_done(3, &[command, file]);
            assert!(said.contains("--host=127.0.0.1 --port=1 --username=parlor"), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    });
}

fn shell(folder: &Path, line: &str) {
    let output = std::process::Command::new("sh").args(["-c", line]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{line}: {}", super::said(&output));
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}
