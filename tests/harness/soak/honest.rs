//! Clients of every dialect that talk: each says a number, and hears it before it says the next.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{net::TcpStream, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{beats::Beat, ground::Ground};
use crate::{SUPPORT_BY_CLAIMS, Socket, configuration::STAFF, soon, talk};

/// A place where one talks, with those who are in it.
pub struct Room(Box<Wire>);

#[expect(clippy::large_enum_variant, reason = "each is in a box of its own")]
enum Wire {
    /// Staff say it, the customer of a session hears it.
    Staff {
        staff: Socket,
        customer: Socket,
        session: String,
    },
    /// A customer hears what they say themselves.
    Support(SocketIo),
    Native {
        socket: Socket,
        key: String,
    },
}

/// Opens rooms with so many clients, a third of each dialect's.
pub async fn open(ground: &Arc<Ground>, clients: usize) -> Vec<Room> {
    let each = (clients / 4).max(1);
    let mut rooms = Vec::new();
    for number in 1..=each {
        rooms.push(Room(Box::new(staff(ground).await)));
        rooms.push(Room(Box::new(support(ground, number as u64).await)));
        rooms.push(Room(Box::new(native(ground).await)));
    }
    rooms
}

async fn staff(ground: &Ground) -> Wire {
    let session = key();
    let person = ground.configuration.person("staff", now_s());
    let mut chat = ground.entrance.clients(&person.token).await.chat();
    talk::open(&mut chat, &session).await;
    let mut staff = ground.entrance.staff_socket().await;
    staff.register_staff(&person.token).await;
    let mut customer = ground.entrance.ws(STAFF).await;
    customer.register(&session).await;
    Wire::Staff { staff, customer, session }
}

async fn native(ground: &Ground) -> Wire {
    let key = key();
    let person = ground.configuration.person("customer", now_s());
    let mut socket = ground.entrance.ws("/native").await;
    let connected = socket.ask(&json!(["connect", {"token": person.token}])).await;
    assert_eq!(connected[0], "connected", "{connected}");
    for (number, request) in [
        json!(["CreateConversation", {"key": key, "kind": "soak", "requestId": Uuid::new_v4().to_string()}]),
        json!(["WatchConversation", {"conversation": {"key": key}}]),
    ]
    .into_iter()
    .enumerate()
    {
        socket.send(&json!([request[0], request[1], number])).await;
        let answer = next_but(&mut socket, |came| came[0] == "event").await;
        assert!(answer[2]["response"].is_object(), "{answer}");
    }
    Wire::Native { socket, key }
}

async fn support(ground: &Ground, number: u64) -> Wire {
    ground.customer(number).await;
    let mut socket = SocketIo::join(ground).await;
    let claim = json!({"userId": number, "userName": "Customer", "role": "CUSTOMER"});
    socket.emit(&json!(["user:join", claim])).await;
    socket.emit(&json!(["customer:getMyConversation"])).await;
    let answer = socket.next().await;
    assert_eq!(answer[0], "customer:myConversation", "{answer}");
    Wire::Support(socket)
}

impl Room {
    /// Talks at its pace until the end, and gives how late each message was heard.
    pub async fn talk(mut self, every: Duration, began: Instant, ended: CancellationToken) -> Vec<Beat> {
        let mut beats = Vec::new();
        let mut pace = tokio::time::interval_at(began, every);
        for number in 0.. {
            tokio::select! {
                () = ended.cancelled() => return beats,
                due = pace.tick() => {
                    self.say(number).await;
                    assert_eq!(self.hear().await, number, "everything is heard, and in order");
                    beats.push(Beat { due, late: due.elapsed() });
                }
            }
        }
        beats
    }

    async fn say(&mut self, number: u64) {
        let text = number.to_string();
        match &mut *self.0 {
            Wire::Staff { staff, session, .. } => {
                staff.send(&json!({"type": "staff_message", "sessionId": session, "content": text})).await;
            }
            Wire::Support(socket) => {
                socket.emit(&json!(["message:send", {"message": text, "sender": "CUSTOMER"}])).await;
            }
            Wire::Native { socket, key } => {
                let request_id = Uuid::new_v4().to_string();
                let request = json!({"conversation": {"key": key}, "text": text, "requestId": request_id});
                socket.send(&json!(["SendMessage", request])).await;
            }
        }
    }

    async fn hear(&mut self) -> u64 {
        let text = match &mut *self.0 {
            Wire::Staff { staff, customer, .. } => {
                // What other customers say is heard by all of the staff.
                let refused = next_but(staff, |came| came["type"] != "error");
                tokio::select! {
                    heard = customer.next() => heard["message"].clone(),
                    refused = refused => panic!("the staff hear {refused}"),
                }
            }
            Wire::Support(socket) => {
                let heard = socket.next().await;
                assert_eq!(heard[0], "message:received", "{heard}");
                heard[1]["content"].clone()
            }
            Wire::Native { socket, .. } => {
                // Who is typing, who has joined.
                let other = |came: &Value| came[0] == "event" && !came[1]["messageSent"].is_object();
                let heard = next_but(socket, other).await;
                heard[1]["messageSent"]["message"]["text"].clone()
            }
        };
        text.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{text} is no number"))
    }
}

/// A client of the support mount over Socket.IO.
struct SocketIo(Socket);

impl SocketIo {
    async fn join(ground: &Ground) -> Self {
        let address = ground.entrance.address;
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut socket = Socket::over(stream, &url, &[]).await.unwrap();
        assert!(socket.next_text().await.starts_with('0'));
        socket.send_text(&format!("40{SUPPORT_BY_CLAIMS},")).await;
        assert!(socket.next_text().await.starts_with("40"));
        Self(socket)
    }

    async fn emit(&mut self, event: &Value) {
        self.0.send_text(&format!("42{SUPPORT_BY_CLAIMS},{event}")).await;
    }

    /// The next event; pings are answered.
    async fn next(&mut self) -> Value {
        let prefix = format!("42{SUPPORT_BY_CLAIMS},");
        loop {
            let text = soon("an event", self.0.next_text()).await;
            if text == "2" {
                self.0.send_text("3").await;
                continue;
            }
            let event = text.strip_prefix(&prefix).unwrap_or_else(|| panic!("{text} is no event"));
            return serde_json::from_str(event).unwrap();
        }
    }
}

/// The next frame that is none of these.
async fn next_but(socket: &mut Socket, other: impl Fn(&Value) -> bool) -> Value {
    loop {
        let came = socket.next().await;
        if !other(&came) {
            return came;
        }
    }
}

fn key() -> String {
    format!("session_{}", Uuid::new_v4().simple())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program of these clients is a process with the clock of the machine"
)]
fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
