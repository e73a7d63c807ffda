//! Locks without poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the locks of this crate guard is whole after every statement, so a poisoned one is taken as it is.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
