//! What the engine is told at start.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axbridge_sip::Transport;

use crate::oracle::OracleRef;
use crate::ports::PortConfig;
use crate::recording::RecordingConfig;
use crate::text::TextDeskRef;

/// Everything the engine itself needs; what the calls need is in `axbridge_call::SwitchConfig`.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where SIP is spoken.
    pub listen: Vec<ListenAt>,
    /// Signalling threads; a call lives in one of them.
    pub shards: usize,
    /// Media threads.
    pub media_workers: usize,
    /// Settings of each call's media session.
    pub sessions: axbridge_media::SessionConfig,
    /// Media addresses and ports.
    pub ports: PortConfig,
    /// Where the world sees a media address behind a one-to-one NAT: (ours, the world's).
    pub media_advertised: Vec<(IpAddr, IpAddr)>,
    /// Where recordings go.
    pub recording: RecordingConfig,
    /// TCP.
    pub tcp: TcpConfig,
    /// Messages that may wait for a shard; more are dropped and counted.
    pub queue_messages: usize,
    /// When messages wait longer than this, new calls are refused with 503.
    pub overload_delay: Duration,
    /// Socket buffers for signalling over UDP, bytes, each way.
    pub udp_buffer_bytes: usize,
    /// Who answers questions of the calls (X mode, AXYB); without it they are answered with a failure.
    pub oracle: Option<OracleRef>,
    /// Questions of one shard that may be open at once; a further one is answered with a failure.
    pub questions_max: usize,
    /// Who keeps the texts that come in; without it they are refused with 503.
    pub texts: Option<TextDeskRef>,
    /// Decides every random choice of the calls; each shard derives its own.
    pub seed: u64,
}

/// One address at which SIP is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListenAt {
    /// UDP or TCP.
    pub transport: Transport,
    /// Ours. Port 0 lets the system choose; see `EngineHandle::listening`.
    pub address: SocketAddr,
    /// How the world sees it, where that differs; port 0 stands for ours.
    pub advertised: Option<SocketAddr>,
}

impl ListenAt {
    /// An address that the world sees as we do.
    pub fn new(transport: Transport, address: SocketAddr) -> Self {
        Self {
            transport,
            address,
            advertised: None,
        }
    }
}

/// Limits of SIP over TCP.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Connections at once, both ways together; further ones are closed on arrival.
    pub connections_max: usize,
    /// A connection that carried nothing for this long is closed.
    pub idle: Duration,
    /// Time for a connection to come about, and for the peer to take a message.
    pub patience: Duration,
    /// Messages that may wait to be written on one connection.
    pub queue_messages: usize,
    /// Bytes that may wait to be written on one connection.
    pub queue_bytes: usize,
    /// How long a peer may take over one message from its first octet.
    pub message_max: Duration,
    /// Who may connect; none: everybody. [`Engine::start`](crate::Engine::start) admits the trunks' addresses.
    pub admit: Option<Admit>,
}

/// Says whether connections from an address are taken. Asked at each connection.
#[derive(Clone)]
pub struct Admit(pub Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>);

impl std::fmt::Debug for Admit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admit")
    }
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            idle: Duration::from_secs(900),
            patience: Duration::from_secs(5),
            queue_messages: 1_024,
            queue_bytes: 1024 * 1024,
            message_max: Duration::from_secs(15),
            admit: None,
        }
    }
}

impl EngineConfig {
    /// Loopback, ports chosen by the system, recordings under `data_dir`.
    pub fn loopback(data_dir: &std::path::Path) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: vec![
                ListenAt::new(Transport::Udp, any_port),
                ListenAt::new(Transport::Tcp, any_port),
            ],
            shards: 1,
            media_workers: 1,
            sessions: axbridge_media::SessionConfig::default(),
            ports: PortConfig::default(),
            media_advertised: Vec::new(),
            recording: RecordingConfig::under(data_dir),
            tcp: TcpConfig::default(),
            queue_messages: 16_384,
            overload_delay: Duration::from_millis(400),
            udp_buffer_bytes: 4 * 1024 * 1024,
            oracle: None,
            questions_max: 1_024,
            texts: None,
            seed: 0,
        }
    }
}
