//! Locks of the hub.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What these locks guard is whole after every statement, so a poisoned one is taken as it is.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
