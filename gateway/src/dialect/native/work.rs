//! What a connection works on, one at a time: coming in, the rest of what was missed, and requests.
//!
//! ```text
//! join ─► In ─► give_out ─► request ─► Answered, or what is watched from here on ─► the next
//!   ▲ └─► Anew: what was missed cannot be given completely
//!   └───────┘
//! ```

use bytes::Bytes;
use parlor_api::v1::{self, ListMissedEventsResponse as Page};
use serde::Serialize;
use serde_json::json;

use super::{
    contract::Method,
    hearing::{Beginning, Start},
    join::Join,
    render::{self, Eyes},
    wire::{self, Reply},
};
use crate::dialect::{
    Audience, Call, Credential, Effect, Frame, Recovery, TopicHandle,
    ask::Core,
    refusal::{Kind, Refusal},
    who::{CUSTOMER, STAFF, is_staff},
};

/// What work leaves behind.
pub(super) enum Done {
    /// Nothing but what it told.
    Answered,
    /// Somebody is let in.
    In(Box<Entered>),
    /// What was missed cannot be given completely: the client is told so by the name of a new session.
    Anew(Box<(Join, Credential)>),
    Refused(Box<Refusal>),
    /// The core is away: the client comes back by itself, and loses nothing by it.
    Away,
    /// A conversation is watched, or is not.
    Watched {
        name: String,
        reply: Reply,
        watched: Result<Box<Beginning>, Box<Refusal>>,
    },
    /// Who is online is watched.
    Presence(TopicHandle),
}

/// Somebody who is let in, and what they hear.
pub(super) struct Entered {
    pub attached: v1::LinkAttached,
    /// It can be recovered later.
    pub recovers: bool,
    pub eyes: Eyes,
    pub beginning: Beginning,
    pub presence: Option<TopicHandle>,
    /// The first page of what was stored before its watches began.
    pub missed: Page,
}

/// Comes in.
pub(super) async fn join(core: Core, join: Join, credential: Credential) -> Done {
    let recovery = Recovery { redelivers: false, recover: join.pid.clone() };
    match core.attach(credential.clone(), recovery).await {
        Ok(attached) => hear(&core, join, credential, attached).await.unwrap_or(Done::Away),
        Err(refusal) if refusal.is_outage() => Done::Away,
        Err(refusal) => Done::Refused(Box::new(refusal)),
    }
}

/// Hears what it shall from the start. Whatever goes wrong with that, the client comes back.
async fn hear(
    core: &Core,
    mut join: Join,
    credential: Credential,
    attached: v1::LinkAttached,
) -> Result<Done, Refusal> {
    let audience = if is_staff(&attached) { STAFF } else { CUSTOMER };
    let start = match attached.recovered_from.filter(|_| join.pid.is_some()) {
        Some(began) => Start::Again { offset: join.offset.take().unwrap_or_default(), began },
        None if attached.pid.is_empty() => Start::Now,
        None => Start::At(attached.began),
    };
    core.tell(Effect::Hold);
    let watch = std::mem::take(&mut join.watch);
    let (mut beginning, presence) =
        Beginning::hear(core, watch, start, audience, join.presence.is_some()).await?;
    beginning.hear_typing(core, audience).await?;
    let (mut missed, mut is_lost) = (Page::default(), beginning.goes_on() && beginning.is_refused());
    if !is_lost {
        missed = next(core, &mut beginning).await?;
        is_lost = beginning.goes_on() && !missed.complete && !missed.more;
    }
    if is_lost {
        beginning.heard().for_each(|watched| watched.end(core));
        presence.into_iter().for_each(|topic| core.tell(Effect::unsubscribe(topic)));
        let join = Join { watch: beginning.requests(), pid: None, offset: None, ..join };
        return Ok(Done::Anew(Box::new((join, credential))));
    }
    let user_id = attached.person.as_ref().map(|person| person.user_id.clone()).unwrap_or_default();
    let recovers = join.names_watches && !attached.pid.is_empty();
    let eyes = Eyes { audience, user_id, role: join.presence.flatten() };
    Ok(Done::In(Box::new(Entered { attached, recovers, eyes, beginning, presence, missed })))
}

/// Gives out what was missed, page by page, to who is let in; then what waits.
pub(super) async fn give_out(core: Core, mut beginning: Beginning, mut page: Page) -> Done {
    let mut is_lost = false;
    loop {
        send(&core, page.events.iter().filter_map(render::shown));
        if !page.more {
            break;
        }
        let Ok(older) = next(&core, &mut beginning).await else { return Done::Away };
        page = older;
        is_lost = !page.complete;
    }
    if is_lost {
        let lost = Refusal::of(Kind::Lost, "some of what was missed is no longer kept");
        core.send(wire::problem(&lost, Some("connect")));
    }
    core.tell(Effect::Release { above: beginning.position() });
    Done::Answered
}

/// Begins to watch a conversation while the connection is open. The answer to it comes after the older events it asked
/// for: who has it has those.
pub(super) async fn watch(
    core: Core,
    name: String,
    reply: Reply,
    request: v1::WatchConversationRequest,
    audience: Audience,
) -> Done {
    core.tell(Effect::Hold);
    let watched = match Beginning::hear(&core, vec![request], Start::Now, audience, false).await {
        Ok((beginning, _)) => match bring_older(&core, beginning, audience).await {
            Ok(beginning) => Ok(Box::new(beginning)),
            // What is half begun is known to nobody.
            Err(_) => return Done::Away,
        },
        Err(refusal) => Err(Box::new(refusal)),
    };
    Done::Watched { name, reply, watched }
}

async fn bring_older(
    core: &Core,
    mut beginning: Beginning,
    audience: Audience,
) -> Result<Beginning, Refusal> {
    beginning.hear_typing(core, audience).await?;
    loop {
        let page = next(core, &mut beginning).await?;
        send(core, page.events.iter().filter_map(render::older));
        if !page.more {
            return Ok(beginning);
        }
    }
}

/// The next page of what was stored before it began. Of nothing, nothing is missing.
async fn next(core: &Core, beginning: &mut Beginning) -> Result<Page, Refusal> {
    let Some(request) = beginning.older() else { return Ok(Page { complete: true, ..Page::default() }) };
    let page = core.ask(request, &Credential::Connection).await?;
    beginning.reached(&page);
    Ok(page)
}

/// Watches who is online.
pub(super) async fn watch_presence(core: Core, name: String, reply: Reply, audience: Audience) -> Done {
    let topic = v1::topic::Name::Presence(v1::TopicPresence {});
    let heard = core.subscribe(topic, audience, None).await;
    let told = json!({});
    answer(&core, reply, &name, heard.as_ref().map(|_| &told));
    heard.map_or(Done::Answered, Done::Presence)
}

/// Calls a unary method in the client's own words.
pub(super) async fn call(
    core: Core,
    name: String,
    reply: Reply,
    method: &'static Method,
    message: Bytes,
) -> Done {
    let call = Call { path: method.path.clone(), message, public: true };
    let answered = core.call(call, &Credential::Connection).await;
    let answered = answered.and_then(|(answer, _)| method.response(answer.called()?));
    answer(&core, reply, &name, answered.as_ref());
    Done::Answered
}

/// Tells what came of a request.
pub(super) fn answer<T: Serialize>(core: &Core, reply: Reply, name: &str, outcome: Result<&T, &Refusal>) {
    wire::answer(reply, name, outcome).into_iter().for_each(|effect| core.tell(effect));
}

fn send(core: &Core, frames: impl Iterator<Item = Frame>) {
    frames.for_each(|frame| core.send(frame));
}
