//! Chat through the whole core: what each kind of caller is answered.

use parlor_api::v1::{
    ConversationRef, chat_service_client::ChatServiceClient, conversation_ref::Name,
    converse_request::Command, converse_response::Body, event::Payload,
};
use parlor_api::{failure, v1};
use tonic::Code;

use crate::{
    Service,
    testing::{EDGE, Metadata, OPERATOR, World, bearer, call},
};

mod guests;
mod own;
mod paced;
mod private;
mod reactions;
mod several;
mod streams;

const KEY: &str = "session_1795206390007_yemuse1b4";
const GUEST: Metadata<'static> =
    &[("parlor-edge-key", EDGE), ("parlor-tenant", "shop"), ("parlor-guest", "true")];
const STAFF: Metadata<'static> = &[("authorization", OPERATOR), ("parlor-tenant", "shop")];

fn chat(world: &World) -> ChatServiceClient<Service> {
    ChatServiceClient::new(world.core.routes())
}

fn keyed(key: &str) -> Option<ConversationRef> {
    Some(ConversationRef { name: Some(Name::Key(key.to_owned())) })
}

fn identified(id: &str) -> Option<ConversationRef> {
    Some(ConversationRef { name: Some(Name::Id(id.to_owned())) })
}

async fn create(world: &World, who: Metadata<'_>) -> v1::Conversation {
    let request = v1::CreateConversationRequest { key: KEY.into(), waiting: true, ..Default::default() };
    chat(world).create_conversation(call(request, who)).await.unwrap().into_inner().conversation.unwrap()
}

fn message(text: &str, request_id: &str) -> v1::SendMessageRequest {
    let (text, request_id) = (text.to_owned(), request_id.to_owned());
    v1::SendMessageRequest {
        conversation: keyed(KEY),
        text,
        request_id,
        guest_name: "Ann".into(),
        leave_unread: false,
    }
}

async fn send(world: &World, who: Metadata<'_>, text: &str) -> v1::Message {
    chat(world).send_message(call(message(text, ""), who)).await.unwrap().into_inner().message.unwrap()
}

/// How a call is refused, if it is.
type Refusal = Option<(Code, v1::Reason)>;

#[tokio::test]
async fn who_may_read_which_conversation() {
    let world = World::new().await;
    let (_, owner) = world.somebody("shop", v1::Role::Customer).await;
    let other = world.user("shop", "another", &[v1::Role::Customer]).await;
    let other = world.token_of("shop", &other).await.token;
    let (_, foreign) = world.somebody("other", v1::Role::Staff).await;
    let owned = create(&world, &[bearer(&owner)]).await;
    let missing = (Code::NotFound, v1::Reason::ConversationNotFound);
    let not_owner = (Code::PermissionDenied, v1::Reason::NotOwner);
    let unknown = "nope-nope-nope-nope";
    let cases: [(&str, Metadata<'_>, [Refusal; 3]); 5] = [
        ("staff", STAFF, [None, None, Some(missing)]),
        ("owner", &[bearer(&owner)], [None, None, Some(missing)]),
        ("other", &[bearer(&other)], [Some(not_owner), Some(missing), Some(missing)]),
        ("guest", GUEST, [None, Some(missing), Some(missing)]),
        ("foreign staff", &[bearer(&foreign)], [Some(missing), Some(missing), Some(missing)]),
    ];
    for (who, metadata, expected) in cases {
        for (named, expected) in [keyed(KEY), identified(&owned.id), keyed(unknown)].into_iter().zip(expected)
        {
            let request = v1::GetConversationRequest { conversation: named.clone() };
            let found = chat(&world).get_conversation(call(request, metadata)).await;
            let found = found.err().map(|status| (status.code(), failure::reason(&status)));
            assert_eq!(found, expected, "{who} {named:?}");
            let request = v1::SendMessageRequest { conversation: named, ..message("hello", "") };
            let sent = chat(&world).send_message(call(request, metadata)).await;
            let sent = sent.err().map(|status| (status.code(), failure::reason(&status)));
            assert_eq!(sent, expected, "{who} sends");
        }
    }
    let nobody = chat(&world).get_conversation(call(v1::GetConversationRequest::default(), &[])).await;
    assert_eq!(failure::reason(&nobody.unwrap_err()), v1::Reason::CredentialMissing);
    let stolen = v1::CreateConversationRequest { key: KEY.into(), ..Default::default() };
    let stolen = chat(&world).create_conversation(call(stolen, &[bearer(&other)])).await.unwrap_err();
    assert_eq!(failure::reason(&stolen), v1::Reason::NotOwner);
}

#[tokio::test]
async fn a_repeated_message_is_stored_once_and_another_payload_is_refused() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let first = chat(&world).send_message(call(message("hello", "r1"), GUEST)).await.unwrap();
    let position = first.metadata().get("parlor-position").unwrap().to_str().unwrap().to_owned();
    let first = first.into_inner().message.unwrap();
    assert_eq!(first.author.as_ref().unwrap().person.as_ref().unwrap().display_name, "Ann");
    let again = chat(&world).send_message(call(message("hello", "r1"), GUEST)).await.unwrap();
    assert_eq!(again.metadata().get("parlor-position").unwrap().to_str().unwrap(), position);
    assert_eq!(again.into_inner().message.unwrap(), first);
    let unlike = [
        message("bye", "r1"),
        v1::SendMessageRequest { guest_name: "Bob".into(), ..message("hello", "r1") },
        v1::SendMessageRequest { leave_unread: true, ..message("hello", "r1") },
    ];
    for unlike in unlike {
        let refused = chat(&world).send_message(call(unlike, GUEST)).await.unwrap_err();
        assert_eq!(failure::reason(&refused), v1::Reason::RequestIdReused);
    }
    let by_key = chat(&world).send_message(call(message("of staff", "r1"), STAFF)).await.unwrap();
    let by_key = by_key.into_inner().message.unwrap();
    let by_id = v1::SendMessageRequest {
        conversation: identified(&by_key.conversation_id),
        ..message("of staff", "r1")
    };
    let again = chat(&world).send_message(call(by_id, STAFF)).await.unwrap().into_inner();
    assert_eq!(again.message.unwrap(), by_key, "however the conversation is named");
}

