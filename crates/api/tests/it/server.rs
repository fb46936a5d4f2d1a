//! The server over real sockets: limits, keep-alive, TLS, shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axbridge_api::{ServeConfig, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::Harness;

async fn start(
    h: &Harness,
    config: ServeConfig,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, h.api.router(), config, async {
        let _ = stopped.await;
    });
    (address, stop, tokio::spawn(server))
}

/// Sends bytes and reads until the server closes or `quiet` passes without any.
async fn exchange(address: SocketAddr, bytes: &[u8], quiet: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may close before everything was written.
    let _ = stream.write_all(bytes).await;
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match tokio::time::timeout(quiet, stream.read(&mut buffer)).await {
            Ok(Ok(0)) | Ok(Err(_)) => return (String::from_utf8_lossy(&text).into_owned(), true),
            Ok(Ok(n)) => text.extend(&buffer[..n]),
            Err(_) => return (String::from_utf8_lossy(&text).into_owned(), false),
        }
    }
}

const QUIET: Duration = Duration::from_millis(500);
const GET: &str = "GET /admin/v1/health HTTP/1.1\r\nhost: x\r\n";

#[tokio::test]
async fn connections_are_kept_unless_the_client_or_the_configuration_says_close() {
    let h = Harness::new().await;
    let (address, _stop, _server) = start(&h, ServeConfig::default()).await;
    let twice = format!("{GET}\r\n{GET}\r\n");
    let (text, closed) = exchange(address, twice.as_bytes(), QUIET).await;
    assert_eq!((text.matches("200 OK").count(), closed), (2, false));
    let (text, closed) = exchange(
        address,
        format!("{GET}connection: close\r\n\r\n").as_bytes(),
        QUIET * 10,
    )
    .await;
    assert_eq!((text.matches("200 OK").count(), closed), (1, true));
    let (text, closed) = exchange(
        address,
        b"GET /admin/v1/health HTTP/1.0\r\n\r\n",
        QUIET * 10,
    )
    .await;
    assert_eq!((text.matches("200 OK").count(), closed), (1, true));
    let short = ServeConfig {
        keep_alive: false,
        ..ServeConfig::default()
    };
    let (address, _stop, _server) = start(&h, short).await;
    let (text, closed) = exchange(address, format!("{GET}\r\n").as_bytes(), QUIET * 10).await;
    assert!(
        closed && text.contains("200 OK") && text.contains("connection: close"),
        "{text}"
    );
}

#[tokio::test]
async fn long_heads_and_long_bodies_are_refused_and_the_connection_closed() {
    let h = Harness::new().await;
    let (address, _stop, _server) = start(&h, ServeConfig::default()).await;
    let fits = format!("{GET}x: {}\r\n\r\n", "y".repeat(15 * 1024));
    assert!(
        exchange(address, fits.as_bytes(), QUIET)
            .await
            .0
            .contains("200 OK")
    );
    let long = format!("{GET}x: {}\r\n\r\n", "y".repeat(17 * 1024));
    let (text, closed) = exchange(address, long.as_bytes(), QUIET * 10).await;
    assert!(text.starts_with("HTTP/1.1 431") && closed, "{text}");
    let many = format!("{GET}{}\r\n", "a: b\r\n".repeat(200));
    assert!(
        exchange(address, many.as_bytes(), QUIET * 10)
            .await
            .0
            .starts_with("HTTP/1.1 431")
    );
    let path = "/rest/caas/relationnumber/partners/v1.0";
    let body = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n");
    let (text, closed) = exchange(address, body.as_bytes(), QUIET * 10).await;
    assert!(text.starts_with("HTTP/1.1 413") && closed, "{text}");
    assert!(
        exchange(address, b"\x16\x03\x01\x02\0\x01\0\r\n\r\n", QUIET * 10)
            .await
            .1
    );
}

#[tokio::test]
async fn a_slow_client_is_cut_and_a_shutdown_ends_idle_connections() {
    let h = Harness::new().await;
    let config = ServeConfig {
        header_timeout: Duration::from_millis(200),
        ..ServeConfig::default()
    };
    let (address, stop, server) = start(&h, config).await;
    let (_, closed) = exchange(address, b"GET / HTTP/1.1\r\nhost:", Duration::from_secs(5)).await;
    assert!(closed);
    let (address2, stop2, server2) = start(&h, ServeConfig::default()).await;
    let mut idle = TcpStream::connect(address2).await.unwrap();
    idle.write_all(format!("{GET}\r\n").as_bytes())
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    stop.send(()).unwrap();
    stop2.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), async {
        (server.await.unwrap(), server2.await.unwrap())
    })
    .await
    .unwrap();
    assert!(TcpStream::connect(address2).await.is_err());
}

/// A certificate of our own making, for the server and for a client that trusts it.
pub fn tls(h: &Harness) -> (Arc<rustls::ServerConfig>, tokio_rustls::TlsConnector) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (chain, key) = (h.folder.0.join("chain.pem"), h.folder.0.join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = axbridge_api::tls_from_files(&chain, &key).unwrap();
    (server, tokio_rustls::TlsConnector::from(Arc::new(client)))
}

#[tokio::test]
async fn https_is_served_with_a_certificate_from_files() {
    let h = Harness::new().await;
    let (tls, connector) = tls(&h);
    let (address, _stop, _server) = start(
        &h,
        ServeConfig {
            tls: Some(tls),
            ..ServeConfig::default()
        },
    )
    .await;
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector
        .connect("localhost".try_into().unwrap(), stream)
        .await
        .unwrap();
    stream
        .write_all(format!("{GET}connection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert!(
        axbridge_api::tls_from_files(&h.folder.0.join("none.pem"), &h.folder.0.join("key.pem"))
            .unwrap_err()
            .to_string()
            .contains("none.pem")
    );
}
