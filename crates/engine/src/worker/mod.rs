//! A media worker: one thread that owns the sockets and sessions of its calls.
//!
//! It drains whatever is ready at most once a millisecond: wake-ups cost as much as packets, and audio in packets of
//! 20 ms does not feel one millisecond. No lock is taken on the way of a packet.

mod session;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axbridge_call::CallKey;
use axbridge_media as media;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use slab::Slab;
use tokio::sync::mpsc;

use crate::clock;
use crate::inbox::MediaNews;
use crate::kernel::{Poller, ReadyList, Waker};
use crate::ports::LegSockets;
use crate::recording::{Recorder, RecordingId};
use session::{Call, PACKET_MAX, Socket};

/// Shortest time between two looks at the sockets.
const TICK: Duration = Duration::from_millis(1);
/// Sockets taken from the kernel at once.
const READY_BATCH: usize = 512;
/// Batches in one tick: a bound, so that commands and timers get their turn under any load.
const BATCHES_PER_TICK: usize = 8;
/// Commands that may wait; then the shards wait.
const COMMANDS_MAX: usize = 16_384;
/// Token of the waker; sockets have the number of their call times four plus one of four.
const WAKER_TOKEN: u64 = u64::MAX;

/// What a shard asks of a worker.
pub(crate) enum ToWorker {
    /// A call begins.
    Open {
        shard: usize,
        call: CallKey,
        legs: Box<[LegSockets; 2]>,
    },
    /// A command to its session.
    Command {
        shard: usize,
        call: CallKey,
        command: Box<media::Command>,
    },
    /// A call ends.
    Close { shard: usize, call: CallKey },
    /// Close all and leave.
    Shutdown,
}

/// How shards reach a worker.
#[derive(Clone)]
pub(crate) struct WorkerHandle {
    commands: SyncSender<ToWorker>,
    waker: Arc<Waker>,
    load: Arc<AtomicUsize>,
}

