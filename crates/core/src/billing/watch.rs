//! Watching a wallet: what is in it, then what is in it after each change.
//!
//! A watch begins with the newest event of the wallet, which says all that is in it. A reader that falls behind is given
//! the newest again: what it holds is late at most, never wrong.

use std::sync::Arc;

use futures::{Stream, stream};
use parlor_api::v1::{self, event::Payload};
use parlor_store::{Subject, Wallet, ledger::Balances};
use tonic::Status;

use super::{Billing, convert, subject::Wallets};
use crate::{
    Result,
    auth::Auth,
    caller::Principal,
    hub::{Hub, Item, Mailbox, Topic, Watch},
    offset::Offsets,
    subject::{Kind as _, envelope},
};

/// What waits for one watcher: some hundred changes; more becomes the newest.
const QUEUE_BYTES: usize = 64 * 1024;

/// What watching needs beside the rules.
#[derive(Clone)]
pub struct Ears {
    pub hub: Hub,
    pub auth: Arc<Auth>,
    pub offsets: Offsets,
}

/// A wallet, for one watcher.
struct Feed {
    billing: Billing,
    offsets: Offsets,
    wallet: Wallet,
    mailbox: Arc<Mailbox<Arc<v1::Event>>>,
    _watch: Watch,
    /// The number of the event that was given last; `None` before the first.
    given: Option<u64>,
}

impl Feed {
    async fn open(billing: Billing, ears: &Ears, wallet: Wallet) -> Result<Self> {
        let mailbox = Arc::new(Mailbox::new(QUEUE_BYTES));
        let topic = Topic::Log(wallet.tenant, wallet.id().into());
        let watch = ears.hub.watch(topic, mailbox.clone(), |_| {}).await?;
        Ok(Self { billing, offsets: ears.offsets.clone(), wallet, mailbox, _watch: watch, given: None })
    }

    /// The next event. Nothing is lost if the future is dropped.
    async fn next(&mut self) -> Result<v1::Event> {
        loop {
            let event = if self.given.is_none() {
                self.newest().await?
            } else {
                match self.mailbox.next().await {
                    Item::Event(_, announced) => Arc::unwrap_or_clone(announced.event),
                    Item::Note(event) => Arc::unwrap_or_clone(event),
                    Item::Lagged { .. } => {
                        // Also if this future is dropped now, the newest is read again.
                        self.given = None;
                        continue;
                    }
                }
            };
            if self.given.is_none_or(|given| event.sequence > given) {
                self.given = Some(event.sequence);
                return Ok(event);
            }
        }
    }

    /// The last event of the wallet; one of an empty wallet if nothing was ever booked on it.
    async fn newest(&self) -> Result<v1::Event> {
        let (log, subject) = (&self.billing.store.log, Subject::from(self.wallet.id()));
        let head = log.subject_head(self.wallet.tenant, subject).await?;
        let last = log.subject_events(self.wallet.tenant, subject, (head - 1).max(0), 1).await?;
        if let Some(stored) = last.first() {
            let mut event = envelope(&self.offsets, stored);
            Wallets.tell(stored, &mut event);
            return Ok(event);
        }
        let wallet = Some(convert::wallet(&self.wallet, Balances::default()));
        let empty = v1::WalletChanged { wallet, transaction_id: String::new() };
        Ok(v1::Event {
            audience: v1::Audience::Participants.into(),
            payload: Some(Payload::WalletChanged(empty)),
            ..v1::Event::default()
        })
    }
}

/// The events of a `WatchWallet` call.
pub(super) async fn watch(
    billing: &Billing,
    ears: &Ears,
    principal: &Arc<Principal>,
    wallet: Wallet,
) -> Result<impl Stream<Item = Result<v1::WatchWalletResponse, Status>> + Send + use<>> {
    let feed = Feed::open(billing.clone(), ears, wallet).await?;
    let ended = ears.hub.ended(&ears.auth, principal);
    Ok(stream::unfold(Some((feed, ended)), async |state| {
        let (mut feed, mut ended) = state?;
        tokio::select! {
            error = &mut ended => Some((Err(error.into()), None)),
            event = feed.next() => match event {
                Ok(event) => {
                    Some((Ok(v1::WatchWalletResponse { event: Some(event) }), Some((feed, ended))))
                }
                Err(error) => Some((Err(error.into()), None)),
            }
        }
    }))
}
