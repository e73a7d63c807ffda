//! What commands print: tables for people, JSON for programs.

use std::io::{ErrorKind, Write as _};

use anyhow::Result;
use parlor_api::v1;
use serde::Serialize;

/// A person, as lists show one.
#[derive(Serialize)]
pub struct UserRow {
    id: String,
    number: u64,
    username: String,
    display_name: String,
    email: String,
    roles: Vec<&'static str>,
    /// Nobody gets in as them.
    disabled: bool,
    /// "issuer:subject", oldest first.
    identities: Vec<String>,
    create_time: String,
    update_time: String,
}

/// A key, as lists show one.
#[derive(Serialize)]
pub struct KeyRow {
    id: String,
    display_name: String,
    kind: &'static str,
    tenants: Vec<String>,
    all_tenants: bool,
    prefix: String,
    create_time: String,
    /// Empty while it works.
    revoke_time: String,
}

impl From<v1::User> for UserRow {
    fn from(user: v1::User) -> Self {
        let roles = user.roles().map(role_name).collect();
        let identities =
            user.identities.iter().map(|one| format!("{}:{}", one.issuer, one.subject)).collect();
        Self {
            roles,
            disabled: user.disabled(),
            identities,
            id: user.id,
            number: user.number,
            username: user.username,
            display_name: user.display_name,
            email: user.email,
            create_time: time(user.create_time),
            update_time: time(user.update_time),
        }
    }
}

impl From<v1::ApiKey> for KeyRow {
    fn from(key: v1::ApiKey) -> Self {
        let kind = match key.kind() {
            v1::ApiKeyKind::Unspecified => "unknown",
            v1::ApiKeyKind::Widget => "widget",
            v1::ApiKeyKind::Admin => "admin",
            v1::ApiKeyKind::Service => "service",
        };
        Self {
            kind,
            id: key.id,
            display_name: key.display_name,
            tenants: key.tenants,
            all_tenants: key.all_tenants,
            prefix: key.prefix,
            create_time: time(key.create_time),
            revoke_time: time(key.revoke_time),
        }
    }
}

fn role_name(role: v1::Role) -> &'static str {
    match role {
        v1::Role::Unspecified => "unknown",
        v1::Role::Customer => "customer",
        v1::Role::Staff => "staff",
        v1::Role::Admin => "admin",
        v1::Role::Provider => "provider",
    }
}

impl UserRow {
    pub const HEAD: [&str; 6] = ["NUMBER", "USERNAME", "NAME", "EMAIL", "ROLES", "ID"];

    pub fn cells(&self) -> Vec<String> {
        let number = self.number.to_string();
        let (username, name) = (self.username.clone(), self.display_name.clone());
        let mut roles = self.roles.join(",");
        if self.disabled {
            roles.push_str(" (disabled)");
        }
        vec![number, username, name, self.email.clone(), roles, self.id.clone()]
    }
}

impl KeyRow {
    pub const HEAD: [&str; 6] = ["NAME", "KIND", "TENANTS", "PREFIX", "REVOKED", "ID"];

    pub fn cells(&self) -> Vec<String> {
        let tenants = if self.all_tenants { "(all)".to_owned() } else { self.tenants.join(",") };
        let (name, kind, prefix) = (self.display_name.clone(), self.kind.to_owned(), self.prefix.clone());
        vec![name, kind, tenants, prefix, self.revoke_time.clone(), self.id.clone()]
    }
}

/// A time as RFC 3339; empty if unset.
pub fn time(at: Option<prost_types::Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// Prints a text. Whoever reads may stop reading, as `head` does: that is no failure.
pub fn say(text: impl std::fmt::Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn json(value: &impl Serialize) -> Result<()> {
    say(format_args!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints rows under their heads, each column as wide as its widest cell.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{}{}", printable(cell), pad(cell, width)))
            .collect();
        say(format_args!("{}\n", cells.join("  ").trim_end()))?;
    }
    Ok(())
}

fn pad(cell: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(cell.chars().count()))
}

/// What people call themselves must not steer the terminal it is shown on.
fn printable(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
