//! Errors with their details: what the core puts into a `Status`, and how a caller reads it back.
//!
//! Every error has one `ErrorInfo{reason, domain: "parlor"}`. On a stream that goes on, the same travels as a
//! [`Failure`].

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::v1::{Failure, Reason};

/// The `domain` of every `ErrorInfo` of ours.
pub const DOMAIN: &str = "parlor";

const REASON_PREFIX: &str = "REASON_";

/// An invalid field: its path in the request and what is wrong with it.
pub type FieldError = (String, String);

/// Makes a status with its details.
#[must_use]
pub fn status(
    code: Code,
    reason: Reason,
    message: impl Into<String>,
    metadata: HashMap<String, String>,
    fields: &[FieldError],
) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(name(reason), DOMAIN, metadata);
    for (field, problem) in fields {
        details.add_bad_request_violation(field, problem);
    }
    Status::with_error_details(code, message, details)
}

/// What a client branches on: the reason of a status, unspecified if it is not one of ours.
#[must_use]
pub fn reason(status: &Status) -> Reason {
    status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN)
        .and_then(|info| Reason::from_str_name(&format!("{REASON_PREFIX}{}", info.reason)))
        .unwrap_or(Reason::Unspecified)
}

/// The metadata of a status's `ErrorInfo`; empty if it has none.
#[must_use]
pub fn details(status: &Status) -> HashMap<String, String> {
    status.get_details_error_info().map(|info| info.metadata).unwrap_or_default()
}

/// The paths of the fields a status complains of.
#[must_use]
pub fn fields(status: &Status) -> Vec<String> {
    problems(status).into_iter().map(|(field, _)| field).collect()
}

/// The fields a status complains of, and what is wrong with each.
#[must_use]
pub fn problems(status: &Status) -> Vec<FieldError> {
    let violations = status.get_details_bad_request().map(|request| request.field_violations);
    let violations = violations.unwrap_or_default().into_iter();
    violations.map(|violation| (violation.field, violation.description)).collect()
}

fn name(reason: Reason) -> &'static str {
    let full = reason.as_str_name();
    full.strip_prefix(REASON_PREFIX).unwrap_or(full)
}

impl From<&Status> for Failure {
    fn from(status: &Status) -> Self {
        Self {
            code: status.code() as i32,
            reason: reason(status).into(),
            message: status.message().to_owned(),
            metadata: details(status),
        }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let reason = failure.reason();
        self::status(Code::from_i32(failure.code), reason, failure.message, failure.metadata, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_survives_the_status_and_the_stream() {
        let metadata = HashMap::from([("role".to_owned(), "staff".to_owned())]);
        let sent = status(
            Code::PermissionDenied,
            Reason::RoleRequired,
            "staff only",
            metadata.clone(),
            &[("user.email".to_owned(), "too long".to_owned())],
        );
        assert_eq!(reason(&sent), Reason::RoleRequired);
        assert_eq!(fields(&sent), ["user.email"]);

        let back = Status::from(Failure::from(&sent));
        assert_eq!(back.code(), Code::PermissionDenied);
        assert_eq!(reason(&back), Reason::RoleRequired);
        assert_eq!(details(&back), metadata);
    }

    #[test]
    fn a_foreign_status_has_no_reason() {
        assert_eq!(reason(&Status::not_found("elsewhere")), Reason::Unspecified);
    }
}
