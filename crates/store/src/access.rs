//! Who may reach a conversation: one rule, for who reads and for who writes.
//!
//! Participants reach what they take part in, and an owner is one. The staff of the tenant reach what they see besides.
//! Everybody else reaches what they know the key of, unless nobody but the participants may: possession is the proof, so
//! keys must be hard to guess. Two things bound it: an id is no proof, and a caller proven to be somebody else than the
//! owner is refused even with the key (two accounts in one browser share keys).

use crate::{Error, Result, UserId, What};

/// Who sees a conversation beside those who take part in it. That never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SeenBy {
    /// The staff of the tenant, and whoever knows the key while nobody owns it.
    #[default]
    Staff,
    Nobody,
}

/// Who asks for a conversation, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who it is, if that is proven.
    pub person: Option<UserId>,
    /// They speak for the staff of the tenant.
    pub staff: bool,
    /// They know the conversation's key.
    pub by_key: bool,
}

impl Access {
    /// The staff, and nobody in particular.
    pub const STAFF: Self = Self { person: None, staff: true, by_key: false };

    /// Fails unless this reaches a conversation with this owner, which these see.
    pub fn check(self, owner: Option<UserId>, seen_by: SeenBy, takes_part: bool) -> Result<()> {
        let owns = self.person.is_some() && self.person == owner;
        if takes_part || owns || self.staff && seen_by == SeenBy::Staff {
            return Ok(());
        }
        if !self.by_key {
            return Err(Error::NotFound(What::Conversation));
        }
        match seen_by {
            SeenBy::Staff if owner.is_none() || self.person.is_none() => Ok(()),
            SeenBy::Staff | SeenBy::Nobody => Err(Error::NotOwner),
        }
    }

    /// [`Self::check`] of a conversation that has this key, or has lost it with the owner who was erased: then knowing it
    /// opens nothing.
    pub fn check_keyed(
        self,
        key: Option<&str>,
        owner: Option<UserId>,
        seen_by: SeenBy,
        takes_part: bool,
    ) -> Result<()> {
        if self.by_key && key.is_none() {
            let without = Self { by_key: false, ..self };
            return without.check(owner, seen_by, takes_part).map_err(|_| Error::NotOwner);
        }
        self.check(owner, seen_by, takes_part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everybody there is: nobody in particular or a person, of the staff or not, with the key or without.
    fn everybody(person: UserId) -> impl Iterator<Item = Access> {
        (0..8).map(move |bits| Access {
            person: (bits & 1 != 0).then_some(person),
            staff: bits & 2 != 0,
            by_key: bits & 4 != 0,
        })
    }

    #[test]
    fn a_key_that_was_taken_away_opens_nothing() {
        for access in everybody(UserId::new()).filter(|access| access.by_key) {
            for takes_part in [false, true] {
                let checked = access.check_keyed(None, None, SeenBy::Staff, takes_part);
                let expected = if access.staff || takes_part { Ok(()) } else { Err(Error::NotOwner) };
                assert_eq!(checked, expected, "{access:?}");
                let known = access.check_keyed(Some("key"), None, SeenBy::Staff, takes_part);
                assert_eq!(known, Ok(()));
            }
        }
    }

    #[test]
    fn who_takes_part_or_owns_reaches_it_and_else_nobody_what_nobody_else_sees() {
        let (own, another) = (UserId::new(), UserId::new());
        for access in everybody(own) {
            for owner in [None, Some(own), Some(another)] {
                assert_eq!(access.check(owner, SeenBy::Nobody, true), Ok(()));
                let owns = access.person.is_some() && owner == Some(own);
                assert_eq!(access.check(owner, SeenBy::Nobody, false).is_ok(), owns, "{access:?} {owner:?}");
                let opened = access.check(owner, SeenBy::Staff, false).is_ok();
                let by_key = access.by_key && (owner.is_none() || access.person.is_none());
                assert_eq!(opened, owns || access.staff || by_key, "{access:?} {owner:?}");
            }
        }
    }
}
