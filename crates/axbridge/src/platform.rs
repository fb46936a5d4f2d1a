//! The parts put together: store, directory, engine, APIs, deliverer. Started in the order in which they need each
//! other, stopped in the opposite one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axbridge_api::{
    Api, ApiConfig, ApiState, Applications, Deliverer, DelivererConfig, ServeConfig, TargetPolicy,
    UrlSigner, notify,
};
use axbridge_binding::Table;
use axbridge_call::{Directory, SwitchConfig};
use axbridge_engine::recording::RecordingConfig;
use axbridge_engine::{
    Engine, EngineConfig, EngineHandle, Journal, ListenAt, OracleRef, ports::PortConfig,
};
use axbridge_media::tone;
use axbridge_sip::EndpointConfig;
use axbridge_store::{Store, StoreConfig};
use rand::RngCore;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::control::EngineControl;
use crate::oracle::Outside;
use crate::texts::Texts;
use crate::{directory, metrics, recordings, secret};

/// A running platform.
pub struct Platform {
    config: Config,
    store: Store,
    engine: EngineHandle,
    texts: Texts,
    stop: watch::Sender<bool>,
    /// Ends what serves customers before the calls are over, and what delivers after.
    front: Vec<JoinHandle<()>>,
    back: Vec<JoinHandle<()>>,
    stop_back: watch::Sender<bool>,
    addresses: Addresses,
}

/// Where the platform listens; ports that the system chose are filled in.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// SIP: transport and address.
    pub sip: Vec<(axbridge_sip::Transport, SocketAddr)>,
    /// The customers' API.
    pub api: SocketAddr,
    /// The operator's API.
    pub admin: SocketAddr,
    /// Prometheus.
    pub metrics: Option<SocketAddr>,
}

impl Platform {
    /// Opens the data folder, repairs what a killed process left, and starts everything.
    ///
    /// # Errors
    /// What could not be opened or bound, in words for the operator.
    pub async fn start(config: Config) -> Result<Platform> {
        let recording = recording_config(&config);
        let store = open_store(&config)?;
        let repaired = recordings::repair(&store, &recording).await?;
        let table = Arc::new(Table::with_capacity(2 * config.store.bindings_expected));
        let loaded = store
            .load_table(Arc::clone(&table))
            .await
            .context("loading bindings")?;
        tracing::info!(
            bindings = loaded.bindings,
            numbers = loaded.numbers,
            took_ms = loaded.took.as_millis() as u64,
            calls_ended = repaired.calls_ended,
            "bindings loaded"
        );
        let directory = Arc::new(Directory::new(table));
        let changes = store.changes();
        let callin = callin_timeout(&config);
        directory::publish(&store, &directory, callin).await?;
        let apps = Applications::read(&store)
            .await
            .context("reading applications")?;
        let metrics = metrics::install(&config)?;
        let mut texts = Texts::new(&config, store.clone(), Arc::clone(&directory));
        let outside = Surroundings {
            directory: &directory,
            store: &store,
            apps: &apps,
            texts: &texts,
        };
        let engine = start_engine(&config, recording.clone(), &outside)?;
        let text_sender = notify::Sender::new(
            targets(&config),
            Duration::from_millis(config.notify.timeout_ms),
        )
        .context("TLS for questions about texts")?;
        texts.start(&config, engine.clone(), Arc::clone(&apps), text_sender)?;
        let (stop, stopped) = watch::channel(false);
        let (stop_back, back_stopped) = watch::channel(false);
        let mut platform = Platform {
            addresses: Addresses {
                sip: engine
                    .listening()
                    .iter()
                    .map(|l| (l.transport, l.local))
                    .collect(),
                api: config.api.listen,
                admin: config.admin.listen,
                metrics: None,
            },
            store,
            engine,
            texts,
            stop,
            stop_back,
            front: Vec::new(),
            back: Vec::new(),
            config,
        };
        platform.back.push(directory::follow(
            platform.store.clone(),
            directory,
            callin,
            changes,
            back_stopped.clone(),
        ));
        platform.back.push(recordings::sweep(
            platform.store.clone(),
            recording.served_dir.clone(),
            back_stopped.clone(),
        ));
        platform
            .serve(apps, recording.served_dir, stopped, back_stopped.clone())
            .await?;
        if let (Some(recorder), Some(listen)) = (metrics, platform.config.metrics.listen) {
            let (address, task) =
                metrics::serve(recorder, listen, platform.store.clone(), back_stopped).await?;
            platform.addresses.metrics = Some(address);
            platform.back.push(task);
        }
        Ok(platform)
    }

