//! Seed files: tenants, people, keys and providers as TOML, applied through the contract as often as one likes.
//!
//! What is there already is brought in line with the file, but for passwords, their hashes and key secrets: those are set
//! when somebody or something is made, and never again, so that a seed applied at each start undoes no change of password.

mod provider;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, anyhow};
use parlor_api::v1;
use parlor_core::password::stored::Kind;
use serde::Deserialize;
use tonic::Code;

pub use self::provider::Provider;
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
    pub provider: Vec<Provider>,
    pub wallet: Vec<Wallet>,
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
    /// Instead of it, what another server has stored of one; set when the person is made.
    #[serde(default)]
    pub password_hash: String,
    /// What outside issuers call the person, by issuer.
    #[serde(default)]
    pub identities: BTreeMap<String, String>,
}

impl User {
    /// What would be refused for half of the people is refused before anybody is made.
    fn check(&self) -> Result<()> {
        let problem = match (self.password.is_empty(), self.password_hash.is_empty()) {
            (_, true) => return Ok(()),
            (false, false) => "must be left out where a password is given".to_owned(),
            (true, false) => match Kind::of(&self.password_hash) {
                Ok(_) => return Ok(()),
                Err(problem) => problem,
            },
        };
        Err(anyhow!("[[user]] {}/{}: password_hash: {problem}", self.tenant, self.username))
    }
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

/// A `[[wallet]]`: what somebody is given, once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wallet {
    pub tenant: String,
    pub username: String,
    pub amount: i64,
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
        let seed: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            anyhow!("line {}: {}", before.matches('\n').count() + 1, error.message())
        })?;
        seed.user.iter().try_for_each(User::check)?;
        Ok(seed)
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
        for provider in &self.provider {
            let done = provider.apply(contract).await;
            done.with_context(|| format!("[[provider]] {}/{}", provider.tenant, provider.user))?;
        }
        for wallet in &self.wallet {
            let credited = apply_wallet(wallet, contract).await;
            credited.with_context(|| format!("[[wallet]] {}/{}", wallet.tenant, wallet.username))?;
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
    let exists = user(contract, &seed.tenant, &seed.username).await?.is_some();
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
    let mut upsert = v1::UpsertUserRequest { user: Some(user), ..v1::UpsertUserRequest::default() };
    if !exists {
        upsert.password.clone_from(&seed.password);
        upsert.password_hash.clone_from(&seed.password_hash);
    }
    let request = contract.request_in(&seed.tenant, upsert)?;
    let answer = contract.directory().upsert_user(request).await.map_err(Refusal::from)?;
    Ok(answer.into_inner().created)
}

/// Credited once for the person, as often as the file is applied; another amount is refused then.
async fn apply_wallet(seed: &Wallet, contract: &Contract) -> Result<()> {
    let user = user(contract, &seed.tenant, &seed.username).await?;
    let user_id = user.ok_or_else(|| anyhow!("there is no such person"))?.id;
    let request_id = format!("seed:{user_id}");
    let note = "seed".to_owned();
    let credit =
        v1::CreditWalletRequest { user_id, amount: seed.amount, note, request_id, ..Default::default() };
    let request = contract.request_in(&seed.tenant, credit)?;
    contract.billing().credit_wallet(request).await.map_err(Refusal::from)?;
    Ok(())
}

/// Who has a username, if anybody has.
async fn user(contract: &Contract, tenant: &str, username: &str) -> Result<Option<v1::User>> {
    let selector = v1::get_user_request::Selector::Username(username.to_owned());
    let read = v1::GetUserRequest { selector: Some(selector) };
    match contract.directory().get_user(contract.request_in(tenant, read)?).await {
        Ok(found) => Ok(found.into_inner().user),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(Refusal::from(status).into()),
    }
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
    fn a_hash_that_cannot_be_taken_is_told_by_person_and_key_and_not_quoted() {
        let hash = "$2b$10$7/f07vdmWccRnG423V8eo.zNVM/TACX/SKXu1vQ9SbBPaRVZ2pkwC";
        let parse =
            |words: &str| Seed::parse(&format!("[[user]]\ntenant = \"t\"\nusername = \"ann\"\n{words}\n"));
        parse(&format!("password_hash = '{hash}'")).unwrap();
        for words in [
            format!("password_hash = '{}'", hash.replace("$10$", "$20$")),
            format!("password_hash = '{}'", &hash[..59]),
            "password_hash = '482c811da5d5b4bc6d497ffa98491e38'".to_owned(),
            format!("password_hash = '{hash}'\npassword = \"precious\""),
        ] {
            let error = parse(&words).unwrap_err().to_string();
            assert!(error.starts_with("[[user]] t/ann: password_hash: "), "{error}");
            assert!(
                !error.contains("zNVM") && !error.contains("482c") && !error.contains("precious"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_misspelt_role_is_refused() {
        let text = "[[user]]\ntenant = \"t\"\nusername = \"u\"\nroles = [\"boss\"]\n";
        let error = Seed::parse(text).unwrap_err().to_string();
        assert!(error.contains("boss"), "{error}");
    }
}
