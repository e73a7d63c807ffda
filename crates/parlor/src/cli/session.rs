//! `parlor session`: what people asked of each other, and what goes on.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use parlor_api::v1;
use serde::Serialize;

use super::{
    Common,
    output::{self, time},
    person::find,
    reach::Reach,
};
use crate::contract::{Contract, Refusal};

/// How many sessions are asked for at once.
const PAGE: i32 = 500;

#[derive(Debug, Subcommand)]
pub enum Session {
    /// List the sessions of a tenant, the newest first
    #[command(after_help = "Examples:
  parlor session list --tenant demo --state active
  parlor session list --tenant demo --party ada --limit 20 --json")]
    List {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// Only those in this state; may be repeated
        #[arg(long = "state", value_enum, value_name = "STATE")]
        states: Vec<State>,
        /// Only those in which this person takes part: a username, or an id (UUID)
        #[arg(long, value_name = "USER")]
        party: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// End a session that goes on, or take back one that waits for its answer
    #[command(after_help = "Example:
  parlor session end --tenant demo 42 --note 'the line was dead'")]
    End {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// The session's number, or its id (UUID)
        session: String,
        /// What to say with it
        #[arg(long, default_value = "")]
        note: String,
        #[command(flatten)]
        reach: Reach,
    },
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum State {
    Pending,
    Active,
    Ended,
    Declined,
    Cancelled,
    Expired,
}

impl State {
    fn to_api(self) -> v1::SessionState {
        match self {
            Self::Pending => v1::SessionState::Pending,
            Self::Active => v1::SessionState::Active,
            Self::Ended => v1::SessionState::Ended,
            Self::Declined => v1::SessionState::Declined,
            Self::Cancelled => v1::SessionState::Cancelled,
            Self::Expired => v1::SessionState::Expired,
        }
    }
}

/// A session, as lists show one.
#[derive(Serialize)]
struct Row {
    id: String,
    number: u64,
    kind: String,
    state: String,
    payer: String,
    provider: String,
    rate_per_minute: i64,
    request_time: String,
    /// Empty while it was not accepted, and while it is not over.
    accept_time: String,
    end_time: String,
    note: String,
}

impl Row {
    const HEAD: [&str; 9] =
        ["NUMBER", "KIND", "STATE", "PAYER", "PROVIDER", "RATE", "REQUESTED", "ENDED", "ID"];

    fn cells(&self) -> Vec<String> {
        let (number, rate) = (self.number.to_string(), self.rate_per_minute.to_string());
        let text = [&self.kind, &self.state, &self.payer, &self.provider].map(Clone::clone);
        let times = [&self.request_time, &self.end_time, &self.id].map(Clone::clone);
        [number].into_iter().chain(text).chain([rate]).chain(times).collect()
    }
}

impl From<v1::Session> for Row {
    fn from(session: v1::Session) -> Self {
        let word = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_lowercase();
        Self {
            kind: word(session.kind().as_str_name(), "SESSION_KIND_"),
            state: word(session.state().as_str_name(), "SESSION_STATE_"),
            id: session.id,
            number: session.number,
            payer: called(session.payer),
            provider: called(session.provider),
            rate_per_minute: session.rate_per_minute,
            request_time: time(session.request_time),
            accept_time: time(session.accept_time),
            end_time: time(session.end_time),
            note: session.note,
        }
    }
}

/// What somebody is called; nothing once they are erased.
fn called(person: Option<v1::Person>) -> String {
    let Some(person) = person else { return String::new() };
    [person.display_name, person.username, person.user_id]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

impl Session {
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::List { tenant, states, party, limit, json, reach } => {
                let reached = reach.tenant(common, &tenant).await?;
                let found = list(&reached.contract, &tenant, &states, party.as_deref(), limit).await;
                reached.leave().await;
                let rows: Vec<Row> = found?.into_iter().map(Row::from).collect();
                if json {
                    return output::json(&rows);
                }
                output::table(&Row::HEAD, &rows.iter().map(Row::cells).collect::<Vec<_>>())
            }
            Self::End { tenant, session, note, reach } => {
                let reached = reach.tenant(common, &tenant).await?;
                let ended = end(&reached.contract, &tenant, &session, note).await;
                reached.leave().await;
                output::json(&Row::from(ended?))
            }
        }
    }
}

async fn list(
    contract: &Contract,
    tenant: &str,
    states: &[State],
    party: Option<&str>,
    limit: u32,
) -> Result<Vec<v1::Session>> {
    let party_id = match party {
        Some(party) => find(contract, tenant, party).await?.id,
        None => String::new(),
    };
    let states: Vec<i32> = states.iter().map(|state| state.to_api().into()).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut sessions, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = v1::ListSessionsRequest {
            page_size: PAGE.min(i32::try_from(limit - sessions.len()).unwrap_or(PAGE)),
            page_token,
            states: states.clone(),
            party_id: party_id.clone(),
        };
        let request = contract.request_in(tenant, list)?;
        let page = contract.sessions().list_sessions(request).await.map_err(Refusal::from)?.into_inner();
        sessions.extend(page.sessions);
        if page.next_page_token.is_empty() || sessions.len() >= limit {
            return Ok(sessions);
        }
        page_token = page.next_page_token;
    }
}

async fn end(contract: &Contract, tenant: &str, session: &str, note: String) -> Result<v1::Session> {
    let name = match session.parse() {
        Ok(number) => v1::session_ref::Name::Number(number),
        Err(_) => v1::session_ref::Name::Id(session.to_owned()),
    };
    let end = v1::EndSessionRequest {
        session: Some(v1::SessionRef { name: Some(name) }),
        note,
        or_withdraw: true,
        request_id: String::new(),
    };
    let request = contract.request_in(tenant, end)?;
    let answer = contract.sessions().end_session(request).await.map_err(Refusal::from)?;
    Ok(answer.into_inner().session.unwrap_or_default())
}
