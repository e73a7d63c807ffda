//! Watches and Converse streams: where they begin, what they are told, and how they end.

use std::time::Duration;

use parlor_api::v1::converse_answer::Answer;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::*;
use crate::{
    chat::{converse::MAX_OPEN, watch::MAILBOX_BYTES},
    hub::TYPING_LIFETIME,
    testing::Gate,
};

/// More than anything here takes; a stream that says nothing fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Converse stream and the number of its last command.
struct Talk {
    commands: tokio::sync::mpsc::Sender<v1::ConverseRequest>,
    responses: Streaming<v1::ConverseResponse>,
    number: u64,
}

impl Talk {
    async fn begin(world: &World, who: Metadata<'_>) -> Self {
        let (commands, requests) = tokio::sync::mpsc::channel(16);
        let request = call(ReceiverStream::new(requests), who);
        let responses = chat(world).converse(request).await.unwrap().into_inner();
        Self { commands, responses, number: 0 }
    }

    async fn say(&mut self, command: Command) {
        self.number += 1;
        let request = v1::ConverseRequest { number: self.number, command: Some(command) };
        self.commands.send(request).await.unwrap();
    }

    async fn next(&mut self) -> Result<Body, tonic::Status> {
        let next = tokio::time::timeout(PATIENCE, self.responses.message()).await.expect("in time");
        next.map(|response| response.expect("the stream stands").body.unwrap())
    }

