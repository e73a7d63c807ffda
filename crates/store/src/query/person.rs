//! All that there is of one person: erased, in small steps that a crash may part, and read for an export.
//!
//! Somebody who is being erased has a row that says so. From the transaction that writes it on nobody acts as them, their
//! names are gone, and nothing more of them is stored; so what is found once is all that there will be. The row goes with
//! the person's own, when nothing else is left.

mod erase;
mod export;
mod find;

use std::sync::Arc;

use sea_orm::EntityTrait as _;

use crate::{
    Millis, Result, TenantId, UserId, database::Database, entity::erasure, failure::Failure, query::users,
};

pub use self::{
    erase::{Departing, MarkOf, Walk},
    export::{Trace, Traces},
};
use crate::query::chat::change::erase::Erasure;

/// People as a whole. Cloning is cheap.
#[derive(Clone)]
pub struct Persons {
    pub(crate) db: Arc<Database>,
}

impl Persons {
    /// Everybody who is being erased, in whichever tenant.
    pub async fn being_erased(&self) -> Result<Vec<Erasure>> {
        let rows = erasure::Entity::find().all(&self.db.readers).await.map_err(Failure::from)?;
        Ok(rows.into_iter().map(Erasure::from).collect())
    }

    /// True if somebody is being erased.
    pub async fn is_being_erased(&self, tenant: TenantId, user: UserId) -> Result<bool> {
        Ok(users::is_being_erased(&self.db.readers, tenant, user).await?)
    }

    /// When an outside account was erased, by what stands for it; `None` if it never was, or nobody needs to know any more.
    pub async fn departed_at(&self, tenant: TenantId, mark: [u8; 32]) -> Result<Option<Millis>> {
        Ok(users::departed_at(&self.db.readers, tenant, mark).await?)
    }

    /// Reads what there is of somebody, page by page.
    #[must_use]
    pub fn traces(&self, tenant: TenantId, user: UserId) -> Traces {
        Traces::new(Arc::clone(&self.db), tenant, user)
    }
}

impl From<erasure::Model> for Erasure {
    fn from(row: erasure::Model) -> Self {
        Self {
            tenant: TenantId(row.tenant),
            user: UserId(row.user_id),
            begun_at: row.begun_at,
            whole_conversations: row.whole_conversations,
        }
    }
}
