//! Who is erased: who may ask for it, what ends with it, and what a token from before is worth.

use futures::StreamExt as _;
use parlor_api::{
    failure,
    v1::{
        self, Reason, Role, attend_request::Command, chat_service_client::ChatServiceClient, event::Payload,
        presence_service_client::PresenceServiceClient,
    },
};
use parlor_store::{Departing, Mutation, UserId};
use tonic::Status;

use super::fixture::hs256;
use crate::{
    Error,
    clock::Clock,
    testing::{Metadata, OPERATOR, World, bearer, call},
};

const ADMIN: Metadata<'static> = &[("authorization", OPERATOR), ("parlor-tenant", "shop")];

fn wanted(user_id: &str, request_id: &str) -> v1::EraseUserRequest {
    v1::EraseUserRequest {
        user_id: user_id.to_owned(),
        whole_conversations: false,
        request_id: request_id.to_owned(),
    }
}

async fn erase(world: &World, request: v1::EraseUserRequest) -> Result<v1::EraseUserResponse, Status> {
    Ok(world.directory().erase_user(call(request, ADMIN)).await?.into_inner())
}

async fn export(world: &World, user_id: &str, who: Metadata<'_>) -> Result<String, Status> {
    let request = v1::ExportUserRequest { user_id: user_id.to_owned() };
    let mut answers = world.directory().export_user(call(request, who)).await?.into_inner();
    let mut lines = String::new();
    while let Some(answer) = answers.message().await? {
        lines.push_str(&answer.lines);
    }
    Ok(lines)
}

fn why<T: std::fmt::Debug>(answer: Result<T, Status>) -> Reason {
    failure::reason(&answer.unwrap_err())
}

#[tokio::test]
async fn admins_erase_and_everybody_reads_out_themselves() {
    let world = World::new().await;
    let (ann, of_ann) = world.somebody("shop", Role::Customer).await;
    let (sam, of_sam) = world.somebody("shop", Role::Staff).await;
    let (_, of_admin) = world.somebody("shop", Role::Admin).await;
    let (_, foreign) = world.somebody("other", Role::Admin).await;
    let ask = async |who: Metadata<'_>| world.directory().erase_user(call(wanted(&ann.id, ""), who)).await;
    assert_eq!(why(ask(&[]).await), Reason::CredentialMissing);
    for (who, reason) in
        [(&of_ann, Reason::RoleRequired), (&of_sam, Reason::RoleRequired), (&foreign, Reason::UserNotFound)]
    {
        assert_eq!(why(ask(&[bearer(who)]).await), reason);
    }
    assert_eq!(why(export(&world, &ann.id, &[]).await), Reason::CredentialMissing);
    assert_eq!(why(export(&world, &ann.id, &[bearer(&of_sam)]).await), Reason::RoleRequired);
    assert_eq!(why(export(&world, &sam.id, &[bearer(&of_ann)]).await), Reason::RoleRequired);
    assert_eq!(why(export(&world, &ann.id, &[bearer(&foreign)]).await), Reason::UserNotFound);
    assert_eq!(why(export(&world, "", ADMIN).await), Reason::FieldInvalid);
    assert_eq!(why(export(&world, "ann", ADMIN).await), Reason::FieldInvalid);
    for (user_id, who) in [("", &of_ann), (ann.id.as_str(), &of_ann), (&ann.id, &of_admin)] {
        let lines = export(&world, user_id, &[bearer(who)]).await.unwrap();
        let records: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records[0]["record"], "export");
        assert_eq!((&records[1]["record"], &records[1]["id"]), (&"person".into(), &ann.id.as_str().into()));
        let between = u64::try_from(records.len()).unwrap() - 2;
        assert_eq!(records.last().unwrap(), &serde_json::json!({"record": "end", "records": between}));
    }
    ask(&[bearer(&of_admin)]).await.unwrap();
    assert_eq!(why(export(&world, &ann.id, &[bearer(&of_admin)]).await), Reason::UserNotFound);
}

#[tokio::test]
async fn a_repetition_finds_the_first_answer_and_nobody_is_erased_twice() {
    let world = World::new().await;
    let (ann, _) = world.somebody("shop", Role::Customer).await;
    let (sam, _) = world.somebody("shop", Role::Staff).await;
    let first = erase(&world, wanted(&ann.id, "1")).await.unwrap();
    assert!(first.erase_time.is_some());
    assert_eq!(erase(&world, wanted(&ann.id, "1")).await.unwrap(), first);
    assert_eq!(why(erase(&world, wanted(&sam.id, "1")).await), Reason::RequestIdReused);
    assert_eq!(why(erase(&world, wanted(&ann.id, "")).await), Reason::UserNotFound);
    assert_eq!(why(erase(&world, wanted("", "")).await), Reason::FieldInvalid);
    let long = "i".repeat(129);
    assert_eq!(why(erase(&world, wanted(&sam.id, &long)).await), Reason::FieldInvalid);
    erase(&world, wanted(&sam.id, &long[1..])).await.unwrap();
}

