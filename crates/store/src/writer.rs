//! The group-commit writer: the one task of a store that changes anything.
//!
//! It takes all that is queued, without waiting for more, into one transaction. First every tenant concerned is locked
//! through its counter row, in order. Then changes run one after the other, each under a savepoint, so that one that is
//! refused fails alone. Then messages are appended together, one statement for each table. So a message finds the
//! conversation that was created in the same batch. After the commit, and before anybody is answered, `on_commit` hears the
//! events in the order of their positions.
//!
//! - Whether a message repeats one that is stored is not looked at first; if the unique key says so, the batch goes around
//!   again, and they are read.
//! - A change that refuses before it writes needs no savepoint. If it, or a message, fails in the database after all, the
//!   batch goes around again, with each piece under a savepoint of its own.
//! - A lost race (deadlock, serialization) sends the batch around again.
//! - A panic is a defect of its batch, and of no other.
//! - Anything else, and a commit whose outcome is unknown, is `Unavailable` for all of the batch. The connection is given
//!   up, and the next batch opens a new one; so a database that comes back is found without a restart.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Appended, Error, Mutation, NewMessage, Result, StoredEvent, TenantId,
    connect::Target,
    connection::Connection,
    failure::Failure,
    query::{
        chat::{
            append::{self, Learnt, Repeats},
            recent::Recent,
        },
        idempotency,
    },
    tx::{Change, NotBegun, Tx},
};

/// Work that may wait; then callers wait before they are queued. Some batches' worth, so that the writer never idles.
const QUEUE_MAX: usize = 2_048;
/// Changes in one transaction: beyond it the time per message hardly falls, and the first waits for the last.
const BATCH_MAX: usize = 256;
/// How often a batch is sent around again.
const ATTEMPTS_MAX: u32 = 6;
/// A transaction that takes longer is given up: the database hangs, and its outcome is unknown.
const BATCH_TIMEOUT: Duration = Duration::from_secs(15);
/// How long to wait for a connection that is given up.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Expired answers are removed about so often.
const PURGE_EVERY_MS: i64 = 10 * 60 * 1_000;

/// Called by the writer in commit order, after each commit and before its acknowledgements. Must not block.
pub type OnCommit = Box<dyn Fn(Vec<Arc<StoredEvent>>) + Send + Sync>;

/// The way to the writer task.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Work>,
    closing: CancellationToken,
    task: TaskTracker,
}

enum Work {
    Append(NewMessage, oneshot::Sender<Result<Appended>>),
    Change(Box<dyn Operation>),
}

/// A queued change of any type.
trait Operation: Send {
    fn tenant(&self) -> TenantId;
    /// It refuses before it has written anything.
    fn refuses_first(&self) -> bool;
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), Failure>>;
    /// Answers with what `run` made last, or with why it did not.
    fn settle(self: Box<Self>, refused: Option<Error>);
}

struct Pending<T> {
    tenant: TenantId,
    refuses_first: bool,
    change: Box<dyn Change<T>>,
    made: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send> Operation for Pending<T> {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn refuses_first(&self) -> bool {
        self.refuses_first
    }

    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), Failure>> {
        Box::pin(async move {
            self.made = Some(self.change.make(tx).await?);
            Ok(())
        })
    }

    fn settle(self: Box<Self>, refused: Option<Error>) {
        let answer = match (refused, self.made) {
            (Some(error), _) => Err(error),
            (None, Some(made)) => Ok(made),
            (None, None) => Err(Error::Defect("a change was committed without being made".to_owned())),
        };
        // Nobody listens any more when the caller has been cancelled; the change stays.
        let _ = self.reply.send(answer);
    }
}

impl Writer {
    pub(crate) async fn start(target: Target, on_commit: OnCommit) -> Result<Self> {
        let connection = target.writer().await?;
        let (queue, work) = mpsc::channel(QUEUE_MAX);
        let (closing, task) = (CancellationToken::new(), TaskTracker::new());
        let hand = Hand {
            target,
            connection: Some(Arc::new(connection)),
            on_commit,
            purge_from: i64::MIN,
            recent: Recent::default(),
        };
        task.spawn(hand.work_off(work, closing.clone()));
        task.close();
        Ok(Self { queue, closing, task })
    }

    /// Queues a message; what it gives answers when the message is durable.
    pub(crate) async fn append(
        &self,
        message: NewMessage,
    ) -> Result<impl Future<Output = Result<Appended>> + use<>> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work::Append(message, reply)).await?;
        Ok(async { answer.await.unwrap_or_else(|_| Err(gone())) })
    }

    pub(crate) async fn change<T: Send + 'static>(&self, mutation: Mutation<T>) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let Mutation { tenant, change, refuses_first } = mutation;
        let pending = Pending { tenant, refuses_first, change, made: None, reply };
        self.enqueue(Work::Change(Box::new(pending))).await?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn enqueue(&self, work: Work) -> Result<()> {
        self.queue.send(work).await.map_err(|_| gone())
    }

    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.task.wait().await;
    }
}

