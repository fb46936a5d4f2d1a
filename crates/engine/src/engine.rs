//! Starting the threads, speaking to them, stopping them in the right order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axbridge_call::{
    Directory, Limit, LimitChange, Listen, StoppedBy, Switch, SwitchConfig, TextOutcome, Trace,
};
use axbridge_sip::Transport;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{mpsc, oneshot};

use crate::EngineError;
use crate::calls::{Calls, Journal};
use crate::config::{Admit, EngineConfig};
use crate::inbox::{Control, ShardPorts};
use crate::kernel::raise_descriptor_limit;
use crate::live::{LiveCallInfo, LiveCalls};
use crate::oracle::Asking;
use crate::plane::Plane;
use crate::ports::Ports;
use crate::recording::{Recorder, WriterThreads};
use crate::shard::{Shard, bind_all};
use crate::tcp::{self, Connections};
use crate::text::{Texting, Written};
use crate::worker::{self, Surroundings, ToWorker, WorkerHandle};

/// Media events that may wait for a shard; more wait in the media workers.
const NEWS_MAX: usize = 8_192;
/// How long calls that were ended at the end of a drain may take to say so.
const FAREWELL: Duration = Duration::from_secs(10);
/// Between two looks at whether the last call is over.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// What the calls of one shard are made from.
pub struct ShardSetup<'a> {
    /// The shard, from 0.
    pub shard: usize,
    /// How many there are.
    pub shards: usize,
    /// The addresses that were bound.
    pub listen: &'a [Listen],
    /// The shard's own seed.
    pub seed: u64,
}

/// Starts the engine.
pub struct Engine;

impl Engine {
    /// Binds everything, then starts the threads. `switch` is the template for every shard: its shard number and
    /// its addresses are filled in here. There must be one journal for each shard.
    pub fn start(
        mut config: EngineConfig,
        switch: SwitchConfig,
        directory: Arc<Directory>,
        journals: Vec<Box<dyn Journal>>,
    ) -> Result<EngineHandle, EngineError> {
        let trunks = Arc::clone(&directory);
        let known = move |source| trunks.snapshot().trunk_of(source).is_some();
        config.tcp.admit.get_or_insert(Admit(Arc::new(known)));
        Self::start_with(config, journals, |setup| {
            let config = SwitchConfig {
                shard: setup.shard,
                shards: setup.shards,
                listen: setup.listen.to_vec(),
                ..switch.clone()
            };
            Box::new(Switch::new(config, Arc::clone(&directory), setup.seed))
        })
    }

