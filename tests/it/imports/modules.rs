//! The order of the modules of core and gateway: what stands further down may import what stands further up.

use std::path::Path;

use super::source::Source;

/// How the modules of a package stand.
pub struct Order {
    /// Modules in one row stand side by side and never import each other.
    rows: &'static [&'static [&'static str]],
    /// What puts the rest together; only the crate's root imports it.
    assembly: &'static [&'static str],
}

pub const CORE: Order = Order {
    rows: &[
        &["clock", "locked", "metric", "optional"],
        &["status"],
        &["buckets", "field"],
        &["caller"],
        &["seal", "share"],
        &["wire", "page", "health", "offset", "heads", "retention"],
        &["auth"],
        &["stack"],
        &["hub", "subject"],
        &["password", "request"],
        &["directory"],
        &["token"],
        &["billing"],
        &["chat", "presence"],
        &["session"],
        &["announce"],
        &["edge"],
    ],
    assembly: &["core"],
};

pub const GATEWAY: Order = Order {
    rows: &[
        &["mount", "backend", "metric", "seldom"],
        &["dialect"],
        &["outbox", "registry", "mounted"],
        &["fanout", "call"],
        &["derived"],
        &["link"],
        &["edge"],
        &["driver"],
        &["transport"],
    ],
    assembly: &["gateway"],
};

impl Order {
    /// The imports that go against the order, in words.
    pub fn broken(&self, sources_root: &Path, sources: &[Source]) -> Vec<String> {
        let mut broken = Vec::new();
        for source in sources {
            let Some(importer) = module_of(sources_root, &source.path) else { continue };
            if self.rank(&importer).is_none() {
                broken.push(format!(
                    "module {importer} has no place in the order of tests/it/imports/modules.rs"
                ));
            }
            for imported in source.crate_modules() {
                if !self.may_import(&importer, &imported) {
                    broken.push(format!("{}: {importer} imports {imported}", source.path.display()));
                }
            }
        }
        broken.sort();
        broken.dedup();
        broken
    }

    /// Whether one module may import another; what the crate's root exports itself may be imported by all.
    fn may_import(&self, importer: &str, imported: &str) -> bool {
        if importer == imported {
            return true;
        }
        match (self.rank(importer), self.rank(imported)) {
            (Some(importer), Some(imported)) => imported < importer || importer == self.rows.len(),
            (_, None) => true,
            (None, Some(_)) => false,
        }
    }

    /// A module's row; the assembly comes after all of them.
    fn rank(&self, module: &str) -> Option<usize> {
        if self.assembly.contains(&module) {
            return Some(self.rows.len());
        }
        self.rows.iter().position(|row| row.contains(&module))
    }
}

/// The top module a file belongs to; none for the crate's root and for what is compiled into tests only.
fn module_of(sources_root: &Path, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(sources_root).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    let of_tests =
        ["testing", "tests"].contains(&module) || path.file_stem().is_some_and(|name| name == "tests");
    (module != "lib" && !of_tests).then(|| module.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn broken(path: &str, text: &str) -> Vec<String> {
        CORE.broken(Path::new("src"), &[Source::new(PathBuf::from(path), text)])
    }

    #[test]
    fn leftward_imports_and_the_root_s_own_names_are_fine() {
        assert!(broken("src/chat/rpc.rs", "use crate::{hub::Hub, Error, Result, chat::Chat};").is_empty());
        assert!(broken("src/core.rs", "use crate::{chat, presence, stack};").is_empty());
        assert!(broken("src/lib.rs", "use crate::chat::Chat;").is_empty());
    }

    #[test]
    fn rightward_and_sideways_imports_and_strangers_are_found() {
        assert_eq!(broken("src/hub.rs", "use crate::{chat::Chat};"), ["src/hub.rs: hub imports chat"]);
        assert_eq!(
            broken("src/chat/rpc.rs", "fn f(_: crate::presence::Presence) {}"),
            ["src/chat/rpc.rs: chat imports presence"]
        );
        assert_eq!(
            broken("src/edge/link.rs", "use crate::core::Core;"),
            ["src/edge/link.rs: edge imports core"]
        );
        assert_eq!(broken("src/weather.rs", "").len(), 1);
    }

    #[test]
    fn only_the_root_imports_what_puts_the_rest_together() {
        let found = |path: &str, text: &str| {
            GATEWAY.broken(Path::new("src"), &[Source::new(PathBuf::from(path), text)])
        };
        assert_eq!(found("src/lib.rs", "pub use gateway::Gateway;"), Vec::<String>::new());
        assert_eq!(found("src/gateway.rs", "use crate::{edge::Edge, transport};"), Vec::<String>::new());
        assert_eq!(
            found("src/transport/rest.rs", "use crate::gateway::Metrics;"),
            ["src/transport/rest.rs: transport imports gateway"]
        );
        assert_eq!(found("src/link.rs", "use crate::driver;"), ["src/link.rs: link imports driver"]);
    }
}
