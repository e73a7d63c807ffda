//! An outside issuer: which keys it signs with, what its tokens must say, and how they are read.
//!
//! The algorithm belongs to the key in the configuration. A token's header only chooses among keys, so it can neither
//! switch the check off nor have a public key used as a secret.

use std::time::Duration;

use jsonwebtoken::{DecodingKey, EncodingKey};
use parlor_store::Roles;
use serde_json::{Value, json};

use super::{
    access::OWN_ISSUER,
    claims::{ClaimPaths, Profile, RoleMap},
    jwks::Jwks,
    jwt::{self, Algorithm, Times, Unverified, VerifyingKey, invalid},
    provenance::{self, Provenance},
    session_cookie::{self, Sealed, SessionKey},
};
use crate::{Error, Result, clock::Clock};

/// Common rule 3: how far two clocks may differ.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// A trusted issuer, as configured.
#[derive(Clone, Debug)]
pub struct IssuerOptions {
    /// Its name here; the first half of an outside identity.
    pub name: String,
    /// The slug of the tenant its people belong to.
    pub tenant: String,
    /// The only algorithms accepted.
    pub algorithms: Vec<Algorithm>,
    /// Static keys. Several, so that they can be rotated.
    pub keys: Vec<IssuerKey>,
    /// Where its key set is fetched, http or https.
    pub jwks_url: Option<String>,
    /// What `iss` must be, if it is checked.
    pub expected_issuer: Option<String>,
    /// What `aud` must be or contain, if it is checked.
    pub expected_audience: Option<String>,
    /// What `azp` must be one of, where a token has it; any if empty.
    pub authorized_parties: Vec<String>,
    /// The session cookies of NextAuth v4 are accepted too, sealed with its secrets.
    pub session_cookies: bool,
    /// Its tokens say who somebody is; what they may is what our records say, whatever else is in there.
    pub roles_of_records: bool,
    pub claims: ClaimPaths,
    pub roles: RoleMap,
    pub leeway: Duration,
    /// How long its tokens live at most. It dates those that do not say when they were issued.
    pub longest_life: Option<Duration>,
    /// Strangers become users on first sight; otherwise only people who were seeded or upserted get in.
    pub provision: bool,
    /// Parlor may mint tokens in this issuer's shape, with the first key that is a secret.
    pub mint: bool,
    /// How long a minted token lives if nobody says.
    pub mint_ttl: Duration,
    /// The tokens made call people by integers: by their number, with this added.
    pub mint_numbers: Option<i64>,
    /// Signs the tokens of those who have their id in this issuer's shape from Parlor, instead of the issuer's own key: to
    /// whoever else has that one, such an id would mean somebody of theirs.
    pub mint_secret: Option<Vec<u8>>,
}

/// Stands before an issuer's name where Parlor has given the id: an id that the issuer gave is another's, though it is
/// written alike.
pub(super) const GIVEN_HERE: &str = "parlor:";

/// The issuer that a name is of, whoever has given the id.
#[must_use]
pub fn shape_of(name: &str) -> &str {
    name.strip_prefix(GIVEN_HERE).unwrap_or(name)
}

impl IssuerOptions {
    /// An issuer with nothing but its name: defaults everywhere, no key yet.
    #[must_use]
    pub fn named(name: &str, tenant: &str) -> Self {
        Self {
            name: name.to_owned(),
            tenant: tenant.to_owned(),
            algorithms: vec![Algorithm::Hs256],
            keys: Vec::new(),
            jwks_url: None,
            expected_issuer: None,
            expected_audience: None,
            authorized_parties: Vec::new(),
            session_cookies: false,
            roles_of_records: false,
            claims: ClaimPaths::default(),
            roles: RoleMap::default(),
            leeway: DEFAULT_LEEWAY,
            longest_life: None,
            provision: true,
            mint: false,
            mint_ttl: Duration::from_secs(3600),
            mint_numbers: None,
            mint_secret: None,
        }
    }

    /// The same shape with a secret of its own, for those who have their id from Parlor.
    pub(super) fn given_here(&self) -> Result<Option<Self>, String> {
        let Some(secret) = self.mint_secret.clone() else { return Ok(None) };
        let is_shared =
            |key: &IssuerKey| matches!(&key.material, KeyMaterial::Secret(other) if *other == secret);
        if self.keys.iter().any(is_shared) {
            return Err(format!("issuer {}: mint_secret is the secret of one of its keys", self.name));
        }
        Ok(Some(Self {
            name: format!("{GIVEN_HERE}{}", self.name),
            algorithms: vec![Algorithm::Hs256],
            keys: vec![IssuerKey { kid: None, material: KeyMaterial::Secret(secret) }],
            jwks_url: None,
            session_cookies: false,
            provision: false,
            mint_secret: None,
            ..self.clone()
        }))
    }
}

