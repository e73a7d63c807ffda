//! Reading: the manual's defaults, then a file, then the environment, then flags.

mod remains;
mod said;
mod variables;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use figment::{
    Figment,
    providers::{Env, Format, Toml},
    value::UncasedStr,
};

use super::{Config, DEFAULT_TOML, Refusal, Refused, Role};

/// Variables of ours that are no keys: the command line reads them.
const NOT_KEYS: [&str; 4] = ["config", "server", "key", "tenant"];

/// What the command line says about configuration.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub file: Option<PathBuf>,
    pub dev: bool,
    pub role: Option<Role>,
    pub listen: Option<SocketAddr>,
    pub data_dir: Option<PathBuf>,
}

/// Finds out what was said. Without a file it is a development server, unless a flag says otherwise. What cannot be
/// read is told together with all else that is wrong.
pub fn load(flags: &Flags) -> Result<Config> {
    let manual = Figment::from(Toml::string(DEFAULT_TOML));
    let mut figment = manual.clone();
    if let Some(file) = &flags.file {
        figment = figment.merge(read(file)?);
    }
    let environment = Env::prefixed(variables::PREFIX).ignore(&NOT_KEYS);
    let variables = variables::sort(environment.iter().map(|(name, _)| name.to_string()));
    let settings = variables.settings;
    let is_setting = move |name: &UncasedStr| settings.iter().any(|setting| name == setting.as_str());
    figment = figment.merge(environment.filter(is_setting).split("__"));
    let (mut config, mut unread) = said::read(&manual, &figment)?;
    config.strays = variables.strays;
    unread.extend(variables.misspelt);
    config.dev = flags.dev || flags.file.is_none();
    if let Some(role) = flags.role {
        config.role = role;
    }
    if let Some(address) = flags.listen {
        config.set_listen(address);
    }
    if let Some(data_dir) = &flags.data_dir {
        config.data_dir.clone_from(data_dir);
    }
    unread.extend(config.secrets.read_files());
    for (index, issuer) in config.issuer.iter_mut().enumerate() {
        unread.extend(issuer.read_files(index));
    }
    if unread.is_empty() {
        return Ok(config);
    }
    let remains = remains::check(config, &unread);
    unread.extend(remains);
    Err(Refused(unread).into())
}

fn read(file: &Path) -> Result<figment::providers::Data<Toml>> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!("cannot read the configuration {}; give the right path to --config", file.display())
    })?;
    // Parsed here first: the reader's own error would quote the line, and a secret may be in it.
    if let Err(error) = toml::from_str::<toml::Table>(&text) {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let key = format!("{}, line {}", file.display(), before.matches('\n').count() + 1);
        let problem = format!("is not TOML: {}; correct that line", error.message().replace('\n', ", "));
        return Err(Refused(vec![Refusal { key, problem }]).into());
    }
    Ok(Toml::file_exact(file))
}
