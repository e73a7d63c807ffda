//! From requests of the contract to what the rules take: every bound of the contract is held here, by name.

use parlor_api::{
    limits::{self, EMOJI_BYTES, EMOJI_CHARS, LABEL_CHARS, NAME_CHARS, REQUEST_ID_CHARS, TAGS, TEXT_CHARS},
    v1::{self, conversation_ref::Name},
};
use parlor_store::{
    AuthorKind, ConversationFilter, ConversationId, ConversationPatch, ConversationStatus, MessageFilter,
    TenantId, UserId,
};

use super::{
    access::{Named, Reference, check_key},
    wish::{Change, Creation, Sending},
};
use crate::{
    Error, Result,
    wire::{millis, signed},
};

/// Rows of a page that asks for no number of them.
const CONVERSATIONS_DEFAULT: u64 = 50;
const MESSAGES_DEFAULT: u64 = 50;

pub fn reference(tenant: TenantId, reference: Option<v1::ConversationRef>) -> Result<Reference> {
    match reference.and_then(|reference| reference.name) {
        Some(Name::Id(id)) => Ok(Reference::Named(Named::Id(conversation_id("conversation.id", &id)?))),
        Some(Name::Key(key)) => {
            check_key("conversation.key", &key)?;
            Ok(Reference::Named(Named::by_key(tenant, key)))
        }
        Some(Name::Number(number)) => Ok(Reference::Number(signed(number))),
        Some(Name::Own(own)) => {
            check_kind("conversation.own.kind", &own.kind)?;
            Ok(Reference::Own(own.kind))
        }
        None => Err(Error::field("conversation", "must be named")),
    }
}

pub fn conversation_id(field: &'static str, id: &str) -> Result<ConversationId> {
    ConversationId::parse(id).ok_or_else(|| Error::field(field, "must be a UUID"))
}

pub fn creation(request: v1::CreateConversationRequest) -> Result<Creation> {
    request_id(&request.request_id)?;
    bounded("kind", &request.kind, LABEL_CHARS)?;
    let key = Some(request.key).filter(|key| !key.is_empty());
    if let Some(key) = &key {
        check_key("key", key)?;
    }
    if request.own && key.is_some() {
        return Err(Error::field("key", "must be empty for an own conversation"));
    }
    let owner_id = user_id("owner_id", &request.owner_id)?;
    Ok(Creation { key, kind: request.kind, waiting: request.waiting, owner_id, own: request.own })
}

pub fn sending(tenant: TenantId, request: v1::SendMessageRequest) -> Result<Sending> {
    let conversation = reference(tenant, request.conversation)?;
    check_text(&request.text)?;
    bounded("guest_name", &request.guest_name, NAME_CHARS)?;
    let request_id = request_id(&request.request_id)?;
    Ok(Sending {
        conversation,
        text: request.text,
        request_id,
        guest_name: request.guest_name,
        leaves_unread: request.leave_unread,
    })
}

/// Checks what a conversation is for.
pub fn check_kind(field: &'static str, kind: &str) -> Result<()> {
    bounded(field, kind, LABEL_CHARS)
}

/// Checks a text; it is stored verbatim.
pub fn check_text(text: &str) -> Result<()> {
    if text.chars().count() > TEXT_CHARS {
        return Err(Error::field("text", format!("has more than {TEXT_CHARS} characters")));
    }
    if text.trim().is_empty() {
        return Err(Error::field("text", "is empty"));
    }
    if text.contains('\0') {
        return Err(Error::field("text", "contains U+0000"));
    }
    Ok(())
}

pub fn emoji(emoji: &str) -> Result<()> {
    if emoji.is_empty() || emoji.len() > EMOJI_BYTES || emoji.chars().count() > EMOJI_CHARS {
        return Err(Error::field("emoji", format!("must have 1 to {EMOJI_CHARS} characters")));
    }
    if emoji.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(Error::field("emoji", "contains white space or control characters"));
    }
    Ok(())
}

