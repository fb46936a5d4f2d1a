//! The UDP sockets of the signalling shards: one for each shard and address, all of an address on the same port.

use std::io;
use std::net::SocketAddr;
use std::task::Context;

use axbridge_sip::{Hop, Transmit, Transport};
use bytes::Bytes;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

/// The largest datagram there is.
const DATAGRAM_MAX: usize = 65_535;

/// Binds `count` sockets to one address (port 0: one that the system chooses) and returns them with the address.
pub(crate) fn bind_all(
    address: SocketAddr,
    count: usize,
    buffer_bytes: usize,
) -> io::Result<(SocketAddr, Vec<std::net::UdpSocket>)> {
    // Sharing the port would also share it with a second axbridge started by mistake; this one does not share.
    let probe = bind(address, false, buffer_bytes)?;
    let address = probe.local_addr()?;
    if count <= 1 {
        return Ok((address, vec![probe]));
    }
    drop(probe);
    let sockets = (0..count)
        .map(|_| bind(address, true, buffer_bytes))
        .collect::<io::Result<_>>()?;
    Ok((address, sockets))
}

fn bind(address: SocketAddr, shared: bool, buffer_bytes: usize) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(buffer_bytes)?;
    socket.set_send_buffer_size(buffer_bytes)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// One shard's sockets.
pub(super) struct UdpSockets {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    scratch: Box<[u8]>,
    dropped: metrics::Counter,
}

impl UdpSockets {
    /// Registers the sockets with the runtime of this thread.
    pub(super) fn new(sockets: Vec<std::net::UdpSocket>) -> io::Result<Self> {
        let register =
            |socket: std::net::UdpSocket| Ok((socket.local_addr()?, UdpSocket::from_std(socket)?));
        let sockets = sockets
            .into_iter()
            .map(register)
            .collect::<io::Result<_>>()?;
        let dropped = metrics::counter!("axbridge_queue_dropped_total", "queue" => "udp_send");
        Ok(Self {
            sockets,
            scratch: vec![0; DATAGRAM_MAX].into(),
            dropped,
        })
    }

    /// Is there, as far as known, something to read? If not, the task is woken when there is.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> bool {
        self.sockets
            .iter()
            .any(|(_, socket)| socket.poll_recv_ready(cx).is_ready())
    }

    /// Takes up to `limit` datagrams from each socket; true when one of them may hold more.
    pub(super) fn receive(&mut self, limit: usize, mut each: impl FnMut(Hop, Bytes)) -> bool {
        let mut more = false;
        for (local, socket) in &self.sockets {
            let mut taken = 0;
            while taken < limit {
                taken += 1;
                match socket.try_recv_from(&mut self.scratch) {
                    Ok((length, remote)) => {
                        let datagram = self.scratch.get(..length).unwrap_or_default();
                        if !is_keep_alive(datagram) {
                            let hop = Hop {
                                transport: Transport::Udp,
                                local: *local,
                                remote,
                                conn: None,
                            };
                            each(hop, Bytes::copy_from_slice(datagram));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An ICMP error of an earlier datagram: the next read is a new matter.
                    Err(_) => {}
                }
            }
            more |= taken == limit;
        }
        more
    }

    /// Sends at once or not at all. A full buffer is a lost datagram (the transaction repeats it), anything else is
    /// a failure to report.
    pub(super) fn send(&self, transmit: &Transmit) -> bool {
        let hop = &transmit.hop;
        let same_address = self.sockets.iter().find(|(local, _)| *local == hop.local);
        let same_family = || {
            self.sockets
                .iter()
                .find(|(local, _)| local.is_ipv4() == hop.remote.is_ipv4())
        };
        let Some((_, socket)) = same_address.or_else(same_family) else {
            return false;
        };
        // Past tokio: it believes a socket unwritable until its reactor has first looked at it.
        match SockRef::from(socket).send_to(&transmit.bytes, &hop.remote.into()) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.dropped.increment(1);
                true
            }
            Err(error) => {
                tracing::debug!(remote = %hop.remote, %error, "datagram not sent");
                false
            }
        }
    }
}

/// Line ends only: what phones send to keep a NAT open.
fn is_keep_alive(datagram: &[u8]) -> bool {
    datagram.len() <= 4
        && datagram
            .iter()
            .all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}
