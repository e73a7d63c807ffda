//! What the benchmarks begin with.

use parlor_store::{Tenant, TenantId};

pub fn new_tenant() -> Tenant {
    Tenant {
        id: TenantId(0),
        slug: "bench".into(),
        number: None,
        display_name: String::new(),
        origins: Vec::new(),
        created_at: 1,
    }
}
