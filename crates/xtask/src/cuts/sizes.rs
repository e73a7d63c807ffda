//! How large the campaign is: the words after `cargo xtask cuts`.

use anyhow::{Context as _, Result, bail, ensure};

/// Everything that can be said; the defaults are the campaign that `docs/conformance.md` tells of.
#[derive(Debug, PartialEq, Eq)]
pub struct Sizes {
    pub clients: usize,
    /// How long the clients write, in each pass.
    pub seconds: u64,
    /// So often each is cut off, for so long; in seconds.
    pub every: u64,
    pub away: u64,
    /// Milliseconds between an answer and the next message of a client.
    pub pace: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        // A thousand clients at this pace make some 330 messages a second, which two Node processes bear.
        Self { clients: 1000, seconds: 120, every: 15, away: 2, pace: 3000 }
    }
}

impl Sizes {
    pub fn read(arguments: &[String]) -> Result<Self> {
        let mut sizes = Self::default();
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { bail!("{} needs a number", pair[0]) };
            let value: u64 = value.parse().with_context(|| format!("{name} {value} is no number"))?;
            match name.as_str() {
                "--clients" => sizes.clients = usize::try_from(value)?,
                "--seconds" => sizes.seconds = value,
                "--every" => sizes.every = value,
                "--away" => sizes.away = value,
                "--pace" => sizes.pace = value,
                _ => bail!("there is no {name}; there are --clients, --seconds, --every, --away and --pace"),
            }
        }
        ensure!(sizes.clients > 0, "there must be clients");
        ensure!(sizes.every < sizes.seconds, "a client must be cut off within --seconds: see --every");
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Sizes> {
        Sizes::read(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_not_said_is_as_the_campaign_has_it() {
        assert_eq!(read("").unwrap(), Sizes::default());
        let small = read("--clients 50 --seconds 30").unwrap();
        assert_eq!(small, Sizes { clients: 50, seconds: 30, ..Sizes::default() });
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (wrong, why) in [
            ("--clients", "--clients needs a number"),
            ("--clients many", "--clients many is no number"),
            ("--client 5", "there is no --client"),
            ("--clients 0", "there must be clients"),
            ("--seconds 15", "within --seconds"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
