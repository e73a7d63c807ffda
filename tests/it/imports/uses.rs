//! The paths a source names outside of its tests, and the names its `use` items give.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, File, Item, UseTree, Visibility,
    visit::{self, Visit},
};

/// A path as it is written, one step after the other.
type Steps = Vec<String>;

/// What one file names.
#[derive(Default)]
pub struct Uses {
    /// Every path that may lead to a module of the same package, but those that are only handed on.
    pub paths: BTreeSet<Steps>,
    /// Names that a `use` gives, and what they stand for.
    pub names: BTreeMap<String, Steps>,
    /// Modules of which a `use` gives every name.
    pub globs: BTreeSet<Steps>,
    /// Names of the file's own items.
    pub items: BTreeSet<String>,
}

pub fn uses(file: &File) -> Uses {
    let children = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    });
    let heads = ["crate", "self", "super"].map(str::to_owned).into_iter().chain(children).collect();
    let mut reader =
        Reader { heads, uses: Uses::default(), words: BTreeSet::new(), handed_on: BTreeMap::new() };
    reader.visit_file(file);
    let taken = reader.handed_on.into_iter().filter(|(name, _)| reader.words.contains(name));
    reader.uses.paths.extend(taken.map(|(_, steps)| steps));
    reader.uses.items = file.items.iter().filter_map(name_of).collect();
    reader.uses
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        _ => return None,
    };
    Some(name.to_string())
}

struct Reader {
    /// Words with which a path inside the package begins.
    heads: BTreeSet<String>,
    uses: Uses,
    /// Words with which any path begins.
    words: BTreeSet<String>,
    /// What a `pub use` names; the file takes it only if it says the name itself.
    handed_on: BTreeMap<String, Steps>,
}

impl Reader {
    fn path(&mut self, steps: Steps) {
        self.words.extend(steps.first().cloned());
        if steps.len() > 1 && self.heads.contains(&steps[0]) {
            self.uses.paths.insert(steps);
        }
    }

    fn tree(&mut self, hands_on: bool, before: &Steps, tree: &UseTree) {
        let with = |step: String| before.iter().cloned().chain([step]).collect::<Steps>();
        match tree {
            UseTree::Path(path) => self.tree(hands_on, &with(path.ident.to_string()), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(hands_on, before, tree)),
            UseTree::Glob(_) => {
                self.uses.globs.insert(before.clone());
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.named(hands_on, before.last().cloned().unwrap_or_default(), before.clone());
            }
            UseTree::Name(name) => self.named(hands_on, name.ident.to_string(), with(name.ident.to_string())),
            UseTree::Rename(name) => {
                self.named(hands_on, name.rename.to_string(), with(name.ident.to_string()));
            }
        }
    }

    fn named(&mut self, hands_on: bool, name: String, steps: Steps) {
        self.uses.names.insert(name.clone(), steps.clone());
        if hands_on && steps.len() > 1 && self.heads.contains(&steps[0]) {
            self.handed_on.insert(name, steps);
        } else if !hands_on {
            self.path(steps);
        }
    }

    /// What a macro is given is no syntax yet: words joined by `::` are taken for paths.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut steps = Steps::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.path(std::mem::take(&mut steps));
                    }
                    steps.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.path(std::mem::take(&mut steps));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(steps);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !attributes.iter().any(is_of_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !arm.attrs.iter().any(is_of_tests) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(!matches!(item.vis, Visibility::Inherited), &Steps::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

fn is_of_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
}
