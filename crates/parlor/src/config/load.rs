//! Reading: the manual's defaults, then a file, then the environment, then flags.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use figment::{
    Figment,
    error::Kind,
    providers::{Env, Format, Toml},
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

/// Finds out what was said. Without a file it is a development server, unless a flag says otherwise.
pub fn load(flags: &Flags) -> Result<Config> {
    let mut figment = Figment::from(Toml::string(DEFAULT_TOML));
    if let Some(file) = &flags.file {
        figment = figment.merge(read(file)?);
    }
    figment = figment.merge(Env::prefixed("PARLOR_").ignore(&NOT_KEYS).split("__"));
    let mut config: Config = figment.extract().map_err(explain)?;
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
    config.secrets.read_files()?;
    for (index, issuer) in config.issuer.iter_mut().enumerate() {
        issuer.read_files(index)?;
    }
    Ok(config)
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

/// Says which key, from where, and what to do about it.
fn explain(error: figment::Error) -> Refused {
    let refusals = error.into_iter().map(|one| {
        let source = one.metadata.as_ref().map(describe_source).unwrap_or_default();
        let mut key = one.path.join(".");
        let problem = match &one.kind {
            Kind::UnknownField(field, known) => {
                if !key.ends_with(field.as_str()) {
                    key = if key.is_empty() { field.clone() } else { format!("{key}.{field}") };
                }
                format!("there is no such key{source}; known here: {}", known.join(", "))
            }
            Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => {
                format!("is {found}{source}; give {}", in_words(wanted))
            }
            Kind::UnknownVariant(found, known) => {
                format!("is \"{found}\"{source}; give one of: {}", known.join(", "))
            }
            other => format!("{other}{source}; see: parlor config print --defaults"),
        };
        Refusal { key, problem }
    });
    Refused(refusals.collect())
}

/// What a type of ours is to the person who writes the file.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "usize" | "u64" | "u32" => "a whole number, not below 0",
        "a boolean" => "true or false",
        "a sequence" => "a list: [\"…\", \"…\"]",
        "a string" | "path string" => "a text in double quotes",
        other => other,
    }
}

fn describe_source(metadata: &figment::Metadata) -> String {
    match &metadata.source {
        Some(figment::Source::File(path)) => format!(" (in {})", path.display()),
        Some(figment::Source::Code(_)) | None | Some(_) if metadata.name.contains("environment") => {
            " (in the environment)".to_owned()
        }
        _ => String::new(),
    }
}