pub fn change(tenant: TenantId, request: v1::UpdateConversationRequest) -> Result<Change> {
    request_id(&request.request_id)?;
    let conversation = reference(tenant, request.conversation)?;
    let values = request.values.unwrap_or_default();
    let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    let mut patch = ConversationPatch { clear: request.clear_history, ..Default::default() };
    if paths.is_empty() && !patch.clear {
        return Err(Error::field("update_mask", "names nothing to change"));
    }
    for path in &paths {
        match path.as_str() {
            "status" => patch.status = Some(status("values.status", values.status)?),
            "assignee" | "assignee.user_id" => {
                let assignee = values.assignee.as_ref().map_or("", |person| person.user_id.as_str());
                patch.assignee_id = Some(user_id("values.assignee.user_id", assignee)?);
            }
            "tags" => patch.tags = Some(tags(&values.tags)?),
            "waiting" => patch.waiting = Some(values.waiting),
            "kind" => {
                bounded("values.kind", &values.kind, LABEL_CHARS)?;
                patch.kind = Some(values.kind.clone());
            }
            _ => return Err(Error::field("update_mask", "names a field that cannot be changed")),
        }
    }
    Ok(Change { conversation, patch })
}

pub fn conversation_filter(request: &v1::ListConversationsRequest) -> Result<ConversationFilter> {
    bounded("kind", &request.kind, LABEL_CHARS)?;
    bounded("tag", &request.tag, LABEL_CHARS)?;
    let statuses = request.statuses.iter().map(|value| status("statuses", *value)).collect::<Result<_>>()?;
    Ok(ConversationFilter {
        statuses,
        kind: non_empty(&request.kind),
        owner_id: user_id("owner_id", &request.owner_id)?,
        assignee_id: user_id("assignee_id", &request.assignee_id)?,
        tag: non_empty(&request.tag),
        unread_only: request.unread_only,
        active_after: request.active_after.as_ref().map(millis),
        access: None,
        order_by_update: request.order_by_update,
    })
}

pub fn message_filter(request: &v1::ListMessagesRequest) -> Result<MessageFilter> {
    let author_kind = match v1::AuthorKind::try_from(request.author_kind) {
        Ok(v1::AuthorKind::Unspecified) => None,
        Ok(v1::AuthorKind::Customer) => Some(AuthorKind::Customer),
        Ok(v1::AuthorKind::Staff) => Some(AuthorKind::Staff),
        Ok(v1::AuthorKind::System) => Some(AuthorKind::System),
        Err(_) => return Err(Error::field("author_kind", "is not a kind of author")),
    };
    Ok(MessageFilter {
        after_sequence: request.after_sequence.map_or(0, signed),
        through_sequence: Some(request.through_sequence).filter(|bound| *bound > 0).map(signed),
        author_kind,
        stored_after: request.stored_after.as_ref().map(millis),
        descending: request.newest_first || request.after_sequence.is_none(),
    })
}

pub fn conversations_limit(page_size: i32) -> Result<u64> {
    limit(page_size, CONVERSATIONS_DEFAULT, limits::PAGE_CONVERSATIONS as u64)
}

pub fn messages_limit(page_size: i32) -> Result<u64> {
    limit(page_size, MESSAGES_DEFAULT, limits::PAGE_MESSAGES as u64)
}

fn limit(page_size: i32, default: u64, maximum: u64) -> Result<u64> {
    match u64::try_from(page_size) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(maximum)),
        Err(_) => Err(Error::field("page_size", "is negative")),
    }
}

fn status(field: &'static str, value: i32) -> Result<ConversationStatus> {
    match v1::ConversationStatus::try_from(value) {
        Ok(v1::ConversationStatus::Open) => Ok(ConversationStatus::Open),
        Ok(v1::ConversationStatus::Pending) => Ok(ConversationStatus::Pending),
        Ok(v1::ConversationStatus::Closed) => Ok(ConversationStatus::Closed),
        Ok(v1::ConversationStatus::Unspecified) | Err(_) => Err(Error::field(field, "is not a status")),
    }
}

fn tags(tags: &[String]) -> Result<Vec<String>> {
    if tags.len() > TAGS {
        return Err(Error::field("values.tags", format!("has more than {TAGS} labels")));
    }
    for tag in tags {
        bounded("values.tags", tag, LABEL_CHARS)?;
        if tag.trim().is_empty() {
            return Err(Error::field("values.tags", "has an empty label"));
        }
    }
    Ok(tags.to_vec())
}

