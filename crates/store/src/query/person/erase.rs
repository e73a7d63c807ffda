//! Erasing: begun in one transaction, gone on with in many, ended in one.
//!
//! A [`Walk`] knows how far it has come and is kept nowhere: what is done is not found again, so who begins anew after a crash
//! comes to the same end.

use std::sync::Arc;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Statement, Value, sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    Persons,
    find::{self, Who},
};
use crate::{
    ConversationId, Error, Identity, Millis, Mutation, Result, Revocation, TenantId, UserId, What, bulk,
    entity::{
        TenantOwned, conversation, departed, erasure, event, idempotency, identity, message, participant,
        read_mark, revocation, user,
    },
    failure::Failure,
    mutation::MakeFn,
    query::{
        billing,
        chat::{
            self,
            change::erase::{Erasure, OnMessage, disown, leave_tombstones, take_off, unassign},
        },
        event as order, session, token, visit,
    },
    tx::Tx,
};

/// Rows of one step: some milliseconds of the writer's time, so that whoever writes meanwhile gets a turn.
const STEP_ROWS: u64 = 256;

/// What stands for an outside account, and until when it matters.
pub type MarkOf = Arc<dyn Fn(&Identity) -> ([u8; 32], Millis) + Send + Sync>;

/// Somebody who is to be erased.
#[derive(Clone)]
pub struct Departing {
    pub tenant: TenantId,
    pub user: UserId,
    pub whole_conversations: bool,
    pub at: Millis,
    pub mark_of: MarkOf,
}

/// How far an erasure has come.
#[derive(Debug)]
pub struct Walk {
    erasure: Erasure,
    stage: Stage,
}

/// What is looked for, in this order.
#[derive(Clone, Debug)]
enum Stage {
    /// Messages in conversations that are theirs, behind this sequence of the first one.
    Owned(i64),
    /// Messages anywhere, above a position and up to another.
    Written(i64, i64),
    /// Other events.
    Caused(i64, i64),
    Reactions(Option<OnMessage>),
    ReadMarks(Option<Uuid>),
    Assigned,
    Seats,
    Sessions,
    Visits,
    /// Their own requests.
    Requests,
    /// Recorded answers that name them.
    Answers,
    /// Transactions that name them, above a number.
    Booked(i64),
    /// Nothing is left but who they are.
    Last,
}

impl Walk {
    /// From the beginning.
    #[must_use]
    pub fn new(erasure: Erasure) -> Self {
        Self { erasure, stage: Stage::Owned(0) }
    }
}

impl Mutation<Millis> {
    /// Begins to erase somebody: nobody acts as them from now on, and their names, address, password and identities are
    /// gone. Answers when it began, also for who is being erased already. `NotFound` for who is not there.
    pub fn begin_erasure(departing: Departing) -> Self {
        Self::new(departing.tenant, departing, |departing, tx| Box::pin(begin(tx, departing)))
    }
}

impl Persons {
    /// Goes on with an erasure, by some hundreds of rows at most. True if nothing is left to do but [`Self::end_erasure`].
    pub async fn erase_some(&self, walk: &mut Walk, at: Millis) -> Result<bool> {
        walk.stage = match walk.stage.clone() {
            Stage::Owned(after) => self.erase_owned(walk.erasure, after, at).await?,
            Stage::Written(..) | Stage::Caused(..) => self.erase_said(walk.erasure, &walk.stage, at).await?,
            Stage::Reactions(after) => self.erase_reactions(walk.erasure, after, at).await?,
            stage => self.erase_rest(walk.erasure, stage, at).await?,
        };
        Ok(matches!(walk.stage, Stage::Last))
    }

    /// Removes who they were, when nothing else is left of them.
    pub async fn end_erasure(&self, erasure: Erasure) -> Result<()> {
        self.db.apply(Mutation::new(erasure.tenant, erasure, |erasure, tx| Box::pin(end(tx, erasure)))).await
    }

    /// In the first conversation that is theirs: messages, and when there are none left, that it is theirs.
    async fn erase_owned(&self, erasure: Erasure, after: i64, at: Millis) -> Result<Stage> {
        let db = &self.db.readers;
        let owned = find::conversations(who(erasure), conversation::Column::OwnerId, None, 1);
        let Some(row) = owned.one(db).await? else {
            return Ok(Stage::Written(0, order::head(db, erasure.tenant).await?));
        };
        let rows = chat::messages(erasure.tenant, ConversationId(row.id))
            .filter(message::Column::Sequence.gt(after))
            .filter(erasure.goes())
            .order_by_asc(message::Column::Sequence)
            .limit(STEP_ROWS)
            .all(db)
            .await?;
        if let Some(last) = rows.last() {
            let reached = last.sequence;
            self.bury(erasure, &rows, at).await?;
            return Ok(Stage::Owned(reached));
        }
        // What was recorded of it before it was theirs does not name them.
        if self.blank_answers(erasure, &row.id.to_string(), at).await? {
            return Ok(Stage::Owned(after));
        }
        let conversation = (erasure, row.id, after, at);
        let disowns = Mutation::new(erasure.tenant, conversation, |(erasure, id, after, at), tx| {
            Box::pin(disown(tx, erasure, *id, *after, *at))
        });
        let is_done = self.db.apply(disowns).await?;
        Ok(Stage::Owned(if is_done { 0 } else { after }))
    }

