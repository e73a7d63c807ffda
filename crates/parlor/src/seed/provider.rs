//! A `[[provider]]` of a seed file: somebody who can be asked for sessions.

use anyhow::{Context as _, Result};
use parlor_api::v1;
use serde::Deserialize;

use crate::contract::{Contract, Refusal};

/// A `[[provider]]`, found by the username. Whether they can be asked is their own choice, and left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub tenant: String,
    /// The username of a `[[user]]`, or of somebody who is there.
    pub user: String,
    /// What an outside catalogue calls them.
    #[serde(default)]
    pub catalogue_id: String,
    #[serde(default)]
    pub headline: String,
    /// What a front-end shows of them, as it likes.
    #[serde(default)]
    pub catalogue: serde_json::Map<String, serde_json::Value>,
    /// Minor units for each minute of what they offer.
    #[serde(default)]
    pub rates: Rates,
}

/// Minor units for each minute; a kind that is left out is not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    pub chat: Option<i64>,
    pub audio: Option<i64>,
    pub video: Option<i64>,
}

impl Provider {
    /// Brings what is stored of them in line with the file.
    pub(super) async fn apply(&self, contract: &Contract) -> Result<()> {
        let selector = v1::get_user_request::Selector::Username(self.user.clone());
        let read = v1::GetUserRequest { selector: Some(selector) };
        let request = contract.request_in(&self.tenant, read)?;
        let found = contract.directory().get_user(request).await.map_err(Refusal::from)?.into_inner();
        let user_id = found.user.unwrap_or_default().id;
        let catalogue_json = if self.catalogue.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&self.catalogue).context("the catalogue is no JSON")?
        };
        let provider = v1::Provider {
            person: Some(v1::Person { user_id, ..v1::Person::default() }),
            catalogue_id: self.catalogue_id.clone(),
            headline: self.headline.clone(),
            catalogue_json,
            rates: self.rates.to_api(),
            ..v1::Provider::default()
        };
        let upsert = v1::UpsertProviderRequest { provider: Some(provider), request_id: String::new() };
        let request = contract.request_in(&self.tenant, upsert)?;
        contract.sessions().upsert_provider(request).await.map_err(Refusal::from)?;
        Ok(())
    }
}

impl Rates {
    fn to_api(self) -> Vec<v1::SessionRate> {
        use v1::SessionKind::{Audio, Chat, Video};
        let rate = |(kind, rate): (v1::SessionKind, Option<i64>)| {
            Some(v1::SessionRate { kind: kind.into(), per_minute: rate? })
        };
        [(Chat, self.chat), (Audio, self.audio), (Video, self.video)].into_iter().filter_map(rate).collect()
    }
}
