//! What a connection may hear: now that it asks, and still when it has proved to be somebody else.

use parlor_api::v1::{self, topic::Name};
use parlor_store::{ConversationId, Subject, SubjectKind};
use uuid::Uuid;

use super::{
    connection::{Earlier, Heard, Hearing},
    queue::Handle,
    shared::Shared,
};
use crate::{
    Error, Result,
    caller::Principal,
    chat::access::{Named, check_key},
    field,
    hub::{StateOf, Topic},
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
    let named = |id: &str| field::id("topic", id, ConversationId::parse).map(Named::Id);
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
        Some(Name::Presence(_)) => Topic::State(tenant, StateOf::Presence),
        Some(Name::Visits(_)) if principal.is_staff() => Topic::State(tenant, StateOf::Visits),
        Some(Name::Visits(_)) => return Err(Error::RoleRequired("staff")),
        Some(Name::ConversationId(id)) => {
            Topic::conversation(tenant, shared.chat.may_hear(principal, peer, &named(&id)?).await?)
        }
        Some(Name::ConversationKey(key)) => {
            check_key("topic.conversation_key", &key)?;
            let named = Named::by_key(tenant, key);
            Topic::conversation(tenant, shared.chat.may_hear(principal, peer, &named).await?)
        }
        Some(Name::Typing(id)) => {
            let named = named(&id)?;
            // Whoever hears a conversation, by whatever right, may hear who is typing in it.
            let conversation = Topic::conversation(tenant, named.id());
            if !hears.iter().any(|heard| heard.topic == conversation) {
                shared.chat.may_hear(principal, peer, &named).await?;
            }
            Topic::typing(tenant, named.id())
        }
        Some(Name::Subject(named)) => Topic::Log(tenant, subject(shared, principal, &named).await?),
        Some(Name::Sessions(_)) => {
            let person = principal.user_id().ok_or(Error::RoleRequired("user"))?;
            Topic::State(tenant, StateOf::Sessions(person))
        }
        Some(Name::Own(own)) => {
            Topic::conversation(tenant, shared.chat.own_or_next(principal, &own.kind).await?)
        }
        None => return Err(Error::field("topic", "must be named")),
    };
    let conversation_id = match topic {
        Topic::Feed(_) => only,
        Topic::Log(..) | Topic::State(..) => topic.conversation_id(),
    };
    let conversation_id = conversation_id.map(|id| id.to_string()).unwrap_or_default();
    Ok(Hearing { topic, conversation_id, by_key, interest: shared.hub.open(topic).await? })
}

/// The subject that is named, if the principal may hear it.
async fn subject(shared: &Shared, principal: &Principal, named: &v1::TopicSubject) -> Result<Subject> {
    let kind =
        i16::try_from(named.kind).map_err(|_| Error::field("topic.subject.kind", "must be a known one"))?;
    let id = field::id("topic.subject.id", &named.id, |id| Uuid::try_parse(id).ok())?;
    let subject = Subject { kind: SubjectKind(kind), id };
    shared.subjects.may_hear(principal, subject).await?;
    Ok(subject)
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
    if is_same {
        return Ok(Vec::new());
    }
    let (mut dropped, mut kept, mut typing) = (Vec::new(), Vec::new(), Vec::new());
    for heard in &earlier.heard {
        match heard.topic {
            Topic::Feed(_) | Topic::State(_, StateOf::Visits) if !principal.is_staff() => {
                dropped.push(heard.handle);
            }
            Topic::Feed(_) | Topic::State(_, StateOf::Presence | StateOf::Visits) => {}
            Topic::State(_, StateOf::Sessions(person)) if principal.user_id() == Some(person) => {}
            Topic::State(_, StateOf::Sessions(_)) => dropped.push(heard.handle),
            Topic::State(_, StateOf::Typing(id)) => typing.push((heard.handle, Subject::from(id))),
            Topic::Log(_, subject) => {
                if shared.subjects.may_hear_on(principal, subject, heard.by_key).await? {
                    kept.push(subject);
                } else {
                    dropped.push(heard.handle);
                }
            }
        }
    }
    for (handle, conversation) in typing {
        // Whoever hears a conversation, by whatever right, may hear who is typing in it.
        if !kept.contains(&conversation)
            && !shared.subjects.may_hear_on(principal, conversation, false).await?
        {
            dropped.push(handle);
        }
    }
    Ok(dropped)
}
