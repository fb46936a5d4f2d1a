//! A customer's server that can be killed, be slow and fail, and that judges what it is told.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// What is told of a call, in order.
pub const ORDER: [&str; 6] = [
    "callin",
    "callout",
    "alerting",
    "answer",
    "disconnect",
    "fee",
];

/// How it treats those who post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Answers 200 at once.
    Well,
    /// Answers 500.
    Failing,
    /// Takes what it is told and answers 200 after this time.
    Slow(Duration),
    /// Reads, and closes the connection without an answer.
    Mute,
}

/// What it was told, counted only where it took it (answered 200, whether or not in time).
#[derive(Default)]
pub struct Told {
    /// By call: which of [`ORDER`] came, and when the last of them did.
    pub calls: HashMap<String, [Option<Instant>; 6]>,
    /// Came again.
    pub repeated: u64,
    /// (call, which) that came before something that goes before it.
    pub early: Vec<(String, usize)>,
    /// Most records in one post.
    pub records_max: usize,
    /// Posts, taken or not.
    pub posts: u64,
}

impl Told {
    fn take(&mut self, session: &str, which: usize) {
        let call = self.calls.entry(session.to_owned()).or_default();
        if call[which].replace(Instant::now()).is_some() {
            self.repeated += 1;
        } else if call[..which].iter().any(Option::is_none) {
            self.early.push((session.to_owned(), which));
        }
    }

    fn take_body(&mut self, body: &Value) {
        if body["eventType"] != "fee" {
            let session = body["statusInfo"]["sessionId"].as_str().unwrap();
            let which = ORDER.iter().position(|name| body["eventType"] == *name);
            return self.take(session, which.unwrap());
        }
        let fees = body["feeLst"].as_array().unwrap();
        self.records_max = self.records_max.max(fees.len());
        for fee in fees {
            self.take(fee["sessionId"].as_str().unwrap(), ORDER.len() - 1);
        }
    }

    /// How many different things were told.
    pub fn count(&self) -> usize {
        let of = |call: &[Option<Instant>; 6]| call.iter().flatten().count();
        self.calls.values().map(of).sum()
    }
}

struct Shared {
    told: Mutex<Told>,
    mood: Mutex<Mood>,
    open: AtomicUsize,
    open_max: AtomicUsize,
}

/// The server, up or down.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            told: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            open: AtomicUsize::new(0),
            open_max: AtomicUsize::new(0),
        });
        Self {
            address: listener.local_addr().unwrap(),
            serving: Some(tokio::spawn(serve(listener, Arc::clone(&shared)))),
            shared,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/told", self.address)
    }

    /// Connections are reset and new ones refused.
    pub async fn kill(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    pub async fn restart(&mut self) {
        self.kill().await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = Some(tokio::spawn(serve(listener, Arc::clone(&self.shared))));
    }

    pub fn mood(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    pub fn told<T>(&self, see: impl FnOnce(&Told) -> T) -> T {
        see(&self.shared.told.lock().unwrap())
    }

    /// Most posts that were with it at once.
    pub fn open_max(&self) -> usize {
        self.shared.open_max.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Goes with this task: whoever is connected then is cut off.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let answer = service_fn(move |request| answer(request, Arc::clone(&shared)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

/// Counts a post as long as it is here, however it ends.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let open = 1 + shared.open.fetch_add(1, Ordering::SeqCst);
    shared.open_max.fetch_max(open, Ordering::SeqCst);
    let _open = Open(Arc::clone(&shared));
    let body = request.into_body().collect().await?.to_bytes();
    let mood = *shared.mood.lock().unwrap();
    shared.told.lock().unwrap().posts += 1;
    let mut response = Response::new(Full::default());
    match mood {
        Mood::Failing => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        Mood::Mute => return Err("no answer".into()),
        Mood::Well | Mood::Slow(_) => {
            let body: Value = serde_json::from_slice(&body)?;
            shared.told.lock().unwrap().take_body(&body);
        }
    }
    if let Mood::Slow(time) = mood {
        tokio::time::sleep(time).await;
    }
    Ok::<_, Infallible>(response).map_err(Into::into)
}