    /// A piece of the tenant's order.
    async fn erase_said(&self, erasure: Erasure, stage: &Stage, at: Millis) -> Result<Stage> {
        let (db, who) = (&self.db.readers, who(erasure));
        match *stage {
            Stage::Written(after, until) => {
                let found = find::written(db, who, (after, until), STEP_ROWS).await?;
                self.bury(erasure, &found.rows, at).await?;
                Ok(found.next.map_or(Stage::Caused(0, until), |next| Stage::Written(next, until)))
            }
            Stage::Caused(after, until) => {
                let found = find::caused(db, who, (after, until), STEP_ROWS).await?;
                self.change(erasure, found.rows, at, |(_, rows, _), tx| Box::pin(silence(tx, rows))).await?;
                Ok(found.next.map_or(Stage::Reactions(None), |next| Stage::Caused(next, until)))
            }
            _ => Err(Error::Defect("a stage without an order".to_owned())),
        }
    }

    async fn erase_reactions(&self, erasure: Erasure, after: Option<OnMessage>, at: Millis) -> Result<Stage> {
        let rows = find::reactions(&self.db.readers, who(erasure), after.as_ref(), STEP_ROWS).await?;
        let found: Vec<OnMessage> =
            rows.into_iter().map(|row| (row.conversation_id, row.sequence, row.emoji)).collect();
        let last = found.last().cloned();
        self.change(erasure, found, at, |(erasure, found, at), tx| {
            Box::pin(async move { take_off(tx, erasure, &find::principal(erasure.user), found, *at).await })
        })
        .await?;
        Ok(last.map_or(Stage::ReadMarks(None), |last| Stage::Reactions(Some(last))))
    }

    /// What is few, and found at once.
    async fn erase_rest(&self, erasure: Erasure, stage: Stage, at: Millis) -> Result<Stage> {
        let (db, who) = (&self.db.readers, who(erasure));
        match stage {
            Stage::ReadMarks(after) => {
                let rows = find::read_marks(db, who, after, STEP_ROWS).await?;
                let last = rows.last().map(|row| row.conversation_id);
                self.change(erasure, rows, at, |(_, rows, _), tx| Box::pin(forget_marks(tx, rows))).await?;
                Ok(last.map_or(Stage::Assigned, |last| Stage::ReadMarks(Some(last))))
            }
            Stage::Assigned => {
                let assigned = find::conversations(who, conversation::Column::AssigneeId, None, STEP_ROWS);
                let ids = assigned.all(db).await?.into_iter().map(|row| row.id).collect();
                let some = self
                    .change(erasure, ids, at, |(erasure, ids, at), tx| {
                        Box::pin(unassign(tx, erasure, ids, *at))
                    })
                    .await?;
                Ok(if some { Stage::Assigned } else { Stage::Seats })
            }
            Stage::Seats => {
                let rows = find::seats(who, None, STEP_ROWS).all(db).await?;
                let some =
                    self.change(erasure, rows, at, |(_, rows, _), tx| Box::pin(unseat(tx, rows))).await?;
                Ok(if some { Stage::Seats } else { Stage::Sessions })
            }
            Stage::Sessions => {
                let rows = session::of_person(erasure.tenant, erasure.user, STEP_ROWS).all(db).await?;
                let some = self
                    .change(erasure, rows, at, |(erasure, rows, at), tx| {
                        Box::pin(session::forget(tx, erasure.user, rows, *at))
                    })
                    .await?;
                Ok(if some { Stage::Sessions } else { Stage::Visits })
            }
            Stage::Visits => {
                let rows = visit::visits_of(db, who, 0, STEP_ROWS).await?;
                let some = self
                    .change(erasure, rows, at, |(erasure, rows, _), tx| {
                        Box::pin(visit::forget(tx, erasure.tenant, rows))
                    })
                    .await?;
                Ok(if some { Stage::Visits } else { Stage::Requests })
            }
            Stage::Requests => {
                let rows = find::requests(who, STEP_ROWS).all(db).await?;
                let some = self
                    .change(erasure, rows, at, |(_, rows, _), tx| Box::pin(forget_requests(tx, rows)))
                    .await?;
                Ok(if some { Stage::Requests } else { Stage::Answers })
            }
            Stage::Answers => {
                let some = self.blank_answers(erasure, &erasure.user.to_string(), at).await?;
                Ok(if some { Stage::Answers } else { Stage::Booked(0) })
            }
            Stage::Booked(after) => {
                let found = billing::naming(db, who, after, STEP_ROWS).await?;
                let last = found.last().copied();
                self.change(erasure, found, at, |(erasure, found, _), tx| {
                    Box::pin(async move { billing::forget(tx, (erasure.tenant, erasure.user), found).await })
                })
                .await?;
                Ok(last.map_or(Stage::Last, Stage::Booked))
            }
            other => Ok(other),
        }
    }

