//! Pages: what one holds, and where the next begins. Cursors are sealed by `crate::page` for their list, tenant and filter.

use parlor_store::{Conversation, MessageFilter, Millis};
use serde::{Deserialize, Serialize};

/// Where the next page of conversations begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCursor {
    pub active_at: Millis,
    pub number: i64,
}

impl ListCursor {
    /// Behind a row, in a list by either time.
    #[must_use]
    pub fn behind(row: &Conversation, by_update: bool) -> Self {
        let active_at = if by_update { row.updated_at } else { row.customer_active_at };
        Self { active_at, number: row.number }
    }
}

/// Where the next page of messages begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageCursor {
    /// Above a sequence, up to another.
    Forward { after: i64, through: i64 },
    /// Up to a sequence, newest first.
    Backward { through: i64 },
}

impl MessageCursor {
    /// True if it continues in this direction.
    #[must_use]
    pub fn is_descending(self) -> bool {
        matches!(self, Self::Backward { .. })
    }
}

/// A stretch of a conversation: above one sequence, up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: i64,
    pub through: i64,
}

impl Span {
    /// What is left to list: what the filter wants and the cursor has not shown, between what is hidden and the newest.
    #[must_use]
    pub fn of(filter: &MessageFilter, cursor: Option<MessageCursor>, hidden: i64, newest: i64) -> Self {
        let through = filter.through_sequence.unwrap_or(i64::MAX).min(newest);
        let (from, through) = match cursor {
            Some(MessageCursor::Forward { after, through: bound }) => (after, through.min(bound)),
            Some(MessageCursor::Backward { through: bound }) => (filter.after_sequence, through.min(bound)),
            None => (filter.after_sequence, through),
        };
        let from = from.max(hidden);
        Self { from, through: through.max(from) }
    }

    /// True if nothing can be in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.from >= self.through
    }

    /// The part that a page shows, and where the next begins; `last` is the last sequence of a page that more follow.
    #[must_use]
    pub fn shown(self, last: Option<i64>, descending: bool) -> (Self, Option<MessageCursor>) {
        let Self { from, through } = self;
        match (last, descending) {
            (None, _) => (self, None),
            (Some(last), false) => {
                (Self { from, through: last }, Some(MessageCursor::Forward { after: last, through }))
            }
            (Some(last), true) => {
                (Self { from: last - 1, through }, Some(MessageCursor::Backward { through: last - 1 }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::cut;

    /// Reads pages of `limit` of a conversation of `newest` messages; answers with what each showed.
    fn pages(limit: usize, hidden: i64, newest: i64, descending: bool) -> Vec<Span> {
        let filter = MessageFilter { descending, ..MessageFilter::default() };
        let (mut cursor, mut shown) = (None, Vec::new());
        loop {
            let span = Span::of(&filter, cursor, hidden, newest);
            let mut rows: Vec<i64> = (span.from + 1..=span.through).collect();
            if descending {
                rows.reverse();
            }
            let more = cut(&mut rows, limit as u64);
            let (part, next) = span.shown(rows.last().copied().filter(|_| more), descending);
            shown.push(part);
            cursor = next;
            if cursor.is_none() {
                return shown;
            }
        }
    }

    #[test]
    fn pages_cover_what_is_not_hidden_once_in_both_directions() {
        let span = |from, through| Span { from, through };
        assert_eq!(pages(2, 1, 6, false), [span(1, 3), span(3, 5), span(5, 6)]);
        assert_eq!(pages(2, 1, 6, true), [span(4, 6), span(2, 4), span(1, 2)]);
    }

    #[test]
    fn a_full_last_page_is_the_last() {
        for descending in [false, true] {
            assert_eq!(pages(3, 0, 3, descending), [Span { from: 0, through: 3 }]);
        }
    }

    #[test]
    fn nothing_is_shown_of_what_is_hidden_whole() {
        assert_eq!(pages(3, 5, 5, false), [Span { from: 5, through: 5 }]);
        assert!(Span::of(&MessageFilter::default(), None, 5, 3).is_empty());
    }
}
