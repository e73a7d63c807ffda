//! Those who read slowly or not at all: bounded, cut off or caught up, and nobody else's business.

use parlor_tests::{Plan, Topology, World, matrix, soon, talk, topologies};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

matrix!(a_paused_gateway_catches_up_and_delays_nobody);
topologies!(
    a_socket_that_never_reads_is_cut_off_at_its_bound_and_harms_nobody,
    watches_that_nobody_reads_delay_no_socket_and_no_call,
);

/// Each message is as long as one may be.
const TEXT_CHARACTERS: usize = 4_000;

/// What its frame has beside it, and what waiting costs.
const FRAME_BYTES: u64 = 600;

/// What may wait for one socket in this test.
const OUTBOX_BYTES: u64 = 65_536;

/// Room for all that a gateway may catch up with at once, so that its readers are not cut off for its own absence.
const CATCH_UP_BYTES: i64 = 8 * 1024 * 1024;

/// More than the outbox and all buffers of both kernels hold.
const ENDLESS: u64 = 4_000;

/// Messages of a conversation that is watched and not read: many times what one window of a connection holds.
const WATCHED: u32 = 400;

/// Clients that watch and do not read.
const WATCHERS: usize = 8;

async fn a_paused_gateway_catches_up_and_delays_nobody(plan: Plan) {
    let mut world =
        plan.set("core.link_queue_bytes", 65_536).set("gateway.outbox_bytes", CATCH_UP_BYTES).start().await;
    if world.topology() == Topology::Local {
        // A gateway inside the core's process cannot be paused alone.
        return;
    }
    let key = world.session();
    let mut paused = world.staff_socket().await;
    paused.register(&key).await;
    let other = world.another_gateway().await;
    let staff = world.person("staff");
    let mut chat = other.clients(&staff.token).await.chat();
    talk::open(&mut chat, &key).await;
    let mut awake = other.staff_socket().await;
    awake.register(&key).await;

    world.link().unwrap().pause();
    let padding = "x".repeat(TEXT_CHARACTERS - 4);
    let text = |number: u32| format!("{number:04}{padding}");
    for number in 0..400 {
        talk::send_until_stored(&mut chat, &key, &text(number)).await;
        assert_eq!(awake.next().await["message"], text(number), "nobody else waits");
    }
    world.link().unwrap().mend();
    for number in 0..400 {
        assert_eq!(paused.next().await["message"], text(number), "every message once, in order");
    }
    paused.hears_nothing().await;
}

async fn a_socket_that_never_reads_is_cut_off_at_its_bound_and_harms_nobody(plan: Plan) {
    let outbox = i64::try_from(OUTBOX_BYTES).unwrap();
    let world = plan.set("gateway.outbox_bytes", outbox).start().await;
    let key = world.session();
    let mut stuck = never_reading(&world, &key).await;
    let mut reader = world.staff_socket().await;
    reader.register(&key).await;
    let staff = world.person("staff");
    let mut chat = world.chat_as(&staff.token).await;
    talk::open(&mut chat, &key).await;

    // Until it is cut off, whoever reads hears every message before the next is sent.
    let text = "x".repeat(TEXT_CHARACTERS);
    let mut sent = 0;
    while slow_readers(&world).await.0 == 0 {
        assert!(sent < ENDLESS, "who never reads is cut off");
        for _ in 0..50 {
            talk::send_until_stored(&mut chat, &key, &text).await;
            assert_eq!(reader.next().await["type"], json!("staff_reply"), "who reads gets everything");
        }
        sent += 50;
    }

    // What the gateway kept when it let go is the most it ever kept: the whole outbox but less than one message, and the one
    // that may pass it.
    let (cut_off, kept) = slow_readers(&world).await;
    assert_eq!(cut_off, 1, "nobody else is slow");
    let message = TEXT_CHARACTERS as u64 + FRAME_BYTES;
    assert!(kept <= OUTBOX_BYTES + message, "{kept} bytes were kept");
    assert!(kept > OUTBOX_BYTES - message, "{kept} bytes were kept");

    // There is an end to what it can read now: what the kernels hold.
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(1..) = soon("the end", stuck.read(&mut buffer)).await {}
    reader.hears_nothing().await;
}

/// How many sockets were cut off since the test began, and how many bytes were kept for them at that moment.
async fn slow_readers(world: &World) -> (u64, u64) {
    let page = world.http().get("/metrics").await.text();
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    };
    (value("parlor_gateway_slow_readers_total"), value("parlor_gateway_slow_readers_bytes_total"))
}

/// In a split world a gateway's clients share its connection to the core, and each stream that is not read holds a part.
async fn watches_that_nobody_reads_delay_no_socket_and_no_call(plan: Plan) {
    let world = plan.start().await;
    let key = world.session();
    let staff = world.person("staff");
    let mut chat = world.chat_as(&staff.token).await;
    talk::open(&mut chat, &key).await;
    let mut unread = Vec::new();
    for _ in 0..WATCHERS {
        let mut client = world.chat_as(&staff.token).await;
        let watch = talk::watch(&mut client, &key, 0).await;
        unread.push((client, watch));
    }
    let mut reader = world.staff_socket().await;
    reader.register(&key).await;
    let padding = "x".repeat(TEXT_CHARACTERS - 4);
    for number in 0..WATCHED {
        let text = format!("{number:04}{padding}");
        talk::send_until_stored(&mut chat, &key, &text).await;
        assert_eq!(reader.next().await["message"], text, "who reads hears everything");
    }
    // Whoever reads at last reads everything, once and in order.
    for (_, watch) in &mut unread {
        let mut due = 1;
        while due <= u64::from(WATCHED) {
            let Ok(event) = talk::next(watch).await else { break };
            assert_eq!(event.sequence, due);
            due += 1;
        }
    }
}

/// A socket of the session that was opened properly and will not be read any more.
async fn never_reading(world: &World, key: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(world.entrance().address).await.unwrap();
    let mut socket = parlor_tests::Socket::over(stream, "ws://parlor/staff", &[]).await.unwrap();
    socket.register(key).await;
    let mut stream = socket.into_stream();
    stream.flush().await.unwrap();
    stream
}