    /// The same over any calls.
    pub fn start_with(
        config: EngineConfig,
        journals: Vec<Box<dyn Journal>>,
        mut calls: impl FnMut(ShardSetup<'_>) -> Box<dyn Calls>,
    ) -> Result<EngineHandle, EngineError> {
        let shards = config.shards.max(1);
        if journals.len() != shards {
            return Err(EngineError::Config("one journal is needed for each shard"));
        }
        raise_descriptor_limit().map_err(failed("descriptor limit"))?;
        let ports = Arc::new(Ports::new(&config.ports, config.seed)?);
        let mut bound = bind_signalling(&config, shards)?;
        let (recorder, writers) =
            Recorder::start(&config.recording).map_err(failed("recordings"))?;
        let (news, news_in): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(NEWS_MAX)).unzip();
        let live = Arc::new(LiveCalls::default());
        let around = Surroundings {
            sessions: config.sessions.clone(),
            recorder,
            news,
            seed: config.seed,
        };
        let (workers, worker_threads) = start_workers(config.media_workers, &around)?;
        let (shard_ports, inboxes) = ShardPorts::new(shards, config.queue_messages);
        let connections = Connections::new(config.tcp.clone(), shard_ports.clone());
        let mut live_now = Vec::new();
        let mut shard_threads = Vec::new();
        let parts = journals.into_iter().zip(inboxes).zip(news_in).enumerate();
        for (index, ((journal, inbox), media_news)) in parts {
            let seed = config.seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let setup = ShardSetup {
                shard: index,
                shards,
                listen: &bound.listen,
                seed,
            };
            let advertised = config.media_advertised.clone();
            let counter = Arc::new(AtomicUsize::new(0));
            live_now.push(Arc::clone(&counter));
            let shard = Shard {
                index,
                calls: calls(setup),
                journal,
                plane: Plane::new(index, Arc::clone(&ports), advertised, workers.clone()),
                connections: Arc::clone(&connections),
                ports: shard_ports.clone(),
                inbox,
                media_news,
                live: Arc::clone(&live),
                live_now: counter,
                overload_delay: config.overload_delay,
                asking: Asking::new(config.oracle.clone(), config.questions_max),
                texting: Texting::new(config.texts.clone()),
            };
            let sockets = bound.udp.iter_mut().filter_map(Vec::pop).collect();
            // One thread accepts for all; what it accepts is dealt out.
            let listeners = std::mem::take(&mut bound.tcp);
            shard_threads.push(start_shard(shard, sockets, listeners)?);
        }
        let threads = Threads {
            shards: shard_threads,
            workers: worker_threads,
            writers,
        };
        Ok(EngineHandle {
            inner: Arc::new(Inner {
                listening: bound.listen,
                live,
                live_now,
                shards: shard_ports,
                workers,
                threads: Mutex::new(Some(threads)),
            }),
        })
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> EngineError {
    let what = what.to_owned();
    move |source| EngineError::Io { what, source }
}

struct Bound {
    listen: Vec<Listen>,
    /// For each UDP address, one socket for each shard.
    udp: Vec<Vec<std::net::UdpSocket>>,
    tcp: Vec<(TcpListener, SocketAddr)>,
}

fn bind_signalling(config: &EngineConfig, shards: usize) -> Result<Bound, EngineError> {
    let mut bound = Bound {
        listen: Vec::new(),
        udp: Vec::new(),
        tcp: Vec::new(),
    };
    for at in &config.listen {
        let what = format!("{} {}", at.transport, at.address);
        let local = match at.transport {
            Transport::Udp => {
                let (local, sockets) =
                    bind_all(at.address, shards, config.udp_buffer_bytes).map_err(failed(&what))?;
                bound.udp.push(sockets);
                local
            }
            Transport::Tcp => {
                let listener = bind_tcp(at.address).map_err(failed(&what))?;
                let local = listener.local_addr().map_err(failed(&what))?;
                bound.tcp.push((listener, local));
                local
            }
            Transport::Tls => return Err(EngineError::Config("SIP over TLS is not spoken yet")),
        };
        let mut advertised = at.advertised.unwrap_or(local);
        if advertised.port() == 0 {
            advertised.set_port(local.port());
        }
        bound.listen.push(Listen {
            transport: at.transport,
            local,
            advertised,
        });
    }
    if bound.listen.is_empty() {
        return Err(EngineError::Config("SIP needs an address to listen on"));
    }
    Ok(bound)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the last connections of the process before.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    Ok(socket.into())
}

type WorkerThreads = Vec<JoinHandle<()>>;

fn start_workers(
    count: usize,
    around: &Surroundings,
) -> Result<(Vec<WorkerHandle>, WorkerThreads), EngineError> {
    let start = |index| worker::start(index, around.clone()).map_err(failed("media worker"));
    let started: Vec<_> = (0..count.max(1)).map(start).collect::<Result<_, _>>()?;
    Ok(started.into_iter().unzip())
}

fn start_shard(
    shard: Shard,
    sockets: Vec<std::net::UdpSocket>,
    listeners: Vec<(TcpListener, SocketAddr)>,
) -> Result<JoinHandle<()>, EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("shard"))?;
    let thread = std::thread::Builder::new().name(format!("shard-{}", shard.index));
    let run = move || {
        runtime.block_on(async move {
            for (listener, local) in listeners {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => drop(tokio::spawn(tcp::accept(
                        listener,
                        local,
                        shard.ports.clone(),
                        Arc::clone(&shard.connections),
                    ))),
                    Err(error) => tracing::error!(%local, %error, "cannot accept"),
                }
            }
            shard.serve(sockets).await;
        });
    };
    thread.spawn(run).map_err(failed("shard"))
}

/// The way to a running engine; cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    inner: Arc<Inner>,
}

struct Inner {
    listening: Vec<Listen>,
    live: Arc<LiveCalls>,
    live_now: Vec<Arc<AtomicUsize>>,
    shards: ShardPorts,
    workers: Vec<WorkerHandle>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    shards: Vec<JoinHandle<()>>,
    workers: WorkerThreads,
    writers: WriterThreads,
}

