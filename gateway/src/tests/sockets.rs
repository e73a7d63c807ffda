//! WebSockets: order, pace, sizes, origins, silence, slow readers and the goodbye.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tungstenite::{
    Message,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use crate::{
    Limits,
    tests::{
        echo::FRAME_BYTES,
        world::{Plan, World, world},
    },
};

#[tokio::test]
async fn frames_are_answered_in_their_order() {
    let world = world().await;
    let mut socket = world.socket("/echo/any/path?and=query").await;
    for number in 0..20 {
        socket.say(&format!("number {number}")).await;
    }
    for number in 0..20 {
        socket.hears(&format!("number {number}")).await;
    }
    socket.say("timer").await;
}

#[tokio::test]
async fn binary_frames_reach_the_dialect_and_timers_come_back() {
    let world = world().await;
    let mut socket = world.socket("/echo").await;
    socket.stream.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(socket.message().await, Message::binary(vec![1, 2, 3]));
    socket.say("timer").await;
    socket.hears("timer").await;
    socket.say("close").await;
    assert_eq!(socket.closed().await, (4000, "asked".to_owned()));
}

#[tokio::test]
async fn a_frame_over_the_burst_is_refused_and_the_socket_stays() {
    let world = world().await;
    let mut socket = world.socket("/echo").await;
    for _ in 0..40 {
        socket.stream.feed(Message::text("hello")).await.unwrap();
    }
    socket.stream.flush().await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..40 {
        heard.push(socket.next().await);
    }
    assert!(heard[..20].iter().all(|text| text == "hello"), "the burst passes");
    assert!(heard.iter().any(|text| text == "too much"), "what is over is refused");
}

#[tokio::test]
async fn a_dialect_that_delays_loses_nothing() {
    let world = world().await;
    let mut socket = world.socket("/calm").await;
    for number in 0..24 {
        socket.say(&format!("number {number}")).await;
    }
    for number in 0..24 {
        socket.hears(&format!("number {number}")).await;
    }
}

