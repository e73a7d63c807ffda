//! Whom presence and visits tell.

use std::sync::Arc;

use parlor_api::v1;
use parlor_store::TenantId;

/// Takes an event of a tenant's presence, or of its visits, with its revision, and tells every node.
pub type Announce = Arc<dyn Fn(TenantId, i64, v1::Event) + Send + Sync>;
