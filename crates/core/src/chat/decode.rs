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
    wish::{Creation, Sending},
};
use crate::{
    Error, Result,
    field::{self, text},
    page::Sizes,
    wire::{millis, signed},
};

/// Rows of a page.
pub const CONVERSATIONS: Sizes = Sizes { default: 50, maximum: limits::PAGE_CONVERSATIONS as u64 };
pub const MESSAGES: Sizes = Sizes { default: 50, maximum: limits::PAGE_MESSAGES as u64 };

pub fn reference(tenant: TenantId, reference: Option<v1::ConversationRef>) -> Result<Reference> {
    match reference.and_then(|reference| reference.name) {
        Some(Name::Id(id)) => {
            Ok(Reference::Named(Named::Id(field::id("conversation.id", &id, ConversationId::parse)?)))
        }
        Some(Name::Key(key)) => {
            check_key("conversation.key", &key)?;
            Ok(Reference::Named(Named::by_key(tenant, key)))
        }
        Some(Name::Number(number)) => Ok(Reference::Number(signed(number))),
        Some(Name::Own(own)) => {
            text("conversation.own.kind", &own.kind, 0, LABEL_CHARS)?;
            Ok(Reference::Own(own.kind))
        }
        None => Err(Error::field("conversation", "must be named")),
    }
}

pub fn creation(request: v1::CreateConversationRequest) -> Result<Creation> {
    request_id(&request.request_id)?;
    text("kind", &request.kind, 0, LABEL_CHARS)?;
    let key = Some(request.key).filter(|key| !key.is_empty());
    if let Some(key) = &key {
        check_key("key", key)?;
    }
    if request.own && key.is_some() {
        return Err(Error::field("key", "must be empty for an own conversation"));
    }
    let owner_id = field::some_id("owner_id", &request.owner_id, UserId::parse)?;
    Ok(Creation { key, kind: request.kind, waiting: request.waiting, owner_id, own: request.own })
}

pub fn sending(tenant: TenantId, request: v1::SendMessageRequest) -> Result<Sending> {
    let conversation = reference(tenant, request.conversation)?;
    check_text(&request.text)?;
    text("guest_name", &request.guest_name, 0, NAME_CHARS)?;
    let request_id = request_id(&request.request_id)?;
    Ok(Sending {
        conversation,
        text: request.text,
        request_id,
        guest_name: request.guest_name,
        leaves_unread: request.leave_unread,
    })
}

/// Checks a text; it is stored verbatim.
pub fn check_text(value: &str) -> Result<()> {
    text("text", value, 0, TEXT_CHARS)?;
    if value.trim().is_empty() {
        return Err(Error::field("text", "is empty"));
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

/// Which conversation to change, and how: what only staff may change, and the clearing that a customer may ask for too.
pub fn change(
    tenant: TenantId,
    request: v1::UpdateConversationRequest,
) -> Result<(Reference, ConversationPatch)> {
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
                let assignee = field::some_id("values.assignee.user_id", assignee, UserId::parse)?;
                patch.assignee_id = Some(assignee);
            }
            "tags" => patch.tags = Some(tags(&values.tags)?),
            "waiting" => patch.waiting = Some(values.waiting),
            "kind" => {
                text("values.kind", &values.kind, 0, LABEL_CHARS)?;
                patch.kind = Some(values.kind.clone());
            }
            _ => return Err(Error::field("update_mask", "names a field that cannot be changed")),
        }
    }
    Ok((conversation, patch))
}

pub fn conversation_filter(request: &v1::ListConversationsRequest) -> Result<ConversationFilter> {
    text("kind", &request.kind, 0, LABEL_CHARS)?;
    text("tag", &request.tag, 0, LABEL_CHARS)?;
    let statuses = request.statuses.iter().map(|value| status("statuses", *value)).collect::<Result<_>>()?;
    Ok(ConversationFilter {
        statuses,
        kind: non_empty(&request.kind),
        owner_id: field::some_id("owner_id", &request.owner_id, UserId::parse)?,
        assignee_id: field::some_id("assignee_id", &request.assignee_id, UserId::parse)?,
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
        text("values.tags", tag, 0, LABEL_CHARS)?;
        if tag.trim().is_empty() {
            return Err(Error::field("values.tags", "has an empty label"));
        }
    }
    Ok(tags.to_vec())
}

fn request_id(id: &str) -> Result<Option<String>> {
    text("request_id", id, 0, REQUEST_ID_CHARS)?;
    Ok(non_empty(id))
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
        let kind = |chars| creation(v1::CreateConversationRequest { kind: at(chars), ..Default::default() });
        assert!(kind(LABEL_CHARS).is_ok());
        assert!(kind(LABEL_CHARS + 1).is_err());
        let name = |chars| {
            let name = Some(Name::Key("k".repeat(16)));
            let conversation = Some(v1::ConversationRef { name });
            let request = v1::SendMessageRequest { conversation, text: "x".into(), ..Default::default() };
            sending(TenantId(1), v1::SendMessageRequest { guest_name: at(chars), ..request })
        };
        assert!(name(NAME_CHARS).is_ok());
        assert!(name(NAME_CHARS + 1).is_err());
        assert!(request_id(&at(REQUEST_ID_CHARS)).is_ok());
        assert!(request_id(&at(REQUEST_ID_CHARS + 1)).is_err());
        assert_eq!(tags(&vec!["a".to_owned(); TAGS]).map(|tags| tags.len()), Ok(TAGS));
        assert!(tags(&vec!["a".to_owned(); TAGS + 1]).is_err());
    }

    #[test]
    fn page_sizes_have_a_default_and_a_maximum() {
        assert_eq!(MESSAGES.of("page_size", 0), Ok(50));
        assert_eq!(MESSAGES.of("page_size", 500), Ok(500));
        assert_eq!(MESSAGES.of("page_size", 501), Ok(500));
        assert!(MESSAGES.of("page_size", -1).is_err());
        assert_eq!(CONVERSATIONS.of("page_size", 1001), Ok(1000));
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
        assert_eq!(change(TenantId(1), request(&[], true)).map(|(_, patch)| patch.clear), Ok(true));
        let (_, emptied) = change(TenantId(1), request(&["assignee", "tags"], false)).unwrap();
        assert_eq!(emptied.assignee_id, Some(None));
        assert_eq!(emptied.tags, Some(Vec::new()));
    }
}
