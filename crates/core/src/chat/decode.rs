//! From requests of the contract to what the rules take. How long and how many is settled already, by the bounds that the
//! contract gives its fields; here is what else a field must be.

use std::collections::BTreeSet;

use parlor_api::{
    limits,
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
    Error, Result, field,
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
        Some(Name::Own(own)) => Ok(Reference::Own(own.kind)),
        None => Err(Error::field("conversation", "must be named")),
    }
}

pub fn creation(request: v1::CreateConversationRequest) -> Result<Creation> {
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
    let request_id = non_empty(&request.request_id);
    Ok(Sending {
        conversation,
        text: request.text,
        request_id,
        guest_name: request.guest_name,
        leaves_unread: request.leave_unread,
    })
}

/// Checks that a text says something; it is stored verbatim.
pub fn check_text(value: &str) -> Result<()> {
    if value.trim().is_empty() {
        return Err(Error::field("text", "is empty"));
    }
    Ok(())
}

pub fn emoji(emoji: &str) -> Result<()> {
    if emoji.is_empty() {
        return Err(Error::field("emoji", "must have a character"));
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
            "kind" => patch.kind = Some(values.kind.clone()),
            _ => return Err(Error::field("update_mask", "names a field that cannot be changed")),
        }
    }
    Ok((conversation, patch))
}

pub fn conversation_filter(request: &v1::ListConversationsRequest) -> Result<ConversationFilter> {
    // Each number of them is a query of its own, which connections to the database remember.
    let named: BTreeSet<i32> = request.statuses.iter().copied().collect();
    let statuses = named.into_iter().map(|value| status("statuses", value)).collect::<Result<_>>()?;
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
    if tags.iter().any(|tag| tag.trim().is_empty()) {
        return Err(Error::field("values.tags", "has an empty label"));
    }
    Ok(tags.to_vec())
}

fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_something() {
        for good in ["x", " x "] {
            assert_eq!(check_text(good), Ok(()));
        }
        for bad in ["", " \n\t\u{2003}"] {
            assert!(matches!(check_text(bad), Err(Error::Field { field: "text", .. })), "{bad:?}");
        }
    }

    #[test]
    fn an_emoji_holds_nothing_unseen() {
        for good in ["👍", "👩🏽‍👩🏽‍👧🏽‍👦🏽", "+1"] {
            assert_eq!(emoji(good), Ok(()));
        }
        for bad in ["", "a b", "\0", "\u{85}", "👍\n"] {
            assert!(matches!(emoji(bad), Err(Error::Field { field: "emoji", .. })), "{bad:?}");
        }
    }

    #[test]
    fn a_status_that_is_named_again_is_one() {
        let (open, closed) = (v1::ConversationStatus::Open.into(), v1::ConversationStatus::Closed.into());
        let named = |statuses| {
            let request = v1::ListConversationsRequest { statuses, ..Default::default() };
            conversation_filter(&request).map(|filter| filter.statuses.len())
        };
        assert_eq!(named(vec![closed, open, closed]), Ok(2));
        assert_eq!(named(vec![open; 3]), Ok(1));
        assert!(named(vec![open, 0]).is_err());
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
