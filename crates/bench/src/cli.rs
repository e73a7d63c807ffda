//! The command line of the scenarios: what `parlor bench` and `parlor-bench run` take.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::PathBuf,
    rc::Rc,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};

use crate::{
    converse::Converse,
    duo::Wire,
    outcome::Outcome,
    process::Process,
    scenario::{
        connect::Connect, crowd::Crowd, cuts::Cuts, eviction::Eviction, grpc::Grpc, idle::Idle, knee::Knee,
        pairs::Pairs, room::Room,
    },
    script::{
        Shared,
        person::Range,
        socketio::SocketIo,
        staff::{Proof, Staff},
        support::Support,
    },
    target::Url,
    world::{World, a_run},
};

/// Put a server under load and tell what it did: any server that speaks one of the dialects, here or elsewhere
#[derive(Clone, Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub struct Bench {
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON object instead of lines
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub scenario: Scenario,
}

const AFTER_HELP: &str = "\
Every scenario is bounded in count and time and sends in open loop: latency counts from the
time a message was meant to be sent, so a stalled server cannot hide it. Every delivery is
counted and its order checked; the exit code is 1 if one was missing, late or came twice.

What a scenario needs of the server:
  support  Admins and customers who exist, by number (--admins, --customers); `people` writes
           a seed file of them. Where the mount's identity is \"claims\", nothing else; elsewhere
           the secret of its issuer (--secret). Raise the mount's rate_per_second to write fast.
  staff    A token of somebody of the staff (--staff-token), or the issuer's secret (--secret):
           then each who speaks is another person. gateway.rest_limit_requests = 0, and
           core.new_conversations_burst = 0 for many rooms; rate_per_second as above.
  converse The secret of an issuer of support's shape (--secret), whose people they are.
           core.caller_streams = 0 and gateway.calls_per_address = 0 for many rooms.
  grpc     An access token of somebody of the staff: `parlor token mint --tenant T --user U`.

The number of connections is bounded by the file limits of both sides (ulimit -n) and by what
the server allows one address. CPU time and memory of the server are read from its process
(--pid), on its own machine only.

Examples:
  parlor bench --url http://127.0.0.1:8080/support room --people 1000 --rate 50
  parlor bench --url http://127.0.0.1:8080/support --pid $(pgrep -x parlor) idle
  parlor bench --url ws://127.0.0.1:8080/staff --dialect staff pairs --pairs 50 --rate 500
  parlor bench --url http://127.0.0.1:8080 --dialect converse knee --pairs 200";

/// The words that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// Socket.IO: customers, each with a conversation, and admins who hear all
    Support,
    /// Raw WebSocket: staff write to the sessions of customers
    Staff,
    /// gRPC: a stream of `Converse` for each client; for pairs, knee and crowd
    Converse,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Support => "support",
            Self::Staff => "staff",
            Self::Converse => "converse",
        })
    }
}

/// Which server, and how it is spoken to.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Base URL of the server, with the mount's path. For Socket.IO the path is the namespace
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080/support")]
    pub url: Url,
    /// The words that are spoken there
    #[arg(long, global = true, default_value_t = Dialect::Support)]
    pub dialect: Dialect,
    /// The process of the server, if it runs on this machine
    #[arg(long, global = true)]
    pub pid: Option<u32>,
    /// The path of Socket.IO
    #[arg(long, global = true, default_value = "/socket.io/")]
    pub socket_path: String,
    /// What to send as Origin
    #[arg(long, global = true)]
    pub origin: Option<String>,
    /// Numbers of the admins there are (support, converse)
    #[arg(long, global = true, default_value = "1")]
    pub admins: Range,
    /// Numbers of the customers there are (support, converse)
    #[arg(long, global = true, default_value = "2-1001")]
    pub customers: Range,
    /// Those who only hear are customers, not admins (support: for connect and idle)
    #[arg(long, global = true)]
    pub as_customers: bool,
    /// Take up a lost connection by pid and offset (standard recovery of Socket.IO)
    #[arg(long, global = true)]
    pub recovery: bool,
    /// The secret of the issuer: HS256 tokens are signed with it
    #[arg(long, global = true, env = "PARLOR_BENCH_SECRET", hide_env_values = true)]
    pub secret: Option<String>,
    /// A token that exists already (staff)
    #[arg(long, global = true, env = "PARLOR_BENCH_TOKEN", hide_env_values = true)]
    pub staff_token: Option<String>,
    /// Clients that share a connection (converse)
    #[arg(long, global = true, default_value_t = 1)]
    pub clients_per_connection: usize,
}

