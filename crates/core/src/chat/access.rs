//! How a conversation is named, and as what somebody asks for it.
//!
//! The rule itself is the store's ([`Access::check`]), since it is also asked where a message is stored.

use parlor_api::limits::KEY_CHARS;
use parlor_store::{Access, ConversationId, TenantId};

use crate::{Error, Result, caller::Principal};

/// Keys are at least so long: shorter ones can be guessed.
pub const MIN_KEY_CHARS: usize = 16;

/// A conversation, as a caller named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Id(ConversationId),
    Key { key: String, id: ConversationId },
}

/// What a caller said of a conversation; which one it is may have to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Named(Named),
    Number(i64),
    /// The caller's own of this kind.
    Own(String),
}

impl Named {
    /// The conversation with a key, which need not exist.
    #[must_use]
    pub fn by_key(tenant: TenantId, key: String) -> Self {
        let id = ConversationId::keyed(tenant, &key);
        Self::Key { key, id }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ConversationId {
        match self {
            Self::Id(id) | Self::Key { id, .. } => *id,
        }
    }

    /// True if the caller knows the key.
    #[must_use]
    pub fn is_by_key(&self) -> bool {
        matches!(self, Self::Key { .. })
    }
}

/// As what a principal asks for a conversation of its own tenant.
pub fn of(principal: &Principal, named: &Named) -> Access {
    Access { person: principal.user_id(), staff: principal.is_staff(), by_key: named.is_by_key() }
}

/// Checks the form of a key.
pub fn check_key(field: &'static str, key: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if !(MIN_KEY_CHARS..=KEY_CHARS).contains(&key.len()) || !key.bytes().all(allowed) {
        let form = format!("must be {MIN_KEY_CHARS} to {KEY_CHARS} of A-Z, a-z, 0-9, '_', '.', ':' and '-'");
        return Err(Error::field(field, form));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parlor_store::{ApiKeyId, Error as Refused, Roles, SeenBy, User, UserId, What};

    use super::*;
    use crate::caller::Actor;

    const TENANT: TenantId = TenantId(1);

    fn principal(actor: Actor, roles: Roles) -> Principal {
        let (tenant_slug, proof) = ("acme".into(), crate::caller::Proof::default());
        Principal { tenant: TENANT, tenant_slug, actor, roles, proof, rights_until: None }
    }

    fn user(id: UserId) -> Actor {
        Actor::User(Arc::new(User {
            tenant: TENANT,
            id,
            number: 1,
            display_name: String::new(),
            username: None,
            email: String::new(),
            avatar_url: String::new(),
            roles: Roles::CUSTOMER,
            identities: Vec::new(),
            created_at: 0,
            updated_at: 0,
            disabled: false,
        }))
    }

    #[test]
    fn the_access_matrix() {
        let (owner, other) = (UserId::new(), UserId::new());
        let by_key = Named::by_key(TENANT, "k".repeat(MIN_KEY_CHARS));
        let by_id = Named::Id(by_key.id());
        let missing = Err(Refused::NotFound(What::Conversation));
        let none = Roles::default();
        // who, owned by key, owned by id, nobody's by key, nobody's by id
        let matrix = [
            ("staff", principal(user(other), Roles::STAFF), [Ok(()), Ok(()), Ok(()), Ok(())]),
            ("admin", principal(user(other), Roles::ADMIN), [Ok(()), Ok(()), Ok(()), Ok(())]),
            ("operator", principal(Actor::Operator, none), [Ok(()), Ok(()), Ok(()), Ok(())]),
            (
                "admin key",
                principal(Actor::Key(ApiKeyId::new()), Roles::ADMIN),
                [Ok(()), Ok(()), Ok(()), Ok(())],
            ),
            ("owner", principal(user(owner), Roles::CUSTOMER), [Ok(()), Ok(()), Ok(()), missing.clone()]),
            (
                "other user",
                principal(user(other), Roles::CUSTOMER),
                [Err(Refused::NotOwner), missing.clone(), Ok(()), missing.clone()],
            ),
            (
                "provider",
                principal(user(other), Roles::PROVIDER),
                [Err(Refused::NotOwner), missing.clone(), Ok(()), missing.clone()],
            ),
            ("guest", principal(Actor::Guest, none), [Ok(()), missing.clone(), Ok(()), missing.clone()]),
            (
                "widget key",
                principal(Actor::Key(ApiKeyId::new()), none),
                [Ok(()), missing.clone(), Ok(()), missing],
            ),
        ];
        for (who, principal, expected) in matrix {
            let cases = [(&by_key, Some(owner)), (&by_id, Some(owner)), (&by_key, None), (&by_id, None)];
            for ((named, owner), expected) in cases.into_iter().zip(expected) {
                let checked = of(&principal, named).check(owner, SeenBy::Staff, false);
                assert_eq!(checked, expected, "{who}, {named:?}, {owner:?}");
            }
        }
    }

    #[test]
    fn keys_are_held_to_their_form_at_the_limits_and_one_over() {
        for good in ["a".repeat(16), "Z".repeat(128), "session_1795:x.y-z".to_owned()] {
            assert_eq!(check_key("conversation.key", &good), Ok(()));
        }
        for bad in ["a".repeat(15), "a".repeat(129), "a b".repeat(8), "é".repeat(16), "a/b".repeat(8)] {
            let refused = check_key("conversation.key", &bad);
            assert!(matches!(refused, Err(Error::Field { field: "conversation.key", .. })), "{bad}");
        }
    }
}