#[tokio::test]
async fn a_frame_over_the_size_is_refused_in_words_and_one_far_over_closes() {
    let world = world().await;
    let mut socket = world.socket("/echo").await;
    socket.say(&"x".repeat(FRAME_BYTES)).await;
    socket.hears(&"x".repeat(FRAME_BYTES)).await;
    socket.say(&"x".repeat(FRAME_BYTES + 1)).await;
    socket.hears("too much").await;
    socket.say("still here").await;
    socket.hears("still here").await;
    socket.say(&"x".repeat(4 * FRAME_BYTES + 1)).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn only_named_origins_may_open_a_socket() {
    let origins = vec!["https://shop.example".to_owned()];
    let world = World::start(Plan { origins, ..Plan::default() }).await;
    let open = async |headers: &[(&'static str, &str)]| world.try_socket("/echo", headers).await.err();
    assert_eq!(open(&[("origin", "https://shop.example")]).await, None);
    assert_eq!(open(&[("origin", "https://evil.example")]).await, Some(StatusCode::FORBIDDEN));
    assert_eq!(open(&[]).await, None, "what is no browser has no origin");
}

#[tokio::test]
async fn a_socket_that_answers_no_ping_is_closed() {
    let limits = Limits {
        ping_interval: Duration::from_millis(50),
        ping_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let world = World::start(Plan { limits, ..Plan::default() }).await;
    let mut silent = world.socket("/echo").await;
    silent.say("hello").await;
    // Reading the raw stream takes the ping without answering it.
    let mut bytes = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(silent.stream.get_mut(), &mut bytes);
    tokio::time::timeout(super::world::PATIENCE, read).await.expect("it is closed in time").unwrap();
    let reason = b"no answer to a ping";
    assert!(bytes.windows(reason.len()).any(|window| window == reason));
}

#[tokio::test]
async fn a_socket_that_answers_pings_stays() {
    let limits = Limits {
        ping_interval: Duration::from_millis(20),
        ping_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let world = World::start(Plan { limits, ..Plan::default() }).await;
    let mut socket = world.socket("/echo").await;
    for _ in 0..3 {
        let ping = socket.stream.next().await.unwrap().unwrap();
        assert!(matches!(ping, Message::Ping(_)));
        socket.stream.flush().await.unwrap();
    }
    socket.say("still here").await;
    socket.hears("still here").await;
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_others_are_unaffected() {
    let limits = Limits { outbox_bytes: 64 * 1024, ..Limits::default() };
    let world = World::start(Plan { limits, ..Plan::default() }).await;
    let _stopped = world.listener().await;
    let mut reading = Vec::new();
    for _ in 0..3 {
        reading.push(world.listener().await);
    }
    world.core.until(|core| core.subscriptions() == 4).await;

    // More than the kernel's buffers and the outbox hold together, each heard before the next is sent.
    let text = "x".repeat(60 * 1024);
    let mut sent = 0;
    while world.core.subscriptions() == 4 {
        sent += 1;
        assert!(sent < 2_000, "the slow reader is closed");
        world.core.append(&text);
        for socket in &mut reading {
            socket.hears(&format!("event {sent} {text}")).await;
        }
    }
    assert_eq!(world.core.subscriptions(), 3);
    world.core.append("afterwards");
    for socket in &mut reading {
        socket.hears(&format!("event {} afterwards", sent + 1)).await;
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_gone_after_the_write_timeout() {
    let limits = Limits {
        outbox_bytes: 64 * 1024 * 1024,
        write_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let world = World::start(Plan { limits, ..Plan::default() }).await;
    let _stopped = world.listener().await;
    let text = "x".repeat(60 * 1024);
    for _ in 0..300 {
        world.core.append(&text);
    }
    world.core.until(|core| core.attached().is_empty()).await;
}

#[tokio::test]
async fn at_the_end_sockets_are_told_and_nothing_is_left() {
    let world = world().await;
    let mut socket = world.listener().await;
    let (closed, ()) = tokio::join!(socket.closed(), world.gateway.shutdown(Duration::from_secs(5)));
    assert_eq!(closed, (1001, "server is going away".to_owned()));
    assert_eq!(world.gateway.tasks(), 0);
    assert!(world.core.attached().is_empty(), "the core was told");
}

#[tokio::test]
async fn what_does_not_end_in_its_grace_is_dropped() {
    let world = world().await;
    let _stopped = world.listener().await;
    world.gateway.shutdown(Duration::from_millis(50)).await;
    assert_eq!(world.gateway.tasks(), 0);
}

#[tokio::test]
async fn a_client_that_closes_is_answered_by_a_close() {
    let world = world().await;
    let mut socket = world.socket("/echo").await;
    let close = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
    socket.stream.close(Some(close)).await.unwrap();
    assert_eq!(socket.closed().await.0, 1000);
}

#[tokio::test]
async fn a_text_that_is_not_utf8_is_named_so() {
    let world = world().await;
    let mut socket = world.socket("/echo").await;
    let text = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    socket.stream.send(Message::Frame(text)).await.unwrap();
    assert_eq!(socket.closed().await.0, 1007);
}

#[tokio::test]
async fn who_asks_for_a_socket_at_the_path_of_a_page_gets_no_page() {
    let world = world().await;
    assert_eq!(world.try_socket("/healthz", &[]).await.err(), Some(StatusCode::NOT_FOUND));
    let world = World::start(Plan { root: true, ..Plan::default() }).await;
    let mut socket = world.socket("/healthz").await;
    socket.say("hello").await;
    socket.hears("hello").await;
    assert_eq!(
        world.get("/healthz").await,
        (StatusCode::OK, "ok\n".to_owned()),
        "who asks for the page gets it"
    );
}

#[tokio::test]
async fn events_and_answers_come_in_the_order_of_the_core() {
    let world = world().await;
    let mut socket = world.listener().await;
    for number in 1..=50 {
        world.core.append("before");
        socket.say(&format!("number {number}")).await;
    }
    let (mut events, mut numbers) = (0, 0);
    // The burst answers that many; what is over is refused.
    while events < 50 || numbers < 15 {
        let text = socket.next().await;
        if let Some(event) = text.strip_prefix("event ") {
            events += 1;
            assert_eq!(event, format!("{events} before"));
        } else if let Some(number) = text.strip_prefix("number ") {
            let number: u32 = number.parse().unwrap();
            assert!(number > numbers, "{number} after {numbers}");
            numbers = number;
        }
    }
}

#[tokio::test]
async fn the_count_of_open_sockets_falls_however_they_end() {
    let open = OpenSockets::default();
    let _recording = metrics::set_default_local_recorder(&open);
    let world = world().await;
    let mut first = world.socket("/echo").await;
    first.say("hello").await;
    first.hears("hello").await;
    let _stopped = world.listener().await;
    assert_eq!(open.count(), 2);
    first.say("close").await;
    assert_eq!(first.closed().await.0, 4000);
    world.gateway.shutdown(Duration::ZERO).await;
    assert_eq!(open.count(), 0, "the one that was dropped too");
}

/// What the gauge of open sockets says, of this thread.
#[derive(Clone, Debug, Default)]
struct OpenSockets(Arc<AtomicI64>);

impl OpenSockets {
    fn count(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl GaugeFn for OpenSockets {
    fn increment(&self, value: f64) {
        self.0.fetch_add(value as i64, Ordering::Relaxed);
    }

    fn decrement(&self, value: f64) {
        self.0.fetch_sub(value as i64, Ordering::Relaxed);
    }

    fn set(&self, _value: f64) {}
}

impl Recorder for OpenSockets {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}
    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}
    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}

    fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        if key.name() == "parlor_gateway_sockets" {
            Gauge::from_arc(Arc::new(self.clone()))
        } else {
            Gauge::noop()
        }
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
