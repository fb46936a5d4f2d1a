//! The deliverer: takes what is due from the outbox and posts it.
//!
//! The store hands out only the head of each call's chain, so order within a call is kept by never having two of its
//! notifications on the way. Each application (events and records apart) has a lane with a bound on posts at once; a
//! lane whose receiver keeps failing shrinks to one post, and a lane with nothing on the way may always send one, so
//! that receivers that are down can fill neither the total nor the memory.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::AppId;
use axbridge_call::Fact;
use axbridge_store::{Due, OutboxKind, RecordingFormat, Store};
use tokio::task::JoinSet;

use super::ask::signer;
use super::num_status::number_status_body;
use super::render::{Origin, event_body, records_body};
use super::sender::{SendError, Sender};
use super::target::TargetPolicy;
use crate::apps::{Application, Applications};
use crate::links::{RecordingLinks, UrlSigner};

/// Failures in a row after which a lane sends one at a time.
const FAILURES_TO_SHRINK: u32 = 3;
/// Until the outcome of a post that could not be noted is noted again; doubled each time.
const REPORT_AGAIN: Duration = Duration::from_millis(100);
const REPORT_AGAIN_MAX: Duration = Duration::from_secs(2);
/// At least this long between two looks into the outbox.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(5);

/// How notifications are delivered.
#[derive(Debug, Clone)]
pub struct DelivererConfig {
    /// Posts at once to one application, for events and for records each.
    pub per_app: u32,
    /// Posts at once to all applications.
    pub total: usize,
    /// Time for one post, connection included.
    pub timeout: Duration,
    /// How often to look for retries that became due.
    pub poll_every: Duration,
    /// Where notifications may go.
    pub targets: TargetPolicy,
    /// What call records say about this installation.
    pub origin: Origin,
    /// How clients reach the API: recording URLs begin with it.
    pub public_url: String,
}

impl Default for DelivererConfig {
    fn default() -> Self {
        Self {
            per_app: 16,
            total: 512,
            timeout: Duration::from_secs(5),
            poll_every: Duration::from_secs(1),
            targets: TargetPolicy::default(),
            origin: Origin::default(),
            public_url: "http://127.0.0.1:8080".into(),
        }
    }
}

/// Delivers notifications until it is stopped.
pub struct Deliverer {
    shared: Arc<Shared>,
}

struct Shared {
    config: DelivererConfig,
    store: Store,
    apps: Arc<Applications>,
    links: RecordingLinks,
    sender: Sender,
}

#[derive(Default)]
struct Lane {
    running: u32,
    failures: u32,
}

/// An application, and whether its records are meant (or else its events).
type LaneKey = (AppId, bool);

impl Deliverer {
    /// A deliverer over this outbox.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(
        config: DelivererConfig,
        store: Store,
        apps: Arc<Applications>,
        links: UrlSigner,
    ) -> Result<Self, rustls::Error> {
        let sender = Sender::new(config.targets.clone(), config.timeout)?;
        Ok(Self::with_sender(config, store, apps, links, sender))
    }

    /// The same with a sender of one's own (other trust anchors).
    #[must_use]
    pub fn with_sender(
        config: DelivererConfig,
        store: Store,
        apps: Arc<Applications>,
        links: UrlSigner,
        sender: Sender,
    ) -> Self {
        let links = RecordingLinks::new(links, config.public_url.clone());
        Self {
            shared: Arc::new(Shared {
                config,
                store,
                apps,
                links,
                sender,
            }),
        }
    }

    /// Delivers until `shutdown` is ready; posts on the way then have their time to end. What is not reported by
    /// then is sent again after the next start: at least once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let shared = self.shared;
        let mut changes = shared.store.outbox_changes();
        let mut lanes: HashMap<LaneKey, Lane> = HashMap::new();
        let mut posts = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            changes.borrow_and_update();
            start_due(&shared, &mut lanes, &mut posts).await;
            tokio::select! {
                () = &mut shutdown => break,
                changed = changes.changed() => if changed.is_err() {
                    // The store is closing: nothing more will come.
                    tokio::time::sleep(shared.config.poll_every).await;
                },
                Some(ended) = posts.join_next(), if !posts.is_empty() => note_end(&mut lanes, ended),
                () = tokio::time::sleep(shared.config.poll_every) => {}
            }
            while let Some(ended) = posts.try_join_next() {
                note_end(&mut lanes, ended);
            }
            // One look serves everything that happens within a moment.
            tokio::time::sleep(LOOK_EVERY_MIN).await;
        }
        let grace = shared.config.timeout + Duration::from_secs(1);
        let _ =
            tokio::time::timeout(grace, async { while posts.join_next().await.is_some() {} }).await;
    }
}

fn note_end(
    lanes: &mut HashMap<LaneKey, Lane>,
    ended: Result<(LaneKey, bool), tokio::task::JoinError>,
) {
    let Ok((key, delivered)) = ended else {
        tracing::error!("a notification's task broke off");
        return;
    };
    if let Some(lane) = lanes.get_mut(&key) {
        lane.running = lane.running.saturating_sub(1);
        lane.failures = if delivered {
            0
        } else {
            lane.failures.saturating_add(1)
        };
        if lane.running == 0 && lane.failures == 0 {
            lanes.remove(&key);
        }
    }
}

