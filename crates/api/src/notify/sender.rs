//! One notification on its way: signed, posted, answered. Redirects are not followed, and of the answer only the
//! status counts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::target::{CheckedConnector, TargetPolicy};
use crate::answer::JSON_UTF8;
use crate::auth::Scheme;
use crate::text_time::created_text;

/// As much of an answer is read (to be able to use the connection again), no more.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
const IDLE_CONNECTIONS_MAX: usize = 16;

/// Why a notification was not delivered; the text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The URL is not allowed or not a URL.
    #[error(transparent)]
    Target(#[from] super::TargetError),
    /// The receiver answered, but not with 200.
    #[error("the receiver answered with HTTP status {}", .0.as_u16())]
    Status(StatusCode),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// The key or secret cannot be written into a header.
    #[error("the application's key cannot be written into a header")]
    Credentials,
}

/// Whose key signs.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// `app_key`.
    pub key: &'a str,
    /// `app_secret`.
    pub secret: &'a str,
    /// Scheme.
    pub scheme: Scheme,
}

/// Posts notifications. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Sender {
    client: Client<HttpsConnector<CheckedConnector>, Full<Bytes>>,
    policy: Arc<TargetPolicy>,
    timeout: Duration,
}

impl Sender {
    /// A sender that trusts the public certificate authorities.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(policy: TargetPolicy, timeout: Duration) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_webpki_roots()
            .with_no_client_auth();
        Ok(Self::with_tls(policy, timeout, tls))
    }

    /// A sender with its own trust, for receivers with certificates of a private authority.
    #[must_use]
    pub fn with_tls(policy: TargetPolicy, timeout: Duration, tls: rustls::ClientConfig) -> Self {
        let policy = Arc::new(policy);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(CheckedConnector::new(Arc::clone(&policy)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self {
            client,
            policy,
            timeout,
        }
    }

    /// Posts one body; `Ok` means that the receiver answered 200.
    ///
    /// # Errors
    /// Everything else.
    pub async fn post(
        &self,
        url: &str,
        signer: Signer<'_>,
        body: Vec<u8>,
        wall_ms: u64,
    ) -> Result<(), SendError> {
        let request = self.signed(url, signer, body, wall_ms)?;
        let exchange = async {
            let answer = self.exchange(request).await?;
            // The receiver has said 200; what follows only decides whether the connection can be used again.
            let _ = answer.collect().await;
            Ok(())
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Timeout(self.timeout)),
        }
    }

    /// Posts one body and gives the body of the answer, up to 16 KiB. The caller sets the time limit.
    ///
    /// # Errors
    /// The receiver did not answer 200, or not completely.
    pub async fn post_for_answer(
        &self,
        url: &str,
        signer: Signer<'_>,
        body: Vec<u8>,
        wall_ms: u64,
    ) -> Result<Bytes, SendError> {
        let request = self.signed(url, signer, body, wall_ms)?;
        match self.exchange(request).await?.collect().await {
            Ok(answer) => Ok(answer.to_bytes()),
            Err(e) => Err(SendError::Transport(cause(&*e))),
        }
    }

    fn signed(
        &self,
        url: &str,
        signer: Signer<'_>,
        body: Vec<u8>,
        wall_ms: u64,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        let uri = self.policy.parse(url)?;
        let mut request = Request::post(uri)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| SendError::Credentials)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, JSON_UTF8);
        headers.insert(USER_AGENT, HeaderValue::from_static("axbridge"));
        let (authorization, credentials) =
            signature(signer, wall_ms).ok_or(SendError::Credentials)?;
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(signer.scheme.header_name(), credentials);
        Ok(request)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Limited<Incoming>, SendError> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(|e| SendError::Transport(cause(&e)))?;
        match response.status() {
            StatusCode::OK => Ok(Limited::new(response.into_body(), ANSWER_BYTES_MAX)),
            status => Err(SendError::Status(status)),
        }
    }
}

/// `Authorization` and `X-AKSK` (or `X-WSSE`) with a fresh nonce.
fn signature(signer: Signer<'_>, wall_ms: u64) -> Option<(HeaderValue, HeaderValue)> {
    let word = signer.scheme.word();
    let authorization = format!(r#"{word} realm="SDP",profile="UsernameToken",type="Appkey""#);
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let created = created_text(wall_ms);
    let digest = signer.scheme.digest(signer.secret, &nonce, &created);
    let key = signer.key;
    let credentials = format!(
        r#"UsernameToken Username="{key}",PasswordDigest="{digest}",Nonce="{nonce}",Created="{created}""#
    );
    Some((
        HeaderValue::from_str(&authorization).ok()?,
        HeaderValue::from_str(&credentials).ok()?,
    ))
}

/// The innermost cause, which says more than "client error (Connect)".
fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}
