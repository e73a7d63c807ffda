//! Presence is counted by connection, survives short absences, and is told in order.

use std::time::Duration;

use parlor_api::v1::{self, event::Payload};
use parlor_tests::{Clients, Person, Plan, Topology, World, matrix, soon};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

matrix!(
    online_with_the_first_connection_and_offline_with_the_last,
    a_person_who_comes_back_within_the_linger_never_left,
    a_restart_of_the_core_shows_nobody_leaving,
    staff_sockets_count,
);

/// A linger that no test waits out.
const LONG: Duration = Duration::from_secs(60);

/// Somebody attending: being online is holding this.
struct Attendance {
    _commands: mpsc::Sender<v1::AttendRequest>,
    answers: Streaming<v1::AttendResponse>,
}

async fn attend(clients: &Clients, linger: Duration) -> Attendance {
    let (commands, receiver) = mpsc::channel(1);
    let linger = Some(prost_types::Duration::try_from(linger).unwrap());
    let attach = v1::attend_request::Command::Attach(v1::AttendAttach { linger });
    commands.send(v1::AttendRequest { number: 1, command: Some(attach) }).await.unwrap();
    let answers = clients.presence().attend(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let mut attendance = Attendance { _commands: commands, answers };
    let answer = soon("the answer", attendance.answers.message()).await.unwrap().unwrap();
    assert!(matches!(answer.body, Some(v1::attend_response::Body::Answer(_))), "{answer:?}");
    attendance
}

/// What staff see of who is online.
struct Watch(Streaming<v1::WatchPresenceResponse>);

impl Watch {
    /// Begins to watch; returns the names of those who are there already.
    async fn start(world: &World) -> (Self, Vec<String>) {
        let observer = world.person("staff");
        let clients = world.clients(&observer.token).await;
        let request = v1::WatchPresenceRequest::default();
        let mut watch = Self(clients.presence().watch_presence(request).await.unwrap().into_inner());
        match watch.next().await {
            Payload::PresenceSnapshot(snapshot) => {
                let names =
                    snapshot.presences.iter().filter(|presence| presence.reachable).map(name).collect();
                (watch, names)
            }
            other => panic!("not a snapshot: {other:?}"),
        }
    }

    async fn next(&mut self) -> Payload {
        let response = soon("a change", self.0.message()).await.unwrap().unwrap();
        response.event.unwrap().payload.unwrap()
    }

    /// The next change: who, reachable or not, and with how many connections.
    async fn change(&mut self) -> (String, bool, u32) {
        match self.next().await {
            Payload::PresenceChanged(change) => {
                let presence = change.presence.unwrap();
                (name(&presence), presence.reachable, presence.connections)
            }
            other => panic!("not a change: {other:?}"),
        }
    }

    /// Lets changes go until the person is reachable or not.
    async fn until(&mut self, person: &Person, reachable: bool) {
        loop {
            let (who, is, _) = self.change().await;
            if who == person.username && is == reachable {
                return;
            }
        }
    }
}

fn name(presence: &v1::Presence) -> String {
    presence.person.as_ref().unwrap().username.clone()
}

async fn online(world: &World) -> Vec<String> {
    let observer = world.person("staff");
    let clients = world.clients(&observer.token).await;
    let request = v1::ListOnlineRequest::default();
    let page = clients.presence().list_online(request).await.unwrap().into_inner();
    page.presences.iter().map(name).collect()
}

async fn online_with_the_first_connection_and_offline_with_the_last(plan: Plan) {
    let world = plan.start().await;
    let (mut watch, already) = Watch::start(&world).await;
    assert!(already.is_empty(), "{already:?}");
    let staff = world.person("staff");
    let clients = world.clients(&staff.token).await;

    let first = attend(&clients, Duration::ZERO).await;
    watch.until(&staff, true).await;
    let second = attend(&clients, Duration::ZERO).await;
    assert_eq!(online(&world).await, [staff.username.as_str()]);

    drop(first);
    // Somebody else comes after the first connection has gone: if that were an edge, it would be told before.
    let other = world.person("staff");
    let others = world.clients(&other.token).await;
    let _third = attend(&others, Duration::ZERO).await;
    loop {
        let (who, reachable, _) = watch.change().await;
        assert!(reachable, "{who} left with a connection still open");
        if who == other.username {
            break;
        }
    }
    drop(second);
    watch.until(&staff, false).await;
    assert_eq!(online(&world).await, [other.username]);
}

async fn a_person_who_comes_back_within_the_linger_never_left(plan: Plan) {
    let world = plan.start().await;
    let (mut watch, _) = Watch::start(&world).await;
    let staff = world.person("staff");
    let clients = world.clients(&staff.token).await;
    drop(attend(&clients, LONG).await);
    watch.until(&staff, true).await;
    let _again = attend(&clients, LONG).await;
    let other = world.person("staff");
    let others = world.clients(&other.token).await;
    let _other = attend(&others, LONG).await;
    loop {
        let (who, reachable, _) = watch.change().await;
        assert!(reachable, "{who} left within the linger");
        if who == other.username {
            break;
        }
    }
}

async fn a_restart_of_the_core_shows_nobody_leaving(plan: Plan) {
    let mut world = plan.set_mount("linger_ms", 60_000).start().await;
    let staff = world.person("staff");
    let mut socket = world.staff_socket().await;
    socket.register_staff(&staff.token).await;
    assert_eq!(online(&world).await, [staff.username.as_str()]);

    world.kill_core().await;
    world.restart_core().await;
    let (mut watch, already) = Watch::start(&world).await;
    assert_eq!(already, [staff.username.as_str()], "the linger is not over");
    let other = world.person("staff");
    let clients = world.clients(&other.token).await;
    let _other = attend(&clients, LONG).await;
    loop {
        let (who, reachable, _) = watch.change().await;
        assert!(reachable, "{who} left by a restart");
        if who == other.username {
            break;
        }
    }
    if world.topology() == Topology::Split {
        // The gateway kept the socket, and has told the new core of it.
        socket.hears_nothing().await;
    }
}

async fn staff_sockets_count(plan: Plan) {
    let world = plan.set_mount("linger_ms", 0).start().await;
    let (mut watch, _) = Watch::start(&world).await;
    let staff = world.person("staff");
    let mut socket = world.staff_socket().await;
    socket.register_staff(&staff.token).await;
    watch.until(&staff, true).await;
    socket.close().await;
    watch.until(&staff, false).await;
}
