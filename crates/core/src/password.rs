//! Passwords: hashed with Argon2id, off the threads that serve calls, and only so many at once, because each takes 19 MiB
//! and a good part of a core.

use std::sync::{Arc, OnceLock};

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::{Error, Result};

pub const MIN_CHARS: usize = 8;
pub const MAX_CHARS: usize = parlor_api::limits::PASSWORD_CHARS;

/// Half the cores of a small machine stay free for calls.
const AT_ONCE: usize = 2;
/// Waiting for a turn is bounded; whoever comes later is told to try again.
const WAITING: usize = 64;
const RETRY_AFTER_MS: u64 = 1_000;

/// Hashes and checks. Clones share the bound.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    nobodys: Arc<OnceLock<String>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            nobodys: Arc::default(),
        }
    }
}

impl Passwords {
    /// The hash to store, with its salt and parameters.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || hash(&password)).await?
    }

    /// True if the password has this hash. Without a hash it takes as long and is false, so that nobody learns from the
    /// time who has an account.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool> {
        let nobodys = self.nobodys.clone();
        self.run(move || match stored {
            Some(stored) => matches(&password, &stored),
            None => {
                let nobodys = nobodys.get_or_init(|| hash("nobody's password").unwrap_or_default());
                let _ = matches(&password, nobodys);
                false
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = |_| Error::RateLimited { retry_after_ms: RETRY_AFTER_MS };
        let _place = self.places.clone().try_acquire_owned().map_err(busy)?;
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

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("nobody's password".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_told_to_come_later() {
        let passwords = Passwords::default();
        let _all = passwords.turns.clone().acquire_many_owned(2).await.unwrap();
        let _places = passwords.places.clone().acquire_many_owned(65).await.unwrap();
        let waiting = passwords.verify(String::new(), None);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        let refused = passwords.verify(String::new(), None).await;
        assert_eq!(refused, Err(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS }));
    }
}
