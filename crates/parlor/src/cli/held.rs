//! What a backup holds, for people and for programs; and whether this version can serve it.

use std::path::Path;

use anyhow::{Result, bail};
use parlor_store::backup::{self, Error};
use serde::Serialize;

use super::{exit::Declined, output};

/// What a file holds, as `--json` shows it.
#[derive(Serialize)]
pub struct Held {
    file: String,
    bytes: u64,
    people: i64,
    conversations: i64,
    messages: i64,
    tenants: Vec<Tenant>,
    /// Steps of the schema that this version has beyond it.
    missing_steps: Vec<String>,
}

/// What it holds of one tenant.
#[derive(Serialize)]
struct Tenant {
    tenant: String,
    people: i64,
    conversations: i64,
    messages: i64,
    newest_position: i64,
}

impl Held {
    /// Reads all of a file, and refuses one that is damaged or of a newer version. `name` is what it is called.
    pub async fn check(file: &Path, name: &Path) -> Result<Self> {
        let held = match backup::look(file).await {
            Ok(held) => held,
            Err(Error::Damaged(why)) => {
                let name = name.display();
                return Err(
                    Declined(format!("{name} is no backup, or a damaged one: {why}; use another")).into()
                );
            }
            Err(error) => bail!("cannot read {}: {error}", name.display()),
        };
        let known = parlor_migration::steps();
        if let Some(newer) = held.steps.iter().find(|step| !known.contains(step)) {
            let name = name.display();
            let told = format!(
                "{name} is of a newer version of parlor (its tables have the step {newer}); use that"
            );
            return Err(Declined(told).into());
        }
        let missing_steps = known.into_iter().filter(|step| !held.steps.contains(step)).collect();
        let tenants: Vec<Tenant> = held.tenants.into_iter().map(Tenant::from).collect();
        Ok(Self {
            file: name.display().to_string(),
            bytes: std::fs::metadata(file)?.len(),
            people: tenants.iter().map(|tenant| tenant.people).sum(),
            conversations: tenants.iter().map(|tenant| tenant.conversations).sum(),
            messages: tenants.iter().map(|tenant| tenant.messages).sum(),
            tenants,
            missing_steps,
        })
    }

    /// Tells what it holds, after what was done.
    pub fn print(&self, done: &str, json: bool) -> Result<()> {
        if json {
            return output::json(self);
        }
        let Self { file, bytes, people, conversations, messages, .. } = self;
        output::say(format_args!(
            "{done} {file}: {bytes} bytes, checked: {} tenants, {people} people, {conversations} conversations, \
             {messages} messages\n",
            self.tenants.len()
        ))?;
        let cells: Vec<Vec<String>> = self.tenants.iter().map(Tenant::cells).collect();
        output::table(&["TENANT", "PEOPLE", "CONVERSATIONS", "MESSAGES", "NEWEST POSITION"], &cells)?;
        if !self.missing_steps.is_empty() {
            output::say(format_args!(
                "its tables are of an older version, {} steps are missing; apply them before it is served: parlor \
                 migrate up\n",
                self.missing_steps.len()
            ))?;
        }
        Ok(())
    }
}

impl Tenant {
    fn cells(&self) -> Vec<String> {
        let counts = [self.people, self.conversations, self.messages, self.newest_position];
        std::iter::once(self.tenant.clone()).chain(counts.map(|count| count.to_string())).collect()
    }
}

impl From<backup::HeldOfTenant> for Tenant {
    fn from(held: backup::HeldOfTenant) -> Self {
        Self {
            tenant: held.slug,
            people: held.people,
            conversations: held.conversations,
            messages: held.messages,
            newest_position: held.position,
        }
    }
}
