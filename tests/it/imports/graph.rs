//! Which file of a package takes names from which other, and the circles among them.
//!
//! A name is followed through every `use` that hands it on, to the file that defines it: who takes a child's name from
//! a parent that only lists its children depends on the child.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::uses::{Uses, uses};

/// The steps from the package's root to a module.
type Module = Vec<String>;

/// The files of one package, and what each takes from the others.
pub struct Graph {
    files: BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>,
}

impl Graph {
    /// Reads every production source below `root`, which is a package's `src`.
    pub fn read(root: &Path, sources: impl IntoIterator<Item = (PathBuf, String)>) -> Self {
        let mut modules = BTreeMap::new();
        for (path, text) in sources {
            if let Some(module) = module_of(root, &path) {
                let parsed =
                    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                modules.entry(module).or_insert((path, uses(&parsed)));
            }
        }
        let files =
            modules.iter().map(|(module, (path, uses))| (path.clone(), taken(&modules, module, uses)));
        Self { files: files.collect() }
    }

    /// The circles, each with its imports in words.
    pub fn circles(&self) -> Vec<String> {
        let reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
            self.files.keys().map(|file| (file, self.reached_from(file))).collect();
        let mut circles = BTreeSet::new();
        for file in self.files.keys().filter(|file| reached[file].contains(file)) {
            let members: BTreeSet<&PathBuf> =
                reached[file].iter().copied().filter(|other| reached[other].contains(file)).collect();
            circles.insert(members);
        }
        circles.iter().map(|members| self.told(members)).collect()
    }

    fn reached_from<'a>(&'a self, file: &PathBuf) -> BTreeSet<&'a PathBuf> {
        let mut reached = BTreeSet::new();
        let mut left = vec![file];
        while let Some(from) = left.pop() {
            for (to, _) in self.files.get(from).into_iter().flatten() {
                if reached.insert(to) {
                    left.push(to);
                }
            }
        }
        reached
    }

    fn told(&self, members: &BTreeSet<&PathBuf>) -> String {
        let mut words = format!("a circle of {} files", members.len());
        for from in members {
            for (to, names) in self.files[*from].iter().filter(|(to, _)| members.contains(to)) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                words += &format!("\n  {} takes {} from {}", from.display(), names.join(", "), to.display());
            }
        }
        words
    }
}

/// What one file takes from others, by the file that defines it.
fn taken(
    modules: &BTreeMap<Module, (PathBuf, Uses)>,
    module: &Module,
    uses: &Uses,
) -> BTreeMap<PathBuf, BTreeSet<String>> {
    let mut taken: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for path in &uses.paths {
        if let Some((definer, name)) = defined(modules, module, path, 0)
            && definer != module
        {
            taken.entry(modules[definer].0.clone()).or_default().insert(name);
        }
    }
    taken
}

/// How many times a name is handed on at most.
const HANDS: usize = 8;

/// The module that defines what a path names, and its name there; none for what another package defines.
fn defined<'a>(
    modules: &'a BTreeMap<Module, (PathBuf, Uses)>,
    from: &Module,
    path: &[String],
    hands: usize,
) -> Option<(&'a Module, String)> {
    let mut place = from.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (place, rest) = (Module::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|step| step == "super") {
                place.pop()?;
                rest = &rest[1..];
            }
        }
        _ => {}
    }
    while let Some(step) = rest.first() {
        let child: Module = place.iter().cloned().chain([step.clone()]).collect();
        if !modules.contains_key(&child) {
            break;
        }
        (place, rest) = (child, &rest[1..]);
    }
    let (module, (_, uses)) = modules.get_key_value(&place)?;
    let Some(name) = rest.first() else {
        let name = place.last().cloned().unwrap_or_default();
        return (place != *from).then_some((module, name));
    };
    match uses.names.get(name) {
        Some(next) if hands < HANDS && (module != from || next[..] != path[..]) => {
            let next: Vec<String> = next.iter().chain(&rest[1..]).cloned().collect();
            defined(modules, module, &next, hands + 1)
        }
        _ if place == *from && rest.len() == path.len() => None,
        _ if uses.items.contains(name) || hands == HANDS => Some((module, name.clone())),
        _ => {
            let own = |glob: &Vec<String>| {
                let next: Vec<String> = glob.iter().chain(rest).cloned().collect();
                defined(modules, module, &next, hands + 1)
                    .filter(|(definer, name)| modules[*definer].1.items.contains(name))
            };
            uses.globs.iter().find_map(own).or_else(|| Some((module, name.clone())))
        }
    }
}

/// The module a file holds; none for what is compiled into tests only.
fn module_of(root: &Path, path: &Path) -> Option<Module> {
    let inside = path.strip_prefix(root).ok()?.with_extension("");
    let steps: Module = inside.iter().map(|step| step.to_string_lossy().into_owned()).collect();
    if steps.iter().any(|step| ["tests", "testing"].contains(&step.as_str())) {
        return None;
    }
    Some(if ["lib", "main"].contains(&steps.join("/").as_str()) { Module::new() } else { steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files.iter().map(|(path, text)| (Path::new("src").join(path), (*text).to_owned()));
        Graph::read(Path::new("src"), sources).circles()
    }

    #[test]
    fn two_files_that_take_from_each_other_are_a_circle() {
        let told = circles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "pub struct B(super::a::A);"),
        ]);
        assert_eq!(
            told,
            ["a circle of 2 files\n  src/a.rs takes B from src/b.rs\n  src/b.rs takes A from src/a.rs"]
        );
    }

    #[test]
    fn a_parent_that_lists_its_children_hands_their_names_on() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod one; mod two; pub use {one::One, two::Two};"),
            ("a/one.rs", "pub struct One;"),
            ("a/two.rs", "use super::One; pub struct Two(One);"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
    }

    #[test]
    fn a_name_handed_on_with_all_others_is_followed_too() {
        let files = [
            ("lib.rs", "mod a; mod rows; pub use a::f; pub use rows::*;"),
            ("a.rs", "use crate::Row; pub fn f(_: Row) {}"),
            ("rows.rs", "pub struct Row;"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
    }

    #[test]
    fn a_name_that_is_only_handed_on_is_not_taken() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod one; pub use one::One; pub struct A;"),
            ("a/one.rs", "use super::A; pub struct One(A);"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
        let files = [files[0], ("a.rs", "mod one; pub use one::One; pub struct A(Box<One>);"), files[2]];
        assert_eq!(circles(&files).len(), 1);
    }

    #[test]
    fn a_parent_whose_own_names_its_children_take_is_a_circle() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod one; pub struct A; fn f() { one::g() }"),
            ("a/one.rs", "use super::A; pub fn g() {}"),
        ];
        assert_eq!(circles(&files).len(), 1);
    }

    #[test]
    fn tests_and_other_packages_are_left_out_and_macros_are_read() {
        let files = [
            ("a.rs", "use serde::B; #[cfg(test)] mod tests { use crate::b::B; }"),
            ("b.rs", "use crate::a::A; #[cfg(test)] use crate::c::C;"),
            ("c.rs", "use crate::b::B;"),
            ("a/tests.rs", "use crate::b::B;"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
        let files = [("a.rs", "list![1 => crate::b::f]; "), ("b.rs", "pub fn f() { crate::a::g() }")];
        assert_eq!(circles(&files).len(), 1);
    }
}
