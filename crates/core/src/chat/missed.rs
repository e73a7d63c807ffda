//! What somebody missed: for who was away, from a place in the tenant's order to now.

use parlor_api::v1;
use parlor_store::{EventBody, Missed, Missing, Pick, SeenBy, StoredEvent};

use super::{
    Chat,
    convert::{self, Viewer},
};
use crate::{
    Error, Result,
    caller::Caller,
    wire::{signed, unsigned},
};

/// How many events one answer brings where the request names no number, and at most.
const EVENTS_MAX: u64 = 500;

/// How many conversations may be named: as many as a connection may hear topics.
const CONVERSATIONS_MAX: usize = 100;

/// Where it begins.
enum Place {
    Position(i64),
    /// Not one of this tenant's.
    Unknown,
}

impl Chat {
    /// The events after a place that the caller may see: staff those of their tenant, a customer those of the conversations
    /// they take part in.
    pub(super) async fn missed(
        &self,
        caller: &Caller,
        request: v1::ListMissedEventsRequest,
    ) -> Result<v1::ListMissedEventsResponse> {
        let request = &request;
        let principal = caller.principal()?;
        let tenant = principal.tenant;
        let missing =
            Missing { after: 0, limit: limit(request.limit)?, messages_only: request.messages_only };
        let picks = self.picks(caller, request).await?;
        let mut reaches = Vec::new();
        let missed = match (self.place(caller, request)?, principal.user_id()) {
            (Place::Position(after), _) if !picks.is_empty() => {
                let (missed, reached) =
                    self.store.chat.missed_in(tenant, &picks, Missing { after, ..missing }).await?;
                reaches = reached;
                missed
            }
            (Place::Position(after), _) if principal.is_staff() => {
                let missed = self.store.chat.missed_in_tenant(tenant, Missing { after, ..missing }).await?;
                Missed { events: missed.events.into_iter().filter(is_for_staff).collect(), ..missed }
            }
            (Place::Position(after), Some(own)) => {
                self.store.chat.missed_by_participant(tenant, own, Missing { after, ..missing }).await?
            }
            // What a guest hears by a key is known to nobody but the guest.
            (Place::Position(_), None) | (Place::Unknown, _) => {
                let through = self.store.log.tenant_head(tenant).await?;
                Missed { events: Vec::new(), complete: false, more: false, through }
            }
        };
        let viewer = Viewer::of(principal);
        let is_cleared = |stored: &StoredEvent| {
            matches!(viewer, Viewer::Customer(_))
                && matches!(stored.body, EventBody::Message(_))
                && stored.conversation.as_ref().is_some_and(|of| stored.sequence <= of.cleared_sequence)
        };
        let complete = missed.complete && !missed.events.iter().any(is_cleared);
        let events = missed.events.iter().map(|stored| convert::event(&self.offsets, stored));
        Ok(v1::ListMissedEventsResponse {
            events: events.filter_map(|event| convert::event_for(viewer, &event)).collect(),
            complete,
            offset: self.offsets.of(tenant, missed.through),
            more: missed.more,
            reaches: picks.iter().zip(reaches).map(reach).collect(),
            reached_position: if caller.edge { unsigned(missed.through) } else { 0 },
        })
    }

    /// The conversations that are named, if the caller may hear them.
    async fn picks(&self, caller: &Caller, request: &v1::ListMissedEventsRequest) -> Result<Vec<Pick>> {
        let principal = caller.principal()?;
        if request.conversations.len() > CONVERSATIONS_MAX {
            return Err(Error::field("conversations", format!("are more than {CONVERSATIONS_MAX}")));
        }
        let mut picks = Vec::with_capacity(request.conversations.len());
        for missed in &request.conversations {
            if missed.through_position > 0 && !caller.edge {
                return Err(Error::field("conversations.through_position", "is for gateways"));
            }
            let reference = missed.conversation.clone();
            let reference =
                reference.ok_or_else(|| Error::field("conversations.conversation", "is missing"))?;
            picks.push(Pick {
                conversation: self.find.may_hear_named(principal, &caller.peer, reference).await?,
                after_sequence: signed(missed.after_sequence),
                through: Some(signed(missed.through_position)).filter(|through| *through > 0),
            });
        }
        Ok(picks)
    }

    fn place(&self, caller: &Caller, request: &v1::ListMissedEventsRequest) -> Result<Place> {
        let offset = request.after_offset.as_str();
        match request.after_position {
            0 if !offset.is_empty() => {
                let position = self.offsets.open(caller.principal()?.tenant, offset);
                Ok(position.map_or(Place::Unknown, Place::Position))
            }
            position if offset.is_empty() && caller.edge => Ok(Place::Position(signed(position))),
            0 => Err(Error::field("after_offset", "is missing")),
            position if caller.edge => {
                let place = self.offsets.open(caller.principal()?.tenant, offset);
                Ok(place.map_or(Place::Unknown, |place| Place::Position(place.max(signed(position)))))
            }
            _ => Err(Error::field("after_position", "is for gateways")),
        }
    }
}

/// Whether it is of something that the staff see without taking part.
fn is_for_staff(stored: &StoredEvent) -> bool {
    stored.conversation.as_ref().is_none_or(|of| of.seen_by == SeenBy::Staff)
}

fn reach((pick, (after, through)): (&Pick, (i64, i64))) -> v1::MissedReach {
    v1::MissedReach {
        conversation_id: pick.conversation.to_string(),
        after_sequence: unsigned(after),
        through_sequence: unsigned(through),
    }
}

fn limit(limit: i32) -> Result<u64> {
    match u64::try_from(limit) {
        Ok(0) => Ok(EVENTS_MAX),
        Ok(limit) => Ok(limit.min(EVENTS_MAX)),
        Err(_) => Err(Error::field("limit", "is negative")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_the_limit_and_no_longer() {
        assert_eq!(limit(0), Ok(EVENTS_MAX));
        assert_eq!(limit(500), Ok(500));
        assert_eq!(limit(501), Ok(500));
        assert!(limit(-1).is_err());
    }
}
