//! Who calls: what `stack.rs` has proven, and what the rules ask about it.

use std::sync::Arc;

use parlor_store::{ApiKeyId, Author, AuthorKind, Cause, Roles, TenantId, User, UserId};

use crate::{Error, Result, clock::Clock};

/// A proven caller in one tenant.
#[derive(Clone, Debug)]
pub struct Principal {
    pub tenant: TenantId,
    pub tenant_slug: Arc<str>,
    pub actor: Actor,
    /// What the credential and our own records both grant.
    pub roles: Roles,
    /// Where the proof came from; what a withdrawal names.
    pub proof: Proof,
    /// When the rights end, in milliseconds since 1970, leeway included; `None` if they do not.
    pub rights_until: Option<i64>,
}

/// What kind of caller it is.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Somebody without an account, let in by a mount or a widget key.
    Guest,
    /// A person.
    User(Arc<User>),
    /// A program with an API key.
    Key(ApiKeyId),
    /// Whoever runs this installation.
    Operator,
}

/// Where a proof came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proof {
    /// The issuer's name; empty for guests, keys and operators.
    pub issuer: String,
    /// What the issuer calls the person; the id of the key, for what came from an API key.
    pub subject: String,
    /// What withdrawals may call it by: the token's own names, then those of what it was made from. None for guests and
    /// keys.
    pub names: Vec<String>,
    /// When it was issued, in milliseconds since 1970; 0 if it does not say.
    pub issued_at: i64,
    /// The API key that made it, at whatever remove.
    pub made_with: Option<ApiKeyId>,
    /// The roles are those of our records, or fewer: one that is taken away there is gone here.
    pub held: bool,
}

/// One call: the principal and the circumstances. `stack.rs` puts it into the request's extensions.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// `None` for a call without any credential.
    pub principal: Option<Arc<Principal>>,
    /// A gateway made the call.
    pub edge: bool,
    /// The connection it was made for; empty if none.
    pub connection: String,
    /// The client's address, for limits; empty if unknown.
    pub peer: String,
    /// Names the call in logs.
    pub request_id: Arc<str>,
    /// The tenant the mount or the client named; a wish until a credential confirms it.
    pub tenant_wish: Option<String>,
    /// The issuers the mount accepts; empty for all.
    pub issuers: Vec<String>,
    /// The mount lets people make accounts.
    pub signup: bool,
}

impl Caller {
    /// The caller of a request that came through the stack.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self> {
        let found = request.extensions().get::<Self>().cloned();
        found.ok_or_else(|| Error::Internal("a call came around the stack".to_owned()))
    }

    /// The proven principal, in its tenant.
    pub fn principal(&self) -> Result<&Arc<Principal>> {
        let principal = self.anywhere()?;
        if principal.tenant == Principal::NO_TENANT {
            return Err(Error::field("parlor-tenant", "must name a tenant: the credential opens several"));
        }
        Ok(principal)
    }

    /// The proven principal, even where a key that opens several tenants has named none.
    pub fn anywhere(&self) -> Result<&Arc<Principal>> {
        self.principal.as_ref().ok_or(Error::CredentialMissing)
    }

    /// The principal, if it runs this installation. No tenant needs to be named.
    pub fn operator(&self) -> Result<&Arc<Principal>> {
        let principal = self.anywhere()?;
        if matches!(principal.actor, Actor::Operator) {
            Ok(principal)
        } else {
            Err(Error::RoleRequired("operator"))
        }
    }

    /// The principal, if it is staff of its tenant.
    pub fn staff(&self) -> Result<&Arc<Principal>> {
        let principal = self.principal()?;
        if principal.is_staff() { Ok(principal) } else { Err(Error::RoleRequired("staff")) }
    }

    /// The principal, if it administers its tenant.
    pub fn admin(&self) -> Result<&Arc<Principal>> {
        let principal = self.principal()?;
        if principal.is_admin() { Ok(principal) } else { Err(Error::RoleRequired("admin")) }
    }

    /// What the principal does now, and from where.
    pub fn cause(&self, clock: &Clock) -> Result<Cause> {
        let principal = self.principal()?;
        let (tenant, author) = (principal.tenant, principal.author(""));
        Ok(Cause { tenant, author, at: clock.now(), origin: self.connection.clone() })
    }

    /// Fails unless a gateway made the call.
    pub fn require_edge(&self) -> Result<()> {
        if self.edge { Ok(()) } else { Err(Error::EdgeKeyRequired) }
    }
}

impl Principal {
    /// The tenant of a caller that has named none. No row has it.
    pub const NO_TENANT: TenantId = TenantId(0);

    /// Reads and answers every conversation of the tenant.
    #[must_use]
    pub fn is_staff(&self) -> bool {
        self.is_admin() || self.roles.contains(Roles::STAFF)
    }

    /// Manages the tenant.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        matches!(self.actor, Actor::Operator) || self.roles.contains(Roles::ADMIN)
    }

    /// The person, if it is one.
    #[must_use]
    pub fn user(&self) -> Option<&Arc<User>> {
        match &self.actor {
            Actor::User(user) => Some(user),
            Actor::Guest | Actor::Key(_) | Actor::Operator => None,
        }
    }

    /// The person's id, if it is one.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        self.user().map(|user| user.id)
    }

    /// The scope of its request ids. Guests of a tenant share one, so their conversation must be part of the key.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.actor {
            Actor::Guest => "guest".to_owned(),
            Actor::User(user) => format!("user:{}", user.id),
            Actor::Key(id) => format!("key:{id}"),
            Actor::Operator => "operator".to_owned(),
        }
    }

    /// The author of what this principal writes.
    #[must_use]
    pub fn author(&self, guest_name: &str) -> Author {
        let kind = if self.is_staff() { AuthorKind::Staff } else { AuthorKind::Customer };
        let user = self.user().cloned();
        let name = match &user {
            Some(user) if user.display_name.is_empty() => user.username.clone().unwrap_or_default(),
            Some(user) => user.display_name.clone(),
            None => guest_name.to_owned(),
        };
        Author { kind, user_id: self.user_id(), name, user }
    }
}
