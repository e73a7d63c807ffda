//! Why a configuration is not served.

use std::fmt;

/// One thing that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which key, such as `mount[0].issuers`.
    pub key: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// Why a configuration is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<Refusal>);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration is refused:")?;
        for refusal in &self.0 {
            write!(formatter, "\n  {}: {}", refusal.key, refusal.problem)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Collects refusals.
#[derive(Default)]
pub(super) struct Findings(pub Vec<Refusal>);

impl Findings {
    pub fn refuse(&mut self, key: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Refusal { key: key.into(), problem: problem.into() });
    }

    pub fn range(&mut self, key: impl Into<String>, value: u64, least: u64, most: u64) {
        if value < least || value > most {
            self.refuse(key, format!("is {value}; give a value from {least} to {most}"));
        }
    }
}
