//! The query of a request, as far as the protocol knows it.

use std::borrow::Cow;

/// What a client says in the query. Of a name that comes twice the last counts.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    pub version: Option<Cow<'a, str>>,
    pub transport: Option<Cow<'a, str>>,
    pub sid: Option<Cow<'a, str>>,
    /// It wants bytes as base64.
    pub base64: bool,
    /// It wants its answers as scripts, which no client does that could run today.
    pub jsonp: bool,
}

impl<'a> Query<'a> {
    pub fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "EIO" => parsed.version = Some(value),
                "transport" => parsed.transport = Some(value),
                // An empty one is none, as in the reference.
                "sid" => parsed.sid = Some(value).filter(|sid| !sid.is_empty()),
                "b64" => parsed.base64 = !value.is_empty(),
                "j" => parsed.jsonp = true,
                _ => {}
            }
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_protocol_knows_is_found() {
        let query = Query::parse("EIO=4&transport=poll%69ng&sid=&t=abc&b64=1&x");
        assert_eq!(query.version.as_deref(), Some("4"));
        assert_eq!(query.transport.as_deref(), Some("polling"));
        assert_eq!(query.sid, None);
        assert!(query.base64 && !query.jsonp);
        assert!(Query::parse("").version.is_none());
    }
}
