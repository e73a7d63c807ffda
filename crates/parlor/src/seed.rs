//! Seed files: tenants, people and keys as TOML, applied through the contract as often as one likes.
//!
//! What is there already is brought in line with the file, but for passwords and key secrets: those are set when
//! somebody or something is made, and never again, so that a seed applied at each start undoes no change of password.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, anyhow};
use parlor_api::v1;
use serde::Deserialize;
use tonic::Code;

use crate::{
    config::RoleName,
    contract::{Contract, Refusal},
};

/// How many keys are asked for at once when looking for one.
const KEY_PAGE: i32 = 1_000;

/// A seed file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    pub tenant: Vec<Tenant>,
    pub user: Vec<User>,
    pub api_key: Vec<ApiKey>,
}

/// A `[[tenant]]`, found by its slug.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    pub slug: String,
    #[serde(default)]
    pub number: u64,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub origins: Vec<String>,
}

/// A `[[user]]`, found by the username.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub tenant: String,
    pub username: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub email: String,
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// Set when the person is made.
    #[serde(default)]
    pub password: String,
    /// What outside issuers call the person, by issuer.
    #[serde(default)]
    pub identities: BTreeMap<String, String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "User({}/{})", self.tenant, self.username)
    }
}

/// An `[[api_key]]`, found by its display name, kind and tenants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    pub display_name: String,
    pub kind: KeyKind,
    #[serde(default)]
    pub tenants: Vec<String>,
    #[serde(default)]
    pub all_tenants: bool,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// Public, for pages: opens connections of customers without an account.
    Widget,
    /// Acts as an admin of its tenants.
    Admin,
    /// Acts as an internal service: an admin that also mints tokens for any user.
    Service,
}

impl KeyKind {
    /// The same in the contract.
    #[must_use]
    pub const fn to_api(self) -> v1::ApiKeyKind {
        match self {
            Self::Widget => v1::ApiKeyKind::Widget,
            Self::Admin => v1::ApiKeyKind::Admin,
            Self::Service => v1::ApiKeyKind::Service,
        }
    }
}

/// What a seed did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub tenants_created: usize,
    pub users_created: usize,
    /// Name and secret of each key that was made; it is shown nowhere else.
    pub keys_created: Vec<(String, String)>,
}

impl Seed {
    /// Reads a seed file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the seed file {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("seed file {}", path.display()))
    }

    /// Reads a seed. Its errors name the line but never quote it, since it may hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            anyhow!("line {}: {}", before.matches('\n').count() + 1, error.message())
        })
    }

    /// Brings what is stored in line with the file.
    pub async fn apply(&self, contract: &Contract) -> Result<Applied> {
        let mut applied = Applied::default();
        for tenant in &self.tenant {
            let created = apply_tenant(tenant, contract).await;
            applied.tenants_created +=
                usize::from(created.with_context(|| format!("[[tenant]] {}", tenant.slug))?);
        }
        for user in &self.user {
            let created = apply_user(user, contract).await;
            applied.users_created +=
                usize::from(created.with_context(|| format!("[[user]] {}/{}", user.tenant, user.username))?);
        }
        for key in &self.api_key {
            let secret = apply_key(key, contract).await;
            let secret = secret.with_context(|| format!("[[api_key]] {}", key.display_name))?;
            applied.keys_created.extend(secret.map(|secret| (key.display_name.clone(), secret)));
        }
        Ok(applied)
    }
}

async fn apply_tenant(seed: &Tenant, contract: &Contract) -> Result<bool> {
    let wanted = v1::Tenant {
        slug: seed.slug.clone(),
        number: seed.number,
        display_name: seed.display_name.clone(),
        origins: seed.origins.clone(),
        create_time: None,
    };
    let read = v1::GetTenantRequest { slug: seed.slug.clone() };
    let stored = match contract.directory().get_tenant(contract.request(read)).await {
        Ok(answer) => answer.into_inner().tenant.unwrap_or_default(),
        Err(status) if status.code() == Code::NotFound => {
            let create = v1::CreateTenantRequest { tenant: Some(wanted), request_id: String::new() };
            contract.directory().create_tenant(contract.request(create)).await.map_err(Refusal::from)?;
            return Ok(true);
        }
        Err(status) => return Err(Refusal::from(status).into()),
    };
    let changes = [
        ("number", wanted.number != 0 && wanted.number != stored.number),
        ("display_name", !wanted.display_name.is_empty() && wanted.display_name != stored.display_name),
        ("origins", !wanted.origins.is_empty() && wanted.origins != stored.origins),
    ];
    let paths: Vec<String> =
        changes.into_iter().filter(|(_, changed)| *changed).map(|(path, _)| path.to_owned()).collect();
    if !paths.is_empty() {
        let update = v1::UpdateTenantRequest {
            tenant: Some(wanted),
            update_mask: Some(prost_types::FieldMask { paths }),
            request_id: String::new(),
        };
        contract.directory().update_tenant(contract.request(update)).await.map_err(Refusal::from)?;
    }
    Ok(false)
}

