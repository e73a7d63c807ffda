//! Who a connection is, to the server under test.

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Customer,
    Staff,
}

/// One of the people the server knows. Several connections may be the same person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    pub role: Role,
    /// The number by which the server knows them; in a dialect without numbers, which of its people.
    pub number: u64,
}

/// The people there are: whoever is the nth takes the nth number, and begins again after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: u64,
    pub last: u64,
}

impl Range {
    #[must_use]
    pub fn nth(&self, nth: usize) -> u64 {
        self.first + nth as u64 % (self.last - self.first + 1)
    }
}

impl std::str::FromStr for Range {
    type Err = String;

    /// `7`, or `7-12`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!("{text} is not a number, nor two with a dash between, the smaller one first")),
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_goes_round() {
        let range: Range = "7-9".parse().unwrap();
        assert_eq!([0, 1, 2, 3].map(|nth| range.nth(nth)), [7, 8, 9, 7]);
        assert_eq!("5".parse::<Range>().unwrap().nth(100), 5);
        assert!("9-7".parse::<Range>().is_err() && "a".parse::<Range>().is_err());
    }
}
