//! What `--dev` adds to a configuration: generated secrets, the "demo" issuer, and a mount for each dialect.

use anyhow::Result;
use parlor_core::auth::claims::ClaimPaths;

use crate::{
    config::{Config, Identity, Issuer, Key, MintIds, Mount, RoleName, Secret},
    secrets::Kept,
};

/// The tenant of sample people.
pub const TENANT: &str = "demo";

/// The issuer whose tokens the mounts of --dev accept and make.
pub const ISSUER: &str = "demo";

/// Where the staff dialect is in --dev.
pub const STAFF_PREFIX: &str = "/staff";

/// The issuer in whose shape the support dialect's login makes tokens.
pub const SHOP_ISSUER: &str = "demo-shop";

/// Where the native dialect is in --dev.
pub const NATIVE_PREFIX: &str = "/native";

/// Where the support dialect is in --dev.
pub const SUPPORT_PREFIX: &str = "/support";

/// Where the old front-ends of the support dialect are served while they are worked on.
const SHOP_ORIGINS: [&str; 2] = ["http://localhost:3000", "http://localhost:5173"];

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
        config.mount.push(Mount {
            dialect: "native".to_owned(),
            prefix: NATIVE_PREFIX.to_owned(),
            tenant: TENANT.to_owned(),
            guests: true,
            ..Mount::default()
        });
        config.issuer.push(shop_issuer(&kept.demo_issuer_secret));
        config.mount.push(support_mount());
    }
}

/// The support dialect as its old front-ends use it without a login: by claims, on loopback, from their own pages.
fn support_mount() -> Mount {
    Mount {
        dialect: "support".to_owned(),
        prefix: SUPPORT_PREFIX.to_owned(),
        tenant: TENANT.to_owned(),
        issuers: vec![SHOP_ISSUER.to_owned()],
        origins: SHOP_ORIGINS.map(str::to_owned).to_vec(),
        login_issuer: SHOP_ISSUER.to_owned(),
        allow_signup: true,
        identity: Identity::Claims,
        ..Mount::default()
    }
}

/// The shape of token that the support dialect's old server made.
fn shop_issuer(secret: &str) -> Issuer {
    let path = |path: &str| vec![path.to_owned()];
    let roles = [("CUSTOMER", RoleName::Customer), ("ADMIN", RoleName::Admin)];
    Issuer {
        name: SHOP_ISSUER.to_owned(),
        tenant: TENANT.to_owned(),
        mint: true,
        mint_ids: MintIds::Number,
        mint_ids_from: 1_000_000,
        // There is no shop that it would have to be kept from; only the check asks for it.
        mint_secret: Secret::from(format!("{secret}, for sign-ups").as_str()),
        claims: ClaimPaths {
            subject: path("id"),
            username: Vec::new(),
            name: Vec::new(),
            email: path("email"),
            roles: path("role"),
        },
        roles: roles.into_iter().map(|(name, role)| (name.to_owned(), role)).collect(),
        key: vec![Key { secret: Secret::from(secret), ..Key::default() }],
        ..Issuer::default()
    }
}

/// The shape the staff dialect's front-ends read: all in a `user` object.
fn staff_claims() -> ClaimPaths {
    let path = |path: &str| vec![path.to_owned()];
    ClaimPaths {
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
        assert_eq!(config.mount.iter().map(Mount::label).collect::<Vec<_>>(), ["staff", "native", "support"]);
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