    /// Starts the APIs and the deliverer.
    async fn serve(
        &mut self,
        apps: Arc<Applications>,
        recordings_dir: PathBuf,
        stopped: watch::Receiver<bool>,
        back: watch::Receiver<bool>,
    ) -> Result<()> {
        let config = &self.config;
        let api_listener = bind(config.api.listen, "api").await?;
        let admin_listener = bind(config.admin.listen, "admin").await?;
        self.addresses.api = api_listener.local_addr()?;
        self.addresses.admin = admin_listener.local_addr()?;
        let tls = config.api.tls_certificate.is_some();
        let scheme = if tls { "https" } else { "http" };
        let public_url = config
            .api
            .public_url
            .clone()
            .unwrap_or_else(|| format!("{scheme}://{}", self.addresses.api));
        let targets = targets(config);
        let token = secret::operator_token(config)?;
        let links = UrlSigner::from_file(&config.store.dir.join("url-key"))
            .context("the key of recording URLs")?;
        let api_config = ApiConfig {
            operator_token: Some(token),
            proxies: config.api.proxies.clone(),
            targets: targets.clone(),
            recordings_dir,
            public_url: public_url.clone(),
            record_domain: config.node.host.clone(),
            prompts_pass: config.prompts.auto_pass,
            media_ips: config.media_addresses(),
            ..ApiConfig::default()
        };
        let control = Arc::new(EngineControl::new(self.engine.clone()));
        let state = ApiState::new(api_config, self.store.clone(), control, links.clone());
        let api = Api::over(state, apps).await?;
        let deliverer_config = DelivererConfig {
            per_app: config.notify.per_app,
            total: config.notify.total,
            timeout: Duration::from_millis(config.notify.timeout_ms),
            targets,
            origin: axbridge_api::notify::Origin {
                host_name: config.node.host.clone(),
                record_domain: config.node.host.clone(),
            },
            public_url,
            ..DelivererConfig::default()
        };
        let deliverer = Deliverer::new(
            deliverer_config,
            self.store.clone(),
            Arc::clone(api.applications()),
            links,
        )?;
        self.back.push(tokio::spawn(deliverer.run(until(back))));
        let serve_config = |certificate: &Option<PathBuf>,
                            key: &Option<PathBuf>|
         -> Result<ServeConfig> {
            let tls = match (certificate, key) {
                (Some(chain), Some(key)) => Some(axbridge_api::tls_from_files(chain, key)?),
                _ => None,
            };
            let (keep_alive, connections_max) = (config.api.keep_alive, config.api.connections_max);
            Ok(ServeConfig {
                tls,
                keep_alive,
                connections_max,
                ..ServeConfig::default()
            })
        };
        let for_api = serve_config(&config.api.tls_certificate, &config.api.tls_key)?;
        let for_admin = serve_config(&config.admin.tls_certificate, &config.admin.tls_key)?;
        let customers = axbridge_api::serve(
            api_listener,
            api.customer_router(),
            for_api,
            until(stopped.clone()),
        );
        let operators = axbridge_api::serve(
            admin_listener,
            api.operator_router(),
            for_admin,
            until(stopped),
        );
        self.front.push(tokio::spawn(customers));
        self.front.push(tokio::spawn(operators));
        Ok(())
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The store.
    #[allow(dead_code)] // The demo looks into it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Refuses new calls, lets the ones there are go on for `patience`, then stops everything; what was told is on
    /// the disk when this returns.
    pub async fn stop(mut self, patience: Duration) {
        let ended = self.engine.drain(patience).await;
        // Before what they are sent by.
        self.texts.stop().await;
        if ended > 0 {
            tracing::warn!(calls = ended, "calls were ended by the stop");
        }
        self.engine.shutdown().await;
        let _ = tokio::time::timeout(Duration::from_secs(10), self.store.journal_settled()).await;
        // Receivers that are up get what waits; the others get it after the next start.
        self.deliver_what_waits(Duration::from_secs(5)).await;
        let _ = self.stop.send(true);
        let _ = self.stop_back.send(true);
        for task in self.front.into_iter().chain(self.back) {
            let _ = tokio::time::timeout(Duration::from_secs(12), task).await;
        }
        let store = self.store;
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
    }

    async fn deliver_what_waits(&self, patience: Duration) {
        let mut changes = self.store.outbox_changes();
        let waited = async {
            while self.store.outbox_stats().await.is_ok_and(|s| s.pending > 0) {
                // Woken by deliveries, and looking again in any case.
                let _ = tokio::time::timeout(Duration::from_millis(50), changes.changed()).await;
            }
        };
        let _ = tokio::time::timeout(patience, waited).await;
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|s| *s).await;
}

async fn bind(address: SocketAddr, section: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "[{section}] listen = \"{address}\": is another program using it? Choose another port"
        )
    })
}

fn open_store(config: &Config) -> Result<Store> {
    let dir = &config.store.dir;
    let store_config = StoreConfig {
        journal_bytes_max: config.store.journal_bytes_max,
        records_kept_days: config.store.records_kept_days,
        retry_minute_ms: config.test.retry_minute_ms,
        ..StoreConfig::new(dir)
    };
    Store::open(store_config).with_context(|| format!("[store] dir = \"{}\"", dir.display()))
}

