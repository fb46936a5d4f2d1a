//! The demo as operator and as customer: the two HTTP APIs, from outside.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::aksk;
use super::wire::word;

/// An answer, read whole.
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A client of both APIs. Redirects are not followed.
pub struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    /// The customers' API.
    pub api: SocketAddr,
    /// The operator's API.
    pub admin: SocketAddr,
    /// The operator's token.
    pub token: String,
    /// The application's key.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

impl Client {
    /// A client for these addresses.
    pub fn new(
        api: SocketAddr,
        admin: SocketAddr,
        token: String,
        key: String,
        secret: String,
    ) -> Client {
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        Client {
            http,
            api,
            admin,
            token,
            key,
            secret,
        }
    }

    /// A request to the operator's API; anything but success is an error that repeats what the platform said.
    pub async fn operator(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Value> {
        let request = Request::builder()
            .method(method.clone())
            .uri(format!("http://{}/admin/v1{path}", self.admin))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::new(body.into()))?;
        let answer = self.send(request).await?;
        if !answer.status.is_success() {
            bail!(
                "{method} {path}: {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        Ok(answer.json())
    }

    /// A signed request to the customers' API.
    pub async fn customer(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let created = axbridge_api::created_text(axbridge_engine::wall_ms());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.api));
        for (name, value) in aksk::headers(&self.key, &self.secret, &word(), &created) {
            request = request.header(name, value);
        }
        let body = match body {
            None => Bytes::new(),
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json;charset=UTF-8");
                serde_json::to_vec(body)?.into()
            }
        };
        self.send(request.body(Full::new(body))?).await
    }

    /// Whatever is at this URL.
    pub async fn fetch(&self, url: &str) -> Result<Answer> {
        self.send(Request::get(url).body(Full::default())?).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let response = self
            .http
            .request(request)
            .await
            .with_context(|| what.clone())?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response
            .into_body()
            .collect()
            .await
            .context(what)?
            .to_bytes();
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}
