//! What long-lived streams ask about the rights they were opened with.

use std::sync::Arc;

use crate::{
    Error, Result,
    auth::{Auth, Context, RawCredential},
    caller::Principal,
};

/// Proves credentials, and tells when what they proved is over.
#[async_trait::async_trait]
pub trait Rights: Send + Sync + 'static {
    /// Who a credential proves, in the context of a mount.
    async fn resolve(&self, credential: &RawCredential, context: &Context) -> Result<Arc<Principal>>;

    /// An opaque stand-in for the principal, good on every core of the installation.
    fn seal_handle(&self, principal: &Principal) -> String;

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

    async fn ended(&self, principal: &Principal) -> Error {
        Auth::ended(self, principal).await
    }
}