/// A static key.
#[derive(Clone)]
pub struct IssuerKey {
    /// Its name in token headers. `None` is tried for every token.
    pub kid: Option<String>,
    pub material: KeyMaterial,
}

/// What a key is made of, and so which algorithm it verifies.
#[derive(Clone)]
pub enum KeyMaterial {
    /// HS256.
    Secret(Vec<u8>),
    /// RS256, ES256 or EdDSA, as named; a public key in PEM.
    Pem { algorithm: Algorithm, pem: String },
}

impl std::fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A configured issuer, ready to verify.
#[derive(Debug)]
pub struct Issuer {
    options: IssuerOptions,
    keys: Vec<VerifyingKey>,
    jwks: Option<Jwks>,
    session_keys: Vec<SessionKey>,
    mint_key: Option<(Option<String>, EncodingKey)>,
}

/// A token whose signature and times are good.
#[derive(Debug)]
pub struct Verified {
    pub profile: Profile,
    pub subject: String,
    pub roles: Roles,
    pub times: Times,
    /// How far past its end it is good.
    pub leeway_ms: i64,
    /// What withdrawals may call it by: its own names, then those of what it was made from.
    pub names: Vec<String>,
    /// How it was made, if that was here.
    pub made: Option<Provenance>,
}

/// Whether an issuer has signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    Yes,
    No,
    /// Its keys cannot be fetched; they are asked for again after so long.
    Unknown {
        retry_after_ms: u64,
    },
}

impl Issuer {
    /// Checks the configuration and readies the keys. The error names what is wrong.
    pub fn new(options: IssuerOptions, clock: &Clock) -> Result<Self, String> {
        if options.algorithms.is_empty() {
            return Err(format!("issuer {}: algorithms is empty", options.name));
        }
        if options.name.is_empty() || options.name == OWN_ISSUER {
            return Err(format!("issuer {:?}: the name is not free", options.name));
        }
        let keys: Vec<VerifyingKey> = options
            .keys
            .iter()
            .map(|key| ready(key).map_err(|problem| format!("issuer {}: {problem}", options.name)))
            .collect::<Result<_, _>>()?;
        if let Some(key) = keys.iter().find(|key| !options.algorithms.contains(&key.algorithm)) {
            return Err(format!(
                "issuer {}: a key for {} is not in algorithms",
                options.name,
                key.algorithm.name()
            ));
        }
        let jwks = options.jwks_url.as_deref().map(|url| Jwks::new(url, clock.clone())).transpose()?;
        if keys.is_empty() && jwks.is_none() {
            return Err(format!("issuer {}: it has neither keys nor jwks_url", options.name));
        }
        let mint_key = options.keys.iter().find_map(|key| match &key.material {
            KeyMaterial::Secret(secret) => Some((key.kid.clone(), EncodingKey::from_secret(secret))),
            KeyMaterial::Pem { .. } => None,
        });
        if options.mint && mint_key.is_none() {
            return Err(format!("issuer {}: mint needs a key that is a secret", options.name));
        }
        let session_keys: Vec<SessionKey> = options
            .keys
            .iter()
            .filter(|_| options.session_cookies)
            .filter_map(|key| match &key.material {
                KeyMaterial::Secret(secret) => Some(SessionKey::new(secret)),
                KeyMaterial::Pem { .. } => None,
            })
            .collect();
        if options.session_cookies && session_keys.is_empty() {
            return Err(format!("issuer {}: session cookies need a key that is a secret", options.name));
        }
        Ok(Self { options, keys, jwks, session_keys, mint_key })
    }

    #[must_use]
    pub fn options(&self) -> &IssuerOptions {
        &self.options
    }

    /// The leeway, in milliseconds.
    #[must_use]
    pub fn leeway_ms(&self) -> i64 {
        i64::try_from(self.options.leeway.as_millis()).unwrap_or(i64::MAX)
    }

    /// The longest leeway that any of its tokens is given, in milliseconds.
    #[must_use]
    pub fn longest_leeway_ms(&self) -> i64 {
        if self.session_keys.is_empty() {
            self.leeway_ms()
        } else {
            self.leeway_ms().max(session_cookie::LEEWAY_MS)
        }
    }

