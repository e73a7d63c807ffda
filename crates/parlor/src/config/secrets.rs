//! The `[secrets]` table. Each may be given directly or in a file; [`Secrets::read_files`] makes the first of the second.

use std::path::{Path, PathBuf};

use ed25519_dalek::{
    SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey},
};
use serde::{Deserialize, Serialize};

use super::{Refusal, Secret};

/// What the program must keep to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    pub generate: bool,
    pub edge_key: Secret,
    pub edge_key_file: PathBuf,
    pub operator_key: Secret,
    pub operator_key_file: PathBuf,
    pub handle_key: Secret,
    pub handle_key_file: PathBuf,
    pub position_key: Secret,
    pub position_key_file: PathBuf,
    pub signing_key: Secret,
    pub signing_key_file: PathBuf,
    /// Public keys as PEM; no secrets.
    pub earlier_signing_keys: Vec<String>,
}

impl Secrets {
    /// The seed that signs access tokens, if the key can be read.
    #[must_use]
    pub fn signing_seed(&self) -> Option<[u8; 32]> {
        SigningKey::from_pkcs8_pem(self.signing_key.expose()).ok().map(|key| key.to_bytes())
    }

    /// The public key at `index` of the earlier ones, if it can be read.
    #[must_use]
    pub fn earlier_signing_key(&self, index: usize) -> Option<[u8; 32]> {
        let pem = self.earlier_signing_keys.get(index)?;
        VerifyingKey::from_public_key_pem(pem).ok().map(|key| key.to_bytes())
    }

    /// Takes in what was given as files, and tells what could not be.
    pub fn read_files(&mut self) -> Vec<Refusal> {
        let files = [
            read_into("secrets.edge_key", &mut self.edge_key, &self.edge_key_file),
            read_into("secrets.operator_key", &mut self.operator_key, &self.operator_key_file),
            read_into("secrets.handle_key", &mut self.handle_key, &self.handle_key_file),
            read_into("secrets.position_key", &mut self.position_key, &self.position_key_file),
            read_into("secrets.signing_key", &mut self.signing_key, &self.signing_key_file),
        ];
        files.into_iter().filter_map(Result::err).collect()
    }
}

/// Reads a secret from its file, if one is named. A line end at its end is not part of it.
pub(super) fn read_into(key: &str, secret: &mut Secret, file: &Path) -> Result<(), Refusal> {
    if file.as_os_str().is_empty() {
        return Ok(());
    }
    let refuse = |problem| Err(Refusal { key: format!("{key}_file"), problem });
    if !secret.is_empty() {
        return refuse(format!("{key} is set too; leave one of them out"));
    }
    match std::fs::read_to_string(file) {
        Ok(text) => {
            *secret = Secret::from(text.trim_end_matches(['\r', '\n']));
            Ok(())
        }
        Err(error) => {
            refuse(format!("cannot read {}: {error}; create it or correct the path", file.display()))
        }
    }
}