fn user_id(field: &'static str, id: &str) -> Result<Option<UserId>> {
    if id.is_empty() {
        return Ok(None);
    }
    UserId::parse(id).map(Some).ok_or_else(|| Error::field(field, "must be a UUID"))
}

fn request_id(id: &str) -> Result<Option<String>> {
    bounded("request_id", id, REQUEST_ID_CHARS)?;
    Ok(non_empty(id))
}

fn bounded(field: &'static str, text: &str, maximum: usize) -> Result<()> {
    if text.chars().count() > maximum {
        return Err(Error::field(field, format!("has more than {maximum} characters")));
    }
    if text.contains('\0') {
        return Err(Error::field(field, "contains U+0000"));
    }
    Ok(())
}

fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_in_characters_up_to_the_limit() {
        for good in ["x".to_owned(), " x ".to_owned(), "é".repeat(TEXT_CHARS), "👋".repeat(TEXT_CHARS)] {
            assert_eq!(check_text(&good), Ok(()));
        }
        let over = "é".repeat(TEXT_CHARS + 1);
        for bad in ["", " \n\t\u{2003}", "a\0b", over.as_str()] {
            assert!(matches!(check_text(bad), Err(Error::Field { field: "text", .. })), "{bad:?}");
        }
    }

    #[test]
    fn an_emoji_is_bounded_and_holds_nothing_unseen() {
        for good in ["👍", "👩🏽‍👩🏽‍👧🏽‍👦🏽", "+1", &"👍".repeat(EMOJI_CHARS)] {
            assert_eq!(emoji(good), Ok(()));
        }
        for bad in ["", "a b", "\0", "\u{85}", "👍\n", &"👍".repeat(EMOJI_CHARS + 1)] {
            assert!(matches!(emoji(bad), Err(Error::Field { field: "emoji", .. })), "{bad:?}");
        }
    }

    #[test]
    fn names_and_ids_are_bounded_at_the_limit_and_one_over() {
        let at = |maximum: usize| "é".repeat(maximum);
        for (field, maximum) in
            [("kind", LABEL_CHARS), ("guest_name", NAME_CHARS), ("request_id", REQUEST_ID_CHARS)]
        {
            assert_eq!(bounded(field, &at(maximum), maximum), Ok(()));
            assert!(bounded(field, &at(maximum + 1), maximum).is_err());
        }
        assert_eq!(tags(&vec!["a".to_owned(); TAGS]).map(|tags| tags.len()), Ok(TAGS));
        assert!(tags(&vec!["a".to_owned(); TAGS + 1]).is_err());
    }

    #[test]
    fn page_sizes_have_a_default_and_a_maximum() {
        assert_eq!(messages_limit(0), Ok(50));
        assert_eq!(messages_limit(500), Ok(500));
        assert_eq!(messages_limit(501), Ok(500));
        assert!(messages_limit(-1).is_err());
        assert_eq!(conversations_limit(1001), Ok(1000));
    }

    #[test]
    fn a_change_names_what_it_changes() {
        let request = |paths: &[&str], clear_history| v1::UpdateConversationRequest {
            conversation: Some(v1::ConversationRef { name: Some(Name::Key("k".repeat(16))) }),
            update_mask: Some(prost_types::FieldMask {
                paths: paths.iter().map(|path| (*path).into()).collect(),
            }),
            clear_history,
            ..Default::default()
        };
        assert!(change(TenantId(1), request(&[], false)).is_err());
        assert!(change(TenantId(1), request(&["owner"], true)).is_err());
        assert!(change(TenantId(1), request(&["status"], false)).is_err(), "no status was named");
        assert_eq!(change(TenantId(1), request(&[], true)).map(|change| change.patch.clear), Ok(true));
        let emptied = change(TenantId(1), request(&["assignee", "tags"], false)).unwrap();
        assert_eq!(emptied.patch.assignee_id, Some(None));
        assert_eq!(emptied.patch.tags, Some(Vec::new()));
    }
}
