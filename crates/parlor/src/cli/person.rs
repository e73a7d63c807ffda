//! A person, as commands are told which.

use anyhow::Result;
use parlor_api::v1;

use crate::contract::{Contract, Refusal};

/// Finds a person by id or username.
pub async fn find(contract: &Contract, tenant: &str, user: &str) -> Result<v1::User> {
    use v1::get_user_request::Selector;
    let selector = match uuid::Uuid::try_parse(user) {
        Ok(id) => Selector::Id(id.to_string()),
        Err(_) => Selector::Username(user.to_owned()),
    };
    let request = contract.request_in(tenant, v1::GetUserRequest { selector: Some(selector) })?;
    let answer = contract.directory().get_user(request).await.map_err(Refusal::from)?;
    Ok(answer.into_inner().user.unwrap_or_default())
}
