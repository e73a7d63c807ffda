//! Calls of any method with an empty message, over plain HTTP/2: a generated client would enforce the deadline itself,
//! and what counts is that the server does.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use parlor_tests::soon;
use tonic::{Code, Status};

use super::contract::Method;

/// An uncompressed message behind its frame's five bytes.
fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

/// A client of one listener.
pub struct Raw {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    tenant: String,
}

impl Raw {
    pub fn new(address: SocketAddr, tenant: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { client, address, tenant: tenant.to_owned() }
    }

    /// Calls with one empty message and returns how the call ends.
    pub async fn call(&self, method: &Method, header: Option<(&str, &str)>, timeout: Option<&str>) -> Status {
        self.call_with(method, header, timeout, &[]).await
    }

    /// Calls with one encoded message and returns how the call ends.
    pub async fn call_with(
        &self,
        method: &Method,
        header: Option<(&str, &str)>,
        timeout: Option<&str>,
        message: &[u8],
    ) -> Status {
        let path = method.path();
        let mut request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if !self.tenant.is_empty() {
            request = request.header(parlor_api::metadata::TENANT, &self.tenant);
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let request = request.body(Full::new(frame(message))).unwrap();
        let response = soon(&path, self.client.request(request)).await.unwrap();
        if let Some(status) = Status::from_header_map(response.headers()) {
            return status;
        }
        let body = soon(&path, response.into_body().collect()).await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        Status::from_header_map(&trailers)
            .unwrap_or_else(|| Status::new(Code::Unknown, "the call ended without a status"))
    }
}