    async fn bury(&self, erasure: Erasure, rows: &[message::Model], at: Millis) -> Result<()> {
        self.change(erasure, find::places(rows), at, |(erasure, places, at), tx| {
            Box::pin(leave_tombstones(tx, erasure, places, *at))
        })
        .await?;
        Ok(())
    }

    /// Makes recorded answers say nothing that hold a word; false if there were none. That something was answered stays, so
    /// that a repetition changes nothing.
    async fn blank_answers(&self, erasure: Erasure, word: &str, at: Millis) -> Result<bool> {
        let found = find::answers_with(&self.db.readers, erasure.tenant, word, STEP_ROWS).await?;
        self.change(erasure, found, at, |(_, found, _), tx| Box::pin(blank(tx, found))).await
    }

    /// Does something to what was found; false if nothing was.
    async fn change<R: Send + Sync + 'static>(
        &self,
        erasure: Erasure,
        found: Vec<R>,
        at: Millis,
        make: MakeFn<(Erasure, Vec<R>, Millis), ()>,
    ) -> Result<bool> {
        if found.is_empty() {
            return Ok(false);
        }
        self.db.apply(Mutation::new(erasure.tenant, (erasure, found, at), make)).await?;
        Ok(true)
    }
}

fn who(erasure: Erasure) -> Who {
    (erasure.tenant, erasure.user)
}

async fn begin(tx: &mut Tx, departing: &Departing) -> Result<Millis, Failure> {
    let Departing { tenant, user: id, whole_conversations, at, mark_of } = departing;
    let row = user::Entity::of(*tenant).filter(user::Column::Id.eq(id.0)).one(tx.db()).await?;
    let row = row.ok_or(Error::NotFound(What::User))?;
    let begun = erasure::Entity::of(*tenant).filter(erasure::Column::UserId.eq(id.0)).one(tx.db()).await?;
    if let Some(begun) = begun {
        let begun_at = begun.begun_at;
        if *whole_conversations && !begun.whole_conversations {
            let more = erasure::ActiveModel { whole_conversations: Set(true), ..begun.into() };
            erasure::Entity::update(more).exec(tx.db()).await?;
        }
        return Ok(begun_at);
    }
    let withdrawn = Revocation::User { tenant: *tenant, user: *id, at: *at };
    token::revoke(tx, &withdrawn, at.saturating_add(token::WITHDRAWAL_KEPT_MS), *at).await?;
    take_accounts(tx, (*tenant, *id), *at, mark_of).await?;
    let nobody = user::Model {
        display_name: String::new(),
        username: None,
        email: String::new(),
        avatar_url: String::new(),
        password_hash: None,
        disabled: true,
        updated_at: (*at).max(row.updated_at + 1),
        ..row
    };
    tx.counters(*tenant)?.people_revision += 1;
    user::Entity::update(nobody.into_active_model().reset_all()).exec(tx.db()).await?;
    let begun = erasure::Model {
        tenant: tenant.0,
        user_id: id.0,
        begun_at: *at,
        whole_conversations: *whole_conversations,
    };
    erasure::Entity::insert(begun.into_active_model()).exec_without_returning(tx.db()).await?;
    Ok(*at)
}