/// What is done to the server.
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    Connect(Connect),
    Idle(Idle),
    Room(Room),
    Pairs(Pairs),
    Knee(Knee),
    Crowd(Crowd),
    Eviction(Eviction),
    Cuts(Cuts),
    Grpc(Grpc),
    People(People),
}

/// Print a seed file with the people of the scenarios (support)
#[derive(Clone, Debug, Args)]
pub struct People {
    /// The tenant they belong to
    #[arg(long)]
    pub tenant: String,
    /// The issuer whose subjects their numbers are
    #[arg(long)]
    pub issuer: String,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

impl Target {
    fn script(&self) -> Result<Shared> {
        Ok(match self.dialect {
            Dialect::Support => Rc::new(SocketIo {
                path: self.socket_path.clone(),
                namespace: if self.url.path.is_empty() { "/".to_owned() } else { self.url.path.clone() },
                origin: self.origin.clone(),
                words: self.people(),
            }),
            Dialect::Staff => Rc::new(Staff {
                path: self.url.path.clone(),
                proof: match (&self.staff_token, &self.secret) {
                    (Some(token), _) => Proof::Token(token.clone()),
                    (None, Some(secret)) => Proof::Secret(secret.clone()),
                    (None, None) => bail!("the staff dialect needs a token: give --secret or --staff-token"),
                },
                run: a_run(),
            }),
            Dialect::Converse => bail!("over gRPC there are pairs, knee and crowd"),
        })
    }

    fn people(&self) -> Support {
        Support {
            admins: self.admins,
            customers: self.customers,
            secret: self.secret.clone(),
            customers_only: self.as_customers,
            recovers: self.recovery,
        }
    }

    /// What pairs speak over.
    fn wire(&self, server: Option<Process>) -> Result<Wire> {
        if self.dialect != Dialect::Converse {
            return Ok(Wire::Sockets(World::new(self.url.clone(), self.script()?, server)));
        }
        ensure!(self.secret.is_some(), "converse needs tokens: give --secret");
        let converse = Converse::new(self.url.clone(), server, &self.people(), self.clients_per_connection);
        Ok(Wire::Streams(converse))
    }
}

impl Bench {
    /// Does what the command line says, on a thread of its own. Gives false if something was wrong with the deliveries.
    pub fn run(&self) -> Result<bool> {
        if let Scenario::People(people) = &self.scenario {
            return people.write(&self.target).map(|()| true);
        }
        let outcome = self.measure()?;
        let said = if self.json { format!("{}\n", outcome.json()) } else { outcome.to_string() };
        io::stdout().write_all(said.as_bytes())?;
        Ok(outcome.faults.is_empty())
    }

    /// Runs the scenario and gives what it found.
    pub fn measure(&self) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        tokio::task::LocalSet::new().block_on(&runtime, Box::pin(self.play()))
    }

    async fn play(&self) -> Result<Outcome> {
        let server = self.target.pid.map(Process);
        match &self.scenario {
            Scenario::Grpc(grpc) => return grpc.run(&self.target.url, server).await,
            Scenario::Pairs(pairs) => return pairs.run(&self.target.wire(server)?).await,
            Scenario::Knee(knee) => return knee.run(&self.target.wire(server)?).await,
            Scenario::Crowd(crowd) => return crowd.run(&self.target.wire(server)?).await,
            _ => {}
        }
        let world = World::new(self.target.url.clone(), self.target.script()?, server);
        match &self.scenario {
            Scenario::Connect(connect) => connect.run(&world).await,
            Scenario::Idle(idle) => idle.run(&world).await,
            Scenario::Room(room) => room.run(&world).await,
            Scenario::Eviction(eviction) => eviction.run(&world).await,
            Scenario::Cuts(cuts) => cuts.run(&world).await,
            _ => bail!("this is no scenario over a socket"),
        }
    }
}

impl People {
    fn write(&self, target: &Target) -> Result<()> {
        let text = self.seed(target);
        match &self.out {
            Some(file) => fs::write(file, text).with_context(|| format!("cannot write {}", file.display())),
            None => Ok(io::stdout().write_all(text.as_bytes())?),
        }
    }

    /// Users without a password, known to the issuer by their number.
    #[must_use]
    pub fn seed(&self, target: &Target) -> String {
        let Self { tenant, issuer, .. } = self;
        let of =
            |range: Range, role: &'static str| (range.first..=range.last).map(move |number| (number, role));
        let user = |(number, role)| {
            format!(
                "[[user]]\ntenant = \"{tenant}\"\nusername = \"bench-{number}\"\nname = \"user {number}\"\n\
                 email = \"user{number}@bench.example\"\nroles = [\"{role}\"]\nidentities = {{ {issuer} = \"{number}\" }}\n\n"
            )
        };
        of(target.admins, "admin").chain(of(target.customers, "customer")).map(user).collect()
    }
}
