//! The HTTP server: limits on headers, connections and time around a router, with or without TLS.
//!
//! Connections are kept open for clients that want it. The public service closes after each answer, but says so
//! nowhere in a way that a client could depend on: HTTP/1.1 clients read `Content-Length` and send
//! `Connection: close` if they want that, HTTP/1.0 clients get it in any case, and a new connection for each request
//! costs five times the request, with TLS twenty times (loopback, `figures_of_kept_and_closed_connections`).
//! [`ServeConfig::keep_alive`] = false gives the documented behaviour.

mod crowd;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::state::PeerAddress;
use crowd::{BusyBody, Crowd, Place};

/// Limits of a listener.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The longest header block, in bytes; more is answered 431 and the connection closed. At least 8 KiB.
    pub header_bytes_max: usize,
    /// Connections at once. One more takes the place of one that waits: silent, idle, or not done with its handshake
    /// or head; of the address that holds most of them, the oldest.
    pub connections_max: usize,
    /// How long a client may take to send a header block, and a kept connection may idle.
    pub header_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Keep connections open after an answer.
    pub keep_alive: bool,
    /// How long open requests may go on after the shutdown.
    pub drain: Duration,
    /// TLS, or plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            header_bytes_max: 16 * 1024,
            connections_max: 4096,
            header_timeout: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(10),
            keep_alive: true,
            drain: Duration::from_secs(10),
            tls: None,
        }
    }
}

/// TLS from a certificate chain and a private key, both PEM.
///
/// # Errors
/// Files that cannot be read or do not fit together; the text names the file.
pub fn tls_from_files(chain: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let bad = |path: &Path, e: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {e}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| bad(chain, &e))?;
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|e| bad(key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|b| {
            b.with_no_client_auth()
                .with_single_cert(certificates, private_key)
        })
        .map_err(|e| bad(chain, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves a router until `shutdown` is ready, then lets open requests end within [`ServeConfig::drain`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: ServeConfig,
    shutdown: impl Future<Output = ()>,
) {
    let crowd = Crowd::new(config.connections_max);
    let (stop, stopped) = watch::channel(false);
    let config = Arc::new(config);
    tokio::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, mostly: give connections time to end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let peer = PeerAddress(peer.ip().to_canonical());
        let place = tokio::select! {
            () = &mut shutdown => break,
            place = crowd.enter(peer.0) => place,
        };
        let Some(place) = place else { break };
        prepare(&stream);
        let (router, config, stopped) = (router.clone(), Arc::clone(&config), stopped.clone());
        tokio::spawn(async move {
            let place = Arc::new(place);
            tokio::select! {
                () = connection(stream, peer, router, &config, stopped, &place) => {}
                () = place.told_to_go() => {}
            }
        });
    }
    drop(listener);
    let _ = stop.send(true);
    let _ = tokio::time::timeout(config.drain, crowd.empty()).await;
}

/// A peer that neither reads nor goes away is cut by the kernel: what was sent may stay unacknowledged, or unsent
/// because its window is shut, for a minute.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(Duration::from_secs(60)));
}

async fn connection(
    stream: TcpStream,
    peer: PeerAddress,
    router: Router,
    config: &ServeConfig,
    stopped: watch::Receiver<bool>,
    place: &Arc<Place>,
) {
    let Some(tls) = &config.tls else {
        return http(stream, peer, router, config, stopped, place).await;
    };
    let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(stream);
    if let Ok(Ok(stream)) = tokio::time::timeout(config.handshake_timeout, handshake).await {
        http(stream, peer, router, config, stopped, place).await;
    }
}

async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: PeerAddress,
    router: Router,
    config: &ServeConfig,
    mut stopped: watch::Receiver<bool>,
    place: &Arc<Place>,
) {
    let place = Arc::clone(place);
    let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        let busy = place.busy();
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { Ok::<_, Infallible>(answer.await?.map(|inner| BusyBody { inner, _busy: busy })) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .keep_alive(config.keep_alive)
        // The smallest buffer that hyper takes.
        .max_buf_size(config.header_bytes_max.max(8192))
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = async { let _ = stopped.wait_for(|s| *s).await; } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended");
    }
}
