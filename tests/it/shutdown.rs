//! Leaving: clients are told, and what stood gets its grace.

mod streams;

use futures::{
    FutureExt as _,
    future::{join, join_all},
};
use parlor_tests::{Backend, Plan, Program, Topology, soon, talk, topologies};
use rustix::process::Signal;
use tokio::net::TcpStream;
use tonic::Code;

topologies!(
    sockets_are_closed_with_1001_and_a_reason,
    native_streams_end_so_that_clients_come_back,
    nobody_waits_for_streams,
);

async fn sockets_are_closed_with_1001_and_a_reason(plan: Plan) {
    let mut world = plan.start().await;
    let address = world.entrance().address;
    let mut socket = world.staff_socket().await;
    socket.register(&world.session()).await;
    let (close, ()) = soon("the shutdown", futures::future::join(socket.closed(), world.drain_edge())).await;
    assert_eq!(close.0, 1001);
    assert!(!close.1.is_empty(), "a reason is given");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

async fn native_streams_end_so_that_clients_come_back(plan: Plan) {
    let mut world = plan.start().await;
    let staff = world.person("staff");
    let mut chat = world.chat_as(&staff.token).await;
    let session = world.session();
    talk::open(&mut chat, &session).await;
    let mut watch = talk::watch(&mut chat, &session, 0).await;
    talk::next(&mut watch).await.unwrap();
    let end = async { talk::next(&mut watch).await }.boxed();
    let (end, ()) = soon("the shutdown", futures::future::join(end, world.drain_edge())).await;
    assert!(end.is_err());
}

/// Of a grace that is longer than a test waits for anything.
async fn nobody_waits_for_streams(plan: Plan) {
    let mut world = plan.set("shutdown.grace_ms", 300_000).start().await;
    let staff = world.person("staff");
    let session = world.session();
    talk::open(&mut world.chat_as(&staff.token).await, &session).await;
    let mut ends = streams::open(&world.entrance(), &staff.token, &session).await;
    let mut of_another = match world.topology() {
        Topology::Local => Vec::new(),
        Topology::Split => {
            let another = world.another_gateway().await;
            streams::open(&another, &staff.token, &session).await
        }
    };
    let (told, ()) = soon("the shutdown", join(join_all(&mut ends), world.drain_edge())).await;
    assert_eq!(told, [Code::Unavailable; streams::KINDS], "each is told to come back");
    if world.topology() == Topology::Split {
        assert!(of_another.iter_mut().all(|end| end.now_or_never().is_none()), "another gateway's go on");
        // What is left is the core.
        let (told, ()) = soon("the core's", join(join_all(&mut of_another), world.drain_edge())).await;
        assert_eq!(told, [Code::Unavailable; streams::KINDS]);
    }
}

#[test]
fn the_program_leaves_on_sigterm_with_success() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        let mut program = Program::new();
        let address = program.serve();
        drop(TcpStream::connect(address).await.unwrap());
        program.signal(Signal::TERM);
        assert!(program.wait().success());
        assert!(!program.data_dir().join("run.json").exists(), "nobody is told of a server that is gone");
    });
}

#[test]
fn two_servers_do_not_share_a_data_directory() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        let mut program = Program::new();
        program.serve();
        let second = program.run(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
        assert!(!second.status.success());
        let said = String::from_utf8_lossy(&second.stderr);
        assert!(said.contains("data directory"), "{said}");
    });
}
