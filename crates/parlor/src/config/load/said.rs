//! What was said, as settings. The reader stops at the first value that is none; here it is taken out and told, and the
//! rest is read.

use figment::{Figment, error::Kind, value::Value};

use super::{Config, Refusal, Refused};

/// Reads everything that can be read; what cannot is as the manual has it, and is told.
pub(super) fn read(manual: &Figment, figment: &Figment) -> Result<(Config, Vec<Refusal>), Refused> {
    let mut refusals = Vec::new();
    let explained = |error: figment::Error| {
        let told = error.into_iter().map(|one| explain(&one, ""));
        Refused(told.collect())
    };
    let manual: Value = manual.extract().map_err(explained)?;
    let mut said: Value = figment.extract().map_err(explained)?;
    loop {
        let error = match said.deserialize::<Config>() {
            Ok(config) => return Ok((config, refusals)),
            Err(error) => error,
        };
        // Each turn takes something out, so there is a last one.
        let Some(taken) = take_out(&mut said, Some(&manual), &error.path) else {
            refusals.extend(explained(error).0);
            return Err(Refused(refusals));
        };
        let source = figment.get_metadata(taken.tag()).map(describe_source).unwrap_or_default();
        refusals.push(explain(&error, &source));
    }
}

/// Takes out the value at a path of keys and places in lists, and puts the manual's in its place. A place in a list keeps
/// its number for those behind it.
fn take_out(value: &mut Value, manual: Option<&Value>, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    match value {
        Value::Dict(_, table) => {
            let manual = manual.and_then(|manual| manual.as_dict()?.get(first));
            if !rest.is_empty() {
                return take_out(table.get_mut(first)?, manual, rest);
            }
            let taken = table.remove(first)?;
            // The manual's own value cannot be mended by itself.
            if let Some(manual) = manual.filter(|manual| **manual != taken) {
                table.insert(first.clone(), manual.clone());
            }
            Some(taken)
        }
        Value::Array(_, list) => {
            let place = list.get_mut(first.parse::<usize>().ok()?)?;
            if rest.is_empty() {
                let nothing = Value::from(figment::value::Dict::new());
                // A table of defaults is no better than what was there: the caller gives up, and tells what it has.
                (*place != nothing).then(|| std::mem::replace(place, nothing))
            } else {
                take_out(place, None, rest)
            }
        }
        _ => None,
    }
}

/// Says which key, from where, and what to do about it.
fn explain(error: &figment::Error, source: &str) -> Refusal {
    let mut key = String::new();
    for part in &error.path {
        match part.parse::<usize>() {
            Ok(place) => key.push_str(&format!("[{place}]")),
            Err(_) if key.is_empty() => key.push_str(part),
            Err(_) => key.push_str(&format!(".{part}")),
        }
    }
    let problem = match &error.kind {
        Kind::UnknownField(field, known) => {
            if !key.ends_with(field.as_str()) {
                key = if key.is_empty() { field.clone() } else { format!("{key}.{field}") };
            }
            format!("there is no such key{source}; known here: {}", known.join(", "))
        }
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => {
            format!("is {found}{source}; give {}", in_words(wanted))
        }
        Kind::UnknownVariant(found, known) => {
            format!("is \"{found}\"{source}; give one of: {}", known.join(", "))
        }
        other => format!("{other}{source}; see: parlor config print --defaults"),
    };
    Refusal { key, problem }
}

/// What a type of ours is to the person who writes the file.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "usize" | "u64" | "u32" => "a whole number, not below 0",
        "a boolean" => "true or false",
        "a sequence" => "a list: [\"…\", \"…\"]",
        "a string" | "path string" => "a text in double quotes",
        other => other,
    }
}

fn describe_source(metadata: &figment::Metadata) -> String {
    match &metadata.source {
        Some(figment::Source::File(path)) => format!(" (in {})", path.display()),
        Some(figment::Source::Code(_)) | None | Some(_) if metadata.name.contains("environment") => {
            " (in the environment)".to_owned()
        }
        _ => String::new(),
    }
}
