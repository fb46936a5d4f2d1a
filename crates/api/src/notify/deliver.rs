//! The deliverer: takes what is due from the outbox and posts it.
//!
//! The store hands out only the head of each call's chain, so order within a call is kept by never having two of its
//! notifications on the way. Each application (events and records apart) has a lane with a bound on posts at once; a
//! lane whose receiver keeps failing shrinks to one post, and a lane with nothing on the way may always send one, so
//! that receivers that are down can fill neither the total nor the memory.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::AppId;
use axbridge_call::Fact;
use axbridge_store::{Due, OutboxKind, RecordingFormat, Store};
use tokio::task::JoinSet;

use super::ask::signer;
use super::num_status::number_status_body;
use super::render::{Account, Origin, event_body, records_body};
use super::sender::{SendError, Sender};
use super::target::TargetPolicy;
use super::text::text_body;
use crate::apps::{Application, Applications};
use crate::links::{RecordingLinks, UrlSigner};

/// Failures in a row after which a lane sends one at a time.
const FAILURES_TO_SHRINK: u32 = 3;
/// At least this long between two looks into the outbox. Each look also reports everything that ended since the last:
/// one transaction for all of it, instead of one and a sync of the disk for each post.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(20);
/// Taken from the outbox ahead of the posts at once, so that a lane does not stand still between two looks.
const AHEAD: u32 = 8;
/// Until the outcome of posts that could not be noted is noted again; doubled each time.
const REPORT_AGAIN: Duration = Duration::from_millis(100);
const REPORT_AGAIN_MAX: Duration = Duration::from_secs(2);
/// How long the last outcomes are tried to be noted when the deliverer stops.
const REPORT_AT_END: Duration = Duration::from_secs(5);

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
    /// Taken from the outbox and not sent yet; bounded by what is taken at once.
    waiting: VecDeque<Due>,
}

impl Lane {
    fn limit(&self, per_app: u32) -> u32 {
        if self.failures >= FAILURES_TO_SHRINK {
            1
        } else {
            per_app
        }
    }
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
        let mut rounds = Rounds {
            shared,
            lanes: HashMap::new(),
            posts: JoinSet::new(),
            ended: Vec::new(),
            pause: REPORT_AGAIN,
        };
        let poll_every = rounds.shared.config.poll_every;
        let mut looked = Instant::now();
        let mut look_at = looked;
        let mut gap = LOOK_EVERY_MIN;
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                changed = changes.changed() => {
                    // The store is closing when this fails: nothing more will come.
                    let pause = if changed.is_ok() { gap } else { poll_every };
                    look_at = look_at.min(looked + pause);
                    changes.borrow_and_update();
                    if changed.is_err() {
                        tokio::time::sleep(pause).await;
                    }
                }
                Some(ended) = rounds.posts.join_next(), if !rounds.posts.is_empty() => {
                    rounds.note_end(ended);
                    look_at = look_at.min(looked + gap);
                }
                () = tokio::time::sleep_until(look_at.into()) => {
                    looked = Instant::now();
                    // While outcomes cannot be noted nothing more is taken, so that what waits stays bounded.
                    if rounds.report().await {
                        rounds.take_due().await;
                        gap = LOOK_EVERY_MIN;
                        look_at = looked + poll_every;
                    } else {
                        gap = rounds.longer_pause();
                        look_at = looked + gap;
                    }
                }
            }
        }
        let grace = rounds.shared.config.timeout + Duration::from_secs(1);
        let _ = tokio::time::timeout(grace, rounds.finish()).await;
        let _ = tokio::time::timeout(REPORT_AT_END, async {
            while !rounds.report().await {
                tokio::time::sleep(rounds.longer_pause()).await;
            }
        })
        .await;
    }
}

/// A post that is over: its lane, what became of it, and the items that it carried.
struct Ended {
    key: LaneKey,
    outcome: Outcome,
    ids: Vec<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Failed,
    GivenUp,
}

/// What is on its way, and what is not reported yet.
struct Rounds {
    shared: Arc<Shared>,
    lanes: HashMap<LaneKey, Lane>,
    posts: JoinSet<Ended>,
    ended: Vec<Ended>,
    /// Until what could not be noted is noted again.
    pause: Duration,
}

impl Rounds {
    /// Takes what is due; what a lane cannot hold goes back.
    async fn take_due(&mut self) {
        let per_app = self.shared.config.per_app.max(1);
        let ahead = per_app.saturating_mul(AHEAD);
        let batches = match self.shared.store.outbox_due(ahead).await {
            Ok(batches) => batches,
            Err(error) => {
                tracing::warn!(%error, "cannot read the outbox");
                return;
            }
        };
        let mut back = Vec::new();
        for due in batches {
            let key = (due.app, due.kind == OutboxKind::Record);
            let lane = self.lanes.entry(key).or_default();
            // A lane whose receiver fails holds nothing back: its items are due again, for others to overtake.
            let room = if lane.failures >= FAILURES_TO_SHRINK {
                1
            } else {
                ahead
            };
            if lane.waiting.len() < room as usize {
                lane.waiting.push_back(due);
            } else {
                back.extend(due.items.iter().map(|i| i.id));
            }
        }
        let keys: Vec<_> = self.lanes.keys().copied().collect();
        for key in keys {
            self.start(key);
        }
        for lane in self.lanes.values_mut() {
            if lane.failures >= FAILURES_TO_SHRINK {
                let waiting = lane.waiting.drain(..).flat_map(|due| due.items);
                back.extend(waiting.map(|item| item.id));
            }
        }
        if !back.is_empty() {
            self.shared.store.outbox_released(&back).await;
        }
    }

