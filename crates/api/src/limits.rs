//! How long and how many: the bounds of the contract that others follow from, and what follows from them.
//!
//! A text's length decides how large a frame, a body, a batch and a page may be. So it stands here once, and whoever makes
//! it longer is told by the compiler what else must grow.

/// Characters (Unicode scalar values) of a message.
pub const TEXT_CHARS: usize = 4_000;

/// Characters of a request id: it is indexed.
pub const REQUEST_ID_CHARS: usize = 128;

/// Characters of what somebody is called.
pub const NAME_CHARS: usize = 200;

/// Characters of a tenant's slug: the longest DNS label, so that it can be one.
pub const SLUG_CHARS: usize = 63;

/// Characters of an e-mail address: the longest of RFC 5321.
pub const EMAIL_CHARS: usize = 320;

/// Characters of a picture's address: what every browser takes.
pub const URL_CHARS: usize = 2_000;

/// Characters of a password. The hash takes more, but nobody types more.
pub const PASSWORD_CHARS: usize = 200;

/// Characters of what another server has stored of a password: an Argon2 string with the longest salt and hash has less.
pub const PASSWORD_HASH_CHARS: usize = 256;

/// Bytes of a token, or of another proof: headers that carry them are no longer.
pub const CREDENTIAL_BYTES: usize = 16 * 1024;

/// Characters of an id in any of the forms of a UUID: 36, and nine for "urn:uuid:".
pub const ID_CHARS: usize = 45;

/// Characters of a page token: ours have fewer.
pub const PAGE_TOKEN_CHARS: usize = 512;

/// Characters of an offset. Ours have 22; one of another server is none of ours, and no mistake.
pub const OFFSET_CHARS: usize = 128;

/// Characters of what an API key's secret is recognised by.
pub const SECRET_PREFIX_CHARS: usize = 12;

/// Paths of a field mask: more than any message here has fields that can be changed.
pub const MASK_PATHS: usize = 32;

/// Characters of each of them.
pub const MASK_PATH_CHARS: usize = 64;

/// Characters of a visit's key, and of what a front-end calls a visitor: they are indexed.
pub const VISIT_KEY_CHARS: usize = 128;

/// Characters of the address of a page in a visit: what every browser takes.
pub const PAGE_CHARS: usize = 2_000;

/// Characters of a short word about a visitor: a device, a system, a country.
pub const VISIT_WORD_CHARS: usize = 64;

/// Characters of a user agent, and of what an action was done to: real ones have fewer than 300.
pub const VISIT_DETAIL_CHARS: usize = 500;

/// Characters of what a visitor did: it is a name in the front-end's code.
pub const VISIT_ACTION_CHARS: usize = 128;

/// Roles of a person: there are four.
pub const ROLES: usize = 4;

/// Statuses that a list of conversations can be held to: there are three. Each number of them is a query of its own.
pub const STATUSES: usize = 3;

/// Outside identities of a person. Somebody has a handful; it bounds the row that every message joins.
pub const IDENTITIES: usize = 20;

/// Site origins of a tenant.
pub const ORIGINS: usize = 100;

/// Characters of an origin: a scheme, the longest DNS name and a port.
pub const ORIGIN_CHARS: usize = 270;

/// Tenants of an API key: one for more is a key for all.
pub const KEY_TENANTS: usize = 100;

/// Topics that a connection hears, and so conversations whose missed events are asked for: one socket does not open the
/// whole tenant.
pub const TOPICS: usize = 100;

/// Characters of a conversation's key: it is indexed.
pub const KEY_CHARS: usize = 128;

/// Characters of what a conversation is for, and of each of its labels: they are indexed.
pub const LABEL_CHARS: usize = 64;

/// Labels of a conversation: a row stays small.
pub const TAGS: usize = 50;

/// Characters of an emoji: families of four, with their skins and joiners, have eleven.
pub const EMOJI_CHARS: usize = 16;

/// Bytes of an emoji: it is part of a key.
pub const EMOJI_BYTES: usize = EMOJI_CHARS * CHAR_BYTES;

/// Different emoji on a message: more are a game, and every page carries them.
pub const MESSAGE_EMOJI: usize = 20;

/// Different emoji of one person on a message: some are left for the others.
pub const PERSON_EMOJI: usize = 5;

/// Messages per call. A person says fewer in a breath; a program that has more asks again.
pub const BATCH_MESSAGES: usize = 100;

/// Messages, or events, in a page.
pub const PAGE_MESSAGES: usize = 500;

/// Conversations in a page.
pub const PAGE_CONVERSATIONS: usize = 1_000;

