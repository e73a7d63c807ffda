//! What a connection may hear: now that it asks, and still when it has proved to be somebody else.

use parlor_api::v1::{self, topic::Name};
use parlor_store::ConversationId;

use super::{
    Shared,
    connection::{Earlier, Heard, Hearing},
    queue::Handle,
};
use crate::{
    Error, Result,
    caller::Principal,
    chat::access::{Named, check_key},
    hub::Topic,
};

/// Authorises a connection to hear a topic, and opens it. `hears` are the topics that the connection hears already.
pub(super) async fn subscribe(
    shared: &Shared,
    principal: &Principal,
    peer: &str,
    hears: &[Heard],
    topic: Option<v1::Topic>,
) -> Result<Hearing> {
    let tenant = principal.tenant;
    let named = |id: &str| {
        ConversationId::parse(id)
            .map(Named::Id)
            .ok_or_else(|| Error::field("topic", "must be named by a UUID"))
    };
    let name = topic.and_then(|topic| topic.name);
    let by_key = matches!(name, Some(Name::ConversationKey(_)));
    let mut only = None;
    let topic = match name {
        Some(Name::Feed(v1::TopicFeed { conversation: Some(reference) })) => {
            only = Some(shared.chat.may_hear_named(principal, peer, reference).await?);
            Topic::Feed(tenant)
        }
        Some(Name::Feed(_)) if principal.is_staff() => Topic::Feed(tenant),
        Some(Name::Feed(_)) => return Err(Error::RoleRequired("staff")),
        Some(Name::Presence(_)) => Topic::Presence(tenant),
        Some(Name::ConversationId(id)) => {
            Topic::Conversation(tenant, shared.chat.may_hear(principal, peer, &named(&id)?).await?)
        }
        Some(Name::ConversationKey(key)) => {
            check_key("topic.conversation_key", &key)?;
            let named = Named::by_key(tenant, key);
            Topic::Conversation(tenant, shared.chat.may_hear(principal, peer, &named).await?)
        }
        Some(Name::Typing(id)) => {
            let named = named(&id)?;
            // Who hears a conversation, by whatever right, may hear who is typing in it.
            let conversation = Topic::Conversation(tenant, named.id());
            if !hears.iter().any(|heard| heard.topic == conversation) {
                shared.chat.may_hear(principal, peer, &named).await?;
            }
            Topic::Typing(tenant, named.id())
        }
        Some(Name::Own(own)) => {
            Topic::Conversation(tenant, shared.chat.own_or_next(principal, &own.kind).await?)
        }
        None => return Err(Error::field("topic", "must be named")),
    };
    let conversation_id = match topic {
        Topic::Conversation(_, id) | Topic::Typing(_, id) => id.to_string(),
        Topic::Feed(_) => only.map(|id| id.to_string()).unwrap_or_default(),
        Topic::Presence(_) => String::new(),
    };
    Ok(Hearing { topic, conversation_id, by_key, interest: shared.hub.open(topic).await? })
}

/// What a connection heard that its new principal has no right to.
pub(super) async fn without_right(
    shared: &Shared,
    principal: &Principal,
    earlier: &Earlier,
) -> Result<Vec<Handle>> {
    let was = &earlier.principal;
    if was.tenant != principal.tenant {
        return Ok(earlier.heard.iter().map(|heard| heard.handle).collect());
    }
    let is_same = was.user_id() == principal.user_id() && was.is_staff() == principal.is_staff();
    if is_same || principal.is_staff() {
        return Ok(Vec::new());
    }
    let (mut dropped, mut kept, mut typing) = (Vec::new(), Vec::new(), Vec::new());
    for heard in &earlier.heard {
        match heard.topic {
            Topic::Feed(_) => dropped.push(heard.handle),
            Topic::Presence(_) => {}
            Topic::Typing(_, id) => typing.push((heard.handle, id)),
            Topic::Conversation(_, id) => {
                if shared.chat.may_hear_on(principal, id, heard.by_key).await? {
                    kept.push(id);
                } else {
                    dropped.push(heard.handle);
                }
            }
        }
    }
    for (handle, id) in typing {
        // Who hears a conversation, by whatever right, may hear who is typing in it.
        if !kept.contains(&id) && !shared.chat.may_hear_on(principal, id, false).await? {
            dropped.push(handle);
        }
    }
    Ok(dropped)
}