#[tokio::test]
async fn pages_cover_every_message_in_both_directions() {
    let world = World::new().await;
    create(&world, GUEST).await;
    for number in 0..7 {
        send(&world, GUEST, &number.to_string()).await;
    }
    for (after_sequence, expected) in
        [(Some(0), ["0", "1", "2", "3", "4", "5", "6"]), (None, ["4", "5", "6", "1", "2", "3", "0"])]
    {
        let mut texts = Vec::new();
        let mut page_token = String::new();
        let mut edge = None;
        loop {
            let request = v1::ListMessagesRequest {
                conversation: keyed(KEY),
                page_size: if after_sequence.is_some() { 4 } else { 3 },
                after_sequence,
                page_token,
                ..Default::default()
            };
            let page = chat(&world).list_messages(call(request, GUEST)).await.unwrap().into_inner();
            if let Some(edge) = edge {
                let meets = if after_sequence.is_some() { page.from_sequence } else { page.through_sequence };
                assert_eq!(meets, edge, "pages meet");
            }
            edge = Some(if after_sequence.is_some() { page.through_sequence } else { page.from_sequence });
            texts.extend(page.messages.into_iter().map(|message| message.text));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(texts, expected);
    }
}

#[tokio::test]
async fn what_a_customer_cleared_is_hidden_from_customers_only() {
    let world = World::new().await;
    create(&world, GUEST).await;
    send(&world, GUEST, "old").await;
    let clear =
        v1::UpdateConversationRequest { conversation: keyed(KEY), clear_history: true, ..Default::default() };
    let cleared = chat(&world).update_conversation(call(clear, GUEST)).await.unwrap().into_inner();
    assert_eq!(cleared.conversation.unwrap().last_message, None);
    let list = async |who: Metadata<'_>| {
        let request = v1::ListMessagesRequest { conversation: keyed(KEY), ..Default::default() };
        let page = chat(&world).list_messages(call(request, who)).await.unwrap().into_inner();
        page.messages.into_iter().map(|message| message.text).collect::<Vec<_>>()
    };
    assert!(list(GUEST).await.is_empty());
    assert_eq!(list(STAFF).await, ["old"]);
    send(&world, STAFF, "new").await;
    assert_eq!(list(GUEST).await, ["new"]);

    let mut close = v1::UpdateConversationRequest { conversation: keyed(KEY), ..Default::default() };
    close.update_mask = Some(prost_types::FieldMask { paths: vec!["waiting".into()] });
    let refused = chat(&world).update_conversation(call(close, GUEST)).await.unwrap_err();
    assert_eq!(failure::reason(&refused), v1::Reason::RoleRequired);
}