/// Takes their outside accounts from them, and remembers what stands for each for as long as a token may be good.
async fn take_accounts(tx: &Tx, (tenant, id): Who, at: Millis, mark_of: &MarkOf) -> Result<(), Failure> {
    use departed::Column;
    departed::Entity::delete_many().filter(Column::KeepUntil.lte(at)).exec(tx.db()).await?;
    let own = identity::Entity::of(tenant).filter(identity::Column::UserId.eq(id.0));
    for account in own.all(tx.db()).await? {
        let (mark, keep_until) = mark_of(&Identity { issuer: account.issuer, subject: account.subject });
        let row = departed::Model { tenant: tenant.0, mark: mark.to_vec(), at, keep_until };
        let again = OnConflict::columns([Column::Tenant, Column::Mark])
            .update_columns([Column::At, Column::KeepUntil])
            .to_owned();
        departed::Entity::insert(row.into_active_model())
            .on_conflict(again)
            .exec_without_returning(tx.db())
            .await?;
    }
    identity::Entity::delete_many()
        .filter(identity::Column::Tenant.eq(tenant.0))
        .filter(identity::Column::UserId.eq(id.0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Events keep their numbers. Of what was put on a message, not even the emoji is told any more.
async fn silence(tx: &mut Tx, rows: &[event::Model]) -> Result<(), Failure> {
    use event::Column;
    let keys: Vec<[Value; 4]> = rows
        .iter()
        .map(|row| [row.tenant.into(), row.subject_kind.into(), row.subject_id.into(), row.sequence.into()])
        .collect();
    let columns = [Column::Tenant, Column::SubjectKind, Column::SubjectId, Column::Sequence];
    let none = blob(tx, "5B5D");
    let reacted = "subject_kind = 1 AND kind = 4";
    let nobodys = format!(
        "author_id = NULL, author_name = '', body = CASE WHEN {reacted} THEN {none} ELSE body END, \
         kind = CASE WHEN {reacted} THEN 2 ELSE kind END"
    );
    bulk::set::<event::Entity, 4>(tx.db(), &nobodys, columns, &keys).await
}

async fn forget_marks(tx: &mut Tx, rows: &[read_mark::Model]) -> Result<(), Failure> {
    use read_mark::Column;
    let keys = rows
        .iter()
        .map(|row| [row.tenant.into(), row.conversation_id.into(), row.reader.clone().into()])
        .collect();
    let columns = [Column::Tenant, Column::ConversationId, Column::Reader];
    bulk::delete::<read_mark::Entity, 3>(tx.db(), columns, keys).await
}

async fn unseat(tx: &mut Tx, rows: &[participant::Model]) -> Result<(), Failure> {
    use participant::Column;
    let keys = rows
        .iter()
        .map(|row| [row.tenant.into(), row.conversation_id.into(), row.person_id.into()])
        .collect();
    let columns = [Column::Tenant, Column::ConversationId, Column::PersonId];
    bulk::delete::<participant::Entity, 3>(tx.db(), columns, keys).await
}

const REQUEST: [idempotency::Column; 4] = [
    idempotency::Column::Tenant,
    idempotency::Column::Principal,
    idempotency::Column::Method,
    idempotency::Column::RequestId,
];

async fn forget_requests(tx: &mut Tx, rows: &[idempotency::Model]) -> Result<(), Failure> {
    let keys = rows
        .iter()
        .map(|row| {
            let [principal, method, request] =
                [&row.principal, &row.method, &row.request_id].map(|text| Value::from(text.clone()));
            [row.tenant.into(), principal, method, request]
        })
        .collect();
    bulk::delete::<idempotency::Entity, 4>(tx.db(), REQUEST, keys).await
}

async fn blank(tx: &mut Tx, keys: &[[Value; 4]]) -> Result<(), Failure> {
    let nothing = format!("response = {}", blob(tx, ""));
    bulk::set::<idempotency::Entity, 4>(tx.db(), &nothing, REQUEST, keys).await
}

/// Bytes in SQL.
fn blob(tx: &Tx, hex: &str) -> String {
    match tx.db().get_database_backend() {
        DbBackend::Sqlite => format!("X'{hex}'"),
        _ => format!(r"'\x{hex}'::bytea"),
    }
}

async fn end(tx: &mut Tx, erasure: &Erasure) -> Result<(), Failure> {
    let Erasure { tenant, user: id, .. } = *erasure;
    let row = user::Entity::of(tenant).filter(user::Column::Id.eq(id.0)).one(tx.db()).await?;
    let Some(row) = row else { return Ok(()) };
    revocation::Entity::delete_many()
        .filter(revocation::Column::Tenant.eq(tenant.0))
        .filter(revocation::Column::Kind.eq(token::USER))
        .filter(revocation::Column::Subject.eq(id.to_string()))
        .exec(tx.db())
        .await?;
    let imported = "DELETE FROM external_id WHERE tenant = $1 AND kind = 'user' AND number = $2";
    let (backend, values) = (tx.db().get_database_backend(), [tenant.0.into(), row.number.into()]);
    tx.db().execute_raw(Statement::from_sql_and_values(backend, imported, values)).await?;
    billing::disown(tx, (tenant, id)).await?;
    tx.counters(tenant)?.people_revision += 1;
    // Presence and the erasure go with it. What else still named them would keep it, and be found by the next walk.
    user::Entity::delete_many()
        .filter(user::Column::Tenant.eq(tenant.0))
        .filter(user::Column::Id.eq(id.0))
        .exec(tx.db())
        .await?;
    Ok(())
}