fn gone() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}

/// What the task owns.
struct Hand {
    target: Target,
    connection: Option<Arc<Connection>>,
    on_commit: OnCommit,
    purge_from: i64,
    recent: Recent,
}

/// What goes into one transaction, with the answers as they come to be known.
#[derive(Default)]
struct Batch {
    changes: Vec<(Box<dyn Operation>, Option<Error>)>,
    messages: Vec<NewMessage>,
    replies: Vec<oneshot::Sender<Result<Appended>>>,
    appended: Vec<Result<Appended>>,
    learnt: Learnt,
}

/// How the pieces of a batch are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pieces {
    /// Together, and no message is thought to repeat one that is stored.
    Trusting,
    /// Together, as far as they can be.
    Together,
    /// Each under a savepoint of its own: what becomes of them is not known until each has been tried.
    OneByOne,
}

impl Batch {
    fn of(work: impl Iterator<Item = Work>) -> Self {
        let mut batch = Self::default();
        for piece in work {
            match piece {
                Work::Append(message, reply) => {
                    batch.messages.push(message);
                    batch.replies.push(reply);
                }
                Work::Change(operation) => batch.changes.push((operation, None)),
            }
        }
        batch
    }

    fn tenants(&self) -> BTreeSet<TenantId> {
        let of_changes = self.changes.iter().map(|(operation, _)| operation.tenant());
        of_changes.chain(self.messages.iter().map(|message| message.cause.tenant)).collect()
    }

    async fn run(&mut self, tx: &mut Tx, recent: &Recent, pieces: Pieces) -> Result<(), Failure> {
        for (operation, refused) in &mut self.changes {
            if pieces != Pieces::OneByOne && operation.refuses_first() {
                *refused = match operation.run(tx).await {
                    Ok(()) => None,
                    // It was the database that refused, and something may have been written.
                    Err(Failure::Refused(Error::Defect(why))) => return Err(Error::Defect(why).into()),
                    Err(Failure::Refused(error)) => Some(error),
                    Err(grave) => return Err(grave),
                };
                continue;
            }
            let mark = tx.mark().await?;
            let made = match operation.run(tx).await {
                Ok(()) => tx.write().await,
                Err(failure) => Err(failure),
            };
            *refused = match made {
                Ok(()) => tx.keep(mark).await.map(|()| None)?,
                Err(Failure::Refused(error)) => tx.take_back(mark).await.map(|()| Some(error))?,
                Err(grave) => return Err(grave),
            };
        }
        let repeats = match pieces {
            Pieces::Trusting => Repeats::LeftToTheKey,
            Pieces::Together => Repeats::LookedFor,
            // This is rare.
            Pieces::OneByOne => {
                self.appended = append_one_by_one(tx, recent, &self.messages).await?;
                self.learnt = Learnt::default();
                return Ok(());
            }
        };
        let done = append::append(tx, recent, &self.messages, repeats).await?;
        (self.appended, self.learnt) = (done.answers, done.learnt);
        Ok(())
    }

    fn settle(self) {
        for (operation, refused) in self.changes {
            operation.settle(refused);
        }
        for (reply, answer) in self.replies.into_iter().zip(self.appended) {
            let _ = reply.send(answer);
        }
    }

