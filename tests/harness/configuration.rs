//! The configuration of one installation: one tenant, a mount and an issuer for each dialect, and secrets of its own.

use parlor_api::v1;
use toml::{Table, Value, toml};
use uuid::Uuid;

use crate::{Entrance, Person, people::legacy_token, plan::put};

/// A private key that signs the access tokens of tests only.
const SIGNING_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
";

/// The path of the staff mount.
pub(crate) const STAFF: &str = "/staff";

/// The paths of the support mounts: one believes claims, the other the cookie of its login.
pub const SUPPORT_BY_CLAIMS: &str = "/support";
pub const SUPPORT_BY_COOKIE: &str = "/support-by-cookie";

/// Tokens live so long unless a test says otherwise.
const TOKEN_LIVES_S: i64 = 12 * 3600;

/// What all servers of one installation agree on.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The tenant's slug.
    pub tenant: String,
    pub operator_key: String,
    pub edge_key: String,
    /// What the tenant's issuer signs with.
    pub issuer_secret: String,
    /// What the issuer of the support mounts signs with.
    pub shop_secret: String,
    table: Table,
}

impl Configuration {
    /// Random names and secrets, on this database, with these settings of the mount and over all.
    #[must_use]
    pub fn new(database_url: &str, mount: &Table, settings: &Table) -> Self {
        let mut configuration = Self {
            tenant: format!("t-{}", Uuid::new_v4().simple()),
            operator_key: random_secret(),
            edge_key: random_secret(),
            issuer_secret: random_secret(),
            shop_secret: random_secret(),
            table: template(),
        };
        configuration.fill(database_url, mount);
        configuration.fill_support();
        merge(&mut configuration.table, settings);
        configuration
    }

    fn fill(&mut self, database_url: &str, mount: &Table) {
        let table = &mut self.table;
        put(table, "database.url", database_url.into());
        put(table, "database.migrate", true.into());
        put(table, "secrets.edge_key", self.edge_key.as_str().into());
        put(table, "secrets.operator_key", self.operator_key.as_str().into());
        put(table, "secrets.handle_key", random_secret().into());
        put(table, "secrets.position_key", random_secret().into());
        put(table, "secrets.signing_key", SIGNING_KEY.into());

        let staff = first(table, "mount");
        put(staff, "prefix", STAFF.into());
        put(staff, "tenant", self.tenant.as_str().into());
        staff.extend(mount.clone());
        let issuer = first(table, "issuer");
        put(issuer, "tenant", self.tenant.as_str().into());
        let key = Table::from_iter([("secret".to_owned(), Value::from(self.issuer_secret.as_str()))]);
        put(issuer, "key", vec![Value::Table(key)].into());
    }

    /// With these settings of the support mounts.
    #[must_use]
    pub fn with_support(mut self, settings: &Table) -> Self {
        for mount in support_tables(&mut self.table, "mount") {
            if mount.get("dialect").and_then(Value::as_str) == Some("support") {
                mount.extend(settings.clone());
            }
        }
        self
    }

    fn fill_support(&mut self) {
        let table = &mut self.table;
        let (tenant, secret) = (self.tenant.as_str(), self.shop_secret.as_str());
        for mount in support_tables(table, "mount") {
            put(mount, "tenant", tenant.into());
        }
        for issuer in support_tables(table, "issuer") {
            put(issuer, "tenant", tenant.into());
            let key = Table::from_iter([("secret".to_owned(), Value::from(secret))]);
            put(issuer, "key", vec![Value::Table(key)].into());
            put(issuer, "mint_secret", random_secret().into());
        }
    }

    /// The configuration of one server: this, and what is its own.
    #[must_use]
    pub fn server(&self, own: &[(&str, &str)]) -> Table {
        let mut table = self.table.clone();
        for (key, value) in own {
            put(&mut table, key, (*value).into());
        }
        table
    }

