//! A database that is lost, and a disk that is full: errors while it lasts, nothing acknowledged that is not stored, and
//! work as before when it is over, without a restart.

use std::{process::Command, time::Duration};

use parlor_api::v1::Reason;
use parlor_tests::{Backend, Configuration, Entrance, Plan, Program, Topology, failure_reason, talk};
use serde_json::json;
use toml::Table;

/// A limit that the write-ahead log has reached long before: every write that makes a file longer fails.
const FULL_BYTES: &str = "4096";

/// A probe notices a lost database within some seconds.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn a_lost_database_is_survived_in_one_process() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Postgres), a_lost_database_is_survived);
}

#[test]
fn a_lost_database_is_survived_split_in_two() {
    parlor_tests::run(Plan::new(Topology::Split, Backend::Postgres), a_lost_database_is_survived);
}

async fn a_lost_database_is_survived(plan: Plan) {
    let world = plan.with_own_cluster().start().await;
    let session = world.session();
    let staff = world.person("staff");
    let mut chat = world.chat_as(&staff.token).await;
    talk::open(&mut chat, &session).await;
    let first = talk::send_until_stored(&mut chat, &session, "before").await;
    let mut socket = world.staff_socket().await;
    socket.register(&session).await;

    world.database.stop();
    let status = talk::send(&mut chat, &session, "meanwhile", "the same id").await.unwrap_err();
    assert_eq!(failure_reason(&status), Reason::TryAgain, "{status:?}");
    let reply =
        world.staff_rest().post("/chat/staff/message", &json!({"sessionId": session, "message": "x"})).await;
    assert_eq!(reply.expect(500)["success"], false);
    // A look at the database serves all who ask for a quarter of a second; the next one finds it lost.
    let lost = async { while world.http().get("/readyz").await.status.as_u16() != 503 {} };
    tokio::time::timeout(NOTICED_WITHIN, lost).await.expect("it is not ready without a database");

    world.database.resume();
    let stored = talk::send_until_stored(&mut chat, &session, "after").await;
    assert_eq!(socket.next().await["message"], "after", "the socket has lived through it");
    let again = talk::send(&mut chat, &session, "meanwhile", "the same id").await.unwrap();
    assert_eq!(socket.next().await["message"], "meanwhile");
    assert_eq!([stored.sequence, again.sequence], [first.sequence + 1, first.sequence + 2]);
    let (messages, _) = talk::snapshot(&mut chat, &session).await;
    let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["before", "after", "meanwhile"]);
}

#[test]
fn a_full_disk_is_survived() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        // A file that may not grow fails its writes, once the signal that would end the process is ignored.
        let mut program = Program::new().through(&["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
        let url = format!("sqlite://{}", program.folder().join("parlor.db").display());
        let configuration = Configuration::new(&url, &Table::new(), &Table::new());
        let file = program.folder().join("parlor.toml");
        let table = configuration.server(&[("data_dir", program.data_dir().to_str().unwrap())]);
        std::fs::write(&file, toml::to_string(&table).unwrap()).unwrap();
        let address = program.serve_with(&["--config", file.to_str().unwrap()]);
        let entrance = Entrance::new(address, &configuration.tenant);
        configuration.create_tenant(&entrance).await;
        fill_and_free(&program, &entrance).await;
    });
}

async fn fill_and_free(program: &Program, entrance: &Entrance) {
    let session = "session_1795206390007_yemuse1b4";
    let rest = entrance.staff_rest();
    let message = |text: &str| json!({"sessionId": session, "message": text});
    rest.post("/chat/staff/connect", &json!({"sessionId": session})).await.expect(200);
    rest.post("/chat/staff/message", &message("before")).await.expect(200);

    limit(program, FULL_BYTES);
    let reply = rest.post("/chat/staff/message", &message("meanwhile")).await;
    assert_eq!(reply.expect(500)["success"], false);
    let health = entrance.http().get("/healthz").await;
    assert_eq!(health.status.as_u16(), 200, "it lives");

    limit(program, "unlimited");
    rest.post("/chat/staff/message", &message("after")).await.expect(200);
    let history = rest.get(&format!("/chat/conversation/{session}?limit=20")).await.expect(200);
    let messages = history["data"]["messages"].as_array().unwrap();
    let texts: Vec<&str> = messages.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(texts, ["before", "after"]);
}

/// Sets how long files of the running program may become.
fn limit(program: &Program, bytes: &str) {
    let process = program.process().as_raw_nonzero().to_string();
    let status = Command::new("prlimit")
        .args(["--pid", &process, &format!("--fsize={bytes}:unlimited")])
        .status()
        .unwrap();
    assert!(status.success());
}
