//! Typed ids, so that no call can mix them up.

use uuid::Uuid;

/// A tenant, as every key begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub i64);

impl TenantId {
    /// No tenant: what belongs to the whole installation takes its turns and its request ids here.
    pub const INSTALLATION: Self = Self(0);
}

macro_rules! uuid_id {
    ($(#[$doc:meta] $name:ident),* $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, later than those made before it.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Reads the usual text form; `None` if it is not one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

uuid_id! {
    /// A user.
    UserId,
    /// A conversation.
    ConversationId,
    /// A message.
    MessageId,
    /// An API key.
    ApiKeyId,
    /// A session.
    SessionId,
    /// An account of the ledger.
    AccountId,
    /// A transaction of the ledger.
    TransactionId,
    /// A person's accounts of one unit.
    WalletId,
    /// A visit.
    VisitId,
}

/// Names the conversations that have a key; with the tenant it makes their ids.
const KEYED: Uuid = Uuid::from_u128(0x5d0c_52be_8a3c_4d1a_9a6e_7061_726c_6f72);

impl ConversationId {
    /// The id of the conversation with a key, known before the conversation exists: whoever subscribes early hears the
    /// first message, and two creators make one conversation.
    #[must_use]
    pub fn keyed(tenant: TenantId, key: &str) -> Self {
        Self(Uuid::new_v5(&KEYED, format!("{}/{key}", tenant.0).as_bytes()))
    }

    /// The id of an owner's own conversation of a kind, known before it exists from the one before it. No key has a '/', so
    /// it is no keyed one's.
    #[must_use]
    pub fn own(tenant: TenantId, owner: UserId, kind: &str, before: Option<Self>) -> Self {
        let before = before.map(|before| before.to_string()).unwrap_or_default();
        Self(Uuid::new_v5(&KEYED, format!("{}/own/{owner}/{before}/{kind}", tenant.0).as_bytes()))
    }
}

/// Names what is in the ledger.
const LEDGER: Uuid = Uuid::from_u128(0x1c5e_9d07_42b6_4f0e_8f5d_7061_726c_6f72);

impl WalletId {
    /// The id of somebody's wallet, known before anything is booked on it.
    #[must_use]
    pub fn of(tenant: TenantId, owner: UserId, unit: &str) -> Self {
        Self(Uuid::new_v5(&LEDGER, format!("{}/wallet/{owner}/{unit}", tenant.0).as_bytes()))
    }
}

impl TransactionId {
    /// The id of the transaction of a key.
    #[must_use]
    pub fn of(tenant: TenantId, key: &str) -> Self {
        Self(Uuid::new_v5(&LEDGER, format!("{}/transaction/{key}", tenant.0).as_bytes()))
    }
}

impl AccountId {
    /// The id of an account of a wallet, or of the tenant's own; `kind` is how it is stored.
    pub(crate) fn of(tenant: TenantId, wallet: Option<WalletId>, kind: i16, unit: &str) -> Self {
        let wallet = wallet.map(|wallet| wallet.to_string()).unwrap_or_default();
        Self(Uuid::new_v5(&LEDGER, format!("{}/account/{wallet}/{kind}/{unit}", tenant.0).as_bytes()))
    }
}

/// Milliseconds since 1970 in UTC, from the caller's clock.
pub type Millis = i64;
