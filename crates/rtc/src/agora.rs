//! What both of Agora's formats share: the app, the privileges, and what fits into them.

use std::collections::BTreeMap;

use crate::{Problem, Unfit, Wanted};

/// Agora takes names of channels of less than 64 bytes.
pub const MAX_CHANNEL_BYTES: usize = 63;
/// Agora takes user accounts of at most 255 bytes.
pub const MAX_UID_BYTES: usize = 255;

const JOIN: u16 = 1;
const PUBLISH: [u16; 3] = [2, 3, 4];

/// An app of Agora.
#[derive(Clone, Copy)]
pub struct App<'a> {
    /// 32 hexadecimal digits.
    pub id: &'a str,
    /// 32 hexadecimal digits, and a secret.
    pub certificate: &'a str,
}

/// What somebody may do in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Speak, show and send.
    Publisher,
    /// Listen and watch.
    Subscriber,
}

impl App<'_> {
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        if !is_id(self.id) {
            return Err(Unfit("app_id", "must be 32 hexadecimal digits"));
        }
        if !is_id(self.certificate) {
            return Err(Unfit("certificate", "must be 32 hexadecimal digits"));
        }
        Ok(())
    }
}

/// 32 hexadecimal digits.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) fn fits(channel: &str, uid: &str) -> Result<(), Unfit> {
    if channel.is_empty() || channel.len() > MAX_CHANNEL_BYTES {
        return Err(Unfit("channel", "must have 1 to 63 bytes"));
    }
    if uid.len() > MAX_UID_BYTES {
        return Err(Unfit("uid", "must have at most 255 bytes"));
    }
    Ok(())
}

/// The privileges of a role, each until then.
pub(crate) fn privileges(role: Role, until: u32) -> BTreeMap<u16, u32> {
    let publish = PUBLISH.iter().filter(|_| role == Role::Publisher).copied();
    std::iter::once(JOIN).chain(publish).map(|privilege| (privilege, until)).collect()
}

/// What is wrong with them now. A privilege without an end lasts as long as its token.
pub(crate) fn judge(privileges: &BTreeMap<u16, u32>, wanted: &Wanted<'_>, problems: &mut Vec<Problem>) {
    match privileges.get(&JOIN) {
        None => problems.push(Problem::NoJoin),
        Some(0) => {}
        Some(until) => problems.extend(wanted.end("the right to join", i64::from(*until))),
    }
    for until in PUBLISH.iter().filter_map(|privilege| privileges.get(privilege)).filter(|until| **until > 0)
    {
        let ended = wanted.end("the right to publish", i64::from(*until));
        problems.extend(ended.filter(|problem| !problems.contains(problem)));
    }
}
