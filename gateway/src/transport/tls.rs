//! A certificate that is read again when its files change, so that a renewal needs no restart.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at, at most; new connections look.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The files of a certificate; they are read again when they change.
#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Tls {
    /// Whether a listener could serve with these files now.
    ///
    /// # Errors
    /// If not; names the file.
    pub async fn check(&self) -> io::Result<()> {
        Certificate::read(self.clone()).await.map(drop)
    }
}

/// The certificate of a listener.
pub(super) struct Certificate {
    files: Tls,
    state: Mutex<State>,
}

struct State {
    acceptor: TlsAcceptor,
    changed: Changed,
    looked: Instant,
}

/// When the two files were last changed.
type Changed = (SystemTime, SystemTime);

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificate {
    pub async fn read(files: Tls) -> io::Result<Self> {
        let changed = changed(&files).await?;
        let acceptor = acceptor(&files).await?;
        Ok(Self { files, state: Mutex::new(State { acceptor, changed, looked: Instant::now() }) })
    }

    /// What accepts a connection, with the certificate as it is now. One that cannot be read leaves the old one.
    pub async fn acceptor(&self) -> TlsAcceptor {
        let Some(known) = self.due() else { return self.lock().acceptor.clone() };
        match changed(&self.files).await {
            Ok(now) if now == known => {}
            Ok(now) => self.replace(now).await,
            Err(error) => tracing::warn!(%error, files = ?self.files, "certificate cannot be looked at"),
        }
        self.lock().acceptor.clone()
    }

    async fn replace(&self, now: Changed) {
        match acceptor(&self.files).await {
            Ok(acceptor) => {
                let mut state = self.lock();
                state.acceptor = acceptor;
                state.changed = now;
                drop(state);
                tracing::info!(files = ?self.files, "certificate was read again");
            }
            Err(error) => tracing::warn!(%error, files = ?self.files, "certificate cannot be read"),
        }
    }

    /// When the files had changed as far as is known, if it is time to look again.
    fn due(&self) -> Option<Changed> {
        let mut state = self.lock();
        let now = Instant::now();
        if now - state.looked < LOOK_EVERY {
            return None;
        }
        state.looked = now;
        Some(state.changed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the certificate")
    }
}

async fn changed(files: &Tls) -> io::Result<Changed> {
    Ok((changed_at(&files.certificate).await?, changed_at(&files.key).await?))
}

async fn changed_at(file: &Path) -> io::Result<SystemTime> {
    let looked = tokio::fs::metadata(file).await.and_then(|metadata| metadata.modified());
    looked.map_err(|error| told(file, error))
}

/// What is wrong with a file.
fn told(file: &Path, problem: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {problem}", file.display()))
}

async fn acceptor(files: &Tls) -> io::Result<TlsAcceptor> {
    let certificate =
        tokio::fs::read(&files.certificate).await.map_err(|error| told(&files.certificate, error))?;
    let key = tokio::fs::read(&files.key).await.map_err(|error| told(&files.key, error))?;
    let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| told(&files.certificate, error))?;
    if chain.is_empty() {
        return Err(told(&files.certificate, "no certificate as PEM is in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_unreadable| told(&files.key, "no private key as PEM is in it"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => told(&files.key, "it is not the key of the certificate"),
            other => told(&files.certificate, other),
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
