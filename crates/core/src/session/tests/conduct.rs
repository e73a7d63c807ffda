//! Sessions over one stream.

use parlor_api::v1::{conduct_request::Command, conduct_response::Body};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;

struct Conduct {
    commands: mpsc::Sender<v1::ConductRequest>,
    responses: Streaming<v1::ConductResponse>,
    number: u64,
}

impl Conduct {
    async fn begin(world: &World, token: &str) -> Self {
        let (commands, receiver) = mpsc::channel(8);
        let stream = call(ReceiverStream::new(receiver), &[bearer(token)]);
        let responses = sessions(world).conduct(stream).await.unwrap().into_inner();
        Self { commands, responses, number: 0 }
    }

    async fn say(&mut self, command: Command) {
        self.number += 1;
        let command = v1::ConductRequest { number: self.number, command: Some(command) };
        self.commands.send(command).await.unwrap();
    }

    async fn next(&mut self) -> Body {
        let next = tokio::time::timeout(Duration::from_secs(20), self.responses.message()).await;
        next.expect("a response").unwrap().unwrap().body.unwrap()
    }

    /// An answer to the last command and the state of an event, in whatever order.
    async fn answer_and_event(&mut self) -> (v1::Session, v1::SessionState) {
        let (mut answer, mut event) = (None, None);
        while answer.is_none() || event.is_none() {
            match self.next().await {
                Body::Answer(told) => {
                    assert_eq!(told.number, self.number);
                    answer = told.session;
                }
                Body::Event(told) => match told.payload {
                    Some(Payload::SessionChanged(changed)) => event = Some(changed.state()),
                    other => panic!("{other:?}"),
                },
                Body::Failure(failure) => panic!("{failure:?}"),
            }
        }
        (answer.unwrap(), event.unwrap())
    }

    async fn snapshot(&mut self) -> usize {
        match self.next().await {
            Body::Event(v1::Event { payload: Some(Payload::SessionsSnapshot(snapshot)), .. }) => {
                snapshot.sessions.len()
            }
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&mut self) -> v1::Reason {
        match self.next().await {
            Body::Failure(failure) => {
                assert_eq!(failure.number, self.number);
                failure.failure.unwrap().reason()
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_day_of_two_over_their_streams() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let mut ann = Conduct::begin(&world, &pair.ann_token).await;
    assert_eq!(ann.snapshot().await, 0);
    ann.say(Command::Request(asking(&pair.pam.id))).await;
    let (asked, event) = ann.answer_and_event().await;
    assert_eq!((asked.state(), event), (v1::SessionState::Pending, v1::SessionState::Pending));
    let mut pam = Conduct::begin(&world, &pair.pam_token).await;
    assert_eq!(pam.snapshot().await, 1, "it waited for her");
    let accept = v1::AcceptSessionRequest { session: named(&asked), ..Default::default() };
    pam.say(Command::Accept(accept.clone())).await;
    assert_eq!(pam.answer_and_event().await.1, v1::SessionState::Active);
    assert!(matches!(ann.next().await, Body::Event(_)));
    pam.say(Command::Accept(accept)).await;
    assert_eq!(pam.refused().await, v1::Reason::SessionState, "and the stream goes on");

    let note = "x".repeat(201);
    let long = v1::EndSessionRequest { session: named(&asked), note, ..Default::default() };
    pam.say(Command::End(long)).await;
    assert_eq!(pam.refused().await, v1::Reason::FieldInvalid, "each command is held to its bounds");
    pam.commands.send(v1::ConductRequest { number: 1, command: None }).await.unwrap();
    match pam.next().await {
        Body::Failure(failure) => assert_eq!(failure.number, 1, "numbers rise"),
        other => panic!("{other:?}"),
    }
    let end = v1::EndSessionRequest { session: named(&asked), ..Default::default() };
    pam.say(Command::End(end)).await;
    assert_eq!(pam.answer_and_event().await.1, v1::SessionState::Ended);
    assert!(matches!(ann.next().await, Body::Event(_)));
    drop(ann.commands);
    assert_eq!(ann.responses.message().await.unwrap(), None, "who has said the last is answered and done");
    world.core.shutdown().await;
}
