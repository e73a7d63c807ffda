//! Pages of lists: how many rows, and the opaque token that asks for the next ones.
//!
//! A token is sealed for its list, its tenant and its filters, so that it opens nowhere else and says nothing about how
//! much there is.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result, seal::Seal};

/// How many rows a list gives.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Where the request names none.
    pub default: u64,
    /// More is taken as this.
    pub maximum: u64,
}

impl Sizes {
    /// The size that is asked for in a field.
    pub fn of(self, field: &'static str, asked: i32) -> Result<u64> {
        match u64::try_from(asked) {
            Ok(0) => Ok(self.default),
            Ok(wanted) => Ok(wanted.min(self.maximum)),
            Err(_) => Err(Error::field(field, "must not be negative")),
        }
    }
}

/// Cuts what was read, one row more than the page holds, to the page. True if more follow.
pub fn cut<T>(rows: &mut Vec<T>, size: u64) -> bool {
    let more = rows.len() as u64 > size;
    rows.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    more
}

/// Seals and opens page tokens.
#[derive(Clone)]
pub struct Pages {
    seal: Seal,
}

impl Pages {
    /// Under the installation's secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self { seal: Seal::new(secret, "page") }
    }

    /// The token that continues a list behind a place.
    pub fn seal(&self, scope: &[&str], place: &impl Serialize) -> String {
        let plain = serde_json::to_vec(place).expect("a place is plain data");
        self.seal.seal(scope, &plain)
    }

    /// Cuts what was read to the page, and continues it behind the place of its last row; without a token if it is the
    /// last page.
    pub fn cut<T, P: Serialize>(
        &self,
        scope: &[&str],
        rows: &mut Vec<T>,
        size: u64,
        place: impl FnOnce(&T) -> P,
    ) -> String {
        let more = cut(rows, size);
        rows.last().filter(|_| more).map(|last| self.seal(scope, &place(last))).unwrap_or_default()
    }

    /// The place a token continues behind; `None` for the first page.
    pub fn open<T: DeserializeOwned>(&self, scope: &[&str], token: &str) -> Result<Option<T>> {
        if token.is_empty() {
            return Ok(None);
        }
        let plain = self.seal.open(scope, token).ok_or(Error::PageToken)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| Error::PageToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_defaulted_coerced_or_refused() {
        let sizes = Sizes { default: 50, maximum: 500 };
        assert_eq!(sizes.of("page_size", 0), Ok(50));
        assert_eq!(sizes.of("page_size", 500), Ok(500));
        assert_eq!(sizes.of("page_size", 501), Ok(500));
        assert!(sizes.of("page_size", -1).is_err());
    }

    #[test]
    fn a_token_opens_in_its_own_list_only() {
        let pages = Pages::new(b"the installation's secret");
        let token = pages.seal(&["ListUsers", "demo"], &(7, 9));
        assert_eq!(pages.open(&["ListUsers", "demo"], &token), Ok(Some((7, 9))));
        assert_eq!(pages.open::<(i64, i64)>(&["ListUsers", "other"], &token), Err(Error::PageToken));
        assert_eq!(pages.open::<i64>(&["ListUsers", "demo"], ""), Ok(None));
        assert_eq!(pages.open::<i64>(&["ListUsers", "demo"], "x"), Err(Error::PageToken));
    }
}
