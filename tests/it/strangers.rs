//! Who never says who they are, in each dialect: they are told to leave, and others stay.

use parlor_tests::{Plan, Socket, topologies};
use serde_json::json;
use tokio::net::TcpStream;

topologies!(
    raw_sockets_that_name_nobody_leave_in_time_and_others_stay,
    a_stranger_says_little_at_a_time,
    attachments_are_for_those_who_are_let_in_and_have_a_time_to_come,
);

/// What is taken at a time of somebody who is not let in.
const JOINING_BYTES: usize = 16 * 1024;

async fn raw_sockets_that_name_nobody_leave_in_time_and_others_stay(plan: Plan) {
    let world = plan.set("gateway.join_timeout_ms", 1_000).start().await;
    let entrance = world.entrance();
    let (staff, customer) = (world.person("staff"), world.person("customer"));
    let mut registered = world.staff_socket().await;
    registered.register(&world.session()).await;
    let mut attendant = world.staff_socket().await;
    attendant.register_staff(&staff.token).await;
    let mut known = entrance.ws("/native").await;
    assert_eq!(known.ask(&json!(["connect", {"token": customer.token}])).await[0], "connected");
    let mut guest = entrance.ws("/native-for-guests").await;
    assert_eq!(guest.ask(&json!(["connect", {}])).await[0], "connected");

    let mut silent = world.staff_socket().await;
    let mut talking = world.staff_socket().await;
    talking.send(&json!({"type": "ping"})).await;
    let wrong = json!({"type": "register_admin", "userId": "x", "token": "bad"});
    assert_eq!(talking.ask(&wrong).await["message"], "Authentication failed");
    let mut nameless = entrance.ws("/native").await;
    for stranger in [&mut silent, &mut talking, &mut nameless] {
        assert_eq!(stranger.closed().await, (1008, "did not say who it is in time".to_owned()));
    }

    // They have been here for longer.
    registered.hears_nothing().await;
    attendant.hears_nothing().await;
    for socket in [&mut known, &mut guest] {
        let answer = socket.ask(&json!(["NoSuchMethod", {}, 7])).await;
        assert_eq!((&answer[0], &answer[1]), (&json!("answer"), &json!(7)));
    }
}

async fn a_stranger_says_little_at_a_time(plan: Plan) {
    let world = plan.start().await;
    let padded = |bytes: usize| format!("{{\"type\":\"{}\"}}", "x".repeat(bytes - "{\"type\":\"\"}".len()));
    let mut socket = world.staff_socket().await;
    socket.send_text(&padded(JOINING_BYTES)).await;
    socket.hears_nothing().await;
    socket.send_text(&padded(JOINING_BYTES + 1)).await;
    assert_eq!(socket.closed().await.0, 1009);

    let mut socket = world.staff_socket().await;
    socket.register(&world.session()).await;
    socket.send_text(&padded(JOINING_BYTES + 1)).await;
    socket.hears_nothing().await;
}

/// A Socket.IO client of the support mount, before it asks to be let in.
async fn socketio(world: &parlor_tests::World) -> Socket {
    let address = world.entrance().address;
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let mut socket = Socket::over(TcpStream::connect(address).await.unwrap(), &url, &[]).await.unwrap();
    assert!(socket.next_text().await.starts_with("0{"));
    socket
}

async fn attachments_are_for_those_who_are_let_in_and_have_a_time_to_come(plan: Plan) {
    let world = plan.set("gateway.message_timeout_ms", 1_000).start().await;
    let mut stranger = socketio(&world).await;
    stranger.send_text("451-/support,[\"message:send\"]").await;
    stranger.closed().await;

    let mut client = socketio(&world).await;
    client.send_text("40/support,").await;
    assert!(client.next_text().await.starts_with("40/support,{"));
    client.send_text("459-/support,[\"message:send\"]").await;
    // Pongs and attachments come, but never the last.
    for _ in 0..8 {
        client.send_binary(&[7; 100_000]).await;
        client.send_text("3").await;
    }
    client.closed().await;

    // Together they are more than a packet may have.
    let mut client = socketio(&world).await;
    client.send_text("40/support,").await;
    assert!(client.next_text().await.starts_with("40/support,{"));
    client.send_text("459-/support,[\"message:send\"]").await;
    client.send_binary(&vec![7; 600_000]).await;
    client.send_binary(&vec![7; 600_000]).await;
    client.closed().await;
}
