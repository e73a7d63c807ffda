//! The import rules of ARCHITECTURE.md, read from manifests and sources.
//!
//! What a crate boundary enforces needs no test; this holds what it cannot: who may name a storage or bus library, and
//! in which order the modules of the core stand.

mod graph;
mod manifest;
mod modules;
mod source;
mod uses;

use std::{
    fs,
    path::{Path, PathBuf},
};

use graph::Graph;
use source::Source;

/// Libraries, by the name they have in sources and manifests, and the only packages that may name them.
const KEPT_LIBRARIES: [(&[&str], &[&str]); 2] = [
    (&["sea_orm", "sea_orm_migration", "sea_query", "sqlx"], &["parlor-store", "parlor-migration"]),
    (&["redis"], &["parlor-bus"]),
];

/// What the gateway knows of us; everything else it asks for over the contract.
const GATEWAY_MAY_NAME: [&str; 2] = ["parlor-api", "parlor-socketio"];

#[test]
fn a_storage_or_bus_library_is_named_only_by_its_keeper() {
    let mut broken = Vec::new();
    for package in packages() {
        for (libraries, keepers) in KEPT_LIBRARIES {
            if keepers.contains(&package.name.as_str()) {
                continue;
            }
            broken.extend(package.names_any(libraries));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_gateway_knows_of_ours_only_the_contract() {
    let packages = packages();
    let gateway = packages.iter().find(|package| package.name == "parlor-gateway").unwrap();
    let foreign: Vec<String> = packages
        .iter()
        .map(|package| package.name.as_str())
        .filter(|name| *name != gateway.name && !GATEWAY_MAY_NAME.contains(name))
        .map(|name| name.replace('-', "_"))
        .collect();
    let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
    let broken = gateway.names_any(&foreign);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_load_generator_knows_of_ours_only_the_contract() {
    let packages = packages();
    let bench = packages.iter().find(|package| package.name == "parlor-bench").unwrap();
    let foreign: Vec<String> = packages
        .iter()
        .filter(|package| !["parlor-bench", "parlor-api"].contains(&package.name.as_str()))
        .map(|package| package.name.replace('-', "_"))
        .collect();
    let broken: Vec<&String> = bench.dependencies.iter().filter(|name| foreign.contains(name)).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn the_store_knows_no_messages_and_the_bus_only_bytes() {
    let broken: Vec<String> = packages()
        .iter()
        .filter(|package| ["parlor-store", "parlor-bus", "parlor-migration"].contains(&package.name.as_str()))
        .flat_map(|package| package.names_any(&["parlor_api", "parlor_core", "parlor_gateway"]))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_formats_of_calls_tokens_know_nothing_of_ours() {
    let packages = packages();
    let rtc = packages.iter().find(|package| package.name == "parlor-rtc").unwrap();
    let ours: Vec<String> = packages
        .iter()
        .filter(|package| package.name != rtc.name)
        .map(|package| package.name.replace('-', "_"))
        .collect();
    let clocks_and_chance = ["tokio", "rand", "uuid", "http", "hyper"];
    let foreign: Vec<&str> = ours.iter().map(String::as_str).chain(clocks_and_chance).collect();
    let broken = rtc.names_any(&foreign);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn modules_are_named_after_themselves() {
    let broken: Vec<String> = packages()
        .iter()
        .flat_map(|package| &package.sources)
        .filter(|source| source.path.file_name().is_some_and(|name| name == "mod.rs"))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_modules_of_core_and_gateway_keep_their_order() {
    let packages = packages();
    let broken = |name: &str, order: &modules::Order| {
        let package = packages.iter().find(|package| package.name == name).unwrap();
        order.broken(&package.root.join("src"), &package.sources)
    };
    let broken =
        [broken("parlor-core", &modules::CORE), broken("parlor-gateway", &modules::GATEWAY)].concat();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A dialect is a function of what comes in: no runtime, no clock, no wire of its own.
#[test]
fn dialects_name_no_runtime_and_no_wire() {
    let packages = packages();
    let gateway = packages.iter().find(|package| package.name == "parlor-gateway").unwrap();
    let folder = gateway.root.join("src/dialect");
    let sources: Vec<&Source> =
        gateway.sources.iter().filter(|source| source.path.starts_with(&folder)).collect();
    assert!(sources.len() > 20, "the dialects are elsewhere");
    let broken: Vec<String> = sources
        .iter()
        .flat_map(|source| source.named(&["tokio", "axum", "hyper", "hyper_util", "tonic"]))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles: Vec<String> = packages().iter().flat_map(|package| package.graph().circles()).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// A package of the workspace.
struct Package {
    name: String,
    root: PathBuf,
    /// What it depends on outside of tests, as sources name it.
    dependencies: Vec<String>,
    sources: Vec<Source>,
}

impl Package {
    fn read(root: PathBuf) -> Self {
        let (name, dependencies) = manifest::read(&root.join("Cargo.toml"));
        let mut sources = Vec::new();
        Source::read_all(&root, &mut sources);
        Self { name, root, dependencies, sources }
    }

    fn graph(&self) -> Graph {
        let texts = self.sources.iter().map(|source| {
            let text = fs::read_to_string(&source.path).unwrap();
            (source.path.clone(), text)
        });
        Graph::read(&self.root.join("src"), texts)
    }

    /// Where this package names any of these libraries: in its manifest, or in a path in a source.
    fn names_any(&self, libraries: &[&str]) -> Vec<String> {
        let in_manifest = self
            .dependencies
            .iter()
            .filter(|dependency| libraries.contains(&dependency.as_str()))
            .map(|dependency| format!("{} depends on {dependency}", self.name));
        let in_sources = self.sources.iter().flat_map(|source| source.named(libraries));
        in_manifest.chain(in_sources).collect()
    }
}

fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every package of the workspace, as the root's manifest lists them.
fn packages() -> Vec<Package> {
    let root = workspace_root();
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| Package::read(root.join(member.as_str().unwrap()))).collect()
}
