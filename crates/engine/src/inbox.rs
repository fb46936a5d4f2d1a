//! What reaches a shard from outside its own sockets.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use axbridge_call::{
    Answer, CallKey, Limit, LimitChange, StoppedBy, TextAnswer, TextKey, TextOutcome, Trace,
};
use axbridge_media as media;
use axbridge_sip::{Hop, peek_call_id, shard_of};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::text::Written;

use crate::tcp::Seat;

/// A SIP message on its way to the shard that owns its Call-ID.
pub struct Inbound {
    /// The path it came by.
    pub hop: Hop,
    /// The whole message.
    pub bytes: Bytes,
    /// When it was taken from its socket.
    pub at: Instant,
}

impl Inbound {
    /// A message of this moment.
    pub fn new(hop: Hop, bytes: Bytes) -> Self {
        Self {
            hop,
            bytes,
            at: Instant::now(),
        }
    }
}

/// Rare things, never dropped.
pub enum Control {
    /// A message could not be sent.
    TransportFailed(Hop),
    /// A peer opened a TCP connection to the listening address `local`.
    Adopt {
        /// The connection, non-blocking.
        stream: TcpStream,
        /// Its peer.
        remote: SocketAddr,
        /// Where it came in.
        local: SocketAddr,
        /// Its place among those allowed, which bounds how many wait here.
        seat: Seat,
    },
    /// End a call.
    Stop {
        /// Which.
        session_id: Arc<str>,
        /// Who asks.
        by: StoppedBy,
        /// Told whether there was such a call.
        done: oneshot::Sender<bool>,
    },
    /// Change how long a call may last.
    Limit {
        /// Which.
        session_id: Arc<str>,
        /// How.
        change: LimitChange,
        /// Told the limit from now on; none when there is no such call.
        done: oneshot::Sender<Option<Limit>>,
    },
    /// Tell what was decided in a call so far.
    Trace {
        /// Which.
        session_id: Arc<str>,
        /// Told the trace; none when there is no such call.
        done: oneshot::Sender<Option<Trace>>,
    },
    /// The answer to a call's question.
    Answer {
        /// Which call.
        call: CallKey,
        /// The answer.
        answer: Answer,
    },
    /// Send a text.
    Text {
        /// What, to whom.
        text: Written,
        /// Told what the carrier said.
        done: oneshot::Sender<TextOutcome>,
    },
    /// The answer to a text that came in.
    TextAnswer {
        /// Which.
        key: TextKey,
        /// The answer.
        answer: TextAnswer,
    },
    /// Refuse new calls from now on.
    Drain,
    /// Leave, whatever is still going on.
    Shutdown,
}

/// What the media side tells a shard.
pub type MediaNews = (CallKey, media::Event);

/// The ways into one shard.
#[derive(Clone)]
pub struct ShardPort {
    messages: mpsc::Sender<Inbound>,
    control: mpsc::UnboundedSender<Control>,
}

/// The other end of a [`ShardPort`].
pub struct Inbox {
    /// Messages; bounded, dropped when full.
    pub messages: mpsc::Receiver<Inbound>,
    /// Rare things.
    pub control: mpsc::UnboundedReceiver<Control>,
}

/// The ways into all shards.
#[derive(Clone)]
pub struct ShardPorts(Arc<[ShardPort]>);

impl ShardPorts {
    /// Ports and inboxes of `shards` shards (at least one).
    pub fn new(shards: usize, queue_messages: usize) -> (Self, Vec<Inbox>) {
        let (ports, inboxes): (Vec<_>, Vec<_>) = (0..shards.max(1))
            .map(|_| {
                let (messages, messages_in) = mpsc::channel(queue_messages.max(1));
                let (control, control_in) = mpsc::unbounded_channel();
                let inbox = Inbox {
                    messages: messages_in,
                    control: control_in,
                };
                (ShardPort { messages, control }, inbox)
            })
            .unzip();
        (Self(ports.into()), inboxes)
    }

    /// How many shards.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The shard that owns a message; `otherwise` when it carries no Call-ID.
    pub fn owner(&self, bytes: &[u8], otherwise: usize) -> usize {
        if self.len() == 1 {
            return 0;
        }
        peek_call_id(bytes).map_or(otherwise, |call_id| shard_of(call_id, self.len()))
    }

    /// Passes a datagram to `shard`; full means dropped (UDP repeats) and counted.
    pub fn pass(&self, shard: usize, inbound: Inbound) {
        let sent = self
            .0
            .get(shard)
            .is_some_and(|port| port.messages.try_send(inbound).is_ok());
        if !sent {
            metrics::counter!("axbridge_queue_dropped_total", "queue" => "signalling").increment(1);
        }
    }

    /// Waits for room in the shard that owns the message.
    pub async fn deliver(&self, inbound: Inbound) {
        let owner = self.owner(&inbound.bytes, 0);
        if let Some(port) = self.0.get(owner) {
            // Fails only when the shard has left: nobody to tell.
            let _ = port.messages.send(inbound).await;
        }
    }

    /// Passes a rare thing; false when the shard has left.
    pub fn control(&self, shard: usize, control: Control) -> bool {
        self.0
            .get(shard)
            .is_some_and(|port| port.control.send(control).is_ok())
    }
}
