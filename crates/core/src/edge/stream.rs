//! What goes up and down a link, and what is checked of it first.

use std::time::Duration;

use futures::stream::BoxStream;
use parlor_api::v1;
use tonic::Status;

use crate::{Result, field};

/// Names of gateways, epochs and connections have at most so many characters: they are kept for each connection.
pub(super) const MAX_NAME_CHARS: usize = 128;

pub(super) type Requests = BoxStream<'static, Result<v1::LinkRequest, Status>>;
pub(super) type Responses = BoxStream<'static, Result<v1::LinkResponse, Status>>;

pub(super) fn check_name(field: &'static str, name: &str) -> Result<()> {
    field::text(field, name, 1, MAX_NAME_CHARS)
}

pub(super) fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(span).unwrap_or_default()
}
