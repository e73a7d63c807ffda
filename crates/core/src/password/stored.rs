//! What is stored of a password: an Argon2id hash of our own, or what another server has made of it, which is bcrypt or
//! Argon2. What it is, what it costs to check, and whether a password is the one.
//!
//! The rule it keeps: nothing is stored that would take the server down to check. Whoever knows somebody's name makes us
//! check it.
//!
//! Of bcrypt, "$2a$", "$2b$" and "$2y$" are one algorithm: the letters say by which repaired program a hash was made. "$2x$"
//! says that it was a broken one, and is none of these. bcrypt looks at the first 72 bytes of a password, and so do we.

use argon2::{Algorithm, Argon2, Params, PasswordVerifier as _, Version, password_hash::phc::PasswordHash};

/// That takes about a second, and each more twice as long. An attempt at the name costs it.
pub const BCRYPT_COST_MAX: u32 = 14;
/// bcrypt knows no less.
pub const BCRYPT_COST_MIN: u32 = 4;
/// Node and PHP take 64 MiB, Django 100. Two are checked at once.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 128 * 1024;
/// With all of the memory that takes about a second, too.
pub const ARGON2_PASSES_MAX: u32 = 8;
/// Django has 8. They are worked on one after the other.
pub const ARGON2_LANES_MAX: u32 = 16;
/// A shorter one is found by trying passwords that are not it.
const ARGON2_OUTPUT_BYTES_MIN: usize = 16;

/// What it looks at.
pub const BCRYPT_BYTES: usize = 72;
const BCRYPT_CHARS: usize = 60;
/// "$2b$10$"
const BCRYPT_PREFIX: usize = 7;

/// How those begin that are made here.
pub const OWN_PREFIX: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// How a hash is made, and so what it costs to check one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bcrypt { cost: u32 },
    Argon2 { algorithm: Algorithm, version: Version, memory_kib: u32, passes: u32, lanes: u32 },
}

impl Kind {
    /// Of those that are made here.
    #[must_use]
    pub fn own() -> Self {
        Self::Argon2 {
            algorithm: Algorithm::default(),
            version: Version::default(),
            memory_kib: Params::DEFAULT_M_COST,
            passes: Params::DEFAULT_T_COST,
            lanes: Params::DEFAULT_P_COST,
        }
    }

    /// Of what is stored, or is to be; or what is wrong with it, without a word of it.
    pub fn of(stored: &str) -> Result<Self, String> {
        match stored.get(..4) {
            Some("$2a$" | "$2b$" | "$2y$") => bcrypt_kind(stored),
            _ if stored.starts_with("$argon2") => argon2_kind(stored),
            _ => Err("must be a bcrypt hash (\"$2a$\", \"$2b$\", \"$2y$\") or a string of Argon2 (\"$argon2id$\", \
                      \"$argon2i$\", \"$argon2d$\"), and is neither"
                .to_owned()),
        }
    }

    /// Does the work of checking a password, for nothing.
    pub fn spend(self, password: &str) {
        match self {
            Self::Bcrypt { cost } => {
                // Its length plays no part.
                std::hint::black_box(bcrypt::bcrypt(cost, [0; 16], b"nobody's password"));
            }
            Self::Argon2 { algorithm, version, memory_kib, passes, lanes } => {
                let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
                if let Ok(params) = Params::new(memory_kib, passes, lanes, None) {
                    let argon2 = Argon2::new(algorithm, version, params);
                    let _ = argon2.hash_password_into(password.as_bytes(), &[0; 16], &mut output);
                }
                std::hint::black_box(output);
            }
        }
    }
}

/// True if it is the password that was hashed.
#[must_use]
pub fn matches(password: &str, stored: &str) -> bool {
    match Kind::of(stored) {
        Ok(Kind::Bcrypt { .. }) => bcrypt::verify(password, stored).unwrap_or(false),
        Ok(Kind::Argon2 { .. }) => {
            let verify = |parsed| Argon2::default().verify_password(password.as_bytes(), &parsed);
            parsed(stored).is_ok_and(|parsed| verify(parsed).is_ok())
        }
        Err(_) => false,
    }
}

