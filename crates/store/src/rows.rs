//! What queries give and take: plain values, no entity and no message of the contract.

mod session;

pub use session::*;

use crate::{Access, ApiKeyId, ConversationId, MessageId, Millis, SeenBy, TenantId, UserId, VisitId};

/// A set of roles, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(pub i32);

impl Roles {
    pub const CUSTOMER: Self = Self(1);
    pub const STAFF: Self = Self(2);
    pub const ADMIN: Self = Self(4);
    pub const PROVIDER: Self = Self(8);

    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if every role of `other` is here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: String,
    pub number: Option<i64>,
    pub display_name: String,
    pub origins: Vec<String>,
    pub created_at: Millis,
}

/// How an outside issuer knows a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
}

/// A user, with the outside identities, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub tenant: TenantId,
    pub id: UserId,
    pub number: i64,
    pub display_name: String,
    pub username: Option<String>,
    pub email: String,
    pub avatar_url: String,
    pub roles: Roles,
    pub identities: Vec<Identity>,
    pub created_at: Millis,
    pub updated_at: Millis,
    /// Nobody gets in as this person.
    pub disabled: bool,
}

/// What an upsert says of a user; `None` leaves a stored value as it is.
#[derive(Clone, Debug, Default)]
pub struct UserUpsert {
    pub id: Option<UserId>,
    pub display_name: Option<String>,
    pub username: Option<String>,
    pub email: Option<String>,
    pub avatar_url: Option<String>,
    pub roles: Option<Roles>,
    pub identities: Vec<Identity>,
    pub password_hash: Option<String>,
    pub disabled: Option<bool>,
    /// What an issuer is to call somebody who is new, unless another is called so.
    pub numbered: Option<Numbered>,
    /// Fail with `AlreadyExists` instead of changing a user who is there.
    pub create_only: bool,
    /// Fail with `NotFound` instead of creating a user who is not there.
    pub change_only: bool,
    /// Who is created was let in by an outside token, issued then: not if that is from before they were erased.
    pub account: Option<OutsideAccount>,
    /// Fail with `AlreadyExists` if another user signs in, by username or e-mail address, with one of these two.
    pub unique_names: bool,
}

/// An outside account, by what stands for it once it is erased, and when the token was issued that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideAccount {
    pub mark: [u8; 32],
    pub issued_at: Millis,
}

/// An issuer's way to call people by their number in the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub issuer: String,
    /// An issuer whose people are not called so either: front-ends know both by the number alone.
    pub beside: String,
    /// Added to the number.
    pub from: i64,
}

impl Numbered {
    /// What the person of a number is called.
    #[must_use]
    pub fn identity(&self, number: i64) -> Identity {
        Identity { issuer: self.issuer.clone(), subject: self.from.saturating_add(number).to_string() }
    }
}

impl UserUpsert {
    /// True if somebody with these roles has less afterwards, or another password: what they were given before ends then.
    #[must_use]
    pub fn takes_rights(&self, roles: Roles, is_disabled: bool) -> bool {
        let lost_role = self.roles.is_some_and(|left| !left.contains(roles));
        lost_role || self.disabled == Some(true) && !is_disabled || self.password_hash.is_some()
    }
}

/// What an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKeyKind {
    Widget,
    Admin,
    Service,
}

/// An API key; of the secret only its SHA-256 is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub display_name: String,
    pub kind: ApiKeyKind,
    /// The tenants it opens; empty with `all_tenants`.
    pub tenants: Vec<TenantId>,
    pub all_tenants: bool,
    pub prefix: String,
    pub created_at: Millis,
    pub revoked_at: Option<Millis>,
    /// The key that made it.
    pub made_by: Option<ApiKeyId>,
}

/// A withdrawal that is still of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// This token.
    Token { tenant: TenantId, token_id: String },
    /// Every token of this user issued at or before the moment.
    User { tenant: TenantId, user: UserId, at: Millis },
}

/// On which side of a conversation somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthorKind {
    Customer,
    Staff,
    System,
}

/// Who did something. `name` is what they were called then; `user` is joined when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub kind: AuthorKind,
    pub user_id: Option<UserId>,
    pub name: String,
    pub user: Option<std::sync::Arc<User>>,
}

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConversationStatus {
    Open,
    Pending,
    Closed,
}

/// As what somebody takes part in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Owner,
    Member,
}

/// A conversation, with the joined people and its newest message.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    pub tenant: TenantId,
    pub id: ConversationId,
    pub number: i64,
    pub key: Option<String>,
    pub kind: String,
    pub seen_by: SeenBy,
    pub status: ConversationStatus,
    pub owner_id: Option<UserId>,
    pub owner: Option<std::sync::Arc<User>>,
    pub assignee_id: Option<UserId>,
    pub assignee: Option<std::sync::Arc<User>>,
    pub tags: Vec<String>,
    /// A customer asked for somebody, and nobody of the staff has written since.
    pub waiting: bool,
    /// A customer wrote, and nobody of the staff has written since.
    pub unanswered: bool,
    /// Customer messages above `staff_read_sequence`.
    pub unread_count: i64,
    pub staff_read_sequence: i64,
    pub staff_read_at: Option<Millis>,
    /// The newest event.
    pub last_sequence: i64,
    /// The newest message; joined where a query says so.
    pub last_message_sequence: i64,
    pub last_message: Option<Box<Message>>,
    pub floor_sequence: i64,
    /// Hidden from the customer up to here.
    pub cleared_sequence: i64,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub customer_active_at: Millis,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: MessageId,
    pub number: i64,
    pub conversation_id: ConversationId,
    pub sequence: i64,
    pub position: i64,
    pub author: Author,
    pub text: String,
    pub created_at: Millis,
    /// Whoever wrote it was erased: there is no text, and of the author only the side.
    pub erased: bool,
}

