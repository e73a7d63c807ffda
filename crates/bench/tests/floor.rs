//! The scenarios against the floor: what is counted is what was sent, and what goes wrong is said.
//!
//! Nothing here is timed. The floor runs on a thread of its own and ends with its test.

#![allow(clippy::unwrap_used, reason = "a helper of tests that cannot go on has failed")]

use std::{net::SocketAddr, rc::Rc, sync::mpsc, thread};

use parlor_bench::{
    cli::{Bench, Dialect, Scenario, Target},
    floor,
    outcome::{Outcome, Unit},
    scenario::{
        connect::Connect, crowd::Crowd, cuts::Cuts, eviction::Eviction, idle::Idle, knee::Knee, pairs::Pairs,
        room::Room,
    },
    script::{Script as _, person::Range, socketio::SocketIo, support::Support},
};
use tokio::sync::oneshot;

/// A floor on a free port.
struct Floor {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Floor {
    fn start(namespace: &str) -> Self {
        Self::serve(floor::Options { namespace: namespace.to_owned(), log: None })
    }

    fn serve(options: floor::Options) -> Self {
        let (told, address) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let listener = floor::listen("127.0.0.1:0".parse().unwrap()).unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    ended = floor::serve(listener, &options) => ended.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    fn bench(&self, path: &str, scenario: Scenario) -> Bench {
        let target = Target {
            url: format!("ws://{}{path}", self.address).parse().unwrap(),
            dialect: Dialect::Support,
            pid: Some(std::process::id()),
            socket_path: "/socket.io/".to_owned(),
            origin: None,
            admins: Range { first: 1, last: 5 },
            customers: Range { first: 6, last: 100 },
            as_customers: false,
            recovery: false,
            secret: Some("nobody looks at what it signs".to_owned()),
            staff_token: None,
            clients_per_connection: 1,
        };
        Bench { target, json: false, scenario }
    }

    fn measure(&self, scenario: Scenario) -> Outcome {
        self.measure_in(Dialect::Support, scenario)
    }

    fn measure_in(&self, dialect: Dialect, scenario: Scenario) -> Outcome {
        let mut bench = self.bench("", scenario);
        bench.target.dialect = dialect;
        bench.measure().unwrap()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn room() -> Room {
    Room { people: 20, rate: 200.0, seconds: 0.1, warmup: 0.05, ..Room::default() }
}

#[test]
fn every_delivery_of_a_room_is_counted() {
    for (namespace, path) in [("/", ""), ("/support", "/support")] {
        let outcome = Floor::start(namespace).bench(path, Scenario::Room(room())).measure().unwrap();
        assert_eq!(outcome.faults, Vec::<String>::new());
        assert_eq!((outcome.get("messages"), outcome.get("deliveries")), (Some(20.0), Some(400.0)));
    }
}

#[test]
fn bursts_and_saturation_count_the_same_way() {
    let floor = Floor::start("/");
    let burst = floor.measure(Scenario::Room(Room { burst: 16, ..room() }));
    assert_eq!(burst.faults, Vec::<String>::new());
    assert_eq!(burst.get("deliveries"), Some(20.0 * 16.0 * 20.0));
    let saturated = floor.measure(Scenario::Room(Room { outstanding: Some(8), ..room() }));
    assert_eq!(saturated.faults, Vec::<String>::new());
    assert_eq!(saturated.get("deliveries"), saturated.get("messages").map(|messages| messages * 20.0));
}

fn pairs() -> Pairs {
    Pairs { pairs: 10, rate: 500.0, seconds: 0.1, warmup: 0.02, bytes: 50 }
}

#[test]
fn pairs_hear_each_message_once_each() {
    // Over Socket.IO the customer and the admin hear it, over the raw WebSocket only the customer.
    for (dialect, deliveries) in [(Dialect::Support, 100.0), (Dialect::Staff, 50.0)] {
        let outcome = Floor::start("/").measure_in(dialect, Scenario::Pairs(pairs()));
        assert_eq!(outcome.faults, Vec::<String>::new());
        assert_eq!((outcome.get("messages"), outcome.get("deliveries")), (Some(50.0), Some(deliveries)));
        assert!(outcome.get("generator late, p99").is_some());
    }
}

#[test]
fn a_ceiling_has_every_message_on_disk_and_delivers_it() {
    for dialect in [Dialect::Support, Dialect::Staff] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let ceiling = Floor::serve(floor::Options { namespace: "/".to_owned(), log: Some(log.clone()) });
        let outcome = ceiling.measure_in(dialect, Scenario::Pairs(pairs()));
        assert_eq!(outcome.faults, Vec::<String>::new());
        // Each of the 50 messages and of those before them, at least one for each pair: its length, and its text.
        let records = std::fs::metadata(&log).unwrap().len() / (4 + 50);
        assert_eq!(records, 60, "{dialect}");
    }
}

#[test]
fn a_crowd_grows_and_is_measured_at_each_size() {
    let crowd = Crowd { connections: vec![4, 20], rate: 200.0, seconds: 0.1, settle: 0.01, bytes: 50 };
    for (dialect, connections) in [(Dialect::Support, [4.0, 20.0]), (Dialect::Staff, [4.0, 20.0])] {
        let outcome = Floor::start("/").measure_in(dialect, Scenario::Crowd(crowd.clone()));
        assert_eq!(outcome.faults, Vec::<String>::new());
        let told = ["first", "second"].map(|step| outcome.get(&format!("connections, {step} step")).unwrap());
        assert_eq!(told, connections);
        assert!(outcome.get("p99, second step").is_some() && outcome.get("p99, third step").is_none());
    }
}

#[test]
fn a_knee_is_found_and_every_step_is_told() {
    // With a limit that nothing keeps there is none; with one that everything keeps the generator is what ends it.
    let knee =
        Knee { pairs: 1, start: 8.0, most: 1e6, seconds: 0.02, settle: 0.0, limit_ms: -1.0, bytes: 50 };
    let floor = Floor::start("/");
    let outcome = floor.measure_in(Dialect::Staff, Scenario::Knee(knee.clone()));
    if outcome.notes.iter().all(|note| note.contains("the server")) {
        assert_eq!(outcome.faults, ["no rate was good"]);
        assert!(outcome.notes[0].starts_with("8/s: too much for the server; p99 "), "{:?}", outcome.notes);
        // 8, 4, 2 and 1 a second, each tried twice.
        assert_eq!(outcome.notes.len(), 8);
    }
    let outcome = floor.measure_in(Dialect::Staff, Scenario::Knee(Knee { limit_ms: 1e9, ..knee }));
    let knee = outcome.measures.iter().find(|measure| measure.name == "knee").unwrap();
    assert_eq!(knee.unit, Unit::PerSecondAtLeast);
    assert!(knee.value >= 8.0, "{outcome}");
}

#[test]
fn connections_come_in_and_stay() {
    let floor = Floor::start("/");
    let connect = floor.measure(Scenario::Connect(Connect { connections: 100 }));
    assert_eq!((connect.get("connects"), connect.faults.len()), (Some(100.0), 0));
    let idle = Idle { connections: vec![10, 50], settle: 0.01, hold: 0.01 };
    let idle = floor.measure(Scenario::Idle(idle));
    assert!(idle.faults.is_empty());
    assert!(idle.get("RSS each, of those added").is_some());
}

#[test]
fn what_a_server_without_recovery_loses_in_a_cut_is_missing() {
    let cuts = Cuts {
        clients: 10,
        rooms: 3,
        rate: 100.0,
        every: 0.2,
        away: 0.1,
        seconds: 0.5,
        bytes: 40,
        patience: 0.5,
    };
    let bench = Floor::start("/");
    let outcome = bench.bench("", Scenario::Cuts(cuts)).measure().unwrap();
    assert!(outcome.get("cuts").unwrap() >= 10.0);
    assert!(outcome.faults.iter().any(|fault| fault.ends_with("missing")), "{:?}", outcome.faults);
}

#[test]
fn a_floor_keeps_who_does_not_read() {
    let eviction = Eviction {
        readers: 10,
        stalled: 2,
        rate: 100.0,
        bytes: 40,
        warmup: 0.1,
        within: 0.1,
        outbox_bytes: None,
        patience: 0.3,
    };
    let outcome = Floor::start("/").measure(Scenario::Eviction(eviction));
    assert_eq!(outcome.faults, ["not all who stopped reading were gone after 0.3 s"]);
    assert!(outcome.get("deliveries to others").unwrap() > 0.0);
}

#[test]
fn nobody_there_is_an_error_and_not_a_figure() {
    let floor = Floor::start("/");
    let bench = floor.bench("", Scenario::Room(room()));
    drop(floor);
    assert!(bench.measure().unwrap_err().to_string().contains("could not come in"));
}

#[test]
fn scripts_cast_distinct_people_while_there_are_some() {
    let words = Support { admins: Range { first: 1, last: 2 }, ..Support::default() };
    let script = SocketIo { path: "/socket.io/".to_owned(), namespace: "/".to_owned(), origin: None, words };
    let script = Rc::new(script);
    assert_ne!(script.hearer(0, 0), script.hearer(0, 1));
    assert_eq!(script.hearer(0, 0), script.hearer(0, 2));
    assert_ne!(script.speaker(0), script.speaker(1));
}