/// True if the whole password was looked at: one that begins alike is another.
#[must_use]
pub fn is_told_by(password: &str, stored: &str) -> bool {
    !stored.starts_with("$2") || password.len() < BCRYPT_BYTES
}

/// What comes before the salt: the same for all that are made alike.
#[must_use]
pub fn prefix(stored: &str) -> &str {
    if stored.starts_with("$2") {
        return stored.get(..BCRYPT_PREFIX).unwrap_or(stored);
    }
    let salt = stored.rmatch_indices('$').nth(1).map(|(at, _)| at + 1);
    stored.get(..salt.unwrap_or(stored.len())).unwrap_or(stored)
}

fn bcrypt_kind(stored: &str) -> Result<Kind, String> {
    let cost = stored.get(4..6).filter(|cost| cost.bytes().all(|digit| digit.is_ascii_digit()));
    let cost = cost.and_then(|cost| cost.parse().ok()).filter(|_| stored.len() == BCRYPT_CHARS);
    match (cost, stored.parse::<bcrypt::HashParts>()) {
        (Some(cost), Ok(_)) if (BCRYPT_COST_MIN..=BCRYPT_COST_MAX).contains(&cost) => {
            Ok(Kind::Bcrypt { cost })
        }
        (Some(cost), Ok(_)) => {
            Err(format!("must have a bcrypt cost of {BCRYPT_COST_MIN} to {BCRYPT_COST_MAX}, and has {cost}"))
        }
        _ => Err(format!(
            "is no whole bcrypt hash: one has {BCRYPT_CHARS} characters, as \"$2b$10$\" and 53 of \
                          A-Z, a-z, 0-9, '.' and '/'"
        )),
    }
}

fn argon2_kind(stored: &str) -> Result<Kind, String> {
    let malformed = || {
        "is no whole string of Argon2: one is like \"$argon2id$v=19$m=65536,t=3,p=4$salt$hash\", without '='"
            .to_owned()
    };
    let parsed = parsed(stored).map_err(|_| malformed())?;
    let algorithm = Algorithm::new(parsed.algorithm).map_err(|_| malformed())?;
    let version = parsed.version.and_then(|version| Version::try_from(version).ok()).ok_or_else(malformed)?;
    let (Some(_), Some(output)) = (&parsed.salt, &parsed.hash) else { return Err(malformed()) };
    if output.len() < ARGON2_OUTPUT_BYTES_MIN {
        return Err(format!(
            "must have an Argon2 hash of {ARGON2_OUTPUT_BYTES_MIN} bytes or more, and has {}",
            output.len()
        ));
    }
    // Each is said: what is left out would be taken for our own.
    let said = |name: &'static str| parsed.params.get_decimal(name).ok_or_else(malformed);
    let (memory_kib, passes, lanes) = (said("m")?, said("t")?, said("p")?);
    for (name, has, most) in [
        ("KiB of memory (m)", memory_kib, ARGON2_MEMORY_KIB_MAX),
        ("passes (t)", passes, ARGON2_PASSES_MAX),
        ("lanes (p)", lanes, ARGON2_LANES_MAX),
    ] {
        if has > most {
            return Err(format!("must have at most {most} {name}, and has {has}"));
        }
    }
    Params::try_from(&parsed).map_err(|_| malformed())?;
    Ok(Kind::Argon2 { algorithm, version, memory_kib, passes, lanes })
}

/// A string of before Argon2 had versions names none, and is of the first.
fn parsed(stored: &str) -> Result<PasswordHash, ()> {
    let mut parsed = PasswordHash::new(stored).map_err(drop)?;
    parsed.version.get_or_insert(Version::V0x10.into());
    Ok(parsed)
}

#[cfg(test)]
mod tests;
