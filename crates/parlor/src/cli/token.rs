//! `parlor token`: tokens for people, without their password.

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use parlor_api::v1;

use super::{Common, output, person, reach::Reach};
use crate::{config::RoleName, contract::Refusal};

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token for a person
    ///
    /// An access token of Parlor, or, with --issuer, one in the shape of a configured issuer that has `mint = true`,
    /// which a front-end of that issuer takes for its own.
    #[command(after_help = "Examples:
  parlor token mint --tenant demo --user ada
  parlor token mint --tenant demo --user ada --role staff --ttl 10m
  parlor token mint --tenant demo --user ada --issuer demo
  curl -H \"Authorization: Bearer $(parlor token mint --tenant demo --user ada --issuer demo)\" \\
       http://127.0.0.1:8080/staff/chat/admin/active-chats")]
    Mint {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// Whom it is for: a username, or an id (UUID)
        #[arg(long, value_name = "USER")]
        user: String,
        /// Grant only these of the person's roles; all of them if none is named
        #[arg(long = "role", value_enum, value_name = "ROLE")]
        roles: Vec<RoleName>,
        /// How long it lives: a number and s, m, h or d
        #[arg(long, default_value = "1h", value_parser = parse_ttl, value_name = "TIME")]
        ttl: u64,
        /// In the shape of this issuer
        #[arg(long, value_name = "ISSUER")]
        issuer: Option<String>,
        /// Print token, id and end as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
}

/// A minted token, as `--json` shows it.
#[derive(serde::Serialize)]
struct Minted {
    token: String,
    token_id: String,
    expire_time: String,
}

impl Token {
    pub async fn run(self, common: &Common) -> Result<()> {
        let Self::Mint { tenant, user, roles, ttl, issuer, json, reach } = self;
        let reached = reach.tenant(common, &tenant).await?;
        let minted = async {
            let person = person::find(&reached.contract, &tenant, &user).await?;
            let seconds = i64::try_from(ttl).context("--ttl is too long")?;
            let mint = v1::MintTokenRequest {
                user_id: person.id,
                roles: roles.iter().map(|role| role.to_api().into()).collect(),
                ttl: Some(prost_types::Duration { seconds, nanos: 0 }),
                issuer: issuer.unwrap_or_default(),
            };
            let request = reached.contract.request_in(&tenant, mint)?;
            let answer = reached.contract.tokens().mint_token(request).await.map_err(Refusal::from)?;
            anyhow::Ok(answer.into_inner())
        };
        let minted = minted.await;
        reached.leave().await;
        let minted = minted?;
        if json {
            let expire_time = output::time(minted.expire_time);
            output::json(&Minted { token: minted.token, token_id: minted.token_id, expire_time })
        } else {
            output::say(format_args!("{}\n", minted.token))?;
            Ok(())
        }
    }
}

/// Reads "90s", "10m", "12h" or "30d" as seconds.
fn parse_ttl(text: &str) -> Result<u64> {
    let unit_at = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => bail!("end it with s, m, h or d, as in 90s or 12h"),
    };
    let number: u64 = number.parse().context("begin it with a whole number, as in 90s or 12h")?;
    number.checked_mul(factor).filter(|&seconds| seconds > 0).context("it is out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        assert_eq!(parse_ttl("90s").unwrap(), 90);
        assert_eq!(parse_ttl("12h").unwrap(), 43_200);
        assert_eq!(parse_ttl("30d").unwrap(), 2_592_000);
        for bad in ["", "s", "90", "1.5h", "-1h", "0s", "9é", "99999999999999999999s", "999999999999999999d"]
        {
            assert!(parse_ttl(bad).is_err(), "{bad:?}");
        }
    }
}
