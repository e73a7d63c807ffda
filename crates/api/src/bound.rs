//! How long and how many: what holds a request to the bounds that the contract gives its fields, before any service sees it.
//!
//! The build writes the checks from the option `(parlor.v1.bound)` of each field. The codec asks for them where a message
//! arrives; commands of streams, and what is answered element by element, are checked where they are carried out.

use std::fmt;

use tonic::{Code, Status};

use crate::{
    failure,
    v1::{self, Reason},
};

/// A message with bounds.
pub trait Bounded {
    /// Fails at the first field that holds more than it may. The message stands at a place in the request.
    fn bounded(&self, at: &Place<'_>) -> Result<(), Exceeded>;

    /// The same for a whole request.
    fn check(&self) -> Result<(), Exceeded> {
        self.bounded(&Place(None))
    }
}

/// What a call's codec asks of a message that has arrived. Only requests of public services are held to anything: answers
/// are of a core, and links of gateways.
pub trait Arriving {
    /// Fails if the message must not go on.
    fn arrived(&self) -> Result<(), Exceeded> {
        Ok(())
    }
}

/// Where in a request a message stands. It costs nothing until somebody asks for its name.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p>(Option<(&'p Place<'p>, &'static str)>);

/// A field that holds more than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Its path in the request.
    pub field: String,
    pub problem: String,
}

/// What a text has at most.
#[derive(Clone, Copy, Debug)]
enum Most {
    Chars(usize),
    Bytes(usize),
}

impl Place<'_> {
    /// The place of a message in a field of the one that stands here.
    fn under(&self, field: &'static str) -> Place<'_> {
        Place(Some((self, field)))
    }

    fn exceeded(&self, field: &'static str, problem: String) -> Exceeded {
        let (mut path, mut place) = (field.to_owned(), self);
        while let Some((above, field)) = place.0 {
            path = format!("{field}.{path}");
            place = above;
        }
        Exceeded { field: path, problem }
    }
}

fn text(at: &Place<'_>, field: &'static str, value: &str, most: Most) -> Result<(), Exceeded> {
    let (most, has, what) = match most {
        // Nothing has more characters than bytes.
        Most::Chars(most) if value.len() <= most => (most, 0, ""),
        Most::Chars(most) => (most, value.chars().count(), "characters"),
        Most::Bytes(most) => (most, value.len(), "bytes"),
    };
    if has > most {
        return Err(at.exceeded(field, format!("must have at most {most} {what}, and has {has}")));
    }
    if value.contains('\0') {
        return Err(at.exceeded(field, "must not contain U+0000".to_owned()));
    }
    Ok(())
}

fn items(at: &Place<'_>, field: &'static str, has: usize, most: usize) -> Result<(), Exceeded> {
    if has > most {
        return Err(at.exceeded(field, format!("must be at most {most}, and are {has}")));
    }
    Ok(())
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl From<Exceeded> for Status {
    fn from(exceeded: Exceeded) -> Self {
        let message = exceeded.to_string();
        let fields = [(exceeded.field, exceeded.problem)];
        failure::status(Code::InvalidArgument, Reason::FieldInvalid, message, Default::default(), &fields)
    }
}

#[allow(clippy::all, clippy::pedantic)]
mod generated {
    use super::{Arriving, Bounded, Exceeded, Most, Place, items, text, v1};

    include!(concat!(env!("OUT_DIR"), "/bounds.rs"));
}

#[cfg(test)]
mod tests;
