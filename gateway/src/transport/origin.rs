//! Pages of origins that a mount does not allow: counted, and told to the log now and then, since such a page is told little
//! by its browser.

use http::{HeaderMap, header};
use tokio::time::Instant;

use crate::{edge::Edge, metric, mounted::Mounted};

/// Characters of an origin in the log: a name has at most 253.
const SHOWN: usize = 300;

/// A page was refused.
pub(super) fn refused(edge: &Edge, mounted: &Mounted, headers: &HeaderMap) {
    metrics::counter!(metric::ORIGINS_REFUSED, "dialect" => mounted.dialect.wire().name).increment(1);
    let mount = &*mounted.mount.name;
    let Some(times) = edge.seldom.is_time(mount, "origin", Instant::now()) else { return };
    let origin = headers.get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    let origin: String = origin.unwrap_or_default().chars().take(SHOWN).collect();
    tracing::warn!(
        mount,
        ?origin,
        times,
        "pages are not let in: their origin is not among those of the mount (origins)"
    );
}
