//! What `serve --dev` prints: where everything is, tokens that work, and lines to copy.
//!
//! The rule it keeps: every line works as it stands.

use std::{fmt::Write, net::SocketAddr};

use anyhow::{Context, Result};
use parlor_api::v1;

use crate::{
    config::Listener,
    contract::{Contract, Refusal},
    development::{ISSUER, NATIVE_PREFIX, STAFF_PREFIX, SUPPORT_PREFIX, TENANT},
    server::Server,
};

/// Who the tokens of the page are for: an admin of the demo.
const ADMIN: &str = "ada";

/// Who writes in the lines of the support dialect.
const CUSTOMER: &str = "ann@demo.example";

/// How long they live: a working day.
const TOKEN_TTL_SECONDS: i64 = 12 * 60 * 60;

/// A conversation to begin with. The staff dialect's customers name theirs themselves.
const SESSION: &str = "session_1795206390007_demo00001";

/// Composes the page of a running development server.
pub async fn compose(server: &Server) -> Result<String> {
    let listener = server.config().listener.first().filter(|_| server.config().role.has_gateway());
    let (Some(contract), Some(listener)) = (server.contract(), listener) else {
        return Ok(String::new());
    };
    let address = server.address(&listener.name);
    let mut page = places(address, listener);
    let has_demo =
        server.config().mount.iter().any(|mount| mount.prefix == STAFF_PREFIX && mount.tenant == TENANT)
            && server.config().issuer.iter().any(|issuer| issuer.name == ISSUER);
    if has_demo && !listener.has_tls() {
        let staff_token = mint(&contract, ISSUER).await?;
        let access_token = mint(&contract, "").await?;
        write_lines(&mut page, address, &staff_token, &access_token)?;
        let admin = user(&contract, ADMIN).await?.number;
        let customer = user(&contract, CUSTOMER).await?.number;
        write_native_lines(&mut page, address, &access_token)?;
        write_support_lines(&mut page, address, admin, customer)?;
    }
    Ok(page)
}

fn places(address: SocketAddr, listener: &Listener) -> String {
    let s = if listener.has_tls() { "s" } else { "" };
    format!(
        "\nParlor {version}, a development server. Ctrl-C ends it.

  gRPC, grpc-web       http{s}://{address}  (reflection is on)
  staff dialect        http{s}://{address}{STAFF_PREFIX}  and  ws{s}://{address}{STAFF_PREFIX}
  native dialect       Socket.IO at http{s}://{address}, namespace {NATIVE_PREFIX}  and  ws{s}://{address}{NATIVE_PREFIX}
  support dialect      http{s}://{address}{SUPPORT_PREFIX}  and  Socket.IO at http{s}://{address}, namespace {SUPPORT_PREFIX}
  health               http{s}://{address}/healthz  /readyz
  metrics              http{s}://{address}/metrics

  sample people of the tenant \"{TENANT}\": ada (admin), sam (staff), cleo and carl (customers);
  each one's password is the name and \"-password\"; so it is for ann@demo.example and bob@demo.example, customers who
  sign in to the support dialect. That mount believes whoever claims to be somebody: it is for development only.\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

fn write_lines(page: &mut String, address: SocketAddr, staff: &str, access: &str) -> Result<()> {
    let http = format!("http://{address}{STAFF_PREFIX}");
    write!(
        page,
        "
Tokens of ada, good for 12 hours
  for the staff dialect
    {staff}
  for gRPC
    {access}

Write as a customer, then read as staff
  curl -s {http}/chat/staff/connect -H 'content-type: application/json' -d '{{\"sessionId\":\"{SESSION}\"}}'
  curl -s {http}/chat/staff/message -H 'content-type: application/json' -d '{{\"sessionId\":\"{SESSION}\",\"message\":\"hello staff\"}}'
  curl -s {http}/chat/admin/active-chats -H 'authorization: Bearer {staff}'

Hear customers live (Node.js; then write again as a customer)
  npx -y wscat -c ws://{address}{STAFF_PREFIX} -w 600 -x '{{\"type\":\"register_admin\",\"userId\":\"ada\",\"token\":\"{staff}\"}}'

Call the typed API
  grpcurl -plaintext -H 'authorization: Bearer {access}' {address} parlor.v1.ChatService/ListConversations
  npx -y @bufbuild/buf curl --http2-prior-knowledge --protocol grpc -H 'authorization: Bearer {access}' http://{address}/parlor.v1.ChatService/ListConversations

"
    )?;
    Ok(())
}

/// The typed API over a raw WebSocket.
fn write_native_lines(page: &mut String, address: SocketAddr, access: &str) -> Result<()> {
    write!(
        page,
        "Call the typed API over a WebSocket, and hear who comes and goes (Node.js)
  npx -y wscat -c ws://{address}{NATIVE_PREFIX} -w 600 -x '[\"connect\",{{\"token\":\"{access}\",\"presence\":true}}]'

"
    )?;
    Ok(())
}

/// The support dialect by claims, as its old front-ends speak it.
fn write_support_lines(page: &mut String, address: SocketAddr, admin: u64, customer: u64) -> Result<()> {
    let http = format!("http://{address}{SUPPORT_PREFIX}");
    let join = |id: u64, role: &str, then: &str| {
        format!(
            "node --experimental-websocket -e 'const s=new WebSocket(\"ws://{address}/socket.io/?EIO=4&transport=websocket\"),\n    \
             say=(...a)=>s.send(\"42{SUPPORT_PREFIX},\"+JSON.stringify(a));s.onmessage=({{data:d}})=>{{if(d[0]==\"0\")s.send(\"40{SUPPORT_PREFIX},\");\n    \
             else if(d==\"2\")s.send(\"3\");else if(d.startsWith(\"40\")){{say(\"user:join\",{{userId:{id},userName:\"\",role:\"{role}\"}});{then}}}\n    \
             else console.log(d)}}'"
        )
    };
    let hear = join(admin, "ADMIN", "");
    let write = join(customer, "CUSTOMER", "say(\"message:send\",{message:\"hello\",sender:\"CUSTOMER\"})");
    write!(
        page,
        "Sign in to the support dialect as a customer
  curl -s {http}/api/auth/login -H 'content-type: application/json' -d '{{\"email\":\"{CUSTOMER}\",\"password\":\"ann-password\"}}'

Hear its customers as ada; then, beside it, write as ann (Node.js 20.10 or later)
  {hear}
  {write}

"
    )?;
    Ok(())
}

/// A token for the admin, in the shape of an issuer, or an access token of Parlor.
async fn mint(contract: &Contract, issuer: &str) -> Result<String> {
    let mint = v1::MintTokenRequest {
        user_id: user(contract, ADMIN).await?.id,
        roles: Vec::new(),
        ttl: Some(prost_types::Duration { seconds: TOKEN_TTL_SECONDS, nanos: 0 }),
        issuer: issuer.to_owned(),
    };
    let request = contract.request_in(TENANT, mint)?;
    let answer = contract.tokens().mint_token(request).await.map_err(Refusal::from)?;
    Ok(answer.into_inner().token)
}

/// One of the sample people.
async fn user(contract: &Contract, username: &str) -> Result<v1::User> {
    let selector = v1::get_user_request::Selector::Username(username.to_owned());
    let read = contract.request_in(TENANT, v1::GetUserRequest { selector: Some(selector) })?;
    let user = contract.directory().get_user(read).await.map_err(Refusal::from)?.into_inner().user;
    user.with_context(|| format!("the sample person {username} is missing"))
}
