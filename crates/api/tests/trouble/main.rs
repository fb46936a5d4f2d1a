//! Receivers in trouble: killed, restarted, slow, failing; down for a day. What has been told to the journal arrives at
//! least once, in order for each call, and nobody else's receiver waits.
//!
//! A program of its own, so that its memory is that of the store and the deliverer.

#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod down;
mod random;
mod receiver;
#[path = "../it/told.rs"]
mod told;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_api::{Api, ApiConfig, ApiState, Deliverer, DelivererConfig, NoCalls, UrlSigner};
use axbridge_binding::AppId;
use axbridge_store::{AppSettings, Mode, NewApp, Secret, Store, StoreConfig};
use tokio::task::JoinHandle;

/// Store and deliverer over a folder that goes away.
struct Bed {
    store: Store,
    folder: PathBuf,
}

impl Bed {
    fn new(name: &str, adjust: impl FnOnce(&mut StoreConfig)) -> Self {
        let name = format!("trouble-{name}-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let mut config = StoreConfig::new(&folder);
        adjust(&mut config);
        let store = Store::open(config).unwrap();
        store.recover(|_| None).unwrap();
        Self { store, folder }
    }

    /// An application whose events and records go to one address, or to two.
    async fn app(&self, key: &str, events: String, records: String) -> AppId {
        let new = NewApp {
            key: key.into(),
            secret: Secret::new("s3cretS3cret"),
            sp_id: "acme".into(),
            mode: Mode::Axb,
            settings: AppSettings {
                call_status_url: Some(events),
                cdr_url: Some(records),
                ..AppSettings::default()
            },
        };
        self.store.create_app(new).await.unwrap().id
    }

    /// Starts delivering to the applications that there are.
    async fn deliver(&self, adjust: impl FnOnce(&mut DelivererConfig)) -> JoinHandle<()> {
        let mut config = told::deliverer_config();
        adjust(&mut config);
        let links = || UrlSigner::new([9; 32]);
        let calls = Arc::new(NoCalls);
        let state = ApiState::new(ApiConfig::default(), self.store.clone(), calls, links());
        let api = Api::new(state).await.unwrap();
        let apps = Arc::clone(api.applications());
        let deliverer = Deliverer::new(config, self.store.clone(), apps, links()).unwrap();
        tokio::spawn(deliverer.run(std::future::pending()))
    }

    /// Items that wait, and items that were given up.
    async fn waiting(&self) -> (u64, u64) {
        let stats = self.store.outbox_stats().await.unwrap();
        (stats.pending, stats.undelivered)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.store.close();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Waits until this holds, at most so long.
async fn until<F: Future<Output = bool>>(limit: Duration, what: &str, holds: impl Fn() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < limit, "not in {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
