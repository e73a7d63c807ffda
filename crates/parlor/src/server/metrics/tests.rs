//! Metrics are named in the `metric.rs` of their crate and nowhere else, and docs/metrics.md lists them all.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const CRATES: [&str; 3] = ["crates/store/src", "crates/core/src", "gateway/src"];

/// What gives a metric its value, in any crate.
const RECORDED: [&str; 3] = ["counter!(", "gauge!(", "histogram!("];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names between a mark and the next one.
fn names(text: &str, before: &str, after: char) -> BTreeSet<String> {
    text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0.to_owned())).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_page_lists_the_metrics_that_are_defined_and_no_others() {
    let mut defined = BTreeSet::new();
    for folder in CRATES {
        let metrics = text(&root().join(folder).join("metric.rs"));
        let here = names(&metrics, ": &str = \"", '"');
        assert_eq!(here.len(), metrics.matches("metrics::describe_").count(), "{folder}: each is described");
        defined.extend(here);
    }
    let listed = names(&text(&root().join("docs/metrics.md")), "\n| `", '`');
    assert!(!defined.is_empty());
    assert_eq!(listed, defined);
}

#[test]
fn a_metric_is_recorded_by_the_name_of_its_definition() {
    let mut files = Vec::new();
    for folder in CRATES {
        sources(&root().join(folder), &mut files);
    }
    for file in files.iter().filter(|file| !file.ends_with("metric.rs")) {
        let text = text(file);
        for mark in RECORDED {
            let literal = text.split(mark).skip(1).any(|rest| rest.trim_start().starts_with('"'));
            assert!(!literal, "{}: a metric is named in place", file.display());
        }
    }
}
