//! What to run instead where the database is PostgreSQL, whose own tools do it better. No password is ever in it: the tools
//! ask for it, or take it from PGPASSWORD or ~/.pgpass.

use std::path::Path;

use parlor_store::PostgresPlace;

/// The line that writes a backup.
pub fn dump(place: &PostgresPlace, file: &Path) -> String {
    let (name, file) = (quoted(&place.database), quoted(&file.display().to_string()));
    format!("pg_dump {} --format=custom --file={file} {name}", account(place))
}

/// The line that puts it in the database's place.
pub fn restore(place: &PostgresPlace, file: &Path) -> String {
    let (name, file) = (quoted(&place.database), quoted(&file.display().to_string()));
    let how = "--clean --if-exists --no-owner --single-transaction";
    format!("pg_restore {} {how} --dbname={name} {file}", account(place))
}

fn account(place: &PostgresPlace) -> String {
    let PostgresPlace { host, port, user, .. } = place;
    format!("--host={} --port={port} --username={}", quoted(host), quoted(user))
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> PostgresPlace {
        PostgresPlace::of(url).unwrap().unwrap()
    }

    #[test]
    fn the_lines_name_the_database_and_never_the_password() {
        let shop = place("postgres://par%20lor:s3cret@db.example:5433/shop?password=hidden&sslmode=require");
        assert_eq!(
            dump(&shop, Path::new("/var/a b.dump")),
            "pg_dump --host=db.example --port=5433 --username='par lor' --format=custom --file='/var/a b.dump' shop"
        );
        assert_eq!(
            restore(&shop, Path::new("x.dump")),
            "pg_restore --host=db.example --port=5433 --username='par lor' --clean --if-exists --no-owner \
             --single-transaction --dbname=shop x.dump"
        );
    }

    #[test]
    fn a_word_that_a_shell_would_read_is_quoted() {
        assert_eq!(quoted("a.b/c-d_e"), "a.b/c-d_e");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's; rm"), r"'it'\''s; rm'");
    }
}