async fn apply_user(seed: &User, contract: &Contract) -> Result<bool> {
    let selector = v1::get_user_request::Selector::Username(seed.username.clone());
    let read = v1::GetUserRequest { selector: Some(selector) };
    let exists = match contract.directory().get_user(contract.request_in(&seed.tenant, read)?).await {
        Ok(_) => true,
        Err(status) if status.code() == Code::NotFound => false,
        Err(status) => return Err(Refusal::from(status).into()),
    };
    let identities = seed
        .identities
        .iter()
        .map(|(issuer, subject)| v1::Identity { issuer: issuer.clone(), subject: subject.clone() });
    let user = v1::User {
        username: seed.username.clone(),
        display_name: seed.name.clone(),
        email: seed.email.clone(),
        roles: seed.roles.iter().map(|role| role.to_api().into()).collect(),
        identities: identities.collect(),
        ..v1::User::default()
    };
    let password = if exists { String::new() } else { seed.password.clone() };
    let upsert = v1::UpsertUserRequest { user: Some(user), password, request_id: String::new() };
    let request = contract.request_in(&seed.tenant, upsert)?;
    let answer = contract.directory().upsert_user(request).await.map_err(Refusal::from)?;
    Ok(answer.into_inner().created)
}

/// The new key's secret, or nothing if a key like it is there.
async fn apply_key(seed: &ApiKey, contract: &Contract) -> Result<Option<String>> {
    if has_key(seed, contract).await? {
        return Ok(None);
    }
    let key = v1::ApiKey {
        display_name: seed.display_name.clone(),
        kind: seed.kind.to_api().into(),
        tenants: seed.tenants.clone(),
        all_tenants: seed.all_tenants,
        ..v1::ApiKey::default()
    };
    let create = v1::CreateApiKeyRequest { api_key: Some(key), request_id: String::new() };
    let answer = contract
        .directory()
        .create_api_key(contract.request(create))
        .await
        .map_err(Refusal::from)?
        .into_inner();
    Ok(Some(answer.secret))
}

async fn has_key(seed: &ApiKey, contract: &Contract) -> Result<bool> {
    let mut page_token = String::new();
    loop {
        let list = v1::ListApiKeysRequest { page_size: KEY_PAGE, page_token };
        let answer = contract
            .directory()
            .list_api_keys(contract.request(list))
            .await
            .map_err(Refusal::from)?
            .into_inner();
        let is_it = |key: &v1::ApiKey| {
            key.revoke_time.is_none()
                && key.display_name == seed.display_name
                && key.kind() == seed.kind.to_api()
                && key.all_tenants == seed.all_tenants
                && key.tenants == seed.tenants
        };
        if answer.api_keys.iter().any(is_it) {
            return Ok(true);
        }
        if answer.next_page_token.is_empty() {
            return Ok(false);
        }
        page_token = answer.next_page_token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_a_seed() {
        let demo = Seed::parse(crate::development::DEMO_TOML).unwrap();
        assert_eq!(demo.tenant[0].slug, crate::development::TENANT);
        let roles: Vec<_> = demo.user.iter().map(|user| user.roles[0]).collect();
        let customers = [RoleName::Customer; 4];
        assert_eq!(roles, [&[RoleName::Admin, RoleName::Staff][..], &customers].concat());
        // Those of the staff dialect; the others go by their numbers.
        assert!(demo.user[..4].iter().all(|user| user.identities.contains_key(crate::development::ISSUER)));
    }

    #[test]
    fn unknown_keys_are_named_by_line_and_not_quoted() {
        let text = "[[user]]\ntenant = \"t\"\nusername = \"u\"\npasswrod = \"precious\"\n";
        let error = Seed::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("line 4: ") && error.contains("passwrod"), "{error}");
        assert!(!error.contains("precious"), "{error}");
    }

    #[test]
    fn a_misspelt_role_is_refused() {
        let text = "[[user]]\ntenant = \"t\"\nusername = \"u\"\nroles = [\"boss\"]\n";
        let error = Seed::parse(text).unwrap_err().to_string();
        assert!(error.contains("boss"), "{error}");
    }
}