/// Starts as much of what is due as the lanes allow and gives the rest back.
async fn start_due(
    shared: &Arc<Shared>,
    lanes: &mut HashMap<LaneKey, Lane>,
    posts: &mut JoinSet<(LaneKey, bool)>,
) {
    let batches = match shared.store.outbox_due(shared.config.per_app.max(1)).await {
        Ok(batches) => batches,
        Err(error) => {
            tracing::warn!(%error, "cannot read the outbox");
            return;
        }
    };
    let mut back = Vec::new();
    for due in batches {
        let key = (due.app, due.kind == OutboxKind::Record);
        let lane = lanes.entry(key).or_default();
        let limit = if lane.failures >= FAILURES_TO_SHRINK {
            1
        } else {
            shared.config.per_app.max(1)
        };
        let room = lane.running == 0 || (lane.running < limit && posts.len() < shared.config.total);
        if !room {
            back.extend(due.items.iter().map(|i| i.id));
            continue;
        }
        lane.running += 1;
        let shared = Arc::clone(shared);
        posts.spawn(async move { (key, shared.deliver(due).await) });
    }
    if !back.is_empty() {
        shared.store.outbox_released(&back).await;
    }
}

/// What is to become of a batch.
enum Verdict {
    Delivered,
    /// There is nothing to send it to.
    Unwanted,
    Failed(SendError),
    /// It can never be sent.
    Hopeless(&'static str),
}

impl Shared {
    /// Sends one batch and reports it; `true` unless the receiver failed.
    async fn deliver(&self, due: Due) -> bool {
        let began = Instant::now();
        let kind = match due.kind {
            OutboxKind::Event => "event",
            OutboxKind::Record => "record",
            OutboxKind::NumberStatus => "number_status",
        };
        let ids: Vec<i64> = due.items.iter().map(|i| i.id).collect();
        let app = due.app.0;
        let verdict = self.send(due).await;
        let (result, ok) = match &verdict {
            Verdict::Delivered => ("delivered", true),
            Verdict::Unwanted => ("unwanted", true),
            Verdict::Failed(error) => {
                tracing::info!(app, kind, %error, "notification not delivered");
                ("failed", false)
            }
            Verdict::Hopeless(why) => {
                tracing::warn!(app, kind, why, "notification given up");
                ("given_up", true)
            }
        };
        metrics::counter!("axbridge_notifications_total", "kind" => kind, "result" => result)
            .increment(1);
        metrics::histogram!("axbridge_notification_seconds", "kind" => kind)
            .record(began.elapsed());
        self.report(&verdict, ids).await;
        ok
    }

    /// Notes the outcome, however long the store cannot: to post it again instead would be to post it without end.
    /// Meanwhile the place in the lane stays taken. A notification whose outcome is never noted (the process ends)
    /// comes a second time.
    async fn report(&self, verdict: &Verdict, ids: Vec<i64>) {
        let mut pause = REPORT_AGAIN;
        loop {
            let ids = ids.clone();
            let reported = match verdict {
                Verdict::Delivered | Verdict::Unwanted => self.store.outbox_delivered(ids).await,
                Verdict::Failed(_) => self.store.outbox_failed(ids).await,
                Verdict::Hopeless(_) => self.store.outbox_undelivered(ids).await,
            };
            let Err(error) = reported else { return };
            tracing::warn!(%error, "cannot note the outcome of a notification; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(REPORT_AGAIN_MAX);
        }
    }

    async fn send(&self, due: Due) -> Verdict {
        let Some(app) = self.apps.by_id(due.app.0) else {
            return Verdict::Hopeless("the application does not exist any more");
        };
        let settings = &app.record.settings;
        let url = match due.kind {
            OutboxKind::Event => settings.call_status_url.as_deref(),
            OutboxKind::Record => settings.cdr_url.as_deref(),
            OutboxKind::NumberStatus => {
                let own = settings.number_status_url.as_deref();
                own.or(settings.call_status_url.as_deref())
            }
        };
        let Some(url) = url else {
            return Verdict::Unwanted;
        };
        let facts: Vec<Fact> = due.items.into_iter().map(|i| i.fact).collect();
        let Some(body) = self.body(due.kind, &app, &facts) else {
            return Verdict::Hopeless("a fact of an unknown kind");
        };
        match self
            .sender
            .post(url, signer(&app), body, self.store.now_ms())
            .await
        {
            Ok(()) => Verdict::Delivered,
            Err(error) => Verdict::Failed(error),
        }
    }

    fn body(&self, kind: OutboxKind, app: &Application, facts: &[Fact]) -> Option<Vec<u8>> {
        match kind {
            OutboxKind::Event => event_body(facts.first()?),
            OutboxKind::NumberStatus => number_status_body(facts),
            OutboxKind::Record => {
                let now_ms = self.store.now_ms();
                let alaw = app.record.settings.recording_format == RecordingFormat::Alaw;
                records_body(facts, &app.record.sp_id, &self.config.origin, |object| {
                    self.links.url(&app.record.key, object, now_ms, alaw)
                })
            }
        }
    }
}