/// Characters of what a session is about, of what is said with its end, and of what stands beside a provider's name: a line.
pub const LINE_CHARS: usize = 200;

/// Characters of what is said before a session, and of what a front-end keeps of a provider: as much as a message says.
pub const INTAKE_CHARS: usize = TEXT_CHARS;

/// States that a list of sessions can be held to: there are six.
pub const SESSION_STATES: usize = 6;

/// Kinds of sessions that a provider can offer: all but invitations.
pub const OFFERED_KINDS: usize = 3;

/// Sessions, or providers, in a page.
pub const PAGE_SESSIONS: usize = 500;

/// Milliseconds that a request for a session may wait, at least and at most: shorter nobody can answer, and longer nobody
/// remembers.
pub const REQUEST_LIFETIME_MS: std::ops::RangeInclusive<i64> = 5_000..=86_400_000;

/// Minor units that a minute may cost. A day of it fits any counter.
pub const RATE_PER_MINUTE: i64 = 1_000_000_000;

/// Milliseconds that somebody may stay online after their last connection: more would show people who are gone.
pub const LINGER_MS: u64 = 60_000;

/// Characters of why something was booked: a line of a statement.
pub const NOTE_CHARS: usize = 200;

/// Kinds of transactions that a list of entries can be held to: there are seven.
pub const TRANSACTION_KINDS: usize = 7;

/// The highest rate of a minute, and the highest minimum and bonus: what is far above any price, and far below what a wallet
/// can hold.
pub const RATE_MAX: i64 = 1_000_000_000;

/// Bytes of a frame, of a Socket.IO event and of a REST body that a front-end sends: the longest text as JSON may write
/// it, with room for the names around it.
pub const FRAME_BYTES: usize = 64 * 1024;

/// Bytes of a call's request: the fullest batch is the largest thing there is.
pub const REQUEST_BYTES: usize = 2 * 1024 * 1024;

/// Bytes of a call's answer and of a link's message: the fullest page is the largest thing there is.
pub const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// UTF-8 takes four bytes for a character, at most.
const CHAR_BYTES: usize = 4;

/// JSON may write a character as two escaped surrogates of six bytes each.
const JSON_CHAR_BYTES: usize = 12;

/// Bytes of a person: ids and the roles beside the name, the e-mail address and the picture's address.
const PERSON_BYTES: usize = CHAR_BYTES * (2 * NAME_CHARS + EMAIL_CHARS + URL_CHARS) + 512;

/// Bytes of a message to be stored: its text, how it names its conversation and itself, and what its guest is called.
const SENDING_BYTES: usize = CHAR_BYTES * (TEXT_CHARS + REQUEST_ID_CHARS + KEY_CHARS + NAME_CHARS) + 256;

/// Bytes of a stored message: what was sent, who its author is by name, and what is put on it.
const MESSAGE_BYTES: usize =
    SENDING_BYTES + CHAR_BYTES * NAME_CHARS + MESSAGE_EMOJI * (EMOJI_BYTES + 16) + 512;

/// Bytes of a conversation: its labels, its people and its newest message.
const CONVERSATION_BYTES: usize =
    CHAR_BYTES * (LABEL_CHARS * (TAGS + 1) + KEY_CHARS) + 2 * PERSON_BYTES + MESSAGE_BYTES + 512;

/// Bytes of a session, or of a provider: its texts and its people.
const SESSION_BYTES: usize =
    CHAR_BYTES * (INTAKE_CHARS + 2 * LINE_CHARS + KEY_CHARS) + 2 * PERSON_BYTES + 512;

const _: () = {
    assert!(PAGE_SESSIONS * SESSION_BYTES <= ANSWER_BYTES, "a list of sessions fits an answer");
    assert!(JSON_CHAR_BYTES * TEXT_CHARS + 4 * 1024 <= FRAME_BYTES, "the longest text fits a frame");
    assert!(BATCH_MESSAGES * SENDING_BYTES <= REQUEST_BYTES, "the fullest batch fits a request");
    assert!(FRAME_BYTES <= REQUEST_BYTES, "what a frame holds fits a request");
    assert!(PAGE_MESSAGES * MESSAGE_BYTES + CONVERSATION_BYTES <= ANSWER_BYTES, "a history fits an answer");
    assert!(
        PAGE_CONVERSATIONS * CONVERSATION_BYTES <= ANSWER_BYTES,
        "a list of conversations fits an answer"
    );
    assert!(
        PAGE_MESSAGES * (MESSAGE_BYTES + CONVERSATION_BYTES) <= ANSWER_BYTES,
        "a tail, each event with its conversation, fits an answer",
    );
};
