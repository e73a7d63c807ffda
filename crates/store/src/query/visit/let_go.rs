//! Visits that nobody ended: left connected by a core that is no more, or silent for long. They are let go together.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, Query},
};

use super::Visits;
use crate::{
    Millis, Mutation, Result, TenantId, VisitState, bulk,
    entity::{TenantOwned, node_epoch, visit},
    failure::Failure,
    query::code::Code,
    tx::Tx,
};

/// Visits of one step: some milliseconds of the writer's time.
const TOGETHER: u64 = 256;

/// Who is let go.
#[derive(Clone, Copy)]
enum Whom {
    /// Connected in a life that is over.
    LeftOver,
    /// Not connected, and nothing was recorded since.
    Silent(Millis),
}

impl Visits {
    /// Visits that are connected in a life that is over have been left. Answers some of them; nobody if none is left.
    pub async fn let_go_left_over(&self) -> Result<Vec<(TenantId, i64)>> {
        self.let_go(Whom::LeftOver).await
    }

    /// Visits without a connection in which nothing was recorded since a time have been left. Answers some of them.
    pub async fn let_go_silent(&self, since: Millis) -> Result<Vec<(TenantId, i64)>> {
        self.let_go(Whom::Silent(since)).await
    }

    /// Forgets visits of a tenant that were left before a time, some hundreds at most; false if there was none.
    pub async fn sweep(&self, tenant: TenantId, before: Millis) -> Result<bool> {
        let old = visit::Entity::of(tenant)
            .filter(visit::Column::Present.eq(false))
            .filter(visit::Column::LastSeen.lt(before))
            .select_only()
            .column(visit::Column::Number)
            .limit(TOGETHER);
        let numbers: Vec<i64> = old.into_tuple().all(&self.db.readers).await?;
        let any = !numbers.is_empty();
        if any {
            let forget = Mutation::new(tenant, (tenant, numbers, before), |(tenant, numbers, before), tx| {
                Box::pin(sweep(tx, *tenant, numbers, *before))
            });
            self.db.apply(forget).await?;
        }
        Ok(any)
    }

    async fn let_go(&self, whom: Whom) -> Result<Vec<(TenantId, i64)>> {
        let found: Vec<(i64, i64)> = visit::Entity::find()
            .filter(whom.condition())
            .select_only()
            .columns([visit::Column::Tenant, visit::Column::Number])
            .limit(TOGETHER)
            .into_tuple()
            .all(&self.db.readers)
            .await?;
        let mut of_tenants: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for (tenant, number) in &found {
            of_tenants.entry(*tenant).or_default().push(*number);
        }
        for (tenant, numbers) in of_tenants {
            let tenant = TenantId(tenant);
            let leave = Mutation::new(tenant, (tenant, numbers, whom), |(tenant, numbers, whom), tx| {
                Box::pin(leave(tx, *tenant, numbers, *whom))
            });
            self.db.apply(leave).await?;
        }
        Ok(found.into_iter().map(|(tenant, number)| (TenantId(tenant), number)).collect())
    }
}

impl Whom {
    fn condition(self) -> Condition {
        let of = |connected| {
            Condition::all().add(visit::Column::Present.eq(true)).add(visit::Column::Connected.eq(connected))
        };
        match self {
            Self::LeftOver => {
                let mut living = Query::select();
                living.column(node_epoch::Column::Epoch).from(node_epoch::Entity);
                living.and_where(node_epoch::Column::EndedAt.is_null());
                of(true).add(visit::Column::Epoch.not_in_subquery(living))
            }
            Self::Silent(since) => of(false).add(visit::Column::LastSeen.lt(since)),
        }
    }
}

/// Whoever came back meanwhile stays.
async fn leave(tx: &mut Tx, tenant: TenantId, numbers: &[i64], whom: Whom) -> Result<(), Failure> {
    visit::Entity::update_many()
        .col_expr(visit::Column::State, Expr::value(VisitState::Left.code()))
        .col_expr(visit::Column::Present, Expr::value(false))
        .col_expr(visit::Column::Connected, Expr::value(false))
        .filter(visit::Column::Tenant.eq(tenant.0))
        .filter(visit::Column::Number.is_in(bulk::padded(numbers.to_vec())))
        .filter(whom.condition())
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Their pages and actions go with them.
async fn sweep(tx: &mut Tx, tenant: TenantId, numbers: &[i64], before: Millis) -> Result<(), Failure> {
    visit::Entity::delete_many()
        .filter(visit::Column::Tenant.eq(tenant.0))
        .filter(visit::Column::Number.is_in(bulk::padded(numbers.to_vec())))
        .filter(visit::Column::Present.eq(false))
        .filter(visit::Column::LastSeen.lt(before))
        .exec(tx.db())
        .await?;
    Ok(())
}
