//! Agora's AccessToken 007, as the package agora-token makes it.
//!
//! `007` and base64 of zlib of: the signature, and all that is signed. The key of the signature is derived from the
//! certificate by when the token was made and by its salt.

use std::{collections::BTreeMap, io::Read as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, read::ZlibEncoder};
use serde_json::{Value, json};

use crate::{
    MAX_TOKEN_BYTES, Problem, Unfit, Wanted,
    agora::{self, App, Role, is_id},
    bytes::{Reader, Writer},
    sign,
};

pub(crate) const VERSION: &str = "007";
/// A few hundred bytes in earnest; zlib could make a thousand times as many of what is sent.
pub const MAX_CONTENT_BYTES: usize = 16 * 1024;

const RTC: u16 = 1;
const RTM: u16 = 2;
const LOGIN: u16 = 1;

/// What a token shall say.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub channel: &'a str,
    /// Empty for the number 0, which is anybody.
    pub uid: &'a str,
    pub role: Role,
    /// When it is made.
    pub issued: u32,
    /// 1 to 99,999,999, another for each token.
    pub salt: u32,
    /// How many seconds it lives.
    pub lives: u32,
    /// After how many seconds each privilege ends; 0 with the token.
    pub privileges_live: u32,
    /// Lets in to RTM too, as this user.
    pub rtm_user: Option<&'a str>,
}

/// Makes a token.
pub fn mint(app: App<'_>, pass: &Pass<'_>) -> Result<String, Unfit> {
    app.check()?;
    agora::fits(pass.channel, pass.uid)?;
    if pass.rtm_user.is_some_and(|user| user.is_empty() || user.len() > agora::MAX_UID_BYTES) {
        return Err(Unfit("rtm_user", "must have 1 to 255 bytes"));
    }
    let services = 1 + u16::from(pass.rtm_user.is_some());
    let mut info = Writer::default()
        .text(app.id.as_bytes())
        .u32(pass.issued)
        .u32(pass.lives)
        .u32(pass.salt)
        .u16(services)
        .u16(RTC)
        .map(&agora::privileges(pass.role, pass.privileges_live))
        .text(pass.channel.as_bytes())
        .text(pass.uid.as_bytes());
    if let Some(user) = pass.rtm_user {
        info = info.u16(RTM).map(&BTreeMap::from([(LOGIN, pass.lives)])).text(user.as_bytes());
    }
    let signature = sign::sha256(&key(app.certificate, pass.issued, pass.salt), &[&info.0]);
    let mut content = Writer::default().text(&signature).0;
    content.extend_from_slice(&info.0);
    let mut packed = Vec::new();
    ZlibEncoder::new(&content[..], Compression::default())
        .read_to_end(&mut packed)
        .expect("packing bytes in memory does not fail");
    Ok(format!("{VERSION}{}", STANDARD.encode(packed)))
}

/// A token that was taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    pub app_id: String,
    pub issued: u32,
    pub lives: u32,
    pub salt: u32,
    pub services: Vec<Service>,
    signature: Vec<u8>,
    info: Vec<u8>,
}

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    Rtc {
        channel: String,
        uid: String,
        privileges: BTreeMap<u16, u32>,
    },
    Rtm {
        user: String,
        privileges: BTreeMap<u16, u32>,
    },
    /// One whose form is not known here. What follows it cannot be told.
    Other(u16),
}

