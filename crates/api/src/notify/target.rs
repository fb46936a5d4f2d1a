//! Where notifications may go. A URL is checked when it is set and again, by resolved address, at every connection:
//! what is connected to is the address that was checked, so a name that changes its answer in between gains nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axbridge_call::Network;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};

use crate::address::is_public;

/// The longest URL that is taken.
const URL_LEN_MAX: usize = 1024;

/// Which addresses notifications may go to.
#[derive(Debug, Clone, Default)]
pub struct TargetPolicy {
    /// Any address, loopback and private ones too. For tests and demonstrations.
    pub allow_private: bool,
    /// Networks that are allowed although they are not public (an own data centre).
    pub allowed: Vec<Network>,
}

/// Why a URL is not taken; the text is for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL that can be posted to.
    #[error("{0}")]
    Malformed(&'static str),
    /// It leads to an address that is not allowed.
    #[error(
        "the host leads to {0}, which is not a public address; allow its network in the configuration if that is meant"
    )]
    Forbidden(IpAddr),
}

impl TargetPolicy {
    /// Whether connections to this address are allowed.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allow_private || is_public(address) || self.allowed.iter().any(|n| n.contains(address))
    }

    /// Checks a URL's form, and its address if it is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(&self, url: &str) -> Result<Uri, TargetError> {
        let wrong = |why| Err(TargetError::Malformed(why));
        if url.len() > URL_LEN_MAX {
            return wrong("the URL is longer than 1024 characters");
        }
        let Ok(uri) = url.parse::<Uri>() else {
            return wrong("this is not a URL");
        };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return wrong("the URL must begin with http:// or https://");
        }
        let Some(authority) = uri.authority() else {
            return wrong("the URL has no host");
        };
        if authority.as_str().contains('@') {
            return wrong("the URL must not hold a user name or password");
        }
        if authority.host().is_empty() || uri.port_u16() == Some(0) {
            return wrong("the URL has no host or a port of 0");
        }
        match literal(authority.host()) {
            Some(address) if !self.allows(address) => Err(TargetError::Forbidden(address)),
            _ => Ok(uri),
        }
    }

    /// Checks a URL and the addresses its name has now. A name that does not resolve is taken: it is checked again
    /// when it is used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check(&self, url: &str) -> Result<(), TargetError> {
        let uri = self.parse(url)?;
        let resolved = tokio::time::timeout(std::time::Duration::from_secs(3), resolve(&uri)).await;
        let Ok(Ok(addresses)) = resolved else {
            return Ok(());
        };
        match addresses.iter().find(|a| !self.allows(a.ip())) {
            Some(bad) => Err(TargetError::Forbidden(bad.ip().to_canonical())),
            None => Ok(()),
        }
    }
}

/// The address that a host is written as, if it is one. Spellings that only some resolvers take for an address
/// (`127.1`, `0x7f000001`) are names here and are caught after resolution.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

async fn resolve(uri: &Uri) -> io::Result<Vec<SocketAddr>> {
    let host = uri.host().ok_or_else(|| io::Error::other("no host"))?;
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        });
    if let Some(address) = literal(host) {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    Ok(lookup_host((host, port)).await?.take(16).collect())
}

/// Connects to addresses that the policy allows, and to nothing else.
#[derive(Debug, Clone)]
pub(crate) struct CheckedConnector {
    policy: Arc<TargetPolicy>,
}

impl CheckedConnector {
    pub(crate) fn new(policy: Arc<TargetPolicy>) -> Self {
        Self { policy }
    }
}

impl tower::Service<Uri> for CheckedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            for address in resolve(&uri).await? {
                if !policy.allows(address.ip()) {
                    last = io::Error::new(
                        io::ErrorKind::PermissionDenied,
                        "the host leads to an address that is not allowed",
                    );
                    continue;
                }
                match TcpStream::connect(address).await {
                    Ok(stream) => {
                        stream.set_nodelay(true)?;
                        return Ok(TokioIo::new(stream));
                    }
                    Err(e) => last = e,
                }
            }
            Err(last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_lead_inside_are_refused() {
        let policy = TargetPolicy::default();
        for url in [
            "http://127.0.0.1/",
            "http://[::1]:8080/x",
            "https://10.0.0.1/",
            "http://169.254.169.254/latest",
            "http://[::ffff:10.0.0.1]/",
        ] {
            assert!(
                matches!(policy.parse(url), Err(TargetError::Forbidden(_))),
                "{url}"
            );
        }
        for url in [
            "",
            "/x",
            "ftp://example.com/",
            "http://",
            "http://u:p@example.com/",
            "example.com",
            "http://h:0/",
        ] {
            assert!(
                matches!(policy.parse(url), Err(TargetError::Malformed(_))),
                "{url}"
            );
        }
        assert!(policy.parse("https://example.com:8443/a?b=c").is_ok());
        assert!(policy.parse("http://8.8.8.8/").is_ok());
    }

    #[test]
    fn configuration_can_allow_a_network() {
        let policy = TargetPolicy {
            allow_private: false,
            allowed: vec!["10.1.0.0/16".parse().unwrap()],
        };
        assert!(policy.parse("http://10.1.2.3/").is_ok());
        assert!(policy.parse("http://10.2.2.3/").is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_set_and_when_used() {
        let policy = TargetPolicy::default();
        assert!(matches!(
            policy.check("http://localhost:9/").await,
            Err(TargetError::Forbidden(_))
        ));
        let mut connector = CheckedConnector::new(Arc::new(policy));
        let error = tower::Service::call(&mut connector, Uri::from_static("http://localhost:9/"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
