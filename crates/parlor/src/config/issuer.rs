//! An `[[issuer]]`: whose tokens are accepted, and what is read from them.

use std::{collections::BTreeMap, path::PathBuf};

use parlor_core::auth::{claims::ClaimPaths, jwt::Algorithm};
use serde::{Deserialize, Serialize};

use super::{Refusal, Secret, secrets};

/// One issuer of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Issuer {
    pub name: String,
    pub tenant: String,
    pub algorithms: Vec<Algorithm>,
    pub jwks_url: String,
    pub issuer: String,
    pub audience: String,
    pub authorized_parties: Vec<String>,
    pub session_cookies: bool,
    pub roles_from: RolesFrom,
    pub leeway_seconds: u64,
    pub longest_life_seconds: u64,
    pub provision: bool,
    pub mint: bool,
    pub mint_ttl_seconds: u64,
    pub mint_ids: MintIds,
    pub mint_ids_from: u64,
    pub mint_secret: Secret,
    pub mint_secret_file: PathBuf,
    pub key: Vec<Key>,
    pub claims: ClaimPaths,
    pub roles: BTreeMap<String, RoleName>,
}

impl Default for Issuer {
    fn default() -> Self {
        let roles = [
            ("customer", RoleName::Customer),
            ("staff", RoleName::Staff),
            ("admin", RoleName::Admin),
            ("provider", RoleName::Provider),
        ];
        Self {
            name: String::new(),
            tenant: String::new(),
            algorithms: vec![Algorithm::Hs256],
            jwks_url: String::new(),
            issuer: String::new(),
            audience: String::new(),
            authorized_parties: Vec::new(),
            session_cookies: false,
            roles_from: RolesFrom::Token,
            leeway_seconds: 5,
            longest_life_seconds: 0,
            provision: true,
            mint: false,
            mint_ttl_seconds: 12 * 60 * 60,
            mint_ids: MintIds::Hex,
            mint_ids_from: 0,
            mint_secret: Secret::default(),
            mint_secret_file: PathBuf::new(),
            key: Vec::new(),
            claims: ClaimPaths::default(),
            roles: roles.into_iter().map(|(name, role)| (name.to_owned(), role)).collect(),
        }
    }
}

impl Issuer {
    /// Takes in the keys that were given as files, and tells what could not be.
    pub(super) fn read_files(&mut self, index: usize) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let name = format!("issuer[{index}].mint_secret");
        refusals.extend(secrets::read_into(&name, &mut self.mint_secret, &self.mint_secret_file).err());
        for (number, key) in self.key.iter_mut().enumerate() {
            let name = |name: &str| format!("issuer[{index}].key[{number}].{name}");
            refusals.extend(secrets::read_into(&name("secret"), &mut key.secret, &key.secret_file).err());
            let mut pem = Secret::from(std::mem::take(&mut key.pem));
            refusals.extend(secrets::read_into(&name("pem"), &mut pem, &key.pem_file).err());
            pem.expose().clone_into(&mut key.pem);
        }
        refusals
    }
}

/// What says which roles somebody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolesFrom {
    /// The issuer's tokens.
    #[default]
    Token,
    /// Our own records of people.
    Records,
}

/// What tokens that Parlor makes call a person whom the issuer has never named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MintIds {
    /// 24 hexadecimal digits.
    #[default]
    Hex,
    /// The person's number.
    Number,
}

/// A key of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Key {
    pub kid: String,
    pub secret: Secret,
    pub secret_file: PathBuf,
    pub pem: String,
    pub pem_file: PathBuf,
}

/// What a person may be, as configuration and seed files write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    Customer,
    Staff,
    Admin,
    Provider,
}

impl RoleName {
    /// The same in the contract.
    #[must_use]
    pub const fn to_api(self) -> parlor_api::v1::Role {
        use parlor_api::v1::Role;
        match self {
            Self::Customer => Role::Customer,
            Self::Staff => Role::Staff,
            Self::Admin => Role::Admin,
            Self::Provider => Role::Provider,
        }
    }
}
