//! What is on this machine: configuration, data directory, secrets, clock.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use super::Finding;
use crate::{
    config::{Config, Refused},
    data_dir, development,
    secrets::{self, Kept},
    server,
};

/// Parlor is younger than this: 2026-01-01. A clock before it was never set.
const CLOCK_MS_MIN: i64 = 1_767_225_600_000;

/// How far in the future a file may seem to be written, for file systems that keep their own time.
const FUTURE_MAX: Duration = Duration::from_secs(5);

pub(super) async fn configuration(config: &Config) -> Finding {
    let mut as_served = config.clone();
    let makes_secrets = config.dev || config.secrets.generate;
    if makes_secrets && !config.data_dir.join(secrets::FILE).exists() {
        match Kept::draw() {
            Ok(kept) => development::complete_with(&mut as_served, &kept),
            Err(error) => return Finding::wrong("configuration", format!("{error:#}")),
        }
    }
    let checked = match as_served.check() {
        Ok(()) => server::check_certificates(&as_served).await,
        Err(refused) => Err(refused),
    };
    let doubts = as_served.doubts().into_iter().map(|doubt| format!("{}: {}", doubt.key, doubt.problem));
    let doubts = doubts.collect::<Vec<_>>().join("\n");
    match checked {
        Ok(()) if !doubts.is_empty() => Finding::doubtful("configuration", doubts),
        Ok(()) if config.dev => {
            Finding::good("configuration", "a development server; give --config for another")
        }
        Ok(()) => Finding::good("configuration", "can be served"),
        Err(refused @ Refused(_)) => Finding::wrong("configuration", refused.to_string()),
    }
}

pub(super) fn data_directory(config: &Config) -> Finding {
    const WHAT: &str = "data directory";
    let path = &config.data_dir;
    let shown = path.display();
    let Ok(metadata) = std::fs::metadata(path) else {
        return Finding::good(WHAT, format!("{shown} is not there yet; the first start makes it"));
    };
    if !metadata.is_dir() {
        return Finding::wrong(WHAT, format!("{shown} is not a directory; move it away, or set data_dir"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    let server = data_dir::running(path)
        .map(|running| format!(", held by the server with process id {}", running.pid));
    let server = server.unwrap_or_default();
    if mode & 0o077 == 0 {
        Finding::good(WHAT, format!("{shown}, readable by its owner only{server}"))
    } else {
        Finding::doubtful(
            WHAT,
            format!("{shown} can be looked into by others (mode {mode:o}); run: chmod 700 {shown}"),
        )
    }
}

pub(super) fn secrets(config: &Config) -> Finding {
    const WHAT: &str = "secrets";
    match Kept::read(&config.data_dir) {
        Ok(Some(_)) => Finding::good(WHAT, format!("{} is readable by its owner only", secrets::FILE)),
        Ok(None) if config.dev || config.secrets.generate => Finding::good(WHAT, "made at the first start"),
        Ok(None) => Finding::good(WHAT, "given by the configuration"),
        Err(error) => Finding::wrong(WHAT, format!("{error:#}")),
    }
}

pub(super) fn clock(config: &Config) -> Finding {
    const WHAT: &str = "clock";
    let now_ms = parlor_core::clock::Clock::default().now();
    if now_ms < CLOCK_MS_MIN {
        return Finding::wrong(WHAT, "is before 2026: tokens would be taken for not yet valid; set the time");
    }
    let now = Duration::from_millis(now_ms.unsigned_abs());
    match newest(&config.data_dir) {
        Some(written) if written > now + FUTURE_MAX => Finding::wrong(
            WHAT,
            format!(
                "is {} s behind what was written here last: it went back; set the time, and see that it is kept (NTP)",
                (written - now).as_secs()
            ),
        ),
        Some(_) | None => Finding::good(WHAT, "is not behind what was written here last"),
    }
}

/// When something in the directory was written last, as time since 1970.
fn newest(directory: &Path) -> Option<Duration> {
    let written = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.ok()?.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()
    };
    std::fs::read_dir(directory).ok()?.filter_map(written).max()
}
