//! SIP over TCP: the connections of all shards, bounded in number, in what they hold and in how long they idle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axbridge_sip::{ConnId, Frame, Hop, StreamFramer, Transmit, Transport};
use bytes::Bytes;
use dashmap::DashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::config::TcpConfig;
use crate::inbox::{Control, Inbound, ShardPorts};

/// What is read from a connection at once.
const READ_BYTES: usize = 16 * 1024;

/// A message on its way out, and who must hear if it does not get there.
struct Outgoing {
    shard: usize,
    hop: Hop,
    bytes: Bytes,
}

struct Connection {
    id: ConnId,
    /// Our listening address that the connection belongs to (for one that we opened: the one it was opened for).
    local: SocketAddr,
    remote: SocketAddr,
    queue: mpsc::Sender<Outgoing>,
    queued_bytes: AtomicUsize,
}

/// All connections. Shared by the shards.
pub struct Connections {
    config: TcpConfig,
    shards: ShardPorts,
    by_id: DashMap<ConnId, Arc<Connection>>,
    by_path: DashMap<(SocketAddr, SocketAddr), ConnId>,
    next_id: AtomicU64,
    count: AtomicUsize,
}

/// The message could not even be queued.
#[derive(Debug)]
pub struct NotSent;

/// A place among the connections allowed; given back when dropped.
pub struct Seat(Arc<Connections>);

impl Drop for Seat {
    fn drop(&mut self) {
        let before = self.0.count.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("axbridge_tcp_connections").set(before.saturating_sub(1) as f64);
    }
}

impl Connections {
    /// No connections yet.
    pub fn new(config: TcpConfig, shards: ShardPorts) -> Arc<Self> {
        Arc::new(Self {
            config,
            shards,
            by_id: DashMap::new(),
            by_path: DashMap::new(),
            next_id: AtomicU64::new(1),
            count: AtomicUsize::new(0),
        })
    }

    /// Queues a message on the connection that its hop names, on another to the same peer, or on a new one. Call it
    /// inside a shard's runtime. What fails later is reported to `shard` as a transport failure.
    pub fn send(self: &Arc<Self>, shard: usize, transmit: Transmit) -> Result<(), NotSent> {
        let Transmit { hop, bytes } = transmit;
        let existing = hop.conn.and_then(|id| self.find(id)).or_else(|| {
            let id = *self.by_path.get(&(hop.local, hop.remote))?;
            self.find(id)
        });
        let connection = match existing {
            Some(connection) => connection,
            None => self.open(hop.local, hop.remote)?,
        };
        connection.enqueue(&self.config, Outgoing { shard, hop, bytes })
    }

    fn find(&self, id: ConnId) -> Option<Arc<Connection>> {
        self.by_id
            .get(&id)
            .map(|connection| Arc::clone(&connection))
    }

    fn take_seat(self: &Arc<Self>) -> Option<Seat> {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let seat = Seat(Arc::clone(self));
        metrics::gauge!("axbridge_tcp_connections").set(count as f64);
        (count <= self.config.connections_max).then_some(seat)
    }

