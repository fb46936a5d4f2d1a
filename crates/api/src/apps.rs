//! The applications as the API needs them at every request: in memory, replaced whole when the operator changes one.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axbridge_call::Network;
use axbridge_store::{App, Configuration, Store, StoreError};

use crate::auth::Rate;

/// One application, with what is read from its settings once.
#[derive(Debug)]
pub struct Application {
    /// Its number in the store.
    pub id: u32,
    /// The application as stored.
    pub record: App,
    allowed: Vec<Network>,
    restricted: bool,
    prompts: HashSet<Arc<str>>,
}

impl Application {
    fn new(record: App, prompts: HashSet<Arc<str>>) -> Self {
        let list = &record.settings.ip_allow_list;
        Self {
            id: record.id.0,
            // An entry that cannot be read admits nobody, but the list still counts as a list.
            allowed: list.iter().filter_map(|n| n.parse().ok()).collect(),
            restricted: !list.is_empty(),
            record,
            prompts,
        }
    }

    /// Whether requests may come from this address.
    #[must_use]
    pub fn admits(&self, from: IpAddr) -> bool {
        !self.restricted || self.allowed.iter().any(|n| n.contains(from))
    }

    /// The name of a voice file that was uploaded for it and passed review.
    #[must_use]
    pub fn prompt(&self, name: &str) -> Option<Arc<str>> {
        self.prompts.get(name).cloned()
    }

    /// Its request rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        Rate {
            per_second: self.record.settings.rate_per_s,
            burst: self.record.settings.rate_burst,
        }
    }
}

/// All applications, by key and by number.
#[derive(Debug, Default)]
pub struct Applications {
    index: ArcSwap<Index>,
    /// One reload at a time: a slow one must not put an older state over a newer.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Index {
    by_key: HashMap<String, Arc<Application>>,
    by_id: HashMap<u32, Arc<Application>>,
}

impl Applications {
    /// Reads all of them from the store, for whoever needs them before there is an [`Api`](crate::Api).
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(store: &Store) -> Result<Arc<Self>, StoreError> {
        let apps = Arc::new(Self::default());
        apps.reload(store).await?;
        Ok(apps)
    }

    /// Replaces all of them.
    fn replace(&self, configuration: Configuration) {
        let mut prompts: HashMap<u32, HashSet<Arc<str>>> = HashMap::new();
        for file in configuration.prompts {
            prompts
                .entry(file.app.0)
                .or_default()
                .insert(file.name.into());
        }
        let mut index = Index::default();
        for app in configuration.apps {
            let files = prompts.remove(&app.id.0).unwrap_or_default();
            let app = Arc::new(Application::new(app, files));
            index
                .by_key
                .insert(app.record.key.clone(), Arc::clone(&app));
            index.by_id.insert(app.id, app);
        }
        self.index.store(Arc::new(index));
    }

    /// Reads all of them from the store.
    ///
    /// # Errors
    /// Those of the store; then the old ones stay.
    pub async fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let _one_at_a_time = self.loading.lock().await;
        self.replace(store.configuration().await?);
        Ok(())
    }

    /// The application with this key.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Option<Arc<Application>> {
        self.index.load().by_key.get(key).cloned()
    }

    /// The application with this number.
    #[must_use]
    pub fn by_id(&self, id: u32) -> Option<Arc<Application>> {
        self.index.load().by_id.get(&id).cloned()
    }
}
