//! From the bounds that the contract gives its fields to the code that holds requests to them: a `Bounded` for each message
//! that a request of a public service can carry, and an `Arriving` for every message there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use protox::prost_reflect::{DescriptorPool, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor};

const PACKAGE: &str = "parlor.v1";
const OPTION: &str = "parlor.v1.bound";
const MASK: &str = "google.protobuf.FieldMask";

/// What a field says of itself.
struct Bound {
    /// As arguments of `text`.
    text: Option<String>,
    items: Option<u32>,
    apart: bool,
}

/// The code. `internal` is the file of what only gateways call: they are trusted, and check what they pass on.
pub fn code(pool: &DescriptorPool, internal: &str) -> Result<String, String> {
    let option = pool.get_extension_by_name(OPTION).ok_or("the contract has no option for bounds")?;
    let (mut carried, mut checked) = (BTreeMap::new(), BTreeSet::new());
    for service in pool.services() {
        if service.package_name() != PACKAGE || service.parent_file().name() == internal {
            continue;
        }
        for method in service.methods() {
            carry(&method.input(), &mut carried);
            // A command of a stream is answered by its number, so it is checked where it is carried out.
            if !method.is_client_streaming() {
                checked.insert(method.input().name().to_owned());
            }
        }
    }
    let mut code = String::new();
    for message in carried.values() {
        code += &bounded(message, &option)?;
    }
    let ours = pool.all_messages().filter(|message| message.package_name() == PACKAGE);
    for message in ours.filter(|message| !message.is_map_entry()) {
        let name = message.name();
        let body = if checked.contains(name) {
            " fn arrived(&self) -> Result<(), Exceeded> { self.check() } "
        } else {
            ""
        };
        writeln!(code, "impl Arriving for v1::{name} {{{body}}}").map_err(|error| error.to_string())?;
    }
    Ok(code)
}

/// Adds a message and what it carries.
fn carry(message: &MessageDescriptor, carried: &mut BTreeMap<String, MessageDescriptor>) {
    if message.package_name() == PACKAGE
        && carried.insert(message.name().to_owned(), message.clone()).is_none()
    {
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind() {
                carry(&inner, carried);
            }
        }
    }
}

fn bounded(message: &MessageDescriptor, option: &ExtensionDescriptor) -> Result<String, String> {
    let name = message.name();
    let mut body = String::new();
    let choices: Vec<_> = message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
    let chosen =
        |field: &FieldDescriptor| choices.iter().any(|of| field.containing_oneof().as_ref() == Some(of));
    for field in message.fields().filter(|field| !chosen(field)) {
        body += &of_field(&field, &bound(&field, option))?;
    }
    for oneof in &choices {
        let mut arms = String::new();
        for field in oneof.fields() {
            let check = of_value(&field, "value", &bound(&field, option))?;
            if !check.is_empty() {
                let (module, kind, variant) = (snake(name), camel(oneof.name()), camel(field.name()));
                arms += &format!("Some(v1::{module}::{kind}::{variant}(value)) => {{ {check} }}\n");
            }
        }
        if !arms.is_empty() {
            body += &format!("match &self.{} {{\n{arms}_ => {{}}\n}}\n", oneof.name());
        }
    }
    Ok(format!(
        "impl Bounded for v1::{name} {{\n#[allow(unused_variables)]\nfn bounded(&self, at: &Place<'_>) -> Result<(), \
         Exceeded> {{\n{body}Ok(())\n}}\n}}\n"
    ))
}

/// What holds a field of a message, which is no choice, to its bound.
fn of_field(field: &FieldDescriptor, bound: &Bound) -> Result<String, String> {
    let name = field.name();
    if field.is_map() || field.kind() == Kind::Bytes {
        return Err(format!(
            "{}: crates/api/build/bounds.rs cannot bound what is of its kind yet",
            field.full_name()
        ));
    }
    if field.is_list() {
        let count = bound.items.map(|most| format!("items(at, \"{name}\", self.{name}.len(), {most})?;\n"));
        let each = if bound.apart { String::new() } else { of_value(field, "value", bound)? };
        let each = if each.is_empty() { each } else { format!("for value in &self.{name} {{ {each} }}\n") };
        return Ok(count.unwrap_or_default() + &each);
    }
    let optional = matches!(field.kind(), Kind::Message(_)) || field.supports_presence();
    let value = if optional { "value".to_owned() } else { format!("&self.{name}") };
    let check = of_value(field, &value, bound)?;
    if check.is_empty() || !optional {
        return Ok(check);
    }
    Ok(format!("if let Some(value) = &self.{name} {{ {check} }}\n"))
}

/// What holds one value to its bound; nothing where there is nothing to hold.
fn of_value(field: &FieldDescriptor, value: &str, bound: &Bound) -> Result<String, String> {
    let name = field.name();
    Ok(match field.kind() {
        Kind::String => match &bound.text {
            Some(most) => format!("text(at, \"{name}\", {value}, {most})?;\n"),
            None => String::new(),
        },
        Kind::Message(inner) if inner.full_name() == MASK => {
            let (Some(items), Some(text)) = (bound.items, &bound.text) else { return Ok(String::new()) };
            format!(
                "items(at, \"{name}\", {value}.paths.len(), {items})?;\n\
                 for path in &{value}.paths {{ text(at, \"{name}\", path, {text})?; }}\n"
            )
        }
        Kind::Message(inner) if inner.package_name() == PACKAGE => {
            format!("{value}.bounded(&at.under(\"{name}\"))?;\n")
        }
        Kind::Bytes => {
            return Err(format!("{} is of bytes: teach crates/api/build/bounds.rs", field.full_name()));
        }
        // Numbers, and messages of numbers.
        _ => String::new(),
    })
}

fn bound(field: &FieldDescriptor, option: &ExtensionDescriptor) -> Bound {
    let options = field.options();
    let said = options.get_extension(option);
    let number = |name: &str| {
        let value = said.as_message().and_then(|bound| bound.get_field_by_name(name)?.as_u32());
        value.filter(|most| *most > 0)
    };
    let apart = said.as_message().and_then(|bound| bound.get_field_by_name("apart")?.as_bool());
    let text = match (number("chars"), number("bytes")) {
        (Some(most), _) => Some(format!("Most::Chars({most})")),
        (None, Some(most)) => Some(format!("Most::Bytes({most})")),
        (None, None) => None,
    };
    Bound { text, items: number("items"), apart: apart.unwrap_or_default() }
}

/// As Prost names the module of a message's choices.
fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for char in camel.chars() {
        if char.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

/// As Prost names a choice.
fn camel(snake: &str) -> String {
    let words = snake.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect()
}
