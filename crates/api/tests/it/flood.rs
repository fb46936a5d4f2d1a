//! Attacks from many addresses: what is kept stays bounded, and clients are served all the while.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_api::auth::{AuthRules, Authenticator, BanRules};
use axbridge_api::{ServeConfig, serve};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::client::Client;
use crate::harness::{Harness, T0_MS};

const QUERY: &str = "/rest/caas/relationnumber/partners/v1.0?relationNum=%2B8617000000009";

#[tokio::test]
async fn guesses_from_two_hundred_thousand_addresses_ban_no_client_and_stay_bounded() {
    let h = Harness::new().await;
    let auth = Authenticator::new(AuthRules::default(), Arc::clone(h.api.applications()));
    let began = Instant::now();
    let ask = |client: &Client, from: IpAddr| {
        let request = client.request(Method::GET, QUERY, String::new());
        auth.check(request.headers(), from, T0_MS, began).is_ok()
    };
    let (client, mut guesser) = (h.client.clone(), h.client.clone());
    guesser.secret = "not the secret".into();
    let home: IpAddr = "203.0.113.1".parse().unwrap();
    for n in 0..200_000_u32 {
        let from = IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + n));
        // Of the first nine each: the most that an address can do without a ban.
        for _ in 0..if n < 1_000 { 9 } else { 1 } {
            assert!(!ask(&guesser, from));
        }
        if n % 1_000 == 0 {
            assert!(auth.bans().remembered() <= BanRules::default().capacity);
            assert!(ask(&client, home), "after {n} addresses");
        }
    }
    assert!(auth.bans().list(began).is_empty());
    // One address more, that goes on: it is banned as ever, and the client is not.
    let stubborn: IpAddr = "198.51.100.7".parse().unwrap();
    for _ in 0..10 {
        assert!(!ask(&guesser, stubborn));
    }
    assert!(!ask(&client, stubborn) && ask(&client, home));
    assert_eq!(auth.bans().list(began).len(), 1);
}

/// A server with room for few, and heads that may take as long as they like: only making room can help.
async fn small(h: &Harness, connections_max: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = ServeConfig {
        connections_max,
        header_timeout: Duration::from_secs(600),
        handshake_timeout: Duration::from_secs(600),
        ..ServeConfig::default()
    };
    tokio::spawn(serve(
        listener,
        h.api.router(),
        config,
        std::future::pending(),
    ));
    address
}

/// A connection from one of the many addresses of loopback.
async fn connect(to: SocketAddr, n: u32) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = Ipv4Addr::from_bits(0x7f01_0000 + n);
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(to).await.unwrap()
}

const HEALTH: &[u8] = b"GET /admin/v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A client gets its answer in good time, at every try.
async fn served(to: SocketAddr, times: usize) {
    for _ in 0..times {
        let asked = async {
            let mut stream = TcpStream::connect(to).await.unwrap();
            stream.write_all(HEALTH).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        };
        tokio::time::timeout(Duration::from_secs(2), asked)
            .await
            .expect("a client waits too long");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_slow_and_greedy_connections_keep_nobody_out() {
    let h = Harness::new().await;
    let to = small(&h, 128).await;
    for bytes in [
        // Nothing; half a head; idle after an answer; requests without ever reading an answer; a body that never comes.
        Vec::new(),
        b"GET /admin/v1/health HTTP/1.1\r\nhost: ".to_vec(),
        b"GET /admin/v1/health HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200),
        b"POST /rest/caas/relationnumber/partners/v1.0 HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n{".to_vec(),
    ] {
        // Three times as many as there is room for, each from an address of its own.
        let mut held = Vec::new();
        for n in 0..400 {
            let mut stream = connect(to, n).await;
            let written = tokio::time::timeout(Duration::from_millis(50), stream.write_all(&bytes));
            let _ = written.await;
            held.push(stream);
        }
        served(to, 20).await;
        // And while they keep coming: each place is lost to a newcomer after half a second.
        let attack = tokio::spawn(async move {
            for n in 0..250 {
                let stream = connect(to, 1_000 + n).await;
                let _ = stream.try_write(&bytes);
                held.push(stream);
                if held.len() > 400 {
                    held.remove(0);
                }
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        });
        while !attack.is_finished() {
            served(to, 1).await;
        }
        attack.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_are_never_finished_keep_nobody_out() {
    let h = Harness::new().await;
    let (config, connector) = crate::server::tls(&h);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let config = ServeConfig {
        connections_max: 16,
        handshake_timeout: Duration::from_secs(600),
        tls: Some(config),
        ..ServeConfig::default()
    };
    tokio::spawn(serve(
        listener,
        h.api.router(),
        config,
        std::future::pending(),
    ));
    let mut held = Vec::new();
    for n in 0..100 {
        let mut stream = connect(to, n).await;
        // Half a client's hello.
        let _ = stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01").await;
        held.push(stream);
    }
    for _ in 0..10 {
        let asked = async {
            let stream = TcpStream::connect(to).await.unwrap();
            let mut stream = connector
                .connect("localhost".try_into().unwrap(), stream)
                .await
                .unwrap();
            stream.write_all(HEALTH).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        };
        tokio::time::timeout(Duration::from_secs(5), asked)
            .await
            .expect("a client waits too long");
    }
}