    fn fail(self, error: &Error) {
        for (operation, _) in self.changes {
            operation.settle(Some(error.clone()));
        }
        for reply in self.replies {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

async fn append_one_by_one(
    tx: &mut Tx,
    recent: &Recent,
    messages: &[NewMessage],
) -> Result<Vec<Result<Appended>>, Failure> {
    let mut answers = Vec::with_capacity(messages.len());
    for message in messages {
        let mark = tx.mark().await?;
        let appended =
            match append::append(tx, recent, std::slice::from_ref(message), Repeats::LookedFor).await {
                Ok(done) => tx.write().await.map(|()| done),
                Err(failure) => Err(failure),
            };
        match appended {
            Ok(done) => {
                tx.keep(mark).await?;
                answers.extend(done.answers);
            }
            Err(Failure::Refused(error)) => {
                tx.take_back(mark).await?;
                answers.push(Err(error));
            }
            Err(grave) => return Err(grave),
        }
    }
    Ok(answers)
}

impl Hand {
    async fn work_off(mut self, mut work: mpsc::Receiver<Work>, closing: CancellationToken) {
        let mut taken = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled(), if !work.is_closed() => work.close(),
                count = work.recv_many(&mut taken, BATCH_MAX) => {
                    if count == 0 {
                        break;
                    }
                    metrics::gauge!(crate::metric::QUEUE_DEPTH).set(as_f64(work.len()));
                    metrics::histogram!(crate::metric::BATCH_SIZE).record(as_f64(count));
                    self.carry_out(Batch::of(taken.drain(..))).await;
                    // Those who were just answered are ready to run: what they ask next belongs into the next batch.
                    tokio::task::yield_now().await;
                }
            }
        }
        self.give_up_connection().await;
    }

    async fn carry_out(&mut self, mut batch: Batch) {
        let began = Instant::now();
        let outcome = self.commit(&mut batch).await;
        metrics::histogram!(crate::metric::COMMIT_SECONDS).record(began.elapsed().as_secs_f64());
        match outcome {
            Ok(()) => batch.settle(),
            Err(error) => {
                metrics::counter!(crate::metric::BATCHES_FAILED).increment(1);
                tracing::warn!(%error, "a batch was not stored");
                batch.fail(&error);
            }
        }
    }

    /// Brings the batch into the database, and tells of it.
    async fn commit(&mut self, batch: &mut Batch) -> Result<()> {
        let mut pieces = Pieces::Trusting;
        let mut reason = String::new();
        for _ in 0..ATTEMPTS_MAX {
            let attempt = timeout(BATCH_TIMEOUT, self.attempt(batch, pieces));
            let Ok(attempt) = AssertUnwindSafe(attempt).catch_unwind().await else {
                // What was being done is unknown; the transaction ends with its connection.
                self.give_up_connection().await;
                return Err(Error::Defect("a change panicked".to_owned()));
            };
            match attempt.unwrap_or_else(|_| Err(Failure::Lost("it took too long".to_owned()))) {
                Ok(()) => return Ok(()),
                Err(Failure::Refused(error)) if pieces == Pieces::OneByOne => return Err(error),
                Err(Failure::Refused(_)) if pieces == Pieces::Trusting => pieces = Pieces::Together,
                Err(Failure::Refused(_)) => pieces = Pieces::OneByOne,
                Err(Failure::Conflict(why)) => reason = why,
                Err(Failure::Lost(why)) => {
                    self.give_up_connection().await;
                    return Err(Error::Unavailable(why));
                }
            }
        }
        Err(Error::Unavailable(reason))
    }

    async fn attempt(&mut self, batch: &mut Batch, pieces: Pieces) -> Result<(), Failure> {
        let mut tx = self.begin(batch.tenants()).await?;
        let purged = match self.carry_out_in(&mut tx, batch, pieces).await {
            Ok(purged) => purged,
            Err(failure) => return Err(tx.roll_back().await.err().unwrap_or(failure)),
        };
        let events = tx.commit().await?;
        let Learnt { conversations, people } = std::mem::take(&mut batch.learnt);
        conversations.into_iter().for_each(|(tenant, left)| self.recent.conversations.keep(tenant, left));
        people.into_iter().for_each(|(tenant, left)| self.recent.people.keep(tenant, left));
        if let Some((at, more)) = purged {
            self.purge_from = if more { at } else { at.saturating_add(PURGE_EVERY_MS) };
        }
        // It is stored, whatever becomes of the telling; who hears too little finds it by comparing heads.
        if !events.is_empty() && catch_unwind(AssertUnwindSafe(|| (self.on_commit)(events))).is_err() {
            tracing::error!("telling of a commit panicked");
        }
        Ok(())
    }

    /// What the batch does; and if expired answers were removed, when that was, and whether there are more.
    async fn carry_out_in(
        &self,
        tx: &mut Tx,
        batch: &mut Batch,
        pieces: Pieces,
    ) -> Result<Option<(i64, bool)>, Failure> {
        batch.run(tx, &self.recent, pieces).await?;
        match tx.purges_at().filter(|at| *at >= self.purge_from) {
            Some(at) => Ok(Some((at, idempotency::purge(tx.db(), at).await?))),
            None => Ok(None),
        }
    }

    /// Begins a transaction; on a new connection if the one at hand has died meanwhile, since nothing is lost by that.
    async fn begin(&mut self, tenants: BTreeSet<TenantId>) -> Result<Tx, Failure> {
        if let Some(connection) = &self.connection {
            match Tx::begin(connection, tenants.iter().copied()).await {
                Ok(tx) => return Ok(tx),
                Err(NotBegun::TakenBack(failure)) => return Err(failure),
                Err(NotBegun::Nothing(_)) => self.give_up_connection().await,
            }
        }
        let connection = self.connection.insert(Arc::new(self.target.writer().await?));
        Tx::begin(connection, tenants).await.map_err(|not_begun| match not_begun {
            NotBegun::Nothing(failure) => failure.of_transaction(),
            NotBegun::TakenBack(failure) => failure,
        })
    }

    async fn give_up_connection(&mut self) {
        // Whatever was done on it is over, so nobody else has it.
        let Some(connection) = self.connection.take().and_then(Arc::into_inner) else { return };
        match timeout(CLOSE_TIMEOUT, connection.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the writing connection did not close well"),
            Err(_) => tracing::warn!("the writing connection did not close in time"),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of a bounded queue")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