    /// Starts as much of a lane as may run.
    fn start(&mut self, key: LaneKey) {
        let per_app = self.shared.config.per_app.max(1);
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let limit = lane.limit(per_app);
        while lane.running == 0
            || (lane.running < limit && self.posts.len() < self.shared.config.total)
        {
            let Some(due) = lane.waiting.pop_front() else {
                break;
            };
            lane.running += 1;
            let shared = Arc::clone(&self.shared);
            self.posts
                .spawn(async move { shared.deliver(key, due).await });
        }
        if lane.running == 0 && lane.failures == 0 && lane.waiting.is_empty() {
            self.lanes.remove(&key);
        }
    }

    fn note_end(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ok(ended) = ended else {
            tracing::error!("a notification's task broke off");
            return;
        };
        let key = ended.key;
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.running = lane.running.saturating_sub(1);
            lane.failures = if ended.outcome == Outcome::Failed {
                lane.failures.saturating_add(1)
            } else {
                0
            };
        }
        self.ended.push(ended);
        self.start(key);
    }

    /// Lets what is on its way come to its end; starts nothing more.
    async fn finish(&mut self) {
        let waiting = self.lanes.drain().flat_map(|(_, lane)| lane.waiting);
        let back: Vec<i64> = waiting.flat_map(|due| due.items).map(|i| i.id).collect();
        self.shared.store.outbox_released(&back).await;
        while let Some(ended) = self.posts.join_next().await {
            self.note_end(ended);
        }
    }

    /// Notes in the outbox what became of everything that ended. `false`: some of it could not be noted and is kept,
    /// to be noted later: to post it again instead would be to post it without end. A notification whose outcome is
    /// never noted (the process ends) comes a second time.
    async fn report(&mut self) -> bool {
        let ids = |outcome| -> Vec<i64> {
            let these = self.ended.iter().filter(|ended| ended.outcome == outcome);
            these.flat_map(|ended| &ended.ids).copied().collect()
        };
        let store = &self.shared.store;
        // Together, so that the store takes them in one transaction.
        let (delivered, failed, given_up) = tokio::join!(
            store.outbox_delivered(ids(Outcome::Delivered)),
            store.outbox_failed(ids(Outcome::Failed)),
            store.outbox_undelivered(ids(Outcome::GivenUp)),
        );
        self.ended.retain(|ended| match ended.outcome {
            Outcome::Delivered => delivered.is_err(),
            Outcome::Failed => failed.is_err(),
            Outcome::GivenUp => given_up.is_err(),
        });
        if let Some(error) = [delivered, failed, given_up]
            .into_iter()
            .find_map(Result::err)
        {
            tracing::warn!(%error, "cannot note the outcome of notifications; trying again");
        } else {
            self.pause = REPORT_AGAIN;
        }
        self.ended.is_empty()
    }

    /// The pause before the next attempt to note; each is twice the last.
    fn longer_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(REPORT_AGAIN_MAX);
        pause
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
    /// Sends one batch and says what became of it.
    async fn deliver(&self, key: LaneKey, due: Due) -> Ended {
        let began = Instant::now();
        let kind = match due.kind {
            OutboxKind::Event => "event",
            OutboxKind::Record => "record",
            OutboxKind::NumberStatus => "number_status",
            OutboxKind::Text => "text",
        };
        let ids: Vec<i64> = due.items.iter().map(|i| i.id).collect();
        let app = due.app.0;
        let verdict = self.send(due).await;
        let (result, outcome) = match verdict {
            Verdict::Delivered => ("delivered", Outcome::Delivered),
            Verdict::Unwanted => ("unwanted", Outcome::Delivered),
            Verdict::Failed(error) => {
                tracing::info!(app, kind, %error, "notification not delivered");
                ("failed", Outcome::Failed)
            }
            Verdict::Hopeless(why) => {
                tracing::warn!(app, kind, why, "notification given up");
                ("given_up", Outcome::GivenUp)
            }
        };
        metrics::counter!("axbridge_notifications_total", "kind" => kind, "result" => result)
            .increment(1);
        metrics::histogram!("axbridge_notification_seconds", "kind" => kind)
            .record(began.elapsed());
        Ended { key, outcome, ids }
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
            OutboxKind::Text => settings.sms.notify_url.as_deref(),
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
            OutboxKind::Text => text_body(facts.first()?),
            OutboxKind::Record => {
                let now_ms = self.store.now_ms();
                let alaw = app.record.settings.recording_format == RecordingFormat::Alaw;
                records_body(facts, Account::of(app), &self.config.origin, |object| {
                    self.links.url(&app.record.key, object, now_ms, alaw)
                })
            }
        }
    }
}
