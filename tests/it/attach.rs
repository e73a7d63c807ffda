//! A subscriber that attaches at a random moment of a stream of messages gets every message once, in order: those of the
//! snapshot, then those that come.

use futures::{FutureExt as _, StreamExt as _, future::ready, stream};
use parlor_api::v1;
use parlor_tests::{Entrance, Plan, Socket, Topology, World, matrix, soon, talk};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Attachments of each kind in each of the four worlds.
const ATTACHMENTS: usize = 1_000;

/// At the same time.
const AT_ONCE: usize = 8;

/// Live messages that each subscriber waits for.
const LIVE: u64 = 5;

/// Cuts of the link, and the attachments that live through each: begun before, during and after it.
const CUTS: usize = 25;
const ATTACHMENTS_OF_A_CUT: usize = ATTACHMENTS / CUTS;

matrix!(
    a_watch_continues_its_snapshot,
    an_opened_conversation_continues_its_snapshot,
    a_staff_dialect_socket_continues_its_history,
    a_dialect_socket_hears_everything_across_cuts_of_the_link,
);

/// A conversation that somebody of the staff writes into without a pause, until this is dropped.
struct Stream {
    key: String,
    stop: CancellationToken,
    writer: JoinSet<u64>,
}

impl Stream {
    async fn start(world: &World) -> Self {
        let key = world.session();
        let staff = world.person("staff");
        let mut chat = world.chat_as(&staff.token).await;
        talk::open(&mut chat, &key).await;
        talk::send_until_stored(&mut chat, &key, "0").await;
        let stop = CancellationToken::new();
        let mut writer = JoinSet::new();
        let (stopped, to) = (stop.clone(), key.clone());
        writer.spawn(async move {
            let mut number = 1_u64;
            while !stopped.is_cancelled() {
                talk::send_until_stored(&mut chat, &to, &number.to_string()).await;
                number += 1;
            }
            number
        });
        Self { key, stop, writer }
    }

    /// Ends it; returns how many messages there are.
    async fn end(mut self) -> u64 {
        self.stop.cancel();
        soon("the writer's end", self.writer.join_next()).await.unwrap().unwrap()
    }
}

/// The number that the writer gave a message.
fn number(message: &v1::Message) -> u64 {
    message.text.parse().unwrap()
}

/// Runs so many attachments, some at a time.
async fn attach<F, T>(count: usize, mut attachment: F)
where
    F: FnMut() -> T,
    T: Future<Output = ()> + Send + 'static,
{
    let mut running = JoinSet::new();
    for _ in 0..count {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(attachment());
    }
    while let Some(finished) = running.join_next().await {
        finished.unwrap();
    }
}

async fn a_watch_continues_its_snapshot(plan: Plan) {
    let world = plan.start().await;
    let stream = Stream::start(&world).await;
    let staff = world.person("staff");
    let chat = world.chat_as(&staff.token).await;
    attach(ATTACHMENTS, || {
        let (mut chat, key) = (chat.clone(), stream.key.clone());
        async move {
            let (messages, through) = talk::snapshot(&mut chat, &key).await;
            let last = number(messages.last().unwrap());
            let mut watch = talk::watch(&mut chat, &key, through).await;
            let mut due = last + 1;
            while due <= last + LIVE {
                let event = talk::next(&mut watch).await.unwrap();
                let Some(message) = talk::message_of(&event) else { continue };
                assert_eq!(number(message), due);
                due += 1;
            }
        }
    })
    .await;
    stream.end().await;
}

async fn an_opened_conversation_continues_its_snapshot(plan: Plan) {
    let world = plan.start().await;
    let stream = Stream::start(&world).await;
    let staff = world.person("staff");
    let chat = world.chat_as(&staff.token).await;
    attach(ATTACHMENTS, || {
        let (mut chat, key) = (chat.clone(), stream.key.clone());
        async move {
            let open =
                v1::WatchConversationRequest { conversation: Some(talk::by_key(&key)), after_sequence: None };
            let command = v1::converse_request::Command::Open(open);
            let commands = stream::iter([v1::ConverseRequest { number: 1, command: Some(command) }]);
            // Open until the end of this attachment: a stream that a client only stops reading keeps its place on the
            // connection, and there are not so many.
            let (attending, attended) = tokio::sync::oneshot::channel::<v1::ConverseRequest>();
            let leaving = attended.into_stream().filter_map(|left| ready(left.ok()));
            let commands = commands.chain(leaving);
            let mut answers = chat.converse(commands).await.unwrap().into_inner();

            let (opened_at, head) = opened(&mut answers).await;
            let mut due = opened_at;
            while due < opened_at + LIVE {
                let answer = soon("an event", answers.message()).await.unwrap().unwrap();
                let Some(v1::converse_response::Body::Event(event)) = answer.body else {
                    panic!("an answer where an event was due: {answer:?}");
                };
                if event.sequence == 0 {
                    continue;
                }
                due += 1;
                assert_eq!(event.sequence, due);
            }
            let before = talk::messages_through(&mut chat, &key, opened_at).await;
            assert_eq!(before.last().map(|message| message.sequence), Some(opened_at));
            assert!(before.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence));
            assert!(head >= opened_at);
            drop(attending);
        }
    })
    .await;
    stream.end().await;
}

