//! From the errors of gRPC to what dialects are told.

use parlor_api::{failure, v1};
use tonic::{Code, Status};

use crate::dialect::refusal::{Kind, Refusal};

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let kind = match status.code() {
            Code::InvalidArgument => Kind::Malformed,
            Code::Unauthenticated => Kind::NotProven,
            Code::PermissionDenied => Kind::NotPermitted,
            Code::NotFound => Kind::NotFound,
            Code::AlreadyExists => Kind::Taken,
            Code::FailedPrecondition => Kind::NotPossible,
            Code::Unimplemented => Kind::NotServed,
            Code::ResourceExhausted => Kind::TooMany,
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Kind::Away,
            Code::Internal | Code::Unknown => Kind::Defect,
            Code::DataLoss => Kind::Lost,
            Code::Ok | Code::Aborted | Code::OutOfRange => Kind::Other,
        };
        Self {
            kind,
            code: status.code() as i32,
            reason: failure::reason(status),
            message: status.message().into(),
            fields: failure::problems(status),
            details: failure::details(status),
        }
    }
}

impl From<v1::Failure> for Refusal {
    fn from(failure: v1::Failure) -> Self {
        Self::from(&Status::from(failure))
    }
}
