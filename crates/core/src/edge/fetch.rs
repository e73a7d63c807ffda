//! The events of a log that a gateway has missed.

use std::{sync::Arc, time::Duration};

use parlor_api::v1;
use prost::Message as _;

use super::{
    queue::{FETCH_BYTES, Handle},
    shared::Shared,
};
use crate::{
    Error, Result,
    hub::Topic,
    wire::{signed, unsigned},
};

/// How long a fetch may take. One that takes longer has failed, so that others have its place; the gateway asks again.
pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// How many events one fetch brings.
const FETCH_MAX: u64 = 500;

/// Fails if it takes longer than anybody waits for it.
pub(super) async fn in_time<T>(within: Duration, fetch: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(within, fetch).await.unwrap_or(Err(Error::DeadlineExceeded))
}

/// The events of a log that a gateway has missed: as many as fit.
pub(super) async fn fetch(
    shared: &Shared,
    topic: Option<Topic>,
    request: &v1::LinkFetch,
    number: u64,
) -> Result<v1::LinkFetched> {
    let handle: Handle = request.topic;
    let topic = topic.ok_or_else(|| Error::field("topic", "is not subscribed"))?;
    if !topic.is_log() {
        return Err(Error::field("topic", "is a state: there is nothing to fetch"));
    }
    let limit = match u64::from(request.limit) {
        0 => FETCH_MAX,
        limit => limit.min(FETCH_MAX),
    };
    let (announced, head) = shared.hub.fetch(topic, signed(request.after), limit).await?;
    let (mut bytes, found) = (0, announced.len());
    let events: Vec<v1::LinkEvent> = announced
        .into_iter()
        .map(|announced| v1::LinkEvent {
            topic: handle,
            number: unsigned(announced.number),
            event: Some(Arc::unwrap_or_clone(announced.event)),
        })
        .take_while(|event| {
            // The first always fits: a page that brings nothing would be asked for again and again.
            let fits = bytes == 0 || bytes + event.encoded_len() <= FETCH_BYTES;
            bytes += event.encoded_len();
            fits
        })
        .collect();
    let last = events.last().map(|event| event.number);
    let head = unsigned(head).max(last.unwrap_or_default());
    // A page that has all there is reaches the head, also where what stood before it is not kept any more.
    let has_all = events.len() == found && (found as u64) < limit;
    let through = if has_all { head } else { last.unwrap_or(request.after) };
    let floor = match topic {
        Topic::Log(tenant, subject) => unsigned(shared.subjects.floor(tenant, subject).await?),
        Topic::Feed(tenant) => unsigned(shared.subjects.tenant_floor(tenant).await?),
        Topic::State(..) => 1,
    };
    Ok(v1::LinkFetched { number, topic: handle, events, through, head, floor })
}
