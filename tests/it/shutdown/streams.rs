//! Every stream that a client of gRPC may hold, each open and heard once, and how it ends.

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use parlor_api::{
    metadata,
    v1::{self, attend_request::Command as Attend, converse_request::Command as Converse},
};
use parlor_tests::{Entrance, raw::Raw, soon, talk::by_key};
use prost::Message as _;
use tonic::Code;

/// How many there are.
pub const KINDS: usize = 6;

/// What a stream ends with.
pub type End = BoxFuture<'static, Code>;

/// Opens all of them; each has answered.
pub async fn open(entrance: &Entrance, token: &str, key: &str) -> Vec<End> {
    let watch = v1::WatchConversationRequest { conversation: Some(by_key(key)), after_sequence: Some(0) };
    let converse = v1::ConverseRequest { number: 1, command: Some(Converse::Open(watch.clone())) };
    let attend = v1::AttendRequest { number: 1, command: Some(Attend::Attach(v1::AttendAttach::default())) };
    let raw = Raw::new(entrance, token).await;
    let watched = watch.encode_to_vec();
    let streams = [
        raw.watch("parlor.v1.ChatService/WatchConversation", watched.clone()).await,
        raw.talk("parlor.v1.ChatService/Converse", vec![converse.encode_to_vec()]).await,
        raw.watch("parlor.v1.PresenceService/WatchPresence", Vec::new()).await,
        raw.talk("parlor.v1.PresenceService/Attend", vec![attend.encode_to_vec()]).await,
        raw.watch("grpc.health.v1.Health/Watch", Vec::new()).await,
    ];
    let mut ends = Vec::new();
    for mut stream in streams {
        stream.next().await;
        ends.push(async move { stream.end().await.code() }.boxed());
    }
    ends.push(over_the_web(entrance, token, "parlor.v1.ChatService/WatchConversation", &watched).await);
    ends
}

/// As a browser asks: HTTP/1.1, and the trailers in the body.
async fn over_the_web(entrance: &Entrance, token: &str, method: &str, message: &[u8]) -> End {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let framed = Bytes::from([&[0], &length[..], message].concat());
    let request = Request::post(format!("http://{}/{method}", entrance.address))
        .header("content-type", "application/grpc-web+proto")
        .header("authorization", format!("Bearer {token}"))
        .header(metadata::TENANT, entrance.tenant())
        .body(Full::new(framed))
        .unwrap();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut answers = soon("the answer", client.request(request)).await.unwrap().into_body();
    soon("an event", answers.frame()).await.unwrap().unwrap();
    async move {
        let rest = answers.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&rest).replace(' ', "").to_lowercase();
        let (_, status) = text.rsplit_once("grpc-status:").expect("a status ends it");
        let digits: String = status.chars().take_while(char::is_ascii_digit).collect();
        Code::from(digits.parse::<i32>().unwrap())
    }
    .boxed()
}
