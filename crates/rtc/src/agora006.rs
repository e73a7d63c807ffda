//! Agora's AccessToken 006, as the package agora-access-token makes it.
//!
//! `006`, the app's id, and base64 of: the signature, the checksums of channel and uid, and the message that is signed
//! with the names themselves. So only who knows both can check it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    MAX_TOKEN_BYTES, Problem, Unfit, Wanted,
    agora::{self, App, Role, is_id},
    bytes::{Reader, Writer},
    sign,
};

pub(crate) const VERSION: &str = "006";
const APP_ID_CHARS: usize = 32;
/// What the vendor's package writes into each token as its end: a day from when it is made.
pub const LIFE_SECONDS: u32 = 24 * 3600;

/// What a token shall say.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub channel: &'a str,
    /// Empty for the number 0, which is anybody.
    pub uid: &'a str,
    pub role: Role,
    /// Another for each token.
    pub salt: u32,
    /// When the token as a whole ends; what the vendor's package makes ends [`LIFE_SECONDS`] after it was made.
    pub ends: u32,
    /// When each privilege ends.
    pub privileges_end: u32,
}

/// Makes a token.
pub fn mint(app: App<'_>, pass: &Pass<'_>) -> Result<String, Unfit> {
    app.check()?;
    agora::fits(pass.channel, pass.uid)?;
    let privileges = agora::privileges(pass.role, pass.privileges_end);
    let message = Writer::default().u32(pass.salt).u32(pass.ends).map(&privileges).0;
    let signature =
        sign::sha256(app.certificate.as_bytes(), &signed(app.id, pass.channel, pass.uid, &message));
    let content =
        Writer::default().text(&signature).u32(checksum(pass.channel)).u32(checksum(pass.uid)).text(&message);
    Ok(format!("{VERSION}{}{}", app.id, STANDARD.encode(content.0)))
}

/// A token that was taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    pub app_id: String,
    signature: Vec<u8>,
    channel: u32,
    uid: u32,
    message: Vec<u8>,
    pub salt: u32,
    pub ends: u32,
    pub privileges: BTreeMap<u16, u32>,
}

/// Takes a token apart.
pub fn parse(token: &str) -> Result<Parsed, Problem> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Problem::TooLong);
    }
    let rest = token.strip_prefix(VERSION).ok_or(Problem::Malformed("it does not begin with 006"))?;
    let (app_id, content) =
        rest.split_at_checked(APP_ID_CHARS).ok_or(Problem::Malformed("it ends too soon"))?;
    if !is_id(app_id) {
        return Err(Problem::Malformed("its app id is not 32 hexadecimal digits"));
    }
    let content = STANDARD.decode(content).map_err(|_| Problem::Malformed("it is no base64"))?;
    let mut reader = Reader(&content);
    let (signature, channel, uid) = (reader.bytes()?.to_vec(), reader.u32()?, reader.u32()?);
    let message = reader.bytes()?;
    if !reader.0.is_empty() {
        return Err(Problem::Malformed("more follows its end"));
    }
    let mut reader = Reader(message);
    let (salt, ends, privileges) = (reader.u32()?, reader.u32()?, reader.map()?);
    let (app_id, message) = (app_id.to_owned(), message.to_vec());
    Ok(Parsed { app_id, signature, channel, uid, message, salt, ends, privileges })
}

impl Parsed {
    /// Names all that is wrong.
    #[must_use]
    pub fn check(&self, app: App<'_>, wanted: &Wanted<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.app_id.eq_ignore_ascii_case(app.id) {
            problems.push(Problem::OtherApp);
        }
        let other_channel = wanted.channel.is_some_and(|channel| checksum(channel) != self.channel);
        let other_uid = wanted.uid.is_some_and(|uid| checksum(uid) != self.uid);
        problems.extend(other_channel.then_some(Problem::OtherChannel));
        problems.extend(other_uid.then_some(Problem::OtherUid));
        match (wanted.channel, wanted.uid) {
            (Some(channel), Some(uid)) if !other_channel && !other_uid => {
                let parts = signed(&self.app_id, channel, uid, &self.message);
                if !sign::is_sha256(app.certificate.as_bytes(), &parts, &self.signature) {
                    problems.push(Problem::BadSignature);
                }
            }
            // Whether it is signed cannot be told from other names than its own.
            (Some(_), Some(_)) => {}
            _ => problems.push(Problem::NamesNeeded),
        }
        problems.extend(wanted.end("the token", i64::from(self.ends)));
        let made = i64::from(self.ends) - i64::from(LIFE_SECONDS);
        problems.extend(wanted.beginning(made));
        agora::judge(&self.privileges, wanted, &mut problems);
        problems
    }

    /// What it says, for people. Channel and uid are checksums.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "app_id": self.app_id, "channel_crc32": self.channel, "uid_crc32": self.uid,
            "salt": self.salt, "ends": self.ends, "privileges": self.privileges,
        })
    }
}

fn checksum(text: &str) -> u32 {
    crc32fast::hash(text.as_bytes())
}

fn signed<'a>(app_id: &'a str, channel: &'a str, uid: &'a str, message: &'a [u8]) -> [&'a [u8]; 4] {
    [app_id.as_bytes(), channel.as_bytes(), uid.as_bytes(), message]
}
