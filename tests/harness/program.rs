//! The real binary as a child process, for what only a process can show: `kill -9`, system calls, signals, exit codes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::PATIENCE;

/// How often it is looked whether the program serves.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A folder in which the program can be started again and again.
pub struct Program {
    folder: TempDir,
    /// Words before the binary, such as `strace -f`.
    wrapper: Vec<String>,
    running: Option<Child>,
}

impl Program {
    /// A new folder; nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), wrapper: Vec::new(), running: None }
    }

    /// Starts the binary by way of another program.
    #[must_use]
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("parlor-data")
    }

    /// Runs `parlor` with these arguments to its end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Starts `parlor serve --dev` on a free port and waits until it serves.
    pub fn serve(&mut self) -> SocketAddr {
        self.serve_with(&["--dev", "--listen", "127.0.0.1:0"])
    }

    /// Starts `parlor serve` with these arguments and waits until it serves.
    pub fn serve_with(&mut self, arguments: &[&str]) -> SocketAddr {
        assert!(self.running.is_none(), "it runs already");
        let run_file = self.data_dir().join("run.json");
        let _ = fs::remove_file(&run_file);
        let mut child = self
            .command()
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = listen(&mut child);
        self.running = Some(child);
        wait_until_served(&run_file, &said)
    }

    /// SIGKILL: no destructor, no flush, no goodbye.
    pub fn kill(&mut self) {
        let mut child = self.running.take().expect("it runs");
        for process in descendants(&child) {
            let _ = kill_process(process, Signal::KILL);
        }
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// Sends a signal to the program, not to its wrapper.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).unwrap();
    }

    /// The process of the program; a wrapper that has not become it is its parent.
    #[must_use]
    pub fn process(&self) -> Pid {
        let child = self.running.as_ref().expect("it runs");
        descendants(child).first().copied().unwrap_or_else(|| Pid::from_child(child))
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.running.take().expect("it runs").wait().unwrap()
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.iter().map(String::as_str).chain([binary()]);
        let mut command = Command::new(words.next().expect("there is at least the binary"));
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            // The program reads its configuration from such variables, and nothing of ours is meant for it.
            if name.to_string_lossy().starts_with("PARLOR_") {
                command.env_remove(name);
            }
        }
        command
    }
}

impl Default for Program {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.kill();
        }
    }
}

/// The binary that was built with these tests: two folders above the test's own.
fn binary() -> &'static str {
    static BINARY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        let binary = own.ancestors().nth(2).unwrap().join("parlor");
        assert!(
            binary.exists(),
            "{} is missing: cargo build -p parlor, or cargo xtask test",
            binary.display()
        );
        binary.to_str().unwrap().to_owned()
    })
}

/// Passes on what the program says, so that its pipes never fill; the channel closes when it ends.
fn listen(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let outputs: [Box<dyn std::io::Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    for output in outputs {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens any more once it serves.
                let _ = sender.send(line);
            }
        });
    }
    receiver
}

/// The program says nothing once it has written `run.json`, so the file is looked for now and then.
fn wait_until_served(run_file: &Path, said: &mpsc::Receiver<String>) -> SocketAddr {
    let begun = Instant::now();
    let mut lines = Vec::new();
    loop {
        if let Some(address) = served(run_file) {
            return address;
        }
        match said.recv_timeout(LOOK_AGAIN) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Timeout) if begun.elapsed() < PATIENCE => {}
            Err(error) => panic!("the program does not serve ({error}):\n{}", lines.join("\n")),
        }
    }
}

fn served(run_file: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(run_file).ok()?;
    let run: serde_json::Value = serde_json::from_str(&text).ok()?;
    run["public"].as_str()?.parse().ok()
}

/// The processes below a child, such as the program below `strace`.
fn descendants(child: &Child) -> Vec<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", child.id());
    let children = fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)).collect()
}
