//! Handles: a proven principal, sealed, so that a gateway can name it to any core of the installation without showing
//! the credential again. A handle carries the proof, so a withdrawal finds it.

use parlor_store::{ApiKeyId, UserId};
use prost::Message as _;
use uuid::Uuid;

use super::issuer::scoped;
use crate::{
    caller::{Actor, Principal, Proof},
    seal::Seal,
};

const PURPOSE: [&str; 1] = ["handle"];

/// What a handle says. Private to the core; a change of it must leave the tags of old fields alone, because gateways hold
/// handles over an upgrade.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Contents {
    #[prost(sint64, tag = "1")]
    pub tenant: i64,
    #[prost(string, tag = "2")]
    pub tenant_slug: String,
    #[prost(uint32, tag = "3")]
    actor: u32,
    #[prost(bytes = "vec", tag = "4")]
    actor_id: Vec<u8>,
    #[prost(int32, tag = "5")]
    pub roles: i32,
    #[prost(string, tag = "6")]
    issuer: String,
    #[prost(string, tag = "7")]
    subject: String,
    #[prost(string, tag = "8")]
    token_id: String,
    #[prost(sint64, tag = "9")]
    issued_at: i64,
    #[prost(sint64, optional, tag = "10")]
    pub rights_until: Option<i64>,
    #[prost(string, repeated, tag = "11")]
    names: Vec<String>,
    #[prost(bytes = "vec", tag = "12")]
    made_with: Vec<u8>,
    #[prost(bool, tag = "13")]
    held: bool,
}

/// Whom a handle names, before the person is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Guest,
    User(UserId),
    Key(ApiKeyId),
    Operator,
}

/// Seals a principal.
#[must_use]
pub fn seal(seal: &Seal, principal: &Principal) -> String {
    let (actor, actor_id) = match &principal.actor {
        Actor::Guest => (1, Vec::new()),
        Actor::User(user) => (2, user.id.0.into_bytes().to_vec()),
        Actor::Key(id) => (3, id.0.into_bytes().to_vec()),
        Actor::Operator => (4, Vec::new()),
    };
    let contents = Contents {
        tenant: principal.tenant.0,
        tenant_slug: principal.tenant_slug.to_string(),
        actor,
        actor_id,
        roles: principal.roles.0,
        issuer: principal.proof.issuer.clone(),
        subject: principal.proof.subject.clone(),
        token_id: principal.proof.names.first().cloned().unwrap_or_default(),
        issued_at: principal.proof.issued_at,
        rights_until: principal.rights_until,
        names: principal.proof.names.clone(),
        made_with: principal.proof.made_with.map_or_else(Vec::new, |key| key.0.into_bytes().to_vec()),
        held: principal.proof.held,
    };
    seal.seal(&PURPOSE, &contents.encode_to_vec())
}

/// Opens a handle of this installation.
#[must_use]
pub fn open(seal: &Seal, handle: &str) -> Option<Contents> {
    Contents::decode(seal.open(&PURPOSE, handle)?.as_slice()).ok()
}

impl Contents {
    pub fn proof(&self) -> Proof {
        Proof {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            names: self.names(),
            issued_at: self.issued_at,
            made_with: Uuid::from_slice(&self.made_with).ok().map(ApiKeyId),
            held: self.held,
        }
    }

    fn names(&self) -> Vec<String> {
        // A handle of before says its token's id and no more.
        if self.names.is_empty() && !self.token_id.is_empty() {
            return vec![self.token_id.clone(), scoped(&self.issuer, &self.token_id)];
        }
        self.names.clone()
    }

    /// `None` for a kind of caller this version does not know.
    pub fn named(&self) -> Option<Named> {
        let id = || Uuid::from_slice(&self.actor_id).ok();
        match self.actor {
            1 => Some(Named::Guest),
            2 => id().map(UserId).map(Named::User),
            3 => id().map(ApiKeyId).map(Named::Key),
            4 => Some(Named::Operator),
            _ => None,
        }
    }
}
