//! A whole API over a store in a temporary folder, with a clock that the test moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axbridge_api::{
    Api, ApiConfig, ApiState, CallControl, Clock as _, ManualClock, NoCalls, PeerAddress, UrlSigner,
};
use axbridge_store::{Store, StoreConfig};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::client::Client;

pub const T0_MS: u64 = 1_893_553_445_000;
pub const T0_CREATED: &str = "2030-01-02T03:04:05Z";
pub const TOKEN: &str = "operator-token-of-the-test";
pub const A: &str = "+8613900000001";
pub const B: &str = "+8613900000002";
pub const X: &str = "+8617000000009";

/// A folder that goes when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("axbridge-api-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An answer, read.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        write!(f, "{} {:?} {text:.600}", self.status, self.headers)
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> String {
        self.json()["resultcode"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    }
}

pub struct Harness {
    pub router: Router,
    pub api: Api,
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub client: Client,
    pub folder: Folder,
}

impl Harness {
    /// One application `demo` with recording on, trunk 1 and the number X in 0755.
    pub async fn new() -> Self {
        Self::with(Arc::new(NoCalls), |_| {}).await
    }

    pub async fn with(control: Arc<dyn CallControl>, adjust: impl FnOnce(&mut ApiConfig)) -> Self {
        let folder = Folder::new();
        let clock = Arc::new(ManualClock::new(T0_MS));
        let mut store_config = StoreConfig::new(folder.0.join("store"));
        let of_store = Arc::clone(&clock);
        store_config.clock = Arc::new(move || of_store.wall_ms());
        let store = Store::open(store_config).unwrap();
        store.recover(|_| None).unwrap();
        std::fs::create_dir_all(folder.0.join("recordings")).unwrap();
        let mut config = ApiConfig {
            operator_token: Some(TOKEN.into()),
            recordings_dir: folder.0.join("recordings"),
            public_url: "http://rtc.example".into(),
            record_domain: "rec.example".into(),
            prompts_pass: true,
            ..ApiConfig::default()
        };
        config.targets.allow_private = true;
        adjust(&mut config);
        let mut state = ApiState::new(config, store.clone(), control, UrlSigner::new([9; 32]));
        state.clock = Arc::clone(&clock) as Arc<_>;
        let api = Api::new(state).await.unwrap();
        let client = Client {
            key: "demo".into(),
            secret: "s3cretS3cret".into(),
            created: T0_CREATED.into(),
        };
        let harness = Self {
            router: api.router(),
            api,
            store,
            clock,
            client,
            folder,
        };
        harness.furnish().await;
        harness
    }

    /// An API over another's store, without an operator token.
    pub async fn closed(other: &Harness) -> Self {
        let state = ApiState::new(
            ApiConfig::default(),
            other.store.clone(),
            Arc::new(NoCalls),
            UrlSigner::new([9; 32]),
        );
        let api = Api::new(state).await.unwrap();
        Self {
            router: api.router(),
            api,
            store: other.store.clone(),
            clock: Arc::clone(&other.clock),
            client: other.client.clone(),
            folder: Folder::new(),
        }
    }

    async fn furnish(&self) {
        let trunk = json!({"id": 1, "name": "carrier", "peers": ["127.0.0.1:5060"]});
        assert_eq!(
            self.operator(Method::PUT, "/trunks/1", &trunk).await.status,
            200
        );
        let app = json!({"key": "demo", "secret": "s3cretS3cret", "sp_id": "acme", "settings": {"recording": true}});
        assert_eq!(
            self.operator(Method::POST, "/applications", &app)
                .await
                .status,
            201
        );
        let numbers =
            json!({"app": "demo", "numbers": [{"number": X, "area": "0755", "trunk": 1}]});
        assert_eq!(
            self.operator(Method::POST, "/numbers", &numbers)
                .await
                .status,
            201
        );
    }

    pub fn recordings(&self) -> PathBuf {
        self.folder.0.join("recordings")
    }

    /// Sends a request as it is, from this address.
    pub async fn send_from(&self, peer: &str, request: Request<impl Into<Body>>) -> Answer {
        let mut request = request.map(Into::into);
        request
            .extensions_mut()
            .insert(PeerAddress(peer.parse().unwrap()));
        let (method, path) = (
            request.method().to_string(),
            request.uri().path().to_owned(),
        );
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            bytes,
        };
        crate::openapi::hold(&self.router, &method, &path, &answer).await;
        answer
    }

    pub async fn send(&self, request: Request<impl Into<Body>>) -> Answer {
        self.send_from("203.0.113.1", request).await
    }

    /// A signed request of the application `demo`.
    pub async fn call(&self, method: Method, uri: &str, body: &Value) -> Answer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut client = self.client.clone();
        client.created = axbridge_api::created_text(self.clock.wall_ms());
        self.send(client.request(method, uri, text)).await
    }

    /// A request of the operator.
    pub async fn operator(&self, method: Method, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin/v1{path}"))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(text)
            .unwrap();
        self.send(request).await
    }

    /// Uploads a prompt of half a second.
    pub async fn prompt(&self, name: &str) {
        self.prompt_of("demo", name).await;
    }

    /// The same for another application.
    pub async fn prompt_of(&self, key: &str, name: &str) {
        let request = Request::put(format!("/admin/v1/applications/{key}/prompts/{name}"))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "audio/wav")
            .body(wav(&vec![0; 4000]))
            .unwrap();
        assert_eq!(self.send(request).await.status, 201);
    }
}

/// 16-bit PCM, 8 kHz, mono.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let data = (samples.len() * 2) as u32;
    let mut out = Vec::new();
    out.extend(b"RIFF");
    out.extend((36 + data).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend(8000_u32.to_le_bytes());
    out.extend(16000_u32.to_le_bytes());
    out.extend(b"\x02\0\x10\0data");
    out.extend(data.to_le_bytes());
    samples.iter().for_each(|s| out.extend(s.to_le_bytes()));
    out
}

pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
