//! The running program, and everything that may befall it.

use std::{net::SocketAddr, time::Duration};

use tempfile::TempDir;
use toml::Table;
use uuid::Uuid;

use crate::{
    Backend, Clients, Configuration, Database, Entrance, Link, Person, Plan, Rest, Socket, Topology,
    node::Node,
};

/// One installation with one tenant.
pub struct World {
    plan: Plan,
    pub configuration: Configuration,
    pub database: Database,
    /// The core's own server in a split world, else the only one. `None` while it is down.
    core: Option<Node>,
    /// The gateway of a split world. `None` while it is down.
    gateway: Option<Node>,
    /// Gateways beside the first, connected straight to the core.
    others: Vec<Node>,
    link: Option<Link>,
    core_table: Table,
    folder: TempDir,
}

impl World {
    pub(crate) async fn start(plan: Plan) -> Self {
        let folder = TempDir::new().unwrap();
        let database = Database::create(plan.backend, plan.own_cluster, folder.path()).await;
        let configuration =
            Configuration::new(database.url(), &plan.mount, &plan.settings).with_support(&plan.support);
        let data_dir = folder.path().join("core");
        let role = match plan.topology {
            Topology::Local => "all",
            Topology::Split => "core",
        };
        let core_table = configuration.server(&[
            ("role", role),
            ("core.listen", "127.0.0.1:0"),
            ("data_dir", data_dir.to_str().unwrap()),
        ]);
        let core = Node::start(&core_table).await;
        let mut world = Self {
            plan,
            configuration,
            database,
            core: Some(core),
            gateway: None,
            others: Vec::new(),
            link: None,
            core_table,
            folder,
        };
        if world.topology() == Topology::Split {
            let link = Link::open(world.internal_address()).await;
            world.gateway = Some(world.start_gateway("gateway", link.address()).await);
            world.link = Some(link);
        }
        if world.plan.tenant {
            world.configuration.create_tenant(&world.entrance()).await;
        }
        world
    }

    async fn start_gateway(&self, name: &str, core: SocketAddr) -> Node {
        let data_dir = self.folder.path().join(name);
        let table = self.configuration.server(&[
            ("role", "gateway"),
            ("node", name),
            ("gateway.core_url", &format!("http://{core}")),
            ("data_dir", data_dir.to_str().unwrap()),
        ]);
        Node::start(&table).await
    }

    // What it is and where.

    #[must_use]
    pub fn topology(&self) -> Topology {
        self.plan.topology
    }

    #[must_use]
    pub fn backend(&self) -> Backend {
        self.plan.backend
    }

    /// Where the core takes gateways.
    #[must_use]
    pub fn internal_address(&self) -> SocketAddr {
        self.core().server().internal_address().expect("the core listens inside")
    }

    fn edge(&self) -> &Node {
        self.gateway.as_ref().or(self.core.as_ref()).expect("the edge runs")
    }

    fn core(&self) -> &Node {
        self.core.as_ref().expect("the core runs")
    }

    // Who connects.

    /// Where clients come in.
    #[must_use]
    pub fn entrance(&self) -> Entrance {
        Entrance::new(self.edge().public(), &self.configuration.tenant)
    }

    /// A gateway beside the first, with an undisturbed connection to the core. Only in a split world.
    pub async fn another_gateway(&mut self) -> Entrance {
        assert_eq!(self.topology(), Topology::Split);
        let name = format!("gateway-{}", self.others.len() + 2);
        let gateway = self.start_gateway(&name, self.internal_address()).await;
        let entrance = Entrance::new(gateway.public(), &self.configuration.tenant);
        self.others.push(gateway);
        entrance
    }

    /// REST below the staff mount.
    #[must_use]
    pub fn staff_rest(&self) -> Rest {
        self.entrance().staff_rest()
    }

    /// HTTP at the root of the public listener.
    #[must_use]
    pub fn http(&self) -> Rest {
        self.entrance().http()
    }

    /// A WebSocket of the staff mount.
    pub async fn staff_socket(&self) -> Socket {
        self.entrance().staff_socket().await
    }

    /// Typed clients with a token of the tenant, or none if it is empty.
    pub async fn clients(&self, token: &str) -> Clients {
        self.entrance().clients(token).await
    }

    /// Typed chat with a token of the tenant.
    pub async fn chat_as(&self, token: &str) -> crate::Chat {
        self.clients(token).await.chat()
    }

    /// Typed clients of whoever runs the installation.
    pub async fn operator(&self) -> Clients {
        self.clients(&self.configuration.operator_key).await
    }

    /// Somebody new, with a token of the world's issuer.
    #[must_use]
    pub fn person(&self, role: &str) -> Person {
        self.configuration.person(role, self.now_s())
    }

    /// Somebody new whose token lives for so many seconds; negative for one that is over.
    #[must_use]
    pub fn person_for(&self, role: &str, lives_s: i64) -> Person {
        self.configuration.person_for(role, self.now_s(), lives_s)
    }

    /// Another token of the same person, with this role.
    #[must_use]
    pub fn mint_legacy(&self, person: &Person, role: &str) -> String {
        self.configuration.mint_legacy(person, role, self.now_s())
    }

    /// A new session id, as a customer's widget makes one.
    #[must_use]
    pub fn session(&self) -> String {
        format!("session_{}_{}", self.now_s(), &Uuid::new_v4().simple().to_string()[..9])
    }

    /// The time by the core's clock, in seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> i64 {
        self.core().server().clock().now() / 1000
    }

    // What befalls it.

    /// The network between gateway and core; a local world has none.
    #[must_use]
    pub fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// Moves the clocks of all servers.
    pub fn advance_clock(&self, by: Duration) {
        for node in [&self.core, &self.gateway].into_iter().flatten().chain(&self.others) {
            node.server().clock().advance(by);
        }
    }

    /// Kills the core as a crash would; in a local world the edge goes with it.
    pub async fn kill_core(&mut self) {
        self.core.take().expect("the core runs").kill().await;
    }

    /// Starts a core again on what the last one left.
    pub async fn restart_core(&mut self) {
        self.core = Some(Node::start(&self.core_table).await);
        if let Some(link) = &self.link {
            link.lead_to(self.internal_address());
        }
    }

    /// Asks the edge to leave, as a deployment does, and waits until it has.
    pub async fn drain_edge(&mut self) {
        let edge = self.gateway.take().or_else(|| self.core.take()).expect("the edge runs");
        edge.shut_down().await;
    }
}