#[tokio::test]
async fn a_watch_brings_what_is_stored_and_then_what_comes() {
    let world = World::new().await;
    let owned = create(&world, GUEST).await;
    send(&world, GUEST, "one").await;
    let request =
        v1::WatchConversationRequest { conversation: keyed(KEY), after_sequence: Some(owned.last_sequence) };
    let mut watch = chat(&world).watch_conversation(call(request, GUEST)).await.unwrap().into_inner();
    send(&world, STAFF, "two").await;
    for expected in ["one", "two"] {
        let event = watch.message().await.unwrap().unwrap().event.unwrap();
        assert!(event.origin_connection.is_empty());
        match event.payload {
            Some(Payload::MessageSent(sent)) => assert_eq!(sent.message.unwrap().text, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_conversation_over_one_stream() {
    let world = World::new().await;
    create(&world, GUEST).await;
    let open = v1::WatchConversationRequest { conversation: keyed(KEY), after_sequence: Some(0) };
    let commands = [
        Command::Open(open),
        Command::Send(message("one", "")),
        Command::Send(message("two", "")),
        Command::Send(message("", "")),
    ];
    let requests: Vec<_> = (1..)
        .zip(commands)
        .map(|(number, command)| v1::ConverseRequest { number, command: Some(command) })
        .collect();
    // Never ends by itself, so that the events come too.
    let requests = futures::StreamExt::chain(tokio_stream::iter(requests), tokio_stream::pending());
    let mut stream = chat(&world).converse(call(requests, STAFF)).await.unwrap().into_inner();
    let (mut answered, mut failed, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
    while answered.len() < 3 || failed.is_empty() || sequences.len() < 3 {
        match stream.message().await.unwrap().unwrap().body.unwrap() {
            Body::Answer(answer) => answered.push(answer.number),
            Body::Failure(failure) => failed.push(failure.number),
            Body::Event(event) if event.sequence > 0 => sequences.push(event.sequence),
            Body::Event(_) => {}
        }
    }
    answered.sort_unstable();
    assert_eq!((answered, failed, sequences), (vec![1, 2, 3], vec![4], vec![1, 2, 3]));
}

#[tokio::test]
async fn an_address_that_guesses_keys_is_stopped_and_harms_nobody_else() {
    const HERE: Metadata<'static> = &[GUEST[0], GUEST[1], GUEST[2], ("parlor-peer", "192.0.2.1")];
    const THERE: Metadata<'static> = &[GUEST[0], GUEST[1], GUEST[2], ("parlor-peer", "192.0.2.2")];
    let world = World::with(|options| options.unknown_keys.burst = 3).await;
    let (_, owner) = world.somebody("shop", v1::Role::Customer).await;
    let owned: Metadata<'_> = &[GUEST[0], GUEST[1], HERE[3], bearer(&owner)];
    create(&world, owned).await;
    let read = async |key: &str, who: Metadata<'_>| {
        let request = v1::GetConversationRequest { conversation: keyed(key) };
        let answer = chat(&world).get_conversation(call(request, who)).await;
        answer.map_or_else(|status| failure::reason(&status), |_| v1::Reason::Unspecified)
    };
    let (found, missing) = (v1::Reason::Unspecified, v1::Reason::ConversationNotFound);
    for guess in 0..3 {
        assert_eq!(read(KEY, HERE).await, found, "a key that exists costs nothing");
        assert_eq!(read(&format!("session_guess_{guess:06}"), HERE).await, missing);
    }
    let limited = v1::Reason::RateLimited;
    assert_eq!(read("session_one_more_guess", HERE).await, limited);
    assert_eq!(read(KEY, HERE).await, limited, "nothing tells a right guess from a wrong one");
    let sent = chat(&world).send_message(call(message("x", ""), HERE)).await;
    assert_eq!(failure::reason(&sent.unwrap_err()), limited);
    assert_eq!(read(KEY, owned).await, found, "the owner is known");
    assert_eq!(read(KEY, STAFF).await, found);
    assert_eq!(read("session_one_more_guess", THERE).await, missing);
    world.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(read(KEY, HERE).await, found);
    let unknown =
        v1::SendMessageRequest { conversation: keyed("session_one_more_guess"), ..message("x", "") };
    let sent = chat(&world).send_message(call(unknown, HERE)).await;
    assert_eq!(failure::reason(&sent.unwrap_err()), missing, "a message to nobody is a guess as well");
    assert_eq!(read(KEY, HERE).await, limited);
}
