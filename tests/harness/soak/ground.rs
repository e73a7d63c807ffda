//! The real program on a database of its own, its people, and what is seen of it from outside.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parlor_api::v1;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toml::{Table, Value};

use super::Sizes;
use crate::{Configuration, Entrance, Program, plan::put, rest::Rest};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The issuer that the support mounts' people are known by.
const SHOP: &str = "shop";

/// A server that runs, and all it keeps.
pub struct Ground {
    program: Program,
    pub configuration: Configuration,
    pub entrance: Entrance,
    probes: Rest,
}

/// What was seen of it from outside.
#[derive(Debug, Default)]
pub struct Seen {
    /// The most that it held, in bytes.
    pub most: u64,
    /// How often it was asked whether it is ready, and when it was not.
    pub probes: u64,
    pub unready: Vec<(Duration, String)>,
}

impl Ground {
    pub async fn make(sizes: &Sizes) -> Self {
        let mut program = Program::new();
        let url = format!("sqlite://{}", program.folder().join("parlor.db").display());
        let probes = free_port();
        let configuration = Configuration::new(&url, &Table::new(), &settings(sizes, probes));
        let table = configuration.server(&[("data_dir", program.data_dir().to_str().unwrap())]);
        let file = program.folder().join("parlor.toml");
        std::fs::write(&file, toml::to_string(&table).unwrap()).unwrap();
        let address = program.serve_with(&["--config", file.to_str().unwrap()]);
        let entrance = Entrance::new(address, &configuration.tenant);
        configuration.create_tenant(&entrance).await;
        Self { program, configuration, entrance, probes: Rest::new(probes, "") }
    }

    /// Makes a customer of the shop with this number.
    pub async fn customer(&self, number: u64) {
        let email = format!("{number}@x.test");
        let user = v1::User {
            display_name: format!("Customer {number}"),
            username: email.clone(),
            email,
            roles: vec![v1::Role::Customer.into()],
            identities: vec![v1::Identity { issuer: SHOP.to_owned(), subject: number.to_string() }],
            ..v1::User::default()
        };
        let request = v1::UpsertUserRequest { user: Some(user), ..v1::UpsertUserRequest::default() };
        let mut operator = self.entrance.clients(&self.configuration.operator_key).await.directory();
        operator.upsert_user(request).await.unwrap();
    }

    /// What the process holds in memory, in bytes.
    pub fn resident(&self) -> u64 {
        let process = self.program.process().as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// Looks at it until the end.
    pub async fn watch(self: Arc<Self>, ended: CancellationToken) -> Seen {
        let mut seen = Seen::default();
        let (began, mut look) = (Instant::now(), tokio::time::interval(LOOK));
        loop {
            tokio::select! {
                () = ended.cancelled() => return seen,
                _ = look.tick() => {}
            }
            let reply = self.probes.get("/readyz").await;
            if reply.status.as_u16() != 200 {
                seen.unready.push((began.elapsed(), reply.text()));
            }
            seen.most = seen.most.max(self.resident());
            seen.probes += 1;
        }
    }
}

/// The limits as they are, but for the times: only the honest have one address, and they are few.
fn settings(sizes: &Sizes, probes: SocketAddr) -> Table {
    let mut settings = Table::new();
    let milliseconds = |time: Duration| Value::from(i64::try_from(time.as_millis()).unwrap());
    put(&mut settings, "gateway.join_timeout_ms", milliseconds(sizes.join_timeout));
    put(&mut settings, "gateway.message_timeout_ms", milliseconds(sizes.message_timeout));
    put(&mut settings, "gateway.sessions_per_address", 1_000.into());
    put(&mut settings, "probes.listen", probes.to_string().into());
    let listener = Table::from_iter([
        ("name".to_owned(), Value::from("public")),
        ("address".to_owned(), Value::from("127.0.0.1:0")),
    ]);
    put(&mut settings, "listener", vec![Value::Table(listener)].into());
    settings
}

/// A port that nobody has just now.
fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