    fn register(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> (Arc<Connection>, mpsc::Receiver<Outgoing>) {
        let (queue, outbox) = mpsc::channel(self.config.queue_messages.max(1));
        let id = ConnId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let connection = Arc::new(Connection {
            id,
            local,
            remote,
            queue,
            queued_bytes: AtomicUsize::new(0),
        });
        self.by_id.insert(id, Arc::clone(&connection));
        self.by_path.insert((local, remote), id);
        (connection, outbox)
    }

    fn forget(&self, connection: &Connection) {
        self.by_id.remove(&connection.id);
        self.by_path
            .remove_if(&(connection.local, connection.remote), |_, id| {
                *id == connection.id
            });
    }

    fn open(
        self: &Arc<Self>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<Arc<Connection>, NotSent> {
        let seat = self.take_seat().ok_or(NotSent)?;
        let (connection, outbox) = self.register(local, remote);
        let (all, same) = (Arc::clone(self), Arc::clone(&connection));
        tokio::spawn(async move {
            let stream = timeout(all.config.patience, TcpStream::connect(remote)).await;
            match stream {
                Ok(Ok(stream)) => all.serve(&same, stream, outbox).await,
                Ok(Err(error)) => {
                    tracing::info!(%remote, %error, "connection refused");
                    all.close(&same, outbox, None);
                }
                Err(_) => {
                    tracing::info!(%remote, "connection timed out");
                    all.close(&same, outbox, None);
                }
            }
            drop(seat);
        });
        Ok(connection)
    }

    /// A place for a connection from `remote`, before anything is kept or queued for it: strangers must not take the
    /// places of carriers, nor fill a queue.
    fn place_for(self: &Arc<Self>, remote: SocketAddr) -> Option<Seat> {
        let admit = self.config.admit.as_ref();
        let known = admit.is_none_or(|admit| (admit.0)(remote));
        let seat = known.then(|| self.take_seat()).flatten();
        if seat.is_none() {
            let why = if known { "full" } else { "stranger" };
            metrics::counter!("axbridge_tcp_refused_total", "why" => why).increment(1);
        }
        seat
    }

    /// Takes a connection that a peer opened, inside the runtime of the shard that will read it.
    pub fn adopt(
        self: &Arc<Self>,
        stream: std::net::TcpStream,
        remote: SocketAddr,
        local: SocketAddr,
        seat: Seat,
    ) {
        let Ok(stream) = TcpStream::from_std(stream) else {
            return;
        };
        let (connection, outbox) = self.register(local, remote);
        let all = Arc::clone(self);
        tokio::spawn(async move {
            all.serve(&connection, stream, outbox).await;
            drop(seat);
        });
    }

    async fn serve(
        &self,
        connection: &Connection,
        stream: TcpStream,
        mut outbox: mpsc::Receiver<Outgoing>,
    ) {
        // SIP messages are small and each is awaited by someone.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let started = Instant::now();
        let last_write_ms = AtomicU64::new(0);
        let mut unsent = None;
        tokio::select! {
            () = self.read(connection, reader, started, &last_write_ms) => {}
            () = self.write(connection, writer, &mut outbox, &mut unsent, started, &last_write_ms) => {}
        }
        self.close(connection, outbox, unsent);
    }

    async fn read(
        &self,
        connection: &Connection,
        mut reader: OwnedReadHalf,
        started: Instant,
        last_write_ms: &AtomicU64,
    ) {
        let hop = Hop {
            transport: Transport::Tcp,
            local: connection.local,
            remote: connection.remote,
            conn: Some(connection.id),
        };
        let mut framer = StreamFramer::default();
        let mut buffer = vec![0; READ_BYTES];
        // Until when the message that has begun must be whole.
        let mut whole_by: Option<Instant> = None;
        loop {
            let left = whole_by.map(|at| at.saturating_duration_since(Instant::now()));
            let patience = left.map_or(self.config.idle, |left| left.min(self.config.idle));
            let count = match timeout(patience, reader.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(count)) => count,
                Err(_) if whole_by.is_some_and(|at| at <= Instant::now()) => {
                    tracing::info!(remote = %connection.remote, "a message was never finished: connection closed");
                    return;
                }
                Err(_) => {
                    let last_write =
                        started + Duration::from_millis(last_write_ms.load(Ordering::Relaxed));
                    if last_write.elapsed() < self.config.idle {
                        continue;
                    }
                    return;
                }
            };
            framer.push(buffer.get(..count).unwrap_or_default());
            let mut finished = false;
            loop {
                match framer.next() {
                    Ok(Some(Frame::Message(bytes))) => {
                        finished = true;
                        // Waiting here stops the reading, and so the peer: TCP needs no dropping.
                        self.shards.deliver(Inbound::new(hop, bytes)).await;
                    }
                    Ok(Some(Frame::KeepAlivePing)) => {
                        let pong = Outgoing {
                            shard: 0,
                            hop,
                            bytes: Bytes::from_static(b"\r\n"),
                        };
                        let _ = connection.enqueue(&self.config, pong);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::info!(remote = %connection.remote, %error, "not SIP: connection closed");
                        metrics::counter!("axbridge_tcp_framing_errors_total").increment(1);
                        return;
                    }
                }
            }
            whole_by = match framer.pending() {
                0 => None,
                _ if finished => Some(Instant::now() + self.config.message_max),
                _ => whole_by.or_else(|| Some(Instant::now() + self.config.message_max)),
            };
        }
    }

    /// Writes until the peer stops taking. The message that is being written is `unsent` until it is through, however
    /// this ends: on a stream nobody repeats it.
    async fn write(
        &self,
        connection: &Connection,
        mut writer: OwnedWriteHalf,
        outbox: &mut mpsc::Receiver<Outgoing>,
        unsent: &mut Option<Outgoing>,
        started: Instant,
        last_write_ms: &AtomicU64,
    ) {
        while let Some(outgoing) = outbox.recv().await {
            let bytes = outgoing.bytes.clone();
            *unsent = Some(outgoing);
            connection
                .queued_bytes
                .fetch_sub(bytes.len(), Ordering::Relaxed);
            match timeout(self.config.patience, writer.write_all(&bytes)).await {
                Ok(Ok(())) => {
                    *unsent = None;
                    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    last_write_ms.store(ms, Ordering::Relaxed);
                }
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    /// Takes the connection out of the books and reports every message that never left.
    fn close(
        &self,
        connection: &Connection,
        mut outbox: mpsc::Receiver<Outgoing>,
        unsent: Option<Outgoing>,
    ) {
        self.forget(connection);
        outbox.close();
        let waiting = std::iter::from_fn(|| outbox.try_recv().ok());
        for outgoing in unsent.into_iter().chain(waiting) {
            if outgoing.bytes.len() > 2 {
                self.shards
                    .control(outgoing.shard, Control::TransportFailed(outgoing.hop));
            }
        }
    }
}

impl Connection {
    fn enqueue(&self, config: &TcpConfig, outgoing: Outgoing) -> Result<(), NotSent> {
        let size = outgoing.bytes.len();
        if self.queued_bytes.fetch_add(size, Ordering::Relaxed) + size > config.queue_bytes {
            self.queued_bytes.fetch_sub(size, Ordering::Relaxed);
            return Err(NotSent);
        }
        self.queue.try_send(outgoing).map_err(|_| {
            self.queued_bytes.fetch_sub(size, Ordering::Relaxed);
            NotSent
        })
    }
}

/// Accepts connections for ever and deals them out to the shards in turn.
pub async fn accept(
    listener: TcpListener,
    local: SocketAddr,
    shards: ShardPorts,
    connections: Arc<Connections>,
) {
    let mut next = 0;
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let Some(seat) = connections.place_for(remote) else {
                    continue;
                };
                if let Ok(stream) = stream.into_std() {
                    let adopt = Control::Adopt {
                        stream,
                        remote,
                        local,
                        seat,
                    };
                    shards.control(next, adopt);
                    next = (next + 1) % shards.len();
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: waiting is better than spinning.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_that_the_peer_never_took_is_reported_when_it_hangs_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (shards, mut inboxes) = ShardPorts::new(1, 16);
        let config = TcpConfig {
            queue_bytes: 64 << 20,
            patience: Duration::from_secs(60),
            ..TcpConfig::default()
        };
        let connections = Connections::new(config, shards);
        let hop = Hop {
            transport: Transport::Tcp,
            local: SocketAddr::from(([127, 0, 0, 1], 5060)),
            remote: listener.local_addr().unwrap(),
            conn: None,
        };
        // More than the buffers of both ends hold.
        let bytes = Bytes::from(vec![b'x'; 32 << 20]);
        connections.send(0, Transmit { hop, bytes }).unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        // The writing has begun and cannot end; the reading side sees the hang-up first.
        peer.read_exact(&mut [0; 1]).await.unwrap();
        peer.shutdown().await.unwrap();
        let inbox = inboxes.first_mut().unwrap();
        let told = timeout(Duration::from_secs(10), inbox.control.recv()).await;
        assert!(matches!(told, Ok(Some(Control::TransportFailed(failed))) if failed == hop));
    }
}
