//! What else is wrong with a configuration that could not be read as a whole. A finding that may only come from what
//! was not read, and has its default here, is left out: it would send its reader astray.

use super::{Config, Refusal, Refused};
use crate::{development, secrets::Kept};

/// They name each other.
const TOGETHER: [&str; 3] = ["listener", "mount", "issuer"];

pub(super) fn check(mut config: Config, unread: &[Refusal]) -> Vec<Refusal> {
    if (config.dev || config.secrets.generate)
        && let Ok(kept) = Kept::draw()
    {
        development::complete_with(&mut config, &kept);
    }
    let Err(Refused(found)) = config.check() else { return Vec::new() };
    let stands = |finding: &Refusal| !unread.iter().any(|unread| hangs_on(&finding.key, &unread.key));
    found.into_iter().filter(stands).collect()
}

fn hangs_on(finding: &str, unread: &str) -> bool {
    let is_of = |table: &str| finding.starts_with(table) && unread.starts_with(table);
    let of_lists = |key: &str| TOGETHER.iter().any(|list| key.starts_with(list));
    let of_role = ["core.listen", "gateway.core_url", "listener", "secrets."];
    match unread {
        "role" => of_role.iter().any(|key| finding.starts_with(key)),
        "secrets.generate" => is_of("secrets."),
        _ => {
            let same = unread.starts_with(finding) || finding.starts_with(unread);
            same || of_lists(finding) && of_lists(unread)
        }
    }
}