/// Takes a token apart.
pub fn parse(token: &str) -> Result<Parsed, Problem> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Problem::TooLong);
    }
    let packed = token.strip_prefix(VERSION).ok_or(Problem::Malformed("it does not begin with 007"))?;
    let packed = STANDARD.decode(packed).map_err(|_| Problem::Malformed("it is no base64"))?;
    let mut content = Vec::new();
    let mut unpacked = ZlibDecoder::new(&packed[..]).take(MAX_CONTENT_BYTES as u64 + 1);
    unpacked.read_to_end(&mut content).map_err(|_| Problem::Malformed("it is no zlib"))?;
    if content.len() > MAX_CONTENT_BYTES {
        return Err(Problem::TooLong);
    }
    let mut reader = Reader(&content);
    let signature = reader.bytes()?.to_vec();
    let info = reader.0.to_vec();
    let (app_id, issued, lives, salt) = (reader.text()?, reader.u32()?, reader.u32()?, reader.u32()?);
    if !is_id(&app_id) {
        return Err(Problem::Malformed("its app id is not 32 hexadecimal digits"));
    }
    let mut services = Vec::new();
    for _ in 0..reader.u16()? {
        let kind = reader.u16()?;
        if kind != RTC && kind != RTM {
            services.push(Service::Other(kind));
            return Ok(Parsed { app_id, issued, lives, salt, services, signature, info });
        }
        let privileges = reader.map()?;
        services.push(if kind == RTC {
            Service::Rtc { channel: reader.text()?, uid: reader.text()?, privileges }
        } else {
            Service::Rtm { user: reader.text()?, privileges }
        });
    }
    if !reader.0.is_empty() {
        return Err(Problem::Malformed("more follows its end"));
    }
    Ok(Parsed { app_id, issued, lives, salt, services, signature, info })
}

impl Parsed {
    /// When it ends.
    #[must_use]
    pub fn ends(&self) -> i64 {
        i64::from(self.issued) + i64::from(self.lives)
    }

    /// Names all that is wrong.
    #[must_use]
    pub fn check(&self, app: App<'_>, wanted: &Wanted<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.app_id.eq_ignore_ascii_case(app.id) {
            problems.push(Problem::OtherApp);
        }
        let key = key(app.certificate, self.issued, self.salt);
        if !sign::is_sha256(&key, &[&self.info], &self.signature) {
            problems.push(Problem::BadSignature);
        }
        problems.extend(wanted.end("the token", self.ends()));
        problems.extend(wanted.beginning(i64::from(self.issued)));
        self.check_services(wanted, &mut problems);
        problems
    }

    fn check_services(&self, wanted: &Wanted<'_>, problems: &mut Vec<Problem>) {
        let rtc = self.services.iter().find_map(|service| match service {
            Service::Rtc { channel, uid, privileges } => Some((channel, uid, privileges)),
            Service::Rtm { .. } | Service::Other(_) => None,
        });
        let Some((channel, uid, privileges)) = rtc else {
            problems.extend(wanted.channel.map(|_| Problem::NoJoin));
            return;
        };
        problems.extend(wanted.channel.filter(|name| name != channel).map(|_| Problem::OtherChannel));
        problems.extend(wanted.uid.filter(|name| name != uid).map(|_| Problem::OtherUid));
        // They count from when the token was made.
        let moments = privileges.iter().map(|(privilege, after)| match after {
            0 => (*privilege, 0),
            after => (*privilege, self.issued.saturating_add(*after)),
        });
        agora::judge(&moments.collect(), wanted, problems);
    }

    /// What it says, for people.
    #[must_use]
    pub fn json(&self) -> Value {
        let services = self.services.iter().map(|service| match service {
            Service::Rtc { channel, uid, privileges } => {
                json!({"service": "rtc", "channel": channel, "uid": uid, "privileges": privileges})
            }
            Service::Rtm { user, privileges } => {
                json!({"service": "rtm", "user": user, "privileges": privileges})
            }
            Service::Other(kind) => json!({"service": kind}),
        });
        json!({
            "app_id": self.app_id, "issued": self.issued, "lives": self.lives, "salt": self.salt,
            "services": services.collect::<Vec<Value>>(),
        })
    }
}

fn key(certificate: &str, issued: u32, salt: u32) -> [u8; 32] {
    let key = sign::sha256(&issued.to_le_bytes(), &[certificate.as_bytes()]);
    sign::sha256(&salt.to_le_bytes(), &[&key])
}