/// Folders of recordings.
pub fn recording_config(config: &Config) -> RecordingConfig {
    let dir = match config.recording.dir.as_os_str().is_empty() {
        true => config.store.dir.join("recordings"),
        false => config.recording.dir.clone(),
    };
    RecordingConfig {
        served_dir: dir.join("published"),
        partial_dir: dir.join("partial"),
        writers: config.recording.writers.max(1),
        ..RecordingConfig::under(Path::new(&dir))
    }
}

fn targets(config: &Config) -> TargetPolicy {
    TargetPolicy {
        allow_private: config.notify.allow_private,
        allowed: config.notify.allowed.clone(),
    }
}

fn callin_timeout(config: &Config) -> Duration {
    Duration::from_millis(config.notify.callin_timeout_ms)
}

/// Who answers the questions of calls.
fn oracle(config: &Config, store: &Store, apps: &Arc<Applications>) -> Result<OracleRef> {
    let rules = notify::AskRules {
        timeout: callin_timeout(config),
        ..notify::AskRules::default()
    };
    let sender = notify::Sender::new(targets(config), rules.timeout)?;
    let asker = notify::Asker::new(Arc::clone(apps), sender, rules);
    Ok(OracleRef(Arc::new(Outside::new(store.clone(), asker))))
}

/// What calls and texts reach outside of the engine.
struct Surroundings<'a> {
    directory: &'a Arc<Directory>,
    store: &'a Store,
    apps: &'a Arc<Applications>,
    texts: &'a Texts,
}

fn start_engine(
    config: &Config,
    recording: RecordingConfig,
    outside: &Surroundings<'_>,
) -> Result<EngineHandle> {
    let (directory, store, apps) = (outside.directory, outside.store, outside.apps);
    let listen: Vec<ListenAt> = config
        .sip
        .listen
        .iter()
        .map(|l| ListenAt {
            transport: l.transport,
            address: l.address,
            advertised: config.advertised(l.address),
        })
        .collect();
    let engine = EngineConfig {
        listen,
        shards: config.sip.shards,
        media_workers: config.media.workers,
        sessions: axbridge_media::SessionConfig {
            no_media_after: Duration::from_secs(config.media.no_media_after_s),
            ..axbridge_media::SessionConfig::default()
        },
        ports: PortConfig {
            ips: config.media.ips.clone(),
            range: (config.media.port_min, config.media.port_max),
            ..PortConfig::default()
        },
        media_advertised: config.media_advertised(),
        recording,
        tcp: axbridge_engine::TcpConfig {
            connections_max: config.sip.tcp_connections_max,
            idle: Duration::from_secs(config.sip.tcp_idle_s),
            ..axbridge_engine::TcpConfig::default()
        },
        overload_delay: Duration::from_millis(config.sip.overload_delay_ms),
        udp_buffer_bytes: config.sip.udp_buffer_bytes,
        texts: Some(outside.texts.desk()),
        oracle: Some(oracle(config, store, apps)?),
        // Tags, branches and SSRCs follow from it: it has to be unguessable.
        seed: rand::rng().next_u64(),
        ..EngineConfig::loopback(&config.store.dir)
    };
    let switch = SwitchConfig {
        node: config.node.name.clone(),
        host: config.node.host.clone(),
        shard: 0,
        shards: config.sip.shards,
        listen: Vec::new(),
        calls_max: config.sip.calls_max.div_ceil(config.sip.shards),
        minute: Duration::from_millis(config.test.minute_ms),
        closing_max: Duration::from_secs(10),
        ring_back: Arc::new(ring_back(config)?),
        trace: config.store.call_traces,
        sip: EndpointConfig {
            user_agent: config.sip.user_agent.clone(),
            ..EndpointConfig::default()
        },
    };
    let mut journals: Vec<Box<dyn Journal>> = Vec::new();
    for shard in 0..config.sip.shards {
        journals.push(Box::new(store.journal_writer(shard)?));
    }
    Engine::start(engine, switch, Arc::clone(directory), journals)
        .context("starting calls and media")
}

fn ring_back(config: &Config) -> Result<axbridge_media::Prompt> {
    let p = &config.prompts;
    if !(100..=3400).contains(&p.ring_back_hz) || p.ring_back_on_ms == 0 {
        bail!("[prompts] ring_back_hz must be 100 to 3400 and ring_back_on_ms above 0");
    }
    let cadence = tone::Cadence {
        frequency_hz: p.ring_back_hz,
        on_ms: p.ring_back_on_ms,
        off_ms: p.ring_back_off_ms,
        ..tone::Cadence::default()
    };
    Ok(cadence.prompt())
}
