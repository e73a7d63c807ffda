//! What a package calls itself and depends on.

use std::{fs, path::Path};

/// The name of the package, and its dependencies as sources name them. Dev-dependencies never reach the program and
/// are not counted.
pub fn read(path: &Path) -> (String, Vec<String>) {
    parse(&fs::read_to_string(path).unwrap())
}

fn parse(text: &str) -> (String, Vec<String>) {
    let manifest: toml::Table = text.parse().unwrap();
    let name = manifest["package"]["name"].as_str().unwrap().to_owned();
    let tables =
        ["dependencies", "build-dependencies"].iter().filter_map(|kind| manifest.get(*kind)?.as_table());
    let dependencies =
        tables.flat_map(|table| table.iter().map(|(key, value)| package(key, value))).collect();
    (name, dependencies)
}

/// The real name of a dependency, also where it is renamed.
fn package(key: &str, value: &toml::Value) -> String {
    let renamed = value.get("package").and_then(toml::Value::as_str);
    renamed.unwrap_or(key).replace('-', "_")
}

#[test]
fn a_renamed_dependency_is_seen_and_one_of_tests_is_not() {
    let (name, dependencies) = parse(
        r#"
        [package]
        name = "it"
        [dependencies]
        harmless = { package = "sea-orm", version = "2" }
        tokio.workspace = true
        [dev-dependencies]
        redis = "1"
        "#,
    );
    assert_eq!(name, "it");
    assert_eq!(dependencies, ["sea_orm", "tokio"]);
}
