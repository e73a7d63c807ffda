//! The names of questions: each new one has a number that no other has, so that its answer finds it.

use crate::dialect::Tag;

#[derive(Debug, Default)]
pub(super) struct Tags(Tag);

impl Tags {
    /// The name of a new question.
    pub fn next(&mut self) -> Tag {
        self.0 = self.0.wrapping_add(1);
        self.0
    }

    /// The name of the latest one.
    pub fn latest(&self) -> Tag {
        self.0
    }
}