/// Who does something, when, and from where.
#[derive(Clone, Debug)]
pub struct Cause {
    pub tenant: TenantId,
    pub author: Author,
    pub at: Millis,
    /// The connection it came from; announced, not stored.
    pub origin: String,
}

/// A message to store.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub cause: Cause,
    pub conversation_id: ConversationId,
    /// Who writes, and as what: whether that reaches the conversation is decided where the message is stored.
    pub access: Access,
    /// Whose `request_id` it is; the scope in which repetitions are found. Never empty.
    pub author_key: String,
    /// The caller's name for this message; `None` never merges.
    pub request: Option<Box<MessageRequest>>,
    pub text: String,
    /// A message of staff reads what is before it, unless it leaves that unread.
    pub leaves_unread: bool,
}

/// The request of a message, by which a repetition is known.
#[derive(Clone, Debug)]
pub struct MessageRequest {
    /// The caller's own.
    pub id: String,
    /// Of everything that the request says.
    pub payload_hash: [u8; 32],
}

/// A message that is durable.
#[derive(Clone, Debug)]
pub struct Appended {
    pub message: Message,
    pub conversation: Conversation,
    /// It was stored before, by the same request.
    pub replayed: bool,
}

/// A conversation to create, or to find by its key.
#[derive(Clone, Debug)]
pub struct EnsureConversation {
    pub cause: Cause,
    pub key: Option<String>,
    pub kind: String,
    pub waiting: bool,
    /// Becomes the owner if there is none, and takes part.
    pub owner_id: Option<UserId>,
    /// Who else takes part from the beginning in one that is created, and who sees it besides.
    pub members: Vec<UserId>,
    pub seen_by: SeenBy,
}

/// What a change of a conversation sets; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct ConversationPatch {
    pub status: Option<ConversationStatus>,
    pub assignee_id: Option<Option<UserId>>,
    pub tags: Option<Vec<String>>,
    pub waiting: Option<bool>,
    pub kind: Option<String>,
    /// Hide everything stored so far from the customer.
    pub clear: bool,
}

/// Which conversations to list.
#[derive(Clone, Debug, Default)]
pub struct ConversationFilter {
    pub statuses: Vec<ConversationStatus>,
    pub kind: Option<String>,
    pub owner_id: Option<UserId>,
    pub assignee_id: Option<UserId>,
    pub tag: Option<String>,
    pub unread_only: bool,
    pub active_after: Option<Millis>,
    /// Only what they reach without a key; everything if nobody is named.
    pub access: Option<Access>,
    /// By `updated_at` instead of `customer_active_at`.
    pub order_by_update: bool,
}

/// Which messages to list. Bounds are exclusive below, inclusive above.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    pub after_sequence: i64,
    /// `None` for no bound.
    pub through_sequence: Option<i64>,
    pub author_kind: Option<AuthorKind>,
    pub stored_after: Option<Millis>,
    /// Newest first.
    pub descending: bool,
}

/// What a person chose to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Availability {
    #[default]
    Available,
    Busy,
    Off,
    Away,
}

/// What is remembered of a person's presence over restarts.
#[derive(Clone, Debug, PartialEq)]
pub struct PresenceRow {
    pub tenant: TenantId,
    pub user_id: UserId,
    pub availability: Availability,
    pub last_seen: Option<Millis>,
    /// The nodes whose lease says they are there: (node, epoch, since).
    pub leases: Vec<(String, String, Millis)>,
}

/// Whether a visitor is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VisitState {
    Active,
    Idle,
    Left,
}

/// How a visitor came, and with what. What is empty is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VisitProfile {
    pub landing_page: String,
    pub referrer: String,
    pub device: String,
    pub browser: String,
    pub os: String,
    pub ip_address: String,
    pub country: String,
    pub city: String,
}

/// A visit of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    pub tenant: TenantId,
    pub id: VisitId,
    pub number: i64,
    pub key: String,
    pub visitor_key: String,
    pub person: Option<UserId>,
    pub state: VisitState,
    pub connected: bool,
    pub first_seen: Millis,
    pub last_seen: Millis,
    pub profile: VisitProfile,
    pub current_page: String,
    pub page_count: i64,
    pub action_count: i64,
    pub spent_ms: i64,
}

/// A page that was seen in a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitPage {
    pub number: i64,
    pub page: String,
    pub at: Millis,
    pub spent_ms: i64,
}

/// Something that was done in a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitAction {
    pub number: i64,
    pub action: String,
    pub element: String,
    pub at: Millis,
}
