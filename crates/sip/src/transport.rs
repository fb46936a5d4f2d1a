//! Where a message came from and where one goes: plain data, no sockets.

use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;

/// How a message travels.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream in the clear.
    Tcp,
    /// A stream under TLS.
    Tls,
}

impl Transport {
    /// As written in a Via: `UDP`, `TCP`, `TLS`.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// Reads the transport of a Via or of a `transport=` parameter, in any case. `None`: one we do not speak.
    pub fn from_token(token: &[u8]) -> Option<Transport> {
        [Transport::Udp, Transport::Tcp, Transport::Tls]
            .into_iter()
            .find(|t| t.as_str().as_bytes().eq_ignore_ascii_case(token))
    }

    /// True where delivery is the transport's duty, so requests are not retransmitted (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// Port where none is written: 5060, or 5061 for TLS.
    pub fn default_port(self) -> u16 {
        if self == Transport::Tls { 5061 } else { 5060 }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One connection of the engine, unique for the life of the process.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct ConnId(pub u64);

/// The path a message came by or goes by.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub struct Hop {
    /// How.
    pub transport: Transport,
    /// Our socket.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection for TCP and TLS; `None`: the engine opens or finds one.
    pub conn: Option<ConnId>,
}

/// Bytes to send and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transmit {
    /// The path.
    pub hop: Hop,
    /// The whole message.
    pub bytes: Bytes,
}
