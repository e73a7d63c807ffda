//! Events as their audiences see them. What comes over the link is as staff see it; what others do not, the veil takes away.

use parlor_api::{
    v1,
    veil::{self, Veiled as _, Viewer},
};

use super::{contract, wire};
use crate::dialect::{Audience, Frame, who::STAFF};

/// An event for everybody of an audience; `None` if it is not shown. It is the same for many, so nobody's own is in it.
pub(super) fn event(event: &v1::Event, audience: Audience) -> Option<Frame> {
    let viewer = if audience == STAFF { Viewer::staff() } else { Viewer::anybody() };
    let mut event = event.clone();
    if event.veil(&viewer) { shown(&event) } else { None }
}

/// One of before the place that its client has heard everything up to: it must not take that place back.
pub(super) fn older(event: &v1::Event) -> Option<Frame> {
    Some(wire::event(&contract::event(event)?, None))
}

/// An event as the core has shown it to this very client already.
pub(super) fn shown(event: &v1::Event) -> Option<Frame> {
    let offset = Some(event.offset.as_str()).filter(|offset| !offset.is_empty() && event.sequence > 0);
    Some(wire::event(&contract::event(event)?, offset))
}

/// Who is online, as a person with these eyes sees it; `None` if it concerns nobody they may see.
pub(super) fn presence(event: &v1::Event, eyes: &Eyes) -> Option<Frame> {
    let mut event = event.clone();
    if veil::is_about(&mut event, eyes.role) && event.veil(&eyes.viewer()) { shown(&event) } else { None }
}

/// Who looks, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Eyes {
    pub audience: Audience,
    /// The user's id; empty for a guest.
    pub user_id: String,
    /// Only people with this role.
    pub role: Option<v1::Role>,
}

impl Eyes {
    fn viewer(&self) -> Viewer {
        if self.audience == STAFF { Viewer::staff() } else { Viewer::customer(self.user_id.as_str()) }
    }
}
