//! A customer's server on loopback that notes what is posted to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// One POST as the receiver saw it.
pub struct Post {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

#[derive(Clone)]
struct SinkState {
    posts: mpsc::UnboundedSender<Post>,
    status: Arc<AtomicU16>,
    answer: Arc<Mutex<Vec<u8>>>,
    delay: Duration,
}

/// A customer's server.
pub struct Sink {
    pub address: SocketAddr,
    pub posts: mpsc::UnboundedReceiver<Post>,
    pub status: Arc<AtomicU16>,
    /// The body of its answers.
    pub answer: Arc<Mutex<Vec<u8>>>,
}

impl Sink {
    pub async fn start(status: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (send, posts) = mpsc::unbounded_channel();
        let status = Arc::new(AtomicU16::new(status));
        let answer = Arc::new(Mutex::new(Vec::new()));
        let state = SinkState {
            posts: send,
            answer: Arc::clone(&answer),
            status: Arc::clone(&status),
            delay,
        };
        let router = axum::Router::new().fallback(receive).with_state(state);
        let config = axbridge_api::ServeConfig::default();
        tokio::spawn(axbridge_api::serve(
            listener,
            router,
            config,
            std::future::pending(),
        ));
        Self {
            address,
            posts,
            status,
            answer,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn next(&mut self) -> Post {
        tokio::time::timeout(Duration::from_secs(10), self.posts.recv())
            .await
            .expect("no notification")
            .unwrap()
    }

    pub async fn silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.posts.recv()).await.is_err()
    }
}

async fn receive(State(sink): State<SinkState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap();
    tokio::time::sleep(sink.delay).await;
    let status = StatusCode::from_u16(sink.status.load(Ordering::SeqCst)).unwrap();
    let _ = sink.posts.send(Post {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body,
    });
    let answer = sink.answer.lock().unwrap().clone();
    let mut response = (status, answer).into_response();
    if status.is_redirection() {
        response
            .headers_mut()
            .insert("location", "/elsewhere".parse().unwrap());
    }
    response
}