    /// What a session cookie says, if one of its secrets opens it.
    #[must_use]
    pub fn opens<'c>(&self, sealed: &Sealed<'c>) -> Option<Unverified<'c>> {
        self.session_keys.iter().find_map(|key| key.open(sealed))
    }

    /// Whether one of its keys signed the token.
    pub async fn has_signed(&self, token: &Unverified<'_>, algorithm: Algorithm) -> Signed {
        if !self.options.algorithms.contains(&algorithm) {
            return Signed::No;
        }
        let signed = |keys: &[VerifyingKey]| {
            keys.iter()
                .filter(|key| key.algorithm == algorithm && may_have_signed(key, token.kid()))
                .any(|key| token.is_signed_by(&key.key, algorithm))
        };
        if signed(&self.keys) {
            return Signed::Yes;
        }
        // What calls itself another's is not worth a fetch.
        let Some(jwks) = self.jwks.as_ref().filter(|_| self.is_named_by(token)) else { return Signed::No };
        let found = jwks.keys_for(token.kid(), algorithm).await;
        match found.incomplete_for_ms {
            _ if signed(&found.keys) => Signed::Yes,
            Some(retry_after_ms) => Signed::Unknown { retry_after_ms },
            None => Signed::No,
        }
    }

    /// True if `iss` is what it must be.
    fn is_named_by(&self, token: &Unverified<'_>) -> bool {
        self.options.expected_issuer.as_deref().is_none_or(|expected| token.text("iss") == Some(expected))
    }

    /// The one name that no other token has. The ids of one issuer are not those of another.
    #[must_use]
    pub fn name_of(&self, token: &Unverified<'_>) -> String {
        match (self.made_here(token), token.id()) {
            (Some(made), _) => made.id,
            (None, Some(id)) => scoped(&self.options.name, id),
            (None, None) => token.fingerprint(),
        }
    }

    /// What a token grants, if it is good.
    #[must_use]
    pub fn granted(&self, token: &Unverified<'_>) -> Roles {
        if self.options.roles_of_records {
            // Which of them the records give is not asked here; they may be any.
            return Roles::ADMIN;
        }
        self.options.roles.roles(&self.options.claims.read(&token.claims).roles)
    }

    /// How a token was made, if that was here: whoever else has this issuer's key is trusted as much.
    fn made_here(&self, token: &Unverified<'_>) -> Option<Provenance> {
        let written = token.header.get(provenance::MEMBER).filter(|_| self.options.mint);
        let issued_at = token.moment("iat").ok().flatten().unwrap_or_default();
        Provenance::read(written, issued_at).filter(|made| !made.id.is_empty())
    }

    /// Reads a token that one of its keys has signed.
    pub fn read(&self, token: &Unverified<'_>, now_ms: i64) -> Result<Verified> {
        let times = token.times(self.leeway_ms(), now_ms)?;
        self.read_in_time(token, times, self.leeway_ms(), now_ms)
    }

    /// Reads a session cookie that one of its secrets has opened, by the clock rules of the library that makes them.
    pub fn read_session(&self, token: &Unverified<'_>, now_ms: i64) -> Result<Verified> {
        let times = token.span(session_cookie::LEEWAY_MS, now_ms)?;
        self.read_in_time(token, times, session_cookie::LEEWAY_MS, now_ms)
    }

    fn read_in_time(
        &self,
        token: &Unverified<'_>,
        mut times: Times,
        leeway_ms: i64,
        now_ms: i64,
    ) -> Result<Verified> {
        if !self.is_named_by(token) {
            return Err(invalid("iss is another"));
        }
        if let Some(expected) = &self.options.expected_audience
            && !is_audience(token.claims.get("aud"), expected)
        {
            return Err(invalid("aud is another"));
        }
        // A token that names no party was not made for a page.
        let parties = &self.options.authorized_parties;
        if !parties.is_empty()
            && let Some(party) = token.claims.get("azp")
            && !parties.iter().any(|accepted| party.as_str() == Some(accepted))
        {
            return Err(invalid("azp is another"));
        }
        let profile = self.options.claims.read(&token.claims);
        let subject = profile.subject.clone().ok_or_else(|| invalid("it names no subject"))?;
        let roles = self.options.roles.roles(&profile.roles);
        let made = self.made_here(token);
        times.issued_at = match (&made, token.moment("iat")?) {
            (Some(made), _) => made.issued_at,
            (None, Some(issued_at)) if jwt::is_ahead(issued_at, leeway_ms, now_ms) => 0,
            (None, Some(issued_at)) => issued_at,
            (None, None) => self.oldest(times, now_ms)?,
        };
        let names = match &made {
            Some(made) => made.names(),
            None => {
                let own = token.id().into_iter().chain(token.session()).map(str::to_owned);
                std::iter::once(self.name_of(token)).chain(own).collect()
            }
        };
        Ok(Verified { profile, subject, roles, times, leeway_ms, names, made })
    }

    /// When a token without `iat` may have been issued at the earliest; 0 if that cannot be told.
    fn oldest(&self, times: Times, now_ms: i64) -> Result<i64> {
        let Some(life) = self.options.longest_life else { return Ok(0) };
        let oldest = times.expires_at.saturating_sub(i64::try_from(life.as_millis()).unwrap_or(i64::MAX));
        if oldest > now_ms.saturating_add(self.leeway_ms()) {
            // It would count as younger than it is, and outlive a withdrawal.
            return Err(invalid(
                "it has no iat, and ends later than its issuer's longest_life_seconds allow",
            ));
        }
        Ok(oldest.max(0))
    }

    /// Mints a token in this issuer's shape.
    pub fn mint(&self, profile: &Profile, made: &Provenance, expires_at_ms: i64) -> Result<String> {
        let (Some((kid, key)), true) = (&self.mint_key, self.options.mint) else {
            return Err(Error::SwitchedOff("minting in the shape of this issuer"));
        };
        let mut header = json!({"alg": Algorithm::Hs256.name(), "typ": "JWT"});
        header[provenance::MEMBER] = made.write_with_id();
        if let Some(kid) = kid {
            header["kid"] = Value::from(kid.clone());
        }
        let mut claims = self.options.claims.write(profile, self.options.mint_numbers.is_some());
        if let Some(issuer) = &self.options.expected_issuer {
            claims.insert("iss".to_owned(), Value::from(issuer.clone()));
        }
        if let Some(audience) = &self.options.expected_audience {
            claims.insert("aud".to_owned(), Value::from(audience.clone()));
        }
        claims.insert("iat".to_owned(), Value::from(made.issued_at / 1000));
        claims.insert("exp".to_owned(), Value::from(expires_at_ms / 1000));
        let message = jwt::message(&header, &Value::Object(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::Hs256.into())
            .map_err(|error| Error::Internal(format!("minting failed: {error}")))?;
        Ok(format!("{message}.{signature}"))
    }
}