    /// Opens a conversation; answers its head and the sequence after which events follow.
    async fn open(&mut self, conversation: Option<ConversationRef>) -> (u64, u64) {
        self.say(open(conversation)).await;
        match self.next().await.unwrap() {
            Body::Answer(v1::ConverseAnswer { answer: Some(Answer::Opened(opened)), .. }) => {
                (opened.conversation.unwrap().last_sequence, opened.after_sequence)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn open(conversation: Option<ConversationRef>) -> Command {
    Command::Open(v1::WatchConversationRequest { conversation, after_sequence: None })
}

async fn watch(
    world: &World,
    who: Metadata<'_>,
    after_sequence: Option<u64>,
) -> Streaming<v1::WatchConversationResponse> {
    let request = v1::WatchConversationRequest { conversation: keyed(KEY), after_sequence };
    chat(world).watch_conversation(call(request, who)).await.unwrap().into_inner()
}

async fn next_event(
    watch: &mut Streaming<v1::WatchConversationResponse>,
) -> Result<v1::Event, tonic::Status> {
    let next = tokio::time::timeout(PATIENCE, watch.message()).await.expect("in time");
    next.map(|response| response.expect("the watch stands").event.unwrap())
}

/// The names of who is typing, as the next event tells.
async fn typing(watch: &mut Streaming<v1::WatchConversationResponse>) -> usize {
    match next_event(watch).await.unwrap().payload {
        Some(Payload::TypingState(state)) => state.authors.len(),
        other => panic!("{other:?}"),
    }
}

async fn set_typing(world: &World, typing: bool) {
    let request = v1::SetTypingRequest { conversation: keyed(KEY), typing };
    chat(world).set_typing(call(request, GUEST)).await.unwrap();
}

#[tokio::test]
async fn an_opened_conversation_is_not_older_than_where_its_events_begin() {
    let gate = Gate::new();
    let world = World::over(gate.clone(), |_| {}).await;
    create(&world, GUEST).await;
    let mut talk = Talk::begin(&world, STAFF).await;
    gate.close();
    let opening = talk.open(keyed(KEY));
    let meanwhile = async {
        gate.somebody_waits().await;
        let sent = send(&world, GUEST, "while it is opened").await;
        gate.open();
        sent.sequence
    };
    let ((head, after), sent) = futures::join!(opening, meanwhile);
    assert_eq!(after, sent);
    assert!(head >= after, "events {head} to {after} are in neither");
}

#[tokio::test]
async fn a_watch_gives_nothing_twice_when_its_node_is_behind() {
    let gate = Gate::new();
    let world = World::over(gate.clone(), |_| {}).await;
    create(&world, GUEST).await;
    let _keeps_the_topic_open = watch(&world, STAFF, None).await;
    gate.set_deaf(true);
    let seen = send(&world, GUEST, "seen, and lost on the bus").await.sequence;
    let mut watch = watch(&world, STAFF, Some(seen)).await;
    gate.set_deaf(false);
    let new = send(&world, GUEST, "new").await.sequence;
    assert_eq!(next_event(&mut watch).await.unwrap().sequence, new);
}

/// Sends more than a stream may have waiting, and waits until this node has heard all of it.
async fn overwhelm(world: &World) {
    let mut quick = watch(world, STAFF, None).await;
    let text = "👋".repeat(parlor_api::limits::TEXT_CHARS);
    for _ in 0..=MAILBOX_BYTES / text.len() {
        let sent = send(world, GUEST, &text).await;
        while next_event(&mut quick).await.unwrap().sequence != sent.sequence {}
    }
}

#[tokio::test]
async fn a_watch_that_is_not_read_ends_and_says_why() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let mut slow = watch(&world, STAFF, None).await;
    overwhelm(&world).await;
    let mut last = 1;
    let ended = loop {
        match next_event(&mut slow).await {
            Ok(event) => {
                assert_eq!(event.sequence, last + 1, "in order up to the end");
                last = event.sequence;
            }
            Err(status) => break status,
        }
    };
    assert_eq!((ended.code(), failure::reason(&ended)), (Code::Aborted, v1::Reason::SlowReader));
    let mut again = watch(&world, STAFF, Some(last)).await;
    assert_eq!(next_event(&mut again).await.unwrap().sequence, last + 1, "it goes on from there");
}

#[tokio::test]
async fn a_talk_that_is_not_read_ends_and_says_why() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let mut slow = Talk::begin(&world, STAFF).await;
    slow.open(keyed(KEY)).await;
    overwhelm(&world).await;
    let ended = loop {
        match slow.next().await {
            Ok(Body::Event(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(status) => break status,
        }
    };
    assert_eq!((ended.code(), failure::reason(&ended)), (Code::Aborted, v1::Reason::SlowReader));
}

#[tokio::test]
async fn who_is_typing_is_seen_until_they_stop_or_their_time_is_over() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let mut watching = watch(&world, STAFF, None).await;
    set_typing(&world, true).await;
    assert_eq!(typing(&mut watching).await, 1);
    set_typing(&world, false).await;
    assert_eq!(typing(&mut watching).await, 0);

    set_typing(&world, true).await;
    assert_eq!(typing(&mut watching).await, 1);
    let mut late = watch(&world, STAFF, None).await;
    assert_eq!(typing(&mut late).await, 1, "who begins to watch is told");
    world.clock.advance(TYPING_LIFETIME);
    assert_eq!(typing(&mut watching).await, 0);
    assert_eq!(typing(&mut late).await, 0);
}

#[tokio::test]
async fn as_many_conversations_are_open_as_the_limit_and_no_more() {
    let world = World::new().await;
    let mut refs = Vec::new();
    for _ in 0..=MAX_OPEN {
        let created = v1::CreateConversationRequest::default();
        let created = chat(&world).create_conversation(call(created, STAFF)).await.unwrap();
        refs.push(identified(&created.into_inner().conversation.unwrap().id));
    }
    let mut talk = Talk::begin(&world, STAFF).await;
    for open in &refs[..MAX_OPEN] {
        talk.open(open.clone()).await;
    }
    talk.say(open(refs[MAX_OPEN].clone())).await;
    match talk.next().await.unwrap() {
        Body::Failure(failed) => {
            assert_eq!(failed.failure.unwrap().reason(), v1::Reason::LimitReached);
        }
        other => panic!("{other:?}"),
    }
    talk.open(refs[0].clone()).await;
    let close = v1::ConverseClose { conversation: refs[0].clone() };
    talk.say(Command::Close(close)).await;
    assert!(matches!(talk.next().await.unwrap(), Body::Answer(_)));
    talk.open(refs[MAX_OPEN].clone()).await;
}

#[tokio::test]
async fn a_reaction_is_put_over_the_stream_and_told_on_it() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let message_sequence = send(&world, GUEST, "hello").await.sequence;
    let mut talk = Talk::begin(&world, STAFF).await;
    talk.open(keyed(KEY)).await;
    let react = v1::ReactToMessageRequest {
        conversation: keyed(KEY),
        message_sequence,
        emoji: "👍".into(),
        ..Default::default()
    };
    talk.say(Command::React(react)).await;
    let (mut answered, mut told) = (0, 0);
    while (answered, told) != (1, 1) {
        match talk.next().await.unwrap() {
            Body::Answer(v1::ConverseAnswer { answer: Some(Answer::Reacted(reacted)), .. }) => {
                assert_eq!(reacted.reactions[0].count, 1);
                answered += 1;
            }
            Body::Event(event) => {
                assert!(matches!(event.payload, Some(Payload::ReactionChanged(_))), "{event:?}");
                told += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}
