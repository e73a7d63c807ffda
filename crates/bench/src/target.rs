//! Where the server under test is.

use std::{fmt, net::SocketAddr, str::FromStr};

use anyhow::{Context as _, Result, bail};

/// The URL of a server: `ws://host:port/path`, or `http://`, which means the same here. TLS is not spoken: a
/// measurement of it would be one of the cipher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `host:port`, as it is resolved and as the `Host` header says it.
    pub authority: String,
    /// Without a slash at its end; empty for the root.
    pub path: String,
}

impl FromStr for Url {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let uri: http::Uri = text.parse().with_context(|| format!("{text} is not a URL"))?;
        match uri.scheme_str() {
            Some("ws" | "http") => {}
            _ => bail!("{text}: give a URL that begins with ws:// or http://"),
        }
        let authority = uri.authority().with_context(|| format!("{text} names no host"))?;
        let authority = match authority.port() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:80"),
        };
        Ok(Self { authority, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl Url {
    /// The first address that the name stands for.
    pub async fn resolve(&self) -> Result<SocketAddr> {
        let found = tokio::net::lookup_host(&self.authority).await;
        let mut addresses = found.with_context(|| format!("cannot resolve {}", self.authority))?;
        addresses.next().with_context(|| format!("{} has no address", self.authority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_an_authority_and_a_path() {
        let url: Url = "ws://localhost:8080/support/".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.path.as_str()), ("localhost:8080", "/support"));
        let url: Url = "http://localhost".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.path.as_str()), ("localhost:80", ""));
        assert!("https://localhost".parse::<Url>().is_err());
        assert!("localhost:8080".parse::<Url>().is_err());
    }
}
