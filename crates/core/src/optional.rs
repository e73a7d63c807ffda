//! Waiting for what may not be there.

/// Completes with what is there; never where there is nothing.
pub async fn some<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
