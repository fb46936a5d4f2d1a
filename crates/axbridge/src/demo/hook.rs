//! The customer's server: takes events and call records, checks their signatures, keeps and shows them.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::aksk;
use super::scribe::Scribe;
use axbridge_numbering::Number;

/// One notification.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The JSON body.
    pub body: Value,
    /// What is wrong with its signature.
    pub fault: Option<String>,
}

/// Everything that came.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    /// At `/events`.
    pub events: Vec<Notice>,
    /// At `/records`.
    pub records: Vec<Notice>,
}

impl Notices {
    /// The call records in all posts of records.
    pub fn fees(&self) -> impl Iterator<Item = &Value> {
        self.records
            .iter()
            .filter_map(|n| n.body["feeLst"].as_array())
            .flatten()
    }
}

/// The running server.
#[derive(Clone)]
pub struct Hook {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    notices: Mutex<Notices>,
    /// Nonces seen: every notification needs its own.
    nonces: Mutex<HashSet<String>>,
    changed: watch::Sender<usize>,
    key: String,
    secret: String,
    scribe: Scribe,
}

impl Hook {
    /// Starts on loopback, at a port that the system chooses; runs until the runtime ends.
    pub async fn start(key: String, secret: String, scribe: Scribe) -> Result<Hook> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("the webhook receiver")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            notices: Mutex::default(),
            nonces: Mutex::default(),
            changed: watch::Sender::new(0),
            key,
            secret,
            scribe,
        });
        let router = Router::new()
            .route("/events", post(take))
            .route("/records", post(take))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Hook { shared, address })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What has come.
    pub fn notices(&self) -> Notices {
        self.shared.notices.lock().clone()
    }

    /// Waits until `enough`; whether it came to that in time.
    pub async fn wait(&self, patience: Duration, enough: impl Fn(&Notices) -> bool) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let reached = async {
            changed
                .wait_for(|_| enough(&self.shared.notices.lock()))
                .await
                .is_ok()
        };
        tokio::time::timeout(patience, reached)
            .await
            .unwrap_or(false)
    }
}

async fn take(
    State(hook): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let fault = match aksk::verify(&headers, &hook.key, &hook.secret) {
        Ok(nonce) if hook.nonces.lock().insert(nonce.clone()) => None,
        Ok(_) => Some("the nonce was used before".to_owned()),
        Err(fault) => Some(fault),
    };
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "{}");
    };
    let notice = Notice { body, fault };
    hook.show(&notice);
    match uri.path() {
        "/events" => hook.notices.lock().events.push(notice),
        _ => hook.notices.lock().records.push(notice),
    }
    hook.changed.send_modify(|n| *n += 1);
    (
        StatusCode::OK,
        r#"{"resultcode":"0","resultdesc":"Success"}"#,
    )
}

impl Shared {
    fn show(&self, notice: &Notice) {
        let signature = notice
            .fault
            .as_deref()
            .map_or("signature valid".to_owned(), |f| {
                format!("BAD SIGNATURE: {f}")
            });
        let kind = notice.body["eventType"].as_str().unwrap_or("?");
        let info = &notice.body["statusInfo"];
        if info.is_null() {
            self.scribe
                .line(&format!("webhook: call record ({signature})"));
            return self.scribe.json(&notice.body);
        }
        let name = |field: &str| {
            let number = info[field]
                .as_str()
                .and_then(|n| Number::parse_global(n).ok());
            number.map_or("?".to_owned(), |n| self.scribe.numbers().name(n))
        };
        let state = match info["stateDesc"].as_str() {
            Some(text) => format!(", {} {text}", info["stateCode"]),
            None => String::new(),
        };
        self.scribe.line(&format!(
            "webhook: {kind}, {} to {}{state} ({signature})",
            name("caller"),
            name("called")
        ));
    }
}
