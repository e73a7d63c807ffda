//! `parlor user erase`: asks, begins, and waits until nothing is left.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Result, bail};
use parlor_api::v1;
use tonic::Code;

use super::{output, person::find};
use crate::contract::{Contract, Refusal};

/// Erases a person.
pub async fn run(
    contract: &Contract,
    tenant: &str,
    user: &str,
    whole_conversations: bool,
    yes: bool,
) -> Result<()> {
    let found = find(contract, tenant, user).await?;
    if !yes {
        confirm(&found, whole_conversations)?;
    }
    // One name for all that is asked below, so that it is begun once and each answer is of that.
    let request_id = uuid::Uuid::new_v4().to_string();
    loop {
        let erase = v1::EraseUserRequest {
            user_id: found.id.clone(),
            whole_conversations,
            request_id: request_id.clone(),
        };
        match contract.directory().erase_user(contract.request_in(tenant, erase)?).await {
            Ok(_) => return output::say(format_args!("nothing is left of {}\n", found.id)),
            // It takes as long as there is much; it goes on meanwhile.
            Err(status) if status.code() == Code::DeadlineExceeded => {}
            Err(status) => return Err(Refusal::from(status).into()),
        }
    }
}

/// Asks whoever sits at the terminal.
fn confirm(user: &v1::User, whole_conversations: bool) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("erasing cannot be taken back; give --yes where nobody can be asked");
    }
    let name = [&user.username, &user.display_name, &user.id].into_iter().find(|name| !name.is_empty());
    let name: String = name.map_or("", String::as_str).chars().filter(|c| !c.is_control()).collect();
    let more =
        if whole_conversations { ", and all that others wrote in conversations of theirs" } else { "" };
    eprint!("erase {name} (number {}) for good{more}? Type \"erase\": ", user.number);
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    if line.trim() != "erase" {
        bail!("nothing was erased");
    }
    Ok(())
}
