//! Passwords: hashed with Argon2id, off the threads that serve calls, and only so many at once, because each takes 19 MiB
//! and a good part of a core. What another server has hashed is checked by its own rule (`stored`) and renewed.

mod kinds;
pub mod stored;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use argon2::{Argon2, PasswordHasher as _};
use parlor_store::{Store, TenantId};
use tokio::sync::Semaphore;

use self::{kinds::Kinds, stored::Kind};
use crate::{Error, Result, locked::lock};

pub const MIN_CHARS: usize = 8;
pub const MAX_CHARS: usize = parlor_api::limits::PASSWORD_CHARS;

/// Half the cores of a small machine stay free for calls.
const AT_ONCE: usize = 2;
/// Waiting for a turn is bounded; whoever comes later is told to try again.
const WAITING: usize = 64;
/// Of these from one network: so many people of an office press Enter in the same tenth of a second.
const WAITING_OF_NETWORK: usize = 8;
/// More places for those who have signed in from where they are: a crowd of strangers does not keep them out.
const WAITING_KNOWN: usize = 16;
const RETRY_AFTER_MS: u64 = 1_000;

/// On whose behalf a password is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// None where nobody tells.
    pub network: Option<IpAddr>,
    /// It is somebody who was here before.
    pub is_known: bool,
}

/// Hashes and checks. Clones share the bound.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    known_places: Arc<Semaphore>,
    shares: Arc<Shares>,
    kinds: Arc<Kinds>,
}

/// What came of a password that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    Wrong,
    /// With a hash of our own to take the place of one that is not.
    Right {
        renewed: Option<String>,
    },
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            known_places: Arc::new(Semaphore::new(WAITING_KNOWN)),
            shares: Arc::default(),
            kinds: Arc::default(),
        }
    }
}

impl Passwords {
    /// The hash to store, with its salt and parameters.
    pub async fn hash(&self, client: Client, password: String) -> Result<String> {
        self.run(client, move || hash(&password)).await?
    }

    /// Whether the password has this hash. One that is wrong takes as long as every other that is wrong in the same tenant,
    /// so that nobody learns from the time who has an account, nor of which kind their hash is: `kinds` are those that
    /// people there have beside our own.
    pub async fn check(
        &self,
        client: Client,
        password: String,
        stored: Option<String>,
        kinds: Vec<Kind>,
    ) -> Result<Checked> {
        self.run(client, move || {
            if let Some(stored) = stored.as_deref().filter(|stored| stored::matches(&password, stored)) {
                let is_own = Kind::of(stored) == Ok(Kind::own());
                let renewed = if is_own { None } else { Some(hash(&password)?) };
                return Ok(Checked::Right { renewed });
            }
            for kind in left(stored.as_deref(), &kinds) {
                kind.spend(&password);
            }
            Ok(Checked::Wrong)
        })
        .await?
    }

    /// True if it is for certain the password that somebody has.
    pub async fn is_same(&self, client: Client, password: String, stored: String) -> Result<bool> {
        self.run(client, move || {
            stored::is_told_by(&password, &stored) && stored::matches(&password, &stored)
        })
        .await
    }

    /// The kinds of hashes that people of a tenant have, beside our own.
    pub async fn kinds(&self, store: &Store, tenant: TenantId) -> Result<Vec<Kind>> {
        self.kinds.of(store, tenant).await
    }

    /// Takes in what another server has hashed, before it is stored; fails if it cannot be.
    pub async fn admit(&self, store: &Store, tenant: TenantId, hash: &str) -> Result<()> {
        let kind = Kind::of(hash).map_err(|problem| Error::field("password_hash", problem))?;
        self.kinds.admit(store, tenant, kind).await
    }

    async fn run<T: Send + 'static>(
        &self,
        client: Client,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let busy = Error::RateLimited { retry_after_ms: RETRY_AFTER_MS };
        let Some(_share) = self.shares.take(client.network) else { return Err(busy) };
        let place = self.places.clone().try_acquire_owned().ok();
        let known = || self.known_places.clone().try_acquire_owned().ok().filter(|_| client.is_known);
        let Some(_place) = place.or_else(known) else { return Err(busy) };
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Error::Internal("the password threads are gone".to_owned()))?;
        let done = tokio::task::spawn_blocking(move || {
            // Kept by the thread: a caller who leaves does not free it.
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| Error::Internal(format!("hashing a password failed: {error}")))
    }
}

/// How many of each network wait or are served. Only those are kept.
#[derive(Debug, Default)]
struct Shares(Mutex<HashMap<IpAddr, usize>>);

/// One of a network's places, until it is dropped.
struct Share<'s> {
    shares: &'s Shares,
    network: Option<IpAddr>,
}

impl Shares {
    fn take(&self, network: Option<IpAddr>) -> Option<Share<'_>> {
        if let Some(network) = network {
            let mut taken = lock(&self.0);
            let of_network = taken.entry(network).or_default();
            if *of_network >= WAITING_OF_NETWORK {
                return None;
            }
            *of_network += 1;
        }
        Some(Share { shares: self, network })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let Some(network) = self.network else { return };
        let mut taken = lock(&self.shares.0);
        if let Some(of_network) = taken.get_mut(&network) {
            *of_network -= 1;
            if *of_network == 0 {
                taken.remove(&network);
            }
        }
    }
}

