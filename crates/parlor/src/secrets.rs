//! Secrets of this installation's own making: drawn at the first start, kept in `<data_dir>/secrets.toml`.
//!
//! The rule it keeps: the file is readable by its owner only, or nothing starts.

use std::{io::ErrorKind, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding};
use serde::{Deserialize, Serialize};

use crate::{
    config::{self, Secret},
    data_dir,
};

/// The file's name in the data directory.
pub const FILE: &str = "secrets.toml";

/// Every generated secret holds this much randomness.
const SECRET_BYTES: usize = 32;

/// What is in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub edge_key: String,
    pub operator_key: String,
    pub handle_key: String,
    pub position_key: String,
    /// Signs the tokens of the "demo" issuer of --dev.
    pub demo_issuer_secret: String,
    /// Ed25519, PKCS#8 as PEM.
    pub signing_key: String,
}

impl Kept {
    /// Reads the file, or makes it at the first start.
    pub fn read_or_make(data_dir: &Path) -> Result<Self> {
        if let Some(kept) = Self::read(data_dir)? {
            return Ok(kept);
        }
        let kept = Self::draw()?;
        let text = format!(
            "# Made by parlor at the first start. Whoever reads this owns the installation: keep it to yourself.\n\n{}",
            toml::to_string(&kept)?
        );
        data_dir::write_private(&data_dir.join(FILE), &text)?;
        Ok(kept)
    }

    /// Reads the file; `None` if there is none yet.
    pub fn read(data_dir: &Path) -> Result<Option<Self>> {
        let path = data_dir.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            anyhow::bail!("{} can be read by others (mode {mode:o}); run: chmod 600 {0}", path.display());
        }
        // The parser's own error would quote the line, secret and all.
        let kept = toml::from_str(&text).map_err(|error| {
            let problem = error.message();
            anyhow::anyhow!(
                "{}: {problem}; correct it, or move it away to have new ones made",
                path.display()
            )
        })?;
        Ok(Some(kept))
    }

    /// Draws new ones, which are kept nowhere yet.
    pub fn draw() -> Result<Self> {
        let signing_key = ed25519_dalek::SigningKey::from_bytes(&rand::random());
        Ok(Self {
            edge_key: random(),
            operator_key: random(),
            handle_key: random(),
            position_key: random(),
            demo_issuer_secret: random(),
            signing_key: signing_key.to_pkcs8_pem(LineEnding::LF)?.to_string(),
        })
    }

    /// Fills in what the configuration leaves empty.
    pub fn complete(&self, secrets: &mut config::Secrets) {
        let fill = |secret: &mut Secret, kept: &str| {
            if secret.is_empty() {
                *secret = Secret::from(kept);
            }
        };
        fill(&mut secrets.edge_key, &self.edge_key);
        fill(&mut secrets.operator_key, &self.operator_key);
        fill(&mut secrets.handle_key, &self.handle_key);
        fill(&mut secrets.position_key, &self.position_key);
        fill(&mut secrets.signing_key, &self.signing_key);
    }
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_kept_private() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Kept::read(directory.path()).unwrap().is_none());
        let made = Kept::read_or_make(directory.path()).unwrap();
        let again = Kept::read_or_make(directory.path()).unwrap();
        assert_eq!(made.edge_key, again.edge_key);
        assert_ne!(made.edge_key, made.operator_key);
        let mode = std::fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        Kept::read_or_make(directory.path()).unwrap();
        let path = directory.path().join(FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Kept::read_or_make(directory.path()).err().unwrap().to_string();
        assert!(refused.contains("mode 640") && refused.contains("chmod 600"), "{refused}");
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let directory = tempfile::tempdir().unwrap();
        data_dir::write_private(&directory.path().join(FILE), "edge_key = \"my precious\"\n").unwrap();
        let refused = Kept::read(directory.path()).err().unwrap().to_string();
        assert!(refused.contains("missing field") && !refused.contains("precious"), "{refused}");
    }

    #[test]
    fn what_was_configured_stays() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::read_or_make(directory.path()).unwrap();
        let mut secrets = config::Secrets { edge_key: "given by the operator".into(), ..Default::default() };
        kept.complete(&mut secrets);
        assert_eq!(secrets.edge_key.expose(), "given by the operator");
        assert_eq!(secrets.operator_key.expose(), kept.operator_key);
    }
}