impl EngineHandle {
    /// The addresses that SIP is spoken at.
    pub fn listening(&self) -> &[Listen] {
        &self.inner.listening
    }

    /// The calls of this moment, numbers masked.
    pub fn live_calls(&self) -> Vec<LiveCallInfo> {
        self.inner.live.list()
    }

    /// One of them.
    pub fn live_call(&self, session_id: &str) -> Option<LiveCallInfo> {
        self.inner.live.get(session_id)
    }

    /// How many calls are not over, those that only wait for their record included.
    pub fn live_count(&self) -> usize {
        self.inner
            .live_now
            .iter()
            .map(|count| count.load(Ordering::Acquire))
            .sum::<usize>()
            .max(self.inner.live.len())
    }

    /// Ends a call; false when there is none of this name.
    pub async fn stop_call(&self, session_id: &str, by: StoppedBy) -> bool {
        let Some(shard) = self.inner.live.shard_of(session_id) else {
            return false;
        };
        let (done, found) = oneshot::channel();
        self.inner.shards.control(
            shard,
            Control::Stop {
                session_id: session_id.into(),
                by,
                done,
            },
        );
        found.await.unwrap_or(false)
    }

    /// Changes how long a call may last; none when it is not being connected or talked in.
    pub async fn change_limit(&self, session_id: &str, change: LimitChange) -> Option<Limit> {
        let shard = self.inner.live.shard_of(session_id)?;
        let (done, limit) = oneshot::channel();
        let session_id = session_id.into();
        let wish = Control::Limit {
            session_id,
            change,
            done,
        };
        self.inner.shards.control(shard, wish);
        limit.await.ok().flatten()
    }

    /// What was decided in a call so far, and why; none when there is no such call, or it has told its trace already.
    pub async fn trace(&self, session_id: &str) -> Option<Trace> {
        let shard = self.inner.live.shard_of(session_id)?;
        let (done, trace) = oneshot::channel();
        let session_id = session_id.into();
        let wish = Control::Trace { session_id, done };
        self.inner.shards.control(shard, wish);
        trace.await.ok().flatten()
    }

    /// Sends a text as MESSAGE and waits for what the carrier says, at most 32 s.
    pub async fn send_text(&self, text: Written) -> TextOutcome {
        let (done, outcome) = oneshot::channel();
        // They share what there is to do; which one it is does not matter.
        let shard = text.receiver.as_u64() as usize % self.inner.shards.len();
        self.inner
            .shards
            .control(shard, Control::Text { text, done });
        // A shard that has left sends nothing.
        outcome.await.unwrap_or(TextOutcome::Later(503))
    }

    /// Refuses new calls from now on, waits up to `patience` for those there are, then ends them. Returns how many had
    /// to be ended.
    pub async fn drain(&self, patience: Duration) -> usize {
        for shard in 0..self.inner.shards.len() {
            self.inner.shards.control(shard, Control::Drain);
        }
        self.wait_for_silence(patience).await;
        let left = self.live_calls();
        for call in &left {
            self.stop_call(&call.session_id, StoppedBy::Operator).await;
        }
        self.wait_for_silence(FAREWELL).await;
        left.len()
    }

    async fn wait_for_silence(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.live_count() > 0 && Instant::now() < deadline {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }

    /// Stops all threads and waits for the last recording: signalling first, then media, then the writers. Calls still
    /// going on are not ended towards their parties: [`drain`](Self::drain) first. Needs a tokio runtime.
    pub async fn shutdown(&self) {
        let this = self.clone();
        let _ = tokio::task::spawn_blocking(move || this.shutdown_blocking()).await;
    }

    /// The same, blocking the caller.
    pub fn shutdown_blocking(&self) {
        let Some(threads) = self.inner.threads.lock().take() else {
            return;
        };
        for shard in 0..self.inner.shards.len() {
            self.inner.shards.control(shard, Control::Shutdown);
        }
        threads
            .shards
            .into_iter()
            .for_each(|thread| drop(thread.join()));
        for worker in &self.inner.workers {
            worker.send(ToWorker::Shutdown);
            worker.wake();
        }
        threads
            .workers
            .into_iter()
            .for_each(|thread| drop(thread.join()));
        threads.writers.join();
    }
}
