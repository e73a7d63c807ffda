//! `parlor user export`: everything that is stored of a person, into a file or to standard output.

use std::{
    fs::{File, OpenOptions},
    io::{IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use parlor_api::v1;

use super::{output, person::find};
use crate::contract::{Contract, Refusal};

/// The file is its owner's alone.
const MODE: u32 = 0o600;

/// What every record begins with, and the one that ends an export.
const END: &str = r#""record":"end""#;

/// Writes down a person.
pub async fn run(contract: &Contract, tenant: &str, user: &str, out: Option<&Path>) -> Result<()> {
    let found = find(contract, tenant, user).await?;
    let Some(path) = out else { return copy(contract, tenant, found.id, None).await };
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    let file =
        file.with_context(|| format!("{} cannot be made; it is never written over", path.display()))?;
    let copied = copy(contract, tenant, found.id, Some(&file)).await;
    if copied.is_err() {
        // Half of it is not to be taken for the whole.
        let _ = std::fs::remove_file(path);
    }
    copied
}

async fn copy(contract: &Contract, tenant: &str, user_id: String, mut file: Option<&File>) -> Result<()> {
    let request = contract.request_in(tenant, v1::ExportUserRequest { user_id })?;
    let mut answers = contract.directory().export_user(request).await.map_err(Refusal::from)?.into_inner();
    let is_watched = file.is_some() && std::io::stderr().is_terminal();
    let (mut records, mut is_whole) = (0, false);
    while let Some(answer) = answers.message().await.map_err(Refusal::from)? {
        records += answer.lines.lines().count();
        is_whole = answer.lines.lines().last().is_some_and(|line| line.contains(END));
        match &mut file {
            Some(file) => file.write_all(answer.lines.as_bytes()).context("the file cannot be written")?,
            None => output::say(&answer.lines)?,
        }
        if is_watched {
            eprint!("\r{records} records");
        }
    }
    if is_watched {
        eprintln!();
    }
    if !is_whole {
        bail!("the export broke off; try again");
    }
    if let Some(file) = file {
        file.sync_all().context("the file cannot be written")?;
    }
    Ok(())
}