/// The id that an issuer gave, told apart from the same of another.
#[must_use]
pub fn scoped(issuer: &str, id: &str) -> String {
    format!("{issuer}#{id}")
}

/// A token that names a key is held against that key, and against keys without a name.
fn may_have_signed(key: &VerifyingKey, kid: Option<&str>) -> bool {
    match (key.kid.as_deref(), kid) {
        (Some(own), Some(named)) => own == named,
        (None, _) | (_, None) => true,
    }
}

fn is_audience(claim: Option<&Value>, expected: &str) -> bool {
    match claim {
        Some(Value::String(audience)) => audience == expected,
        Some(Value::Array(list)) => list.iter().any(|audience| audience.as_str() == Some(expected)),
        _ => false,
    }
}

fn ready(key: &IssuerKey) -> Result<VerifyingKey, String> {
    let (algorithm, decoding) = match &key.material {
        KeyMaterial::Secret(secret) if secret.is_empty() => return Err("a secret is empty".to_owned()),
        KeyMaterial::Secret(secret) if secret.trim_ascii_start().starts_with(b"-----BEGIN") => {
            return Err("a PEM key is given as a secret".to_owned());
        }
        KeyMaterial::Secret(secret) => (Algorithm::Hs256, DecodingKey::from_secret(secret)),
        KeyMaterial::Pem { algorithm, pem } => {
            let pem = pem.as_bytes();
            let decoding = match algorithm {
                Algorithm::Rs256 => DecodingKey::from_rsa_pem(pem),
                Algorithm::Es256 => DecodingKey::from_ec_pem(pem),
                Algorithm::EdDsa => DecodingKey::from_ed_pem(pem),
                Algorithm::Hs256 => return Err("HS256 needs a secret, not a PEM key".to_owned()),
            };
            (*algorithm, decoding.map_err(|error| format!("a PEM key cannot be read: {error}"))?)
        }
    };
    Ok(VerifyingKey { kid: key.kid.clone(), algorithm, key: decoding })
}
