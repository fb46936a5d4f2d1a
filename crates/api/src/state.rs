//! What every handler needs, and how it is put together.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use axbridge_call::Network;
use axbridge_store::{Store, StoreError};
use axum::Router;
use tokio::sync::watch;

use crate::apps::Applications;
use crate::auth::{AuthRules, Authenticator};
use crate::clock::{Clock, SystemClock};
use crate::control::CallControl;
use crate::links::{RecordingLinks, UrlSigner};
use crate::notify::TargetPolicy;
use crate::routes::{Route, Routes};
use crate::{admin, customer};

/// The address of the peer of the connection a request came by; put into the request's extensions by the server.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub IpAddr);

impl Default for PeerAddress {
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// What configuration decides about the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The bearer token of the operator API; without one (or with an empty one) the operator API is closed.
    pub operator_token: Option<String>,
    /// Authentication of customers.
    pub auth: AuthRules,
    /// Proxies whose forwarded headers are believed.
    pub proxies: Vec<Network>,
    /// The longest body of a customer request, in bytes.
    pub body_bytes_max: usize,
    /// The longest body of an operator request (prompts, number lists), in bytes.
    pub operator_body_bytes_max: usize,
    /// Where notifications may go.
    pub targets: TargetPolicy,
    /// The folder of published recordings; nothing outside of it is ever served.
    pub recordings_dir: PathBuf,
    /// How clients reach this API, without a slash at the end: `https://rtc.example`. Recording URLs begin with it.
    pub public_url: String,
    /// `recordDomain` of call records and of recording requests.
    pub record_domain: String,
    /// Prompts pass review as they are uploaded.
    pub prompts_pass: bool,
    /// The addresses that media may use, as configured and as the world sees them; a trunk may ask for these only.
    /// Empty: for any.
    pub media_ips: Vec<IpAddr>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            operator_token: None,
            auth: AuthRules::default(),
            proxies: Vec::new(),
            body_bytes_max: 64 * 1024,
            operator_body_bytes_max: 4 * 1024 * 1024,
            targets: TargetPolicy::default(),
            recordings_dir: PathBuf::from("recordings"),
            public_url: "http://127.0.0.1:8080".into(),
            record_domain: "localhost".into(),
            prompts_pass: false,
            media_ips: Vec::new(),
        }
    }
}

/// What the API is built from.
pub struct ApiState {
    /// Configuration.
    pub config: ApiConfig,
    /// The store.
    pub store: Store,
    /// The call side.
    pub control: Arc<dyn CallControl>,
    /// Signs recording URLs.
    pub links: UrlSigner,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl ApiState {
    /// With the machine's clock.
    #[must_use]
    pub fn new(
        config: ApiConfig,
        store: Store,
        control: Arc<dyn CallControl>,
        links: UrlSigner,
    ) -> Self {
        Self {
            config,
            store,
            control,
            links,
            clock: Arc::new(SystemClock),
        }
    }
}

/// The HTTP API; clones share it.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    state: ApiState,
    apps: Arc<Applications>,
    auth: Authenticator,
    links: RecordingLinks,
}

impl Api {
    /// Reads the applications and builds the API. From then on it follows the store's changes, whoever makes them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn new(state: ApiState) -> Result<Self, StoreError> {
        let apps = Applications::read(&state.store).await?;
        Self::over(state, apps).await
    }

    /// The same over applications that others know already; from then on they are kept current for them, too.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn over(state: ApiState, apps: Arc<Applications>) -> Result<Self, StoreError> {
        let changes = state.store.changes();
        apps.reload(&state.store).await?;
        let auth = Authenticator::new(state.config.auth.clone(), Arc::clone(&apps));
        let links = RecordingLinks::new(state.links.clone(), state.config.public_url.clone());
        let inner = Arc::new(Inner {
            state,
            apps,
            auth,
            links,
        });
        tokio::spawn(follow(Arc::downgrade(&inner), changes));
        Ok(Self { inner })
    }

    /// All routes: customers' and operator's.
    pub fn router(&self) -> Router {
        let routes = customer::routes().merge(admin::routes(self));
        self.finished(routes)
    }

    /// The customers' routes alone, for an address of their own.
    pub fn customer_router(&self) -> Router {
        self.finished(customer::routes())
    }

    /// The operator's routes alone, for an address of their own.
    pub fn operator_router(&self) -> Router {
        self.finished(admin::routes(self))
    }

    fn finished(&self, routes: Routes<Api>) -> Router {
        routes
            .into_router()
            .fallback(customer::not_found)
            .with_state(self.clone())
    }

    /// The customers' addresses.
    #[must_use]
    pub fn customer_routes() -> Vec<Route> {
        customer::routes().list().to_vec()
    }

    /// The operator's addresses.
    #[must_use]
    pub fn operator_routes(&self) -> Vec<Route> {
        let listed = admin::routes(self);
        let named = listed.list().iter().filter(|r| !r.methods.is_empty());
        named.copied().collect()
    }

    /// The applications, kept current; the [`crate::Deliverer`] needs them.
    #[must_use]
    pub fn applications(&self) -> &Arc<Applications> {
        &self.inner.apps
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.inner.state.config
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.state.store
    }

    pub(crate) fn control(&self) -> &dyn CallControl {
        &*self.inner.state.control
    }

    pub(crate) fn links(&self) -> &RecordingLinks {
        &self.inner.links
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.state.clock
    }

    pub(crate) fn auth(&self) -> &Authenticator {
        &self.inner.auth
    }

    /// After a change by the operator: what was changed counts from the next request on.
    pub(crate) async fn reload(&self) -> Result<(), StoreError> {
        self.inner.apps.reload(self.store()).await
    }
}

/// Reads the applications again after each change, until the API or the store is gone.
async fn follow(api: Weak<Inner>, mut changes: watch::Receiver<u64>) {
    while changes.changed().await.is_ok() {
        let Some(api) = api.upgrade() else { return };
        if let Err(error) = api.apps.reload(&api.state.store).await {
            tracing::warn!(%error, "cannot read the applications again; the old ones stay");
        }
    }
}
