//! Passwords: hashed with Argon2id, off the threads that serve calls, and only so many at once, because each takes 19 MiB
//! and a good part of a core.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock},
};

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

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
    nobodys: Arc<OnceLock<String>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            known_places: Arc::new(Semaphore::new(WAITING_KNOWN)),
            shares: Arc::default(),
            nobodys: Arc::default(),
        }
    }
}

impl Passwords {
    /// The hash to store, with its salt and parameters.
    pub async fn hash(&self, client: Client, password: String) -> Result<String> {
        self.run(client, move || hash(&password)).await?
    }

    /// True if the password has this hash. Without a hash it takes as long and is false, so that nobody learns from the
    /// time who has an account.
    pub async fn verify(&self, client: Client, password: String, stored: Option<String>) -> Result<bool> {
        let nobodys = self.nobodys.clone();
        self.run(client, move || match stored {
            Some(stored) => matches(&password, &stored),
            None => {
                let nobodys = nobodys.get_or_init(|| hash("nobody's password").unwrap_or_default());
                let _ = matches(&password, nobodys);
                false
            }
        })
        .await
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

fn matches(password: &str, stored: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), stored).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Client = Client { network: None, is_known: false };

    #[tokio::test]
    async fn one_network_does_not_fill_the_queue_of_all() {
        let passwords = Passwords::default();
        let turns = passwords.turns.clone().acquire_many_owned(2).await.unwrap();
        let from = |address: &str| Client { network: address.parse().ok(), is_known: false };
        let busy = Err(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS });
        let mut waiting = Vec::new();
        for _ in 0..WAITING_OF_NETWORK {
            waiting.push(Box::pin(passwords.verify(from("192.0.2.1"), String::new(), None)));
            assert!(futures::poll!(waiting.last_mut().unwrap()).is_pending());
        }
        assert_eq!(passwords.verify(from("192.0.2.1"), String::new(), None).await, busy);
        let other = passwords.verify(from("192.0.2.2"), String::new(), None);
        tokio::pin!(other);
        assert!(futures::poll!(&mut other).is_pending());
        // Whoever leaves gives the place back.
        waiting.pop();
        let next = passwords.verify(from("192.0.2.1"), String::new(), None);
        tokio::pin!(next);
        assert!(futures::poll!(&mut next).is_pending());
        // Who is not polled takes no turn.
        drop(waiting);
        drop(turns);
        assert_eq!((other.await, next.await), (Ok(false), Ok(false)));
        assert!(passwords.shares.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_crowd_of_strangers_leaves_room_for_those_who_were_here() {
        let passwords = Passwords::default();
        let turns = passwords.turns.clone().acquire_many_owned(2).await.unwrap();
        let _places = passwords.places.clone().acquire_many_owned(66).await.unwrap();
        let client = |is_known| Client { network: "192.0.2.1".parse().ok(), is_known };
        let refused = passwords.verify(client(false), String::new(), None).await;
        assert_eq!(refused, Err(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS }));
        let known = passwords.verify(client(true), String::new(), None);
        tokio::pin!(known);
        assert!(futures::poll!(&mut known).is_pending());
        drop(turns);
        assert_eq!(known.await, Ok(false));
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::default();
        let hash = passwords.hash(NOBODY, "correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(passwords.verify(NOBODY, "correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(NOBODY, "wrong horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify(NOBODY, "nobody's password".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_told_to_come_later() {
        let passwords = Passwords::default();
        let _all = passwords.turns.clone().acquire_many_owned(2).await.unwrap();
        let _places = passwords.places.clone().acquire_many_owned(65).await.unwrap();
        let waiting = passwords.verify(NOBODY, String::new(), None);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        let refused = passwords.verify(NOBODY, String::new(), None).await;
        assert_eq!(refused, Err(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS }));
    }
}
