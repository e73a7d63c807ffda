//! What somebody missed: for who was away, from a place in the tenant's order to now.

use parlor_api::v1;
use parlor_store::{EventBody, Missed, Missing, Pick, StoredEvent};

use super::{Chat, convert, subject::Conversations};
use crate::{
    Error, Result,
    caller::Caller,
    field,
    page::Sizes,
    subject::Kind as _,
    wire::{signed, unsigned},
};

/// How many events one answer brings.
const EVENTS: Sizes = Sizes { default: 500, maximum: 500 };

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
        request: &v1::ListMissedEventsRequest,
    ) -> Result<v1::ListMissedEventsResponse> {
        let principal = caller.principal()?;
        let tenant = principal.tenant;
        let missing = Missing {
            after: 0,
            limit: EVENTS.of("limit", request.limit)?,
            messages_only: request.messages_only,
        };
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
                Missed {
                    events: missed
                        .events
                        .into_iter()
                        .filter(|stored| Conversations.is_for_staff(stored))
                        .collect(),
                    ..missed
                }
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
        let is_cleared = |stored: &StoredEvent| {
            !principal.is_staff()
                && matches!(stored.body, EventBody::Message(_))
                && stored.conversation.as_ref().is_some_and(|of| stored.sequence <= of.cleared_sequence)
        };
        let complete = missed.complete && !missed.events.iter().any(is_cleared);
        Ok(v1::ListMissedEventsResponse {
            events: missed.events.iter().map(|stored| convert::event(&self.offsets, stored)).collect(),
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
        let mut picks = Vec::with_capacity(request.conversations.len());
        for missed in &request.conversations {
            if missed.through_position > 0 && !caller.edge {
                return Err(Error::field("conversations.through_position", "is for gateways"));
            }
            let reference = field::given("conversations.conversation", missed.conversation.clone())?;
            picks.push(Pick {
                conversation: self.find.may_hear_named(principal, &caller.peer, reference).await?,
                after_sequence: signed(missed.after_sequence),
                through: Some(signed(missed.through_position)).filter(|through| *through > 0),
            });
        }
        Ok(picks)
    }

    fn place(&self, caller: &Caller, request: &v1::ListMissedEventsRequest) -> Result<Place> {
        let (offset, position) = (request.after_offset.as_str(), signed(request.after_position));
        if position > 0 && !caller.edge {
            return Err(Error::field("after_position", "is for gateways"));
        }
        if !offset.is_empty() {
            let place = self.offsets.open(caller.principal()?.tenant, offset);
            return Ok(place.map_or(Place::Unknown, |place| Place::Position(place.max(position))));
        }
        if caller.edge {
            Ok(Place::Position(position))
        } else {
            Err(Error::field("after_offset", "is missing"))
        }
    }
}

fn reach((pick, (after, through)): (&Pick, (i64, i64))) -> v1::MissedReach {
    v1::MissedReach {
        conversation_id: pick.conversation.to_string(),
        after_sequence: unsigned(after),
        through_sequence: unsigned(through),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_the_limit_and_no_longer() {
        assert_eq!(EVENTS.of("limit", 0), Ok(500));
        assert_eq!(EVENTS.of("limit", 500), Ok(500));
        assert_eq!(EVENTS.of("limit", 501), Ok(500));
        assert!(EVENTS.of("limit", -1).is_err());
    }
}
