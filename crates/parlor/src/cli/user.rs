//! `parlor user`: people.

use anyhow::{Result, bail};
use clap::Subcommand;
use parlor_api::v1;

use super::{
    Common, erase, export,
    output::{self, UserRow},
    password,
    person::find,
    reach::Reach,
};
use crate::{
    config::RoleName,
    contract::{Contract, Refusal},
};

/// How many people are asked for at once.
const PAGE: i32 = 1_000;

#[derive(Debug, Subcommand)]
pub enum User {
    /// List the people of a tenant
    #[command(after_help = "Examples:
  parlor user list --tenant demo
  parlor user list --tenant demo --role staff --json")]
    List {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// Only those with this role
        #[arg(long, value_enum)]
        role: Option<RoleName>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Show one person, as JSON
    #[command(after_help = "Example:
  parlor user show --tenant demo ada")]
    Show {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// A username, or an id (UUID)
        user: String,
        /// Print JSON (it always does)
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Add a person
    #[command(after_help = "Examples:
  parlor user add --tenant demo --username grace --name 'Grace' --role staff
  echo \"$PASSWORD\" | parlor user add --tenant demo --username grace --with-password")]
    Add {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// The name to sign in with; not yet taken in the tenant
        #[arg(long, value_parser = parse_username)]
        username: String,
        /// What others see
        #[arg(long, default_value = "")]
        name: String,
        /// An e-mail address
        #[arg(long, default_value = "")]
        email: String,
        /// What the person may do; may be repeated
        #[arg(long = "role", value_enum, default_value = "customer", value_name = "ROLE")]
        roles: Vec<RoleName>,
        /// Read a password from standard input
        #[arg(long)]
        with_password: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Set a person's password, read from standard input
    #[command(after_help = "Examples:
  parlor user password --tenant demo ada
  echo \"$PASSWORD\" | parlor user password --tenant demo ada")]
    Password {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// A username, or an id (UUID)
        user: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Let nobody in as a person, and end what they are signed in with
    #[command(after_help = "Example:
  parlor user disable --tenant demo ada")]
    Disable {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// A username, or an id (UUID)
        user: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Let a person in again who was disabled
    #[command(after_help = "Example:
  parlor user enable --tenant demo ada")]
    Enable {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// A username, or an id (UUID)
        user: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Write down everything that is stored of a person, as JSON Lines
    #[command(after_help = "\
The first record is \"export\" and the last \"end\"; where that is missing, the export is not whole. README and the contract
(ExportUser) say what is between. A file is made for its owner alone, and is never written over.

Examples:
  parlor user export --tenant demo ada --out ada.jsonl
  parlor user export --tenant demo ada | jq -r 'select(.record == \"message\" and .own) | .text'")]
    Export {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// A username, or an id (UUID)
        user: String,
        /// The file to make; without it, standard output
        #[arg(long, value_name = "FILE")]
        out: Option<std::path::PathBuf>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Erase a person for good: who they are, what they wrote and did, and what they are signed in with
    #[command(after_help = "\
It cannot be taken back; `parlor user export` comes first where it is wanted. What others wrote stays, and so does what
backups hold. Interrupted, it goes on with the server, or with the next command; the same command again waits for its end.

Examples:
  parlor user erase --tenant demo ada
  parlor user erase --tenant demo ada --with-conversations --yes")]
    Erase {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// A username, or an id (UUID)
        user: String,
        /// Also what others wrote in the conversations that are theirs
        #[arg(long)]
        with_conversations: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        reach: Reach,
    },
}

impl User {
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::List { tenant, role, json, reach } => {
                let reached = reach.tenant(common, &tenant).await?;
                let people = list(&reached.contract, &tenant, role).await;
                reached.leave().await;
                let rows: Vec<UserRow> = people?.into_iter().map(UserRow::from).collect();
                if json {
                    return output::json(&rows);
                }
                output::table(&UserRow::HEAD, &rows.iter().map(UserRow::cells).collect::<Vec<_>>())
            }
            Self::Show { tenant, user, json: _, reach } => {
                let reached = reach.tenant(common, &tenant).await?;
                let person = find(&reached.contract, &tenant, &user).await;
                reached.leave().await;
                output::json(&UserRow::from(person?))
            }
            Self::Add { tenant, username, name, email, roles, with_password, reach } => {
                let password = if with_password { password::ask("password")? } else { String::new() };
                let user = v1::User {
                    username,
                    display_name: name,
                    email,
                    roles: roles.iter().map(|role| role.to_api().into()).collect(),
                    ..v1::User::default()
                };
                let reached = reach.tenant(common, &tenant).await?;
                let added = add(&reached.contract, &tenant, user, password).await;
                reached.leave().await;
                output::json(&UserRow::from(added?))
            }
            Self::Password { tenant, user, reach } => {
                let password = password::ask("new password")?;
                let reached = reach.tenant(common, &tenant).await?;
                let changed = set_password(&reached.contract, &tenant, &user, password).await;
                reached.leave().await;
                changed?;
                output::say(format_args!(
                    "the password is set; whoever is signed in as them has to sign in again\n"
                ))?;
                Ok(())
            }
            Self::Disable { tenant, user, reach } => disable(common, reach, &tenant, &user, true).await,
            Self::Enable { tenant, user, reach } => disable(common, reach, &tenant, &user, false).await,
            Self::Export { tenant, user, out, reach } => {
                let reached = reach.tenant(common, &tenant).await?;
                let exported = export::run(&reached.contract, &tenant, &user, out.as_deref()).await;
                reached.leave().await;
                exported
            }
            Self::Erase { tenant, user, with_conversations, yes, reach } => {
                let reached = reach.tenant(common, &tenant).await?;
                let erased = erase::run(&reached.contract, &tenant, &user, with_conversations, yes).await;
                reached.leave().await;
                erased
            }
        }
    }
}

/// Whom nobody could name is refused here: the contract takes an empty username for none given.
fn parse_username(text: &str) -> Result<String> {
    anyhow::ensure!(!text.trim().is_empty(), "it is blank; give the name to sign in with");
    Ok(text.to_owned())
}

async fn list(contract: &Contract, tenant: &str, role: Option<RoleName>) -> Result<Vec<v1::User>> {
    let role = role.map_or(v1::Role::Unspecified, RoleName::to_api).into();
    let (mut people, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = v1::ListUsersRequest { page_size: PAGE, page_token, role };
        let request = contract.request_in(tenant, list)?;
        let page = contract.directory().list_users(request).await.map_err(Refusal::from)?.into_inner();
        people.extend(page.users);
        if page.next_page_token.is_empty() {
            return Ok(people);
        }
        page_token = page.next_page_token;
    }
}

async fn add(contract: &Contract, tenant: &str, user: v1::User, password: String) -> Result<v1::User> {
    let selector = v1::get_user_request::Selector::Username(user.username.clone());
    let read = contract.request_in(tenant, v1::GetUserRequest { selector: Some(selector) })?;
    if contract.directory().get_user(read).await.is_ok() {
        bail!("the username {} is taken; `parlor user password` sets a password", user.username);
    }
    upsert(contract, tenant, user, password).await
}

async fn set_password(contract: &Contract, tenant: &str, user: &str, password: String) -> Result<v1::User> {
    let found = find(contract, tenant, user).await?;
    let named = v1::User { id: found.id, ..v1::User::default() };
    upsert(contract, tenant, named, password).await
}

async fn disable(common: &Common, reach: Reach, tenant: &str, user: &str, disabled: bool) -> Result<()> {
    let reached = reach.tenant(common, tenant).await?;
    let changed = set_disabled(&reached.contract, tenant, user, disabled).await;
    reached.leave().await;
    output::json(&UserRow::from(changed?))
}

async fn set_disabled(contract: &Contract, tenant: &str, user: &str, disabled: bool) -> Result<v1::User> {
    let found = find(contract, tenant, user).await?;
    let named = v1::User { id: found.id, disabled: Some(disabled), ..v1::User::default() };
    upsert(contract, tenant, named, String::new()).await
}

async fn upsert(contract: &Contract, tenant: &str, user: v1::User, password: String) -> Result<v1::User> {
    let upsert = v1::UpsertUserRequest { user: Some(user), password, ..v1::UpsertUserRequest::default() };
    let request = contract.request_in(tenant, upsert)?;
    let answer = contract.directory().upsert_user(request).await.map_err(Refusal::from)?;
    Ok(answer.into_inner().user.unwrap_or_default())
}