/// Where an opened conversation begins, and the conversation's head that came with it.
async fn opened(answers: &mut tonic::Streaming<v1::ConverseResponse>) -> (u64, u64) {
    let answer = soon("the answer", answers.message()).await.unwrap().unwrap();
    let Some(v1::converse_response::Body::Answer(answer)) = answer.body else {
        panic!("not an answer: {answer:?}")
    };
    assert_eq!(answer.number, 1);
    match answer.answer {
        Some(v1::converse_answer::Answer::Opened(opened)) => {
            (opened.after_sequence, opened.conversation.unwrap().last_sequence)
        }
        other => panic!("not opened: {other:?}"),
    }
}

async fn a_staff_dialect_socket_continues_its_history(plan: Plan) {
    let world = plan.set("gateway.rest_limit_requests", 0).start().await;
    let stream = Stream::start(&world).await;
    let entrance = world.entrance();
    attach(ATTACHMENTS, || {
        let (entrance, key) = (entrance.clone(), stream.key.clone());
        async move {
            let mut socket = entrance.staff_socket().await;
            socket.register(&key).await;
            let mut hearing = Hearing::after(newest(&entrance, &key).await);
            while hearing.heard_above() < LIVE {
                hearing.take(number_of_reply(&socket.next().await));
            }
            socket.close().await;
        }
    })
    .await;
    stream.end().await;
}

async fn a_dialect_socket_hears_everything_across_cuts_of_the_link(plan: Plan) {
    let world = plan.set("gateway.rest_limit_requests", 0).start().await;
    if world.topology() == Topology::Local {
        // There is no link to cut; the rest of the story is told by the tests above.
        return;
    }
    let stream = Stream::start(&world).await;
    for cut in 0..CUTS {
        // So many have registered when the link is cut: in the first round nobody, in the last nearly all.
        let before = cut * ATTACHMENTS_OF_A_CUT / CUTS;
        attach_across_a_cut(&world, &stream.key, before).await;
    }
    stream.end().await;
}

async fn attach_across_a_cut(world: &World, key: &str, before: usize) {
    let registered = watch::Sender::new(0);
    let cut = watch::Sender::new(false);
    let mut running = JoinSet::new();
    for _ in 0..ATTACHMENTS_OF_A_CUT {
        let (entrance, key) = (world.entrance(), key.to_owned());
        let (registered, cut) = (registered.clone(), cut.subscribe());
        running.spawn(async move {
            let mut socket = registered_socket(&entrance, &key).await;
            registered.send_modify(|count| *count += 1);
            let mut hearing = Hearing::after(newest(&entrance, &key).await);
            let mut across = 0;
            while across < LIVE || hearing.heard_above() < LIVE {
                let was_cut = *cut.borrow();
                hearing.take(number_of_reply(&socket.next().await));
                across += u64::from(was_cut);
            }
            socket.close().await;
        });
    }
    let mut enough = registered.subscribe();
    soon("the registrations", enough.wait_for(|count| *count >= before)).await.unwrap();
    world.link().unwrap().blink();
    cut.send_replace(true);
    while let Some(finished) = running.join_next().await {
        finished.unwrap();
    }
}

/// A socket that is registered. Where the cut falls into the middle, it comes again as a front-end does.
async fn registered_socket(entrance: &Entrance, key: &str) -> Socket {
    loop {
        let mut socket = entrance.staff_socket().await;
        if socket.try_register(key).await {
            return socket;
        }
        socket.close().await;
    }
}

/// What a socket that registered before it read the history hears: every message once and in order, none missing
/// between the two. What came in between may be in both; the widget shows it by its own rules.
struct Hearing {
    newest_read: u64,
    due: Option<u64>,
}

impl Hearing {
    fn after(newest_read: u64) -> Self {
        Self { newest_read, due: None }
    }

    fn take(&mut self, live: u64) {
        match self.due {
            Some(due) => assert_eq!(live, due),
            None => assert!(live <= self.newest_read + 1, "{live} after {}", self.newest_read),
        }
        self.due = Some(live + 1);
    }

    /// How many messages above the history it has heard.
    fn heard_above(&self) -> u64 {
        self.due.map_or(0, |due| due.saturating_sub(self.newest_read + 1))
    }
}

/// The newest message of the history, which has no gap. While the link is cut it is asked for again.
async fn newest(entrance: &Entrance, key: &str) -> u64 {
    let rest = entrance.staff_rest();
    soon("the history", async {
        loop {
            let reply = rest.get(&format!("/chat/conversation/{key}?limit=50")).await;
            if reply.status.is_server_error() {
                continue;
            }
            let read = numbers_of_history(&reply.expect(200));
            assert!(read.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{read:?}");
            return *read.last().unwrap();
        }
    })
    .await
}

fn numbers_of_history(history: &Value) -> Vec<u64> {
    let messages = history["data"]["messages"].as_array().unwrap();
    messages.iter().map(|message| message["content"].as_str().unwrap().parse().unwrap()).collect()
}

fn number_of_reply(frame: &Value) -> u64 {
    assert_eq!(frame["type"], json!("staff_reply"), "{frame}");
    frame["message"].as_str().unwrap().parse().unwrap()
}
