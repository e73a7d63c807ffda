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
    pub default: usize,
    /// More is taken as this.
    pub maximum: usize,
}

impl Sizes {
    /// The size of the page asked for.
    pub fn of(self, page_size: i32) -> Result<usize> {
        match usize::try_from(page_size) {
            Ok(0) => Ok(self.default),
            Ok(wanted) => Ok(wanted.min(self.maximum)),
            Err(_) => Err(Error::field("page_size", "must not be negative")),
        }
    }
}

/// Seals and opens page tokens.
#[derive(Clone, Debug)]
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
        assert_eq!(sizes.of(0), Ok(50));
        assert_eq!(sizes.of(500), Ok(500));
        assert_eq!(sizes.of(501), Ok(500));
        assert!(sizes.of(-1).is_err());
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
