//! Which tenants the configuration speaks of. They are made by seeds, not by configuration, so they may be missing.

use super::Config;
use crate::development;

/// Something that works for one tenant alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Such as `mount "staff"`.
    pub who: String,
    pub tenant: String,
}

impl Named {
    /// What is so and what to do, if the tenant is missing.
    #[must_use]
    pub fn missing(&self) -> String {
        let Self { who, tenant } = self;
        format!(
            "{who} is of tenant \"{tenant}\", which does not exist, so it serves nobody; make it: parlor seed FILE"
        )
    }
}

impl Config {
    /// Mounts and issuers, and their tenants. The tenant that every development server makes at its start is left out.
    #[must_use]
    pub fn tenants_named(&self) -> Vec<Named> {
        let mounts = self.mount.iter().map(|mount| (format!("mount \"{}\"", mount.label()), &mount.tenant));
        let issuers =
            self.issuer.iter().map(|issuer| (format!("issuer \"{}\"", issuer.name), &issuer.tenant));
        mounts
            .chain(issuers)
            .filter(|(_, tenant)| !(self.dev && **tenant == development::TENANT))
            .map(|(who, tenant)| Named { who, tenant: tenant.clone() })
            .collect()
    }
}
