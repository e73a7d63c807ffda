//! What a connection has shown of who it is: a token in the handshake, the cookie of a login, or nothing.
//!
//! The rule it keeps: a token that was shown decides, whatever else there is; a cookie counts only for pages of the
//! mount's origins, since browsers send it for any page; a bare claim counts only where the operator chose so.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::read::{Claim, Role};
use crate::{
    dialect::{Credential, cookies, javascript, who::bearer},
    mount::{Identity, Mount},
};
use parlor_api::v1;

/// What was shown when a connection opened.
#[derive(Default)]
pub(super) struct Shown {
    token: Option<String>,
    claims: bool,
}

impl Shown {
    /// Reads what opened the connection, and the auth payload of the handshake.
    pub(super) fn new(mount: &Arc<Mount>, headers: &HeaderMap, auth: Option<&Bytes>) -> Self {
        Self {
            token: auth
                .and_then(token_of_auth)
                .or_else(|| bearer(headers).map(ToOwned::to_owned))
                .or_else(|| cookie(mount, headers).map(Cow::into_owned)),
            claims: mount.identity == Identity::Claims,
        }
    }

    /// By what a claim can be granted; `None` if by nothing. A person is who the token says, or else who they say.
    pub(super) fn proof(&self, claim: Claim) -> Option<Credential> {
        match (self.token.clone(), claim.role) {
            (Some(token), Role::Admin) => Some(Credential::Bearer(token)),
            (Some(token), Role::Customer) => Some(Credential::BearerAsCustomer(token)),
            (None, role) if self.claims => {
                let role = if role == Role::Admin { v1::Role::Staff } else { v1::Role::Customer };
                Some(Credential::Claim { subject: claim.user_id.to_string(), role })
            }
            (None, _) => None,
        }
    }
}

/// The token of a request: in `Authorization`, or in the cookie.
pub(super) fn token_of_request<'a>(mount: &Mount, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
    bearer(headers).map(Cow::from).or_else(|| cookie(mount, headers))
}

/// All that a request shows: who signs out wants none of it any more.
pub(super) fn tokens_of_request<'a>(mount: &Mount, headers: &'a HeaderMap) -> Vec<Cow<'a, str>> {
    let shown = bearer(headers).map(Cow::from).into_iter();
    let mut tokens: Vec<Cow<'_, str>> = shown.chain(cookie(mount, headers)).collect();
    tokens.dedup();
    tokens
}

fn token_of_auth(auth: &Bytes) -> Option<String> {
    let auth = javascript::json(str::from_utf8(auth).ok()?)?;
    let token = auth.get("token").and_then(Value::as_str)?;
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
    (!token.is_empty()).then(|| token.to_owned())
}

/// The value of the mount's cookie, if the request may use it.
fn cookie<'a>(mount: &Mount, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
    let Identity::Cookie(cookie) = &mount.identity else { return None };
    if mount.origins.is_empty() || !mount.admits(headers) {
        return None;
    }
    cookies::named(headers, &cookie.name)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;
    use crate::{dialect::support::tests::mount, mount::Cookie};

    const CLAIM: Claim = Claim { user_id: 2, role: Role::Customer };

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn with_cookie() -> Arc<Mount> {
        let cookie = Cookie { name: "shop".to_owned(), secure: false };
        let origins = vec!["http://localhost:3000".to_owned()];
        Arc::new(Mount { identity: Identity::Cookie(cookie), origins, ..mount() })
    }

    fn shown(mount: &Arc<Mount>, headers: &HeaderMap, auth: Option<&'static str>) -> Option<String> {
        Shown::new(mount, headers, auth.map(Bytes::from).as_ref()).token
    }

    #[test]
    fn a_token_comes_in_the_handshake_in_a_header_or_in_the_cookie_in_this_order() {
        let mount = with_cookie();
        let cookie = headers(&[(header::COOKIE, "a=b; shop=three ;shopping=no")]);
        let both = headers(&[(header::COOKIE, "shop=three"), (header::AUTHORIZATION, "bearer  two")]);
        assert_eq!(shown(&mount, &both, Some(r#"{"token":"one"}"#)).as_deref(), Some("one"));
        assert_eq!(shown(&mount, &both, Some(r#"{"token":"Bearer one"}"#)).as_deref(), Some("one"));
        for nothing in [None, Some("{}"), Some(r#"{"token":""}"#), Some("null"), Some("x"), Some("[1]")] {
            assert_eq!(shown(&mount, &both, nothing).as_deref(), Some("two"), "{nothing:?}");
        }
        assert_eq!(shown(&mount, &cookie, None).as_deref(), Some("three"));
        assert_eq!(shown(&mount, &HeaderMap::new(), None), None);
    }

    #[test]
    fn a_cookie_counts_only_for_pages_of_the_mount() {
        let mount = with_cookie();
        let from = |origin| headers(&[(header::COOKIE, "shop=mine"), (header::ORIGIN, origin)]);
        assert_eq!(shown(&mount, &from("http://localhost:3000"), None).as_deref(), Some("mine"));
        for evil in ["https://evil.example", "http://localhost:3001", "null", ""] {
            assert_eq!(shown(&mount, &from(evil), None), None, "{evil}");
        }
        // Should a mount without origins ever get here, its cookies count for nobody.
        let open = Arc::new(Mount { origins: Vec::new(), ..(*mount).clone() });
        assert_eq!(shown(&open, &from("http://localhost:3000"), None), None);
    }

    #[test]
    fn a_cookie_is_nothing_where_no_login_sets_one() {
        let cookie = headers(&[(header::COOKIE, "shop=mine")]);
        for identity in [Identity::Token, Identity::Claims] {
            let mount = Arc::new(Mount { identity, ..mount() });
            assert_eq!(shown(&mount, &cookie, None), None);
        }
    }

    #[test]
    fn a_claim_is_believed_only_where_the_operator_chose_so() {
        let proof = |identity| {
            let mount = Arc::new(Mount { identity, ..mount() });
            Shown::new(&mount, &HeaderMap::new(), None).proof(CLAIM)
        };
        let credential = Credential::Claim { subject: "2".to_owned(), role: v1::Role::Customer };
        assert_eq!(proof(Identity::Claims), Some(credential));
        assert_eq!(proof(Identity::Token), None);
    }

    #[test]
    fn a_token_decides_also_where_claims_are_believed() {
        let mount = Arc::new(Mount { identity: Identity::Claims, ..mount() });
        let shown = Shown::new(&mount, &headers(&[(header::AUTHORIZATION, "Bearer t")]), None);
        let token = "t".to_owned();
        assert_eq!(shown.proof(CLAIM), Some(Credential::BearerAsCustomer(token.clone())));
        let admin = Claim { role: Role::Admin, ..CLAIM };
        assert_eq!(shown.proof(admin), Some(Credential::Bearer(token)));
    }
}
