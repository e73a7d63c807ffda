//! What `--dev` adds to a configuration: generated secrets, the "demo" issuer, and a mount for each dialect.

use anyhow::Result;

use crate::{
    config::{Claims, Config, Issuer, Key, Mount, Secret},
    secrets::Kept,
};

/// The tenant of sample people.
pub const TENANT: &str = "demo";

/// The issuer whose tokens the mounts of --dev accept and make.
pub const ISSUER: &str = "demo";

/// Where the staff dialect is in --dev.
pub const STAFF_PREFIX: &str = "/staff";

/// The tenant and its people, as a seed file.
pub const DEMO_TOML: &str = include_str!("../demo.toml");

/// Fills in what is generated. Makes the secrets at the first start, so the data directory must exist.
pub fn complete(config: &mut Config) -> Result<()> {
    if !config.dev && !config.secrets.generate {
        return Ok(());
    }
    let kept = Kept::read_or_make(&config.data_dir)?;
    complete_with(config, &kept);
    Ok(())
}

/// The same with secrets already at hand.
pub fn complete_with(config: &mut Config, kept: &Kept) {
    kept.complete(&mut config.secrets);
    if config.dev && config.mount.is_empty() && config.issuer.is_empty() {
        config.issuer.push(Issuer {
            name: ISSUER.to_owned(),
            tenant: TENANT.to_owned(),
            mint: true,
            claims: staff_claims(),
            key: vec![Key { secret: Secret::from(kept.demo_issuer_secret.as_str()), ..Key::default() }],
            ..Issuer::default()
        });
        config.mount.push(Mount {
            dialect: "staff".to_owned(),
            prefix: STAFF_PREFIX.to_owned(),
            tenant: TENANT.to_owned(),
            issuers: vec![ISSUER.to_owned()],
            login_issuer: ISSUER.to_owned(),
            ..Mount::default()
        });
    }
}

/// The shape the staff dialect's front-ends read: all in a `user` object.
fn staff_claims() -> Claims {
    let path = |path: &str| vec![path.to_owned()];
    Claims {
        subject: path("user.id"),
        username: path("user.username"),
        name: Vec::new(),
        email: Vec::new(),
        roles: path("user.role"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_development_server_needs_no_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config { dev: true, data_dir: directory.path().to_owned(), ..Config::default() };
        complete(&mut config).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.mount.len(), 1);
    }

    #[test]
    fn mounts_of_a_file_are_not_joined_by_others() {
        let directory = tempfile::tempdir().unwrap();
        let mount = Mount { name: "mine".into(), ..Mount::default() };
        let data_dir = directory.path().to_owned();
        let mut config = Config { dev: true, data_dir, mount: vec![mount], ..Config::default() };
        complete(&mut config).unwrap();
        assert_eq!((config.mount.len(), config.issuer.len()), (1, 0));
    }
}
