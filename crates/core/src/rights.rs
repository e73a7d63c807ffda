//! What long-lived streams ask about the rights they were opened with.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::{
    Error, Result,
    auth::{Auth, Context, RawCredential, revocation::Withdrawal},
    caller::Principal,
};

/// Proves credentials, and tells when what they proved is over.
#[async_trait::async_trait]
pub trait Rights: Send + Sync + 'static {
    /// Who a credential proves, in the context of a mount.
    async fn resolve(&self, credential: &RawCredential, context: &Context) -> Result<Arc<Principal>>;

    /// An opaque stand-in for the principal, good on every core of the installation.
    fn seal_handle(&self, principal: &Principal) -> String;

    /// Hears of what is withdrawn from now on.
    fn withdrawals(&self) -> broadcast::Receiver<Withdrawal>;

    /// True if the proof of the principal was withdrawn.
    fn is_withdrawn(&self, principal: &Principal) -> bool;

    /// Completes when the rights end: expired at their time, or revoked.
    async fn ended(&self, principal: &Principal) -> Error;
}

#[async_trait::async_trait]
impl Rights for Auth {
    async fn resolve(&self, credential: &RawCredential, context: &Context) -> Result<Arc<Principal>> {
        Auth::resolve(self, credential, context).await
    }

    fn seal_handle(&self, principal: &Principal) -> String {
        Auth::seal_handle(self, principal)
    }

    fn withdrawals(&self) -> broadcast::Receiver<Withdrawal> {
        Auth::withdrawals(self)
    }

    fn is_withdrawn(&self, principal: &Principal) -> bool {
        Auth::is_withdrawn(self, principal)
    }

    async fn ended(&self, principal: &Principal) -> Error {
        Auth::ended(self, principal).await
    }
}