    /// Creates the tenant, once a server runs.
    pub async fn create_tenant(&self, entrance: &Entrance) {
        let tenant = v1::Tenant { slug: self.tenant.clone(), ..v1::Tenant::default() };
        let request = v1::CreateTenantRequest { tenant: Some(tenant), ..v1::CreateTenantRequest::default() };
        entrance
            .clients_of_no_tenant(&self.operator_key)
            .await
            .directory()
            .create_tenant(request)
            .await
            .unwrap();
    }

    /// Somebody new, with a token of the issuer.
    #[must_use]
    pub fn person(&self, role: &str, now_s: i64) -> Person {
        self.person_for(role, now_s, TOKEN_LIVES_S)
    }

    /// Somebody new whose token lives for so many seconds; negative for one that is over.
    #[must_use]
    pub fn person_for(&self, role: &str, now_s: i64, lives_s: i64) -> Person {
        Person::new(&self.issuer_secret, role, now_s, lives_s)
    }

    /// Another token of the same person, with this role.
    #[must_use]
    pub fn mint_legacy(&self, person: &Person, role: &str, now_s: i64) -> String {
        legacy_token(&self.issuer_secret, &person.subject, &person.username, role, now_s, TOKEN_LIVES_S)
    }
}

fn template() -> Table {
    toml! {
        [log]
        filter = "warn"

        [core]
        // Guests of a test are of one network.
        caller_calls_burst = 0
        caller_messages_burst = 0

        [gateway]
        // All clients of a test have one address.
        sessions_per_address = 0

        [[listener]]
        // All clients of a test have one address.
        connections_per_address = 0
        name = "public"
        address = "127.0.0.1:0"

        [[mount]]
        name = "staff"
        dialect = "staff"
        issuers = ["legacy"]

        [[mount]]
        name = "support"
        dialect = "support"
        prefix = "/support"
        issuers = ["shop"]
        origins = ["http://localhost:3000", "http://localhost:5173"]
        login_issuer = "shop"
        identity = "claims"

        [[mount]]
        name = "support-by-cookie"
        dialect = "support"
        prefix = "/support-by-cookie"
        issuers = ["shop"]
        origins = ["http://localhost:3000", "http://localhost:5173"]
        login_issuer = "shop"
        allow_signup = true
        identity = "cookie"
        cookie_name = "shop_session"

        [[mount]]
        name = "native"
        dialect = "native"
        prefix = "/native"
        issuers = ["legacy"]

        [[mount]]
        name = "native-for-guests"
        dialect = "native"
        prefix = "/native-for-guests"
        issuers = ["legacy"]
        guests = true

        [[issuer]]
        name = "legacy"
        algorithms = ["HS256"]
        mint = true

        [[issuer]]
        name = "shop"
        algorithms = ["HS256"]
        mint = true
        mint_ids = "number"
        mint_ids_from = 1000

        [issuer.claims]
        subject = ["id"]
        username = []
        name = []
        email = ["email"]
        roles = ["role"]

        [issuer.roles]
        CUSTOMER = "customer"
        ADMIN = "admin"
    }
}

fn random_secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn list<'a>(table: &'a mut Table, name: &str) -> &'a mut Vec<Value> {
    table[name].as_array_mut().expect("the template has one")
}

fn first<'a>(table: &'a mut Table, name: &str) -> &'a mut Table {
    list(table, name)[0].as_table_mut().expect("the template has one")
}

/// The mounts or issuers after the first, which is staff's.
fn support_tables<'a>(table: &'a mut Table, name: &str) -> impl Iterator<Item = &'a mut Table> {
    list(table, name).iter_mut().skip(1).filter_map(Value::as_table_mut)
}

/// Lays the plan's settings over the template.
fn merge(table: &mut Table, over: &Table) {
    for (key, value) in over {
        match (table.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => merge(inner, over),
            _ => drop(table.insert(key.clone(), value.clone())),
        }
    }
}
