//! Whether this gateway can serve: the core answers, and the link is up.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::edge::Edge;

/// A probe that takes longer is a failed one.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn ready(edge: Arc<Edge>) -> (StatusCode, &'static str) {
    if edge.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "going away\n");
    }
    if !edge.link.is_up() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no link to the core\n");
    }
    let mut client = HealthClient::new(edge.calls.backend.service.clone());
    let check = client.check(HealthCheckRequest { service: String::new() });
    match tokio::time::timeout(ANSWER_WITHIN, check).await {
        Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => (StatusCode::OK, "ready\n"),
        Ok(_) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the core does not serve\n"),
    }
}
