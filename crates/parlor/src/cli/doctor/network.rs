//! Ports, free or served, and the link between gateway and core.

use std::{net::SocketAddr, time::Duration};

use parlor_api::{metadata, v1::edge_service_client::EdgeServiceClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tonic::{Code, Request};

use super::{super::reach, Finding};
use crate::{config::Config, data_dir};

/// Time for an answer. What has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(3);

/// The head of an answer to a probe is shorter.
const HEAD_BYTES: usize = 64;

pub(super) async fn listeners(config: &Config) -> Vec<Finding> {
    const WHAT: &str = "port";
    if let Some(running) = data_dir::running(&config.data_dir) {
        // Where it says it is, whatever the configuration says by now.
        let public = running.public.map(|address| (WHAT, address, running.tls));
        let internal = running.internal.map(|address| ("internal port", address, false));
        let mut findings = Vec::new();
        for (what, address, tls) in public.into_iter().chain(internal) {
            findings.push(if tls { reached(what, address).await } else { served(what, address).await });
        }
        return findings;
    }
    let public = config.listener.iter().filter(|_| config.role.has_gateway());
    let internal = config.internal_address().filter(|_| config.role.has_core());
    let addresses = public.map(|listener| (WHAT, listener.address));
    let mut findings = Vec::new();
    for (what, address) in addresses.chain(internal.map(|address| ("internal port", address))) {
        if address.port() != 0 {
            findings.push(free(what, address).await);
        }
    }
    findings
}

async fn reached(what: &'static str, address: SocketAddr) -> Finding {
    match connect(address).await {
        Ok(_) => Finding::good(what, format!("{address} is served (with TLS, so it was not asked more)")),
        Err(problem) => Finding::wrong(what, format!("{address} {problem}")),
    }
}

async fn free(what: &'static str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address).await {
        Ok(_) => Finding::good(what, format!("{address} is free")),
        Err(error) => Finding::wrong(
            what,
            format!("{address} cannot be taken: {error}; stop who has it, or choose another"),
        ),
    }
}

async fn served(what: &'static str, address: SocketAddr) -> Finding {
    match tokio::time::timeout(PATIENCE, ask(address, "/readyz")).await {
        Ok(Ok(200)) => Finding::good(what, format!("{address} is served and ready")),
        Ok(Ok(status)) => Finding::wrong(
            what,
            format!(
                "{address} answers {status} to /readyz: it is starting, draining or without its core or database; see its log"
            ),
        ),
        Ok(Err(error)) => {
            Finding::wrong(what, format!("{address} does not answer: {error}; see the server's log"))
        }
        Err(_) => Finding::wrong(
            what,
            format!("{address} does not answer in {} s; see the server's log", PATIENCE.as_secs()),
        ),
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("cannot be reached: {error}; see the server's log")),
        Err(_) => Err("does not answer; see the server's log".to_owned()),
    }
}

/// The status of a plain GET.
async fn ask(address: SocketAddr, path: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; HEAD_BYTES];
    let count = stream.read(&mut head).await?;
    let head = String::from_utf8_lossy(&head[..count]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other("it does not speak HTTP"))
}

/// Where this installation's link is, if it has one that can be tried now.
fn link_url(config: &Config) -> Option<String> {
    if !config.gateway.core_url.is_empty() {
        return Some(config.gateway.core_url.clone());
    }
    let internal = data_dir::running(&config.data_dir)?.internal?;
    Some(format!("http://{internal}"))
}

/// Knocks with the edge key and hangs up: the core answers an empty link, but not a wrong key.
pub(super) async fn link(config: &Config) -> Option<Finding> {
    const WHAT: &str = "edge link";
    let url = link_url(config)?;
    let service = match reach::connect(&url) {
        Ok(service) => service,
        Err(error) => return Some(Finding::wrong(WHAT, format!("{error:#}"))),
    };
    let Ok(key) = config.secrets.edge_key.expose().parse() else {
        return Some(Finding::wrong(
            WHAT,
            "secrets.edge_key holds characters that cannot be sent; make another",
        ));
    };
    let mut request = Request::new(tokio_stream::empty());
    request.metadata_mut().insert(metadata::EDGE_KEY, key);
    let mut client = EdgeServiceClient::new(service);
    let answer = tokio::time::timeout(PATIENCE, client.link(request)).await;
    Some(match answer.map(|answer| answer.map_err(|status| status.code())) {
        Err(_) | Ok(Err(Code::Unavailable)) => Finding::wrong(
            WHAT,
            format!("{url} cannot be reached; see that the core runs, and its core.listen"),
        ),
        Ok(Err(Code::PermissionDenied | Code::Unauthenticated)) => {
            Finding::wrong(WHAT, format!("{url} refuses the key; give both sides the same secrets.edge_key"))
        }
        Ok(Err(Code::Unimplemented)) => {
            Finding::wrong(WHAT, format!("{url} is no internal listener; use the core's core.listen"))
        }
        Ok(Ok(_) | Err(_)) => Finding::good(WHAT, format!("{url} takes the key")),
    })
}
