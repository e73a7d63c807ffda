//! A throw-away PostgreSQL cluster in a temporary directory, on a free port of 127.0.0.1.
//!
//! PostgreSQL refuses to run as root; then it runs as the user `postgres`. Its death signal follows the *thread* that
//! started it, so a thread of its own starts it, holds it and ends it: even a killed test leaves no server behind.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::chown,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::program::program;

/// How often a start is tried: the port may have been taken meanwhile, or a killed server's children still be dying.
const START_ATTEMPTS_MAX: u32 = 50;
/// The server says so when it is up.
const READY: &str = "database system is ready to accept connections";

/// A running cluster; gone with this value.
pub struct Cluster {
    port: u16,
    orders: mpsc::Sender<(Order, mpsc::Sender<()>)>,
    keeper: Option<JoinHandle<()>>,
    _directory: TempDir,
}

enum Order {
    Start,
    Kill,
    Stop,
}

impl Cluster {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let directory =
            tempfile::Builder::new().prefix("parlor-pg").tempdir().expect("a temporary directory");
        give_to_postgres(directory.path());
        let data = directory.path().join("data");
        let made = as_postgres("initdb")
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .output();
        let made = made.unwrap_or_else(|error| {
            panic!(
                "initdb cannot be run ({error}): install PostgreSQL, or name a server in TEST_POSTGRES_URL"
            )
        });
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("a bound port").port();
        drop(free);
        let (orders, inbox) = mpsc::channel();
        let path = directory.path().to_owned();
        let keeper = std::thread::spawn(move || keep(&path, port, &inbox));
        let cluster = Self { port, orders, keeper: Some(keeper), _directory: directory };
        cluster.order(Order::Start);
        cluster
    }

    /// Where a database of it is.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends the server without a warning, as a power cut would.
    pub fn kill(&self) {
        self.order(Order::Kill);
    }

    /// Starts it again, on the same port.
    pub fn restart(&self) {
        self.order(Order::Start);
    }

    fn order(&self, order: Order) {
        let (done, carried_out) = mpsc::channel();
        self.orders.send((order, done)).expect("the keeper lives as long as the cluster");
        carried_out.recv().expect("the keeper carries out what it is told");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let (done, carried_out) = mpsc::channel();
        if self.orders.send((Order::Stop, done)).is_ok() {
            let _ = carried_out.recv();
        }
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

fn keep(directory: &Path, port: u16, inbox: &mpsc::Receiver<(Order, mpsc::Sender<()>)>) {
    let mut server: Option<Child> = None;
    while let Ok((order, done)) = inbox.recv() {
        match order {
            Order::Start => server = Some(start_server(directory, port)),
            Order::Kill | Order::Stop => end(server.take(), &order),
        }
        // The one who ordered may have panicked meanwhile.
        let _ = done.send(());
        if matches!(order, Order::Stop) {
            break;
        }
    }
}

fn end(server: Option<Child>, order: &Order) {
    let Some(mut server) = server else { return };
    let signal = if matches!(order, Order::Kill) { Signal::KILL } else { Signal::INT };
    let pid = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("a process id");
    // It may be gone already.
    let _ = kill_process(pid, signal);
    let _ = server.wait();
}

fn start_server(directory: &Path, port: u16) -> Child {
    let mut said = String::new();
    for _ in 0..START_ATTEMPTS_MAX {
        let mut server = as_postgres("postgres")
            .arg("-D")
            .arg(directory.join("data"))
            .arg("-k")
            .arg(directory)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "log_destination=stderr"])
            .args(["-c", "logging_collector=off", "-c", "lc_messages=C", "-c", "shared_buffers=32MB"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("PostgreSQL runs, since initdb ran");
        let mut lines = BufReader::new(server.stderr.take().expect("a piped stream")).lines();
        said.clear();
        for line in lines.by_ref().map_while(Result::ok) {
            if line.contains(READY) {
                // Somebody must go on reading, or the server would block on a full pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return server;
            }
            said.push_str(&line);
            said.push('\n');
        }
        let _ = server.wait();
    }
    panic!("PostgreSQL does not start:\n{said}");
}

/// A program of PostgreSQL, as the user it wants.
fn as_postgres(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    if geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.args(["--pdeathsig", "INT", "--"]).arg(program(name));
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn give_to_postgres(directory: &Path) {
    if !geteuid().is_root() {
        return;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("a list of users");
    let entry = users.lines().find(|line| line.starts_with("postgres:")).expect("a user postgres");
    let mut numbers = entry.split(':').skip(2).map(|number| number.parse::<u32>().ok());
    let (user, group) = (numbers.next().flatten(), numbers.next().flatten());
    chown(directory, user, group).expect("root may give away");
}
