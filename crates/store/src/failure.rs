//! What a database error means for the work in hand: that one piece fails, all of it is tried again, or the connection
//! is given up. Only here are codes of databases read.

use sea_orm::{DbErr, RuntimeErr};
use sqlx::{Error as Sqlx, error::DatabaseError};

use crate::Error;

/// Why a step inside a transaction did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This piece of work is wrong; the others of its transaction are not touched.
    Refused(Error),
    /// The whole transaction lost against another one, and may win the next time.
    Conflict(String),
    /// The transaction cannot go on, and its connection is not to be trusted.
    Lost(String),
}

impl Failure {
    /// The same, where the statement was about the transaction itself: then no single piece of work is to blame, and
    /// whether it took place is unknown.
    pub(crate) fn of_transaction(self) -> Self {
        match self {
            Self::Refused(error) => Self::Lost(error.to_string()),
            Self::Conflict(_) | Self::Lost(_) => self,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Conflict(why) | Failure::Lost(why) => Self::Unavailable(why),
        }
    }
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => of_driver(cause),
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Lost(error.to_string()),
            _ => Self::Refused(Error::Defect(error.to_string())),
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Failure::from(error).into()
    }
}

impl From<Sqlx> for Failure {
    fn from(error: Sqlx) -> Self {
        of_driver(&error)
    }
}

fn of_driver(error: &Sqlx) -> Failure {
    match error {
        Sqlx::Database(cause) => of_database(cause.as_ref()),
        Sqlx::Io(_)
        | Sqlx::Tls(_)
        | Sqlx::Protocol(_)
        | Sqlx::PoolTimedOut
        | Sqlx::PoolClosed
        | Sqlx::WorkerCrashed
        | Sqlx::BeginFailed => Failure::Lost(error.to_string()),
        _ => Failure::Refused(Error::Defect(error.to_string())),
    }
}

fn of_database(error: &dyn DatabaseError) -> Failure {
    let code = error.code().unwrap_or_default();
    let verdict = if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        of_sqlite(&code)
    } else {
        of_postgres(&code)
    };
    let told = format!("{} ({code})", error.message());
    match verdict {
        Verdict::Refused => Failure::Refused(Error::Defect(told)),
        Verdict::Conflict => Failure::Conflict(told),
        Verdict::Lost => Failure::Lost(told),
    }
}

enum Verdict {
    Refused,
    Conflict,
    Lost,
}

/// <https://sqlite.org/rescode.html>; the primary code is the low byte. After these SQLite may have rolled back the whole
/// transaction by itself, so nothing more may be sent on the connection as if it were still open.
fn of_sqlite(code: &str) -> Verdict {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const NOMEM: i32 = 7;
    const READONLY: i32 = 8;
    const INTERRUPT: i32 = 9;
    const IOERR: i32 = 10;
    const CORRUPT: i32 = 11;
    const FULL: i32 = 13;
    const CANTOPEN: i32 = 14;
    const PROTOCOL: i32 = 15;
    const NOTADB: i32 = 26;
    match code.parse::<i32>().unwrap_or(0) & 0xff {
        BUSY | LOCKED | NOMEM | READONLY | INTERRUPT | IOERR | CORRUPT | FULL | CANTOPEN | PROTOCOL
        | NOTADB => Verdict::Lost,
        _ => Verdict::Refused,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>, by class.
fn of_postgres(code: &str) -> Verdict {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    match code.get(..2) {
        // Rolled back: a deadlock or a serialization failure.
        Some("40") => Verdict::Conflict,
        // Connection, state of the transaction (a standby is read-only), resources, intervention, system, internal.
        Some("08" | "25" | "53" | "57" | "58" | "XX") => Verdict::Lost,
        _ if code == LOCK_NOT_AVAILABLE => Verdict::Conflict,
        _ => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_lost_also_in_its_extended_form() {
        assert!(matches!(of_sqlite("13"), Verdict::Lost));
        assert!(matches!(of_sqlite("778"), Verdict::Lost), "SQLITE_IOERR_WRITE");
        assert!(matches!(of_sqlite("2067"), Verdict::Refused), "SQLITE_CONSTRAINT_UNIQUE");
    }

    #[test]
    fn postgres_codes_are_told_apart() {
        assert!(matches!(of_postgres("40P01"), Verdict::Conflict));
        assert!(matches!(of_postgres("57P01"), Verdict::Lost));
        assert!(matches!(of_postgres("25006"), Verdict::Lost));
        assert!(matches!(of_postgres("22021"), Verdict::Refused));
    }
}
