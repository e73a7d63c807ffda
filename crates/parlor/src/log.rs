//! The log: to standard error, for people or for machines. Standard output belongs to what commands print.

use std::io::IsTerminal as _;

use anyhow::Result;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Installs the log of this process. Only the program does; tests bring their own.
pub fn install(log: &Log) -> Result<()> {
    // One that is none is refused with all else that is wrong, by the configuration's check.
    let filter: EnvFilter = log.filter.parse().unwrap_or_default();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("cannot install the log: {error}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::EnvFilter;

    /// What was logged by this thread.
    #[derive(Clone, Default)]
    pub struct Heard(Arc<Mutex<Vec<u8>>>);

    impl Heard {
        /// Listens on this thread until the guard is dropped.
        pub fn listen(filter: &str) -> (Self, tracing::subscriber::DefaultGuard) {
            let heard = Self::default();
            let ear = heard.clone();
            let log = tracing_subscriber::fmt()
                .with_env_filter(filter.parse::<EnvFilter>().unwrap())
                .with_ansi(false)
                .with_writer(move || ear.clone())
                .finish();
            (heard, tracing::subscriber::set_default(log))
        }

        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl std::io::Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