fn hash(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| Error::Internal(format!("hashing a password failed: {error}")))
}

/// The work that is left once a hash was checked, so that it is the same for every one: one check of each kind, and of our
/// own.
fn left(stored: Option<&str>, kinds: &[Kind]) -> Vec<Kind> {
    let done = stored.and_then(|stored| Kind::of(stored).ok());
    let all = std::iter::once(Kind::own()).chain(kinds.iter().copied());
    all.filter(|kind| Some(*kind) != done).collect()
}

#[cfg(test)]
mod tests {
    use super::{stored::OWN_PREFIX, *};

    const NOBODY: Client = Client { network: None, is_known: false };

    async fn guess(passwords: &Passwords, client: Client) -> Result<Checked> {
        passwords.check(client, String::new(), None, Vec::new()).await
    }

    #[tokio::test]
    async fn one_network_does_not_fill_the_queue_of_all() {
        let passwords = Passwords::default();
        let turns = passwords.turns.clone().acquire_many_owned(2).await.unwrap();
        let from = |address: &str| Client { network: address.parse().ok(), is_known: false };
        let busy = Err(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS });
        let mut waiting = Vec::new();
        for _ in 0..WAITING_OF_NETWORK {
            waiting.push(Box::pin(guess(&passwords, from("192.0.2.1"))));
            assert!(futures::poll!(waiting.last_mut().unwrap()).is_pending());
        }
        assert_eq!(guess(&passwords, from("192.0.2.1")).await, busy);
        let other = guess(&passwords, from("192.0.2.2"));
        tokio::pin!(other);
        assert!(futures::poll!(&mut other).is_pending());
        // Whoever leaves gives the place back.
        waiting.pop();
        let next = guess(&passwords, from("192.0.2.1"));
        tokio::pin!(next);
        assert!(futures::poll!(&mut next).is_pending());
        // Who is not polled takes no turn.
        drop(waiting);
        drop(turns);
        assert_eq!((other.await, next.await), (Ok(Checked::Wrong), Ok(Checked::Wrong)));
        assert!(passwords.shares.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_crowd_of_strangers_leaves_room_for_those_who_were_here() {
        let passwords = Passwords::default();
        let turns = passwords.turns.clone().acquire_many_owned(2).await.unwrap();
        let _places = passwords.places.clone().acquire_many_owned(66).await.unwrap();
        let client = |is_known| Client { network: "192.0.2.1".parse().ok(), is_known };
        let refused = guess(&passwords, client(false)).await;
        assert_eq!(refused, Err(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS }));
        let known = guess(&passwords, client(true));
        tokio::pin!(known);
        assert!(futures::poll!(&mut known).is_pending());
        drop(turns);
        assert_eq!(known.await, Ok(Checked::Wrong));
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::default();
        let hash = passwords.hash(NOBODY, "correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(hash.starts_with(OWN_PREFIX) && Kind::of(&hash) == Ok(Kind::own()), "{hash}");
        let check = async |password: &str, hash: Option<&str>| {
            passwords.check(NOBODY, password.to_owned(), hash.map(str::to_owned), Vec::new()).await.unwrap()
        };
        assert_eq!(check("correct horse", Some(&hash)).await, Checked::Right { renewed: None });
        assert_eq!(check("wrong horse", Some(&hash)).await, Checked::Wrong);
        assert_eq!(check("nobody's password", None).await, Checked::Wrong);
    }

    /// A clock would tell of other things too, so what is counted is the work.
    #[test]
    fn a_sign_in_that_fails_does_the_same_work_whomever_it_names() {
        let bcrypt = "$2b$04$Pb17o3jZEZYq1QcVwm6Ff.g7gRiyfgXBoUMgFda4kwx18WkKSfdYO";
        let kinds = [Kind::Bcrypt { cost: 4 }, Kind::Bcrypt { cost: 10 }];
        let all = |stored: Option<&str>| {
            let checked = stored.map(|stored| Kind::of(stored).unwrap());
            let mut work: Vec<String> =
                left(stored, &kinds).into_iter().chain(checked).map(|kind| format!("{kind:?}")).collect();
            work.sort();
            work
        };
        let own = hash("correct horse").unwrap();
        let nobodys = all(None);
        assert_eq!(nobodys.len(), 3);
        for stored in [bcrypt.to_owned(), bcrypt.replace("$04$", "$10$"), own] {
            assert_eq!(all(Some(&stored)), nobodys, "{stored}");
        }
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_told_to_come_later() {
        let passwords = Passwords::default();
        let _all = passwords.turns.clone().acquire_many_owned(2).await.unwrap();
        let _places = passwords.places.clone().acquire_many_owned(65).await.unwrap();
        let waiting = guess(&passwords, NOBODY);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        let refused = guess(&passwords, NOBODY).await;
        assert_eq!(refused, Err(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS }));
    }
}