#[tokio::test]
async fn a_token_from_before_lets_nobody_in_and_one_from_after_a_new_person() {
    let world = World::new().await;
    let before = hs256(&world.good("42"));
    let first = world.resolve(&before).await.unwrap().user_id().unwrap();
    // Who was never seen here may have such a token, too: one that was not shown yet.
    let unseen = hs256(&serde_json::json!({
        "sub": "42", "jti": "unseen", "iat": world.now_seconds() - 60, "exp": world.now_seconds() + 3600,
    }));
    let user = v1::User { id: first.to_string(), ..v1::User::default() };
    let own = world.token_of("shop", &user).await.token;
    world.resolve(&own).await.unwrap();
    erase(&world, wanted(&first.to_string(), "")).await.unwrap();
    for token in [&before, &unseen] {
        assert_eq!(world.resolve(token).await.unwrap_err(), Error::CredentialRevoked);
    }
    assert_eq!(world.refusal(&own).await, "its subject is unknown here");

    world.clock.advance(std::time::Duration::from_secs(2));
    let after = world.resolve(&hs256(&world.good("42"))).await.unwrap().user_id().unwrap();
    assert_ne!(first, after);
    assert_eq!(
        world.resolve(&before).await.unwrap_err(),
        Error::CredentialRevoked,
        "though they are here again"
    );
}

#[tokio::test]
async fn who_is_there_is_cut_off_and_told_to_have_left() {
    let world = World::new().await;
    let (ann, of_ann) = world.somebody("shop", Role::Customer).await;
    let presence = || PresenceServiceClient::new(world.core.routes());
    let linger = prost_types::Duration::try_from(std::time::Duration::from_secs(60)).ok();
    let attach = v1::AttendRequest { number: 1, command: Some(Command::Attach(v1::AttendAttach { linger })) };
    let commands = futures::stream::iter([attach]).chain(futures::stream::pending());
    let mut attending = presence().attend(call(commands, &[bearer(&of_ann)])).await.unwrap().into_inner();
    attending.message().await.unwrap().unwrap();
    let watch = call(v1::WatchPresenceRequest::default(), ADMIN);
    let mut watching = presence().watch_presence(watch).await.unwrap().into_inner();
    watching.message().await.unwrap().unwrap();

    erase(&world, wanted(&ann.id, "")).await.unwrap();
    assert_eq!(failure::reason(&attending.message().await.unwrap_err()), Reason::CredentialRevoked);
    let told = watching.message().await.unwrap().unwrap().event.unwrap().payload;
    let Some(Payload::PresenceChanged(changed)) = told else { panic!("{told:?}") };
    let seen = changed.presence.unwrap();
    assert!(!seen.reachable);
    let person = seen.person.unwrap();
    assert_eq!((person.user_id, person.username.as_str()), (ann.id, ""));
}

#[tokio::test]
async fn what_another_core_began_is_gone_on_with_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    parlor_migration::up(&url).await.unwrap();
    let clock = Clock::default();
    let world = World::at(&url, &clock).await;
    let (ann, of_ann) = world.somebody("shop", Role::Customer).await;
    let mut chat = ChatServiceClient::new(world.core.routes());
    let own = v1::CreateConversationRequest { own: true, ..v1::CreateConversationRequest::default() };
    chat.create_conversation(call(own, &[bearer(&of_ann)])).await.unwrap();
    let begun = Departing {
        tenant: world.core.tenant("shop").await.unwrap(),
        user: UserId::parse(&ann.id).unwrap(),
        whole_conversations: false,
        at: clock.now(),
        mark_of: world.core.auth().marks(world.core.tenant("shop").await.unwrap()),
    };
    // As if the process had ended right after it.
    world.core.store().apply(Mutation::begin_erasure(begun)).await.unwrap();
    world.core.shutdown().await;

    let world = World::at(&url, &clock).await;
    let get = || v1::GetUserRequest { selector: Some(v1::get_user_request::Selector::Id(ann.id.clone())) };
    while world.directory().get_user(call(get(), ADMIN)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    world.core.shutdown().await;
}