impl WorkerHandle {
    /// Queues a command, waiting for room; the worker sees it when woken.
    pub(crate) fn send(&self, message: ToWorker) {
        if let Err(error) = self.commands.try_send(message) {
            self.waker.wake();
            let (std::sync::mpsc::TrySendError::Full(message)
            | std::sync::mpsc::TrySendError::Disconnected(message)) = error;
            // Fails only when the worker has left: then there is no media to command.
            let _ = self.commands.send(message);
        }
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Calls given to the worker and not yet closed.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(crate) fn add_load(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the worker threads share with the rest.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub sessions: media::SessionConfig,
    pub recorder: Recorder,
    /// Where each shard hears of its calls' media.
    pub news: Vec<mpsc::Sender<MediaNews>>,
    pub seed: u64,
}

/// Starts a worker thread.
pub(crate) fn start(
    index: usize,
    around: Surroundings,
) -> io::Result<(WorkerHandle, JoinHandle<()>)> {
    let (commands, inbox) = sync_channel(COMMANDS_MAX);
    let waker = Arc::new(Waker::new()?);
    let poller = Poller::new()?;
    poller.watch(&*waker, WAKER_TOKEN)?;
    let load = Arc::new(AtomicUsize::new(0));
    let handle = WorkerHandle {
        commands,
        waker: Arc::clone(&waker),
        load: Arc::clone(&load),
    };
    let worker = Worker {
        poller,
        waker,
        inbox,
        load,
        random: SmallRng::seed_from_u64(around.seed ^ (index as u64) << 32),
        calls: Slab::new(),
        index: HashMap::default(),
        timers: BinaryHeap::new(),
        leaving: false,
        out: Outbox {
            around,
            events: VecDeque::new(),
            finishes: VecDeque::new(),
        },
        metrics: Metrics::new(),
        packet: Box::new([0; PACKET_MAX]),
    };
    let thread = std::thread::Builder::new()
        .name(format!("media-{index}"))
        .spawn(move || worker.run())?;
    Ok((handle, thread))
}

struct Worker {
    poller: Poller,
    waker: Arc<Waker>,
    inbox: Receiver<ToWorker>,
    load: Arc<AtomicUsize>,
    random: SmallRng,
    calls: Slab<Call>,
    index: HashMap<(usize, CallKey), usize, foldhash::fast::FixedState>,
    /// Deadlines; stale ones are recognised because the call knows its own.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    leaving: bool,
    out: Outbox,
    metrics: Metrics,
    packet: Box<[u8; PACKET_MAX]>,
}

/// What leaves a worker other than packets. It never waits: what finds its queue full stays here until the next tick;
/// there is a bounded number of such things for each live call.
struct Outbox {
    around: Surroundings,
    events: VecDeque<(usize, MediaNews)>,
    finishes: VecDeque<(RecordingId, Option<String>)>,
}

impl Outbox {
    fn tell(&mut self, shard: usize, news: MediaNews) {
        self.events.push_back((shard, news));
    }

    fn flush(&mut self) {
        // One slow shard may hold the others up for a tick: events are few and shards drain theirs every turn.
        while let Some((shard, news)) = self.events.pop_front() {
            let Some(queue) = self.around.news.get(shard) else {
                continue;
            };
            if let Err(mpsc::error::TrySendError::Full(news)) = queue.try_send(news) {
                self.events.push_front((shard, news));
                break;
            }
        }
        while let Some((id, failure)) = self.finishes.pop_front() {
            if let Err(failure) = self.around.recorder.finish(id, failure) {
                self.finishes.push_front((id, failure));
                break;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.finishes.is_empty()
    }
}

/// Counted in plain integers, published once a second.
struct Metrics {
    counts: Counts,
    published_at: Instant,
    received: metrics::Counter,
    relayed: metrics::Counter,
    dropped: metrics::Counter,
    send_failures: metrics::Counter,
}

#[derive(Default)]
struct Counts {
    received: u64,
    relayed: u64,
    /// Received and not relayed: strangers, broken, held, or heard by nobody.
    dropped: u64,
    send_failures: u64,
}

impl Metrics {
    fn new() -> Self {
        Self {
            counts: Counts::default(),
            published_at: Instant::now(),
            received: metrics::counter!("axbridge_rtp_packets_total", "what" => "received"),
            relayed: metrics::counter!("axbridge_rtp_packets_total", "what" => "relayed"),
            dropped: metrics::counter!("axbridge_rtp_packets_total", "what" => "not_relayed"),
            send_failures: metrics::counter!("axbridge_rtp_packets_total", "what" => "send_failed"),
        }
    }

    fn publish(&mut self, now: Instant) {
        if now.saturating_duration_since(self.published_at) < Duration::from_secs(1) {
            return;
        }
        self.published_at = now;
        let counts = std::mem::take(&mut self.counts);
        self.received.increment(counts.received);
        self.relayed.increment(counts.relayed);
        self.dropped.increment(counts.dropped);
        self.send_failures.increment(counts.send_failures);
    }
}

impl Worker {
    fn run(mut self) {
        let mut ready = ReadyList::with_capacity(READY_BATCH);
        while !self.leaving || !self.out.is_empty() && !self.abandoned() {
            let timeout = self.sleep_for(Instant::now());
            let mut count = self.wait(&mut ready, timeout);
            let begun = Instant::now();
            let mut woken = false;
            for batch in 1..=BATCHES_PER_TICK {
                woken |= self.handle_ready(&ready, count, begun);
                if count < ready.capacity() || batch == BATCHES_PER_TICK {
                    break;
                }
                count = self.wait(&mut ready, Some(Duration::ZERO));
            }
            if woken {
                self.waker.clear();
                // Commands are timed by when they are taken: recordings are as long as they say.
                self.take_commands(Instant::now());
            }
            self.run_timers(begun);
            self.out.flush();
            self.metrics.publish(begun);
            std::thread::sleep(TICK.saturating_sub(begun.elapsed()));
        }
    }

    /// Leaving, and nobody is left to hear.
    fn abandoned(&self) -> bool {
        self.out.around.news.iter().all(mpsc::Sender::is_closed)
    }

    fn wait(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> usize {
        self.poller.wait(ready, timeout).unwrap_or_else(|error| {
            tracing::error!(%error, "waiting for media sockets");
            std::thread::sleep(TICK);
            0
        })
    }

    fn sleep_for(&self, now: Instant) -> Option<Duration> {
        if !self.out.is_empty() {
            return Some(TICK);
        }
        self.timers
            .peek()
            .map(|Reverse((at, _))| at.saturating_duration_since(now))
    }

    /// Takes one packet from every ready socket; what is left keeps its socket ready. True when the waker is among them.
    fn handle_ready(&mut self, ready: &ReadyList, count: usize, now: Instant) -> bool {
        let mut woken = false;
        for position in 0..count {
            let token = ready.token(position);
            if token == WAKER_TOKEN {
                woken = true;
                continue;
            }
            let slot = usize::try_from(token >> 2).unwrap_or(usize::MAX);
            if let Some(call) = self.calls.get_mut(slot) {
                call.receive(
                    Socket::from_token(token),
                    now,
                    &mut self.packet[..],
                    &mut self.metrics.counts,
                );
                Self::after(call, slot, &mut self.timers, &mut self.out);
            }
        }
        woken
    }

    /// Collects what a call has to tell and notes its next deadline.
    fn after(
        call: &mut Call,
        slot: usize,
        timers: &mut BinaryHeap<Reverse<(Instant, usize)>>,
        out: &mut Outbox,
    ) {
        call.collect(out);
        if let Some(at) = call.reschedule() {
            timers.push(Reverse((at, slot)));
        }
    }

    fn take_commands(&mut self, now: Instant) {
        while let Ok(message) = self.inbox.try_recv() {
            match message {
                ToWorker::Open { shard, call, legs } => self.open(shard, call, *legs, now),
                ToWorker::Command {
                    shard,
                    call,
                    command,
                } => {
                    let Some(&slot) = self.index.get(&(shard, call)) else {
                        continue;
                    };
                    let Some(call) = self.calls.get_mut(slot) else {
                        continue;
                    };
                    call.command(now, *command, &mut self.metrics.counts);
                    Self::after(call, slot, &mut self.timers, &mut self.out);
                }
                ToWorker::Close { shard, call } => self.close((shard, call), now),
                ToWorker::Shutdown => {
                    let all: Vec<_> = self.index.keys().copied().collect();
                    all.into_iter().for_each(|key| self.close(key, now));
                    self.leaving = true;
                }
            }
        }
    }

    fn open(&mut self, shard: usize, key: CallKey, legs: [LegSockets; 2], now: Instant) {
        let seed = self.random.next_u64();
        let session = media::Session::new(
            self.out.around.sessions.clone(),
            now,
            clock::wall_ms(),
            seed,
        );
        let entry = self.calls.vacant_entry();
        let slot = entry.key();
        let call = Call::new(shard, key, legs, session);
        for (socket, token) in call.tokens(slot) {
            if let Err(error) = self.poller.watch(socket, token) {
                // The call will be ended for want of media.
                tracing::error!(%error, "media socket cannot be watched");
            }
        }
        let call = entry.insert(call);
        Self::after(call, slot, &mut self.timers, &mut self.out);
        self.index.insert((shard, key), slot);
    }

    fn close(&mut self, key: (usize, CallKey), now: Instant) {
        let Some(slot) = self.index.remove(&key) else {
            return;
        };
        if let Some(mut call) = self.calls.try_remove(slot) {
            call.close(now, &mut self.metrics.counts);
            call.collect(&mut self.out);
            self.load.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn run_timers(&mut self, now: Instant) {
        while let Some(&Reverse((at, slot))) = self.timers.peek() {
            if at > now {
                break;
            }
            self.timers.pop();
            let Some(call) = self
                .calls
                .get_mut(slot)
                .filter(|call| call.scheduled == Some(at))
            else {
                continue;
            };
            call.handle_timeout(now, &mut self.metrics.counts);
            Self::after(call, slot, &mut self.timers, &mut self.out);
        }
    }
}
