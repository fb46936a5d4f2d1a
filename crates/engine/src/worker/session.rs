//! One call in a worker: its four sockets, its media session, its recording.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use axbridge_call::CallKey;
use axbridge_media::{self as media, Command, Event, RecordOut, RecordingEvent, Side};
use std::sync::Arc;

use super::{Counts, Outbox};
use crate::kernel;
use crate::ports::LegSockets;
use crate::recording::{Outcome, RecordingId, RecordingName};

/// The largest RTP packet taken; audio needs a tenth of it.
pub(super) const PACKET_MAX: usize = 1_600;

/// One of a call's sockets.
#[derive(Copy, Clone)]
pub(super) struct Socket {
    side: Side,
    is_rtcp: bool,
}

impl Socket {
    pub(super) fn from_token(token: u64) -> Self {
        let side = if token & 2 == 0 { Side::A } else { Side::B };
        Self {
            side,
            is_rtcp: token & 1 == 1,
        }
    }
}

pub(super) struct Call {
    shard: usize,
    key: CallKey,
    session: media::Session,
    legs: [Leg; 2],
    recording: Recording,
    /// The deadline that stands for this call among the worker's timers.
    pub(super) scheduled: Option<Instant>,
}

struct Leg {
    sockets: LegSockets,
    /// The peer that the RTP socket is connected to: the kernel drops strangers' packets and knows the route.
    connected: Option<SocketAddr>,
}

enum Recording {
    None,
    /// `failure`: why samples are missing, once some are.
    Writing {
        id: RecordingId,
        failure: Option<String>,
    },
}

impl Call {
    pub(super) fn new(
        shard: usize,
        key: CallKey,
        legs: [LegSockets; 2],
        session: media::Session,
    ) -> Self {
        let legs = legs.map(|sockets| Leg {
            sockets,
            connected: None,
        });
        Self {
            shard,
            key,
            session,
            legs,
            recording: Recording::None,
            scheduled: None,
        }
    }

    /// The sockets to watch, with the tokens that lead back here.
    pub(super) fn tokens(&self, slot: usize) -> [(&UdpSocket, u64); 4] {
        let base = (slot as u64) << 2;
        let [a, b] = &self.legs;
        [
            (&a.sockets.rtp, base),
            (&a.sockets.rtcp, base | 1),
            (&b.sockets.rtp, base | 2),
            (&b.sockets.rtcp, base | 3),
        ]
    }

    /// Takes one packet from a socket.
    pub(super) fn receive(
        &mut self,
        socket: Socket,
        now: Instant,
        packet: &mut [u8],
        counts: &mut Counts,
    ) {
        let sockets = &self.legs[socket.side.index()].sockets;
        if socket.is_rtcp {
            if let Ok((length, source)) = sockets.rtcp.recv_from(packet) {
                self.session.rtcp(
                    socket.side,
                    now,
                    source,
                    packet.get(..length).unwrap_or_default(),
                );
            }
            return;
        }
        // The source is asked for even when connected: what arrived before the connect may still be queued.
        let Ok((length, source)) = sockets.rtp.recv_from(packet) else {
            return;
        };
        counts.received += 1;
        let Some(datagram) = packet.get_mut(..length) else {
            return;
        };
        match self.session.rtp(socket.side, now, source, datagram) {
            Some(relay) => {
                counts.relayed += 1;
                let bytes = packet.get(relay.range).unwrap_or_default();
                self.send_rtp(relay.to, bytes, counts);
            }
            None => counts.dropped += 1,
        }
        if self.legs[socket.side.index()].connected.is_none() {
            self.follow_remote(socket.side);
        }
    }

    pub(super) fn command(&mut self, now: Instant, command: Command, counts: &mut Counts) {
        let connected = match &command {
            Command::Connect { side, .. } => Some(*side),
            _ => None,
        };
        self.session.command(now, command);
        if let Some(side) = connected {
            self.follow_remote(side);
        }
        self.transmit(counts);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, counts: &mut Counts) {
        self.scheduled = None;
        self.session.handle_timeout(now);
        self.transmit(counts);
    }

    pub(super) fn close(&mut self, now: Instant, counts: &mut Counts) {
        self.session.close(now);
        self.transmit(counts);
    }

    /// The new deadline, if the worker's timers do not have one as early.
    pub(super) fn reschedule(&mut self) -> Option<Instant> {
        let wanted = self.session.next_deadline()?;
        if self.scheduled.is_some_and(|scheduled| scheduled <= wanted) {
            return None;
        }
        self.scheduled = Some(wanted);
        Some(wanted)
    }

    /// Connects the RTP socket to the peer that the session has settled on, or takes that back while it learns.
    fn follow_remote(&mut self, side: Side) {
        let wanted = if self.session.learning(side) {
            None
        } else {
            self.session.remote(side)
        };
        let wanted = wanted.filter(|remote| !remote.ip().is_unspecified() && remote.port() != 0);
        let leg = &mut self.legs[side.index()];
        if leg.connected == wanted {
            return;
        }
        let result = match wanted {
            Some(remote) => leg.sockets.rtp.connect(remote),
            None => kernel::disconnect(&leg.sockets.rtp),
        };
        match result {
            Ok(()) => leg.connected = wanted,
            Err(error) => {
                tracing::info!(%error, "media peer unreachable");
                let _ = kernel::disconnect(&leg.sockets.rtp);
                leg.connected = None;
            }
        }
    }

    fn transmit(&mut self, counts: &mut Counts) {
        while let Some(transmit) = self.session.poll_transmit() {
            let (to, bytes) = (transmit.to, transmit.bytes());
            match transmit.kind {
                media::TransmitKind::Rtp => self.send_rtp(to, bytes, counts),
                media::TransmitKind::Rtcp => {
                    if let Some(remote) = self.session.remote_rtcp(to) {
                        count(
                            self.legs[to.index()].sockets.rtcp.send_to(bytes, remote),
                            counts,
                        );
                    }
                }
            }
        }
    }

    fn send_rtp(&self, to: Side, bytes: &[u8], counts: &mut Counts) {
        let leg = &self.legs[to.index()];
        let sent = match (leg.connected, self.session.remote(to)) {
            (Some(_), _) => leg.sockets.rtp.send(bytes),
            (None, Some(remote)) => leg.sockets.rtp.send_to(bytes, remote),
            (None, None) => return,
        };
        count(sent, counts);
    }

    /// Passes on the session's events and the recorder's samples.
    pub(super) fn collect(&mut self, out: &mut Outbox) {
        while let Some(event) = self.session.poll_event() {
            out.tell(self.shard, (self.key, event));
        }
        while let Some(part) = self.session.poll_record() {
            self.record(part, out);
        }
    }

    fn record(&mut self, part: RecordOut, out: &mut Outbox) {
        match part {
            RecordOut::Begin { stem, layout } => self.begin_recording(stem, layout.channels(), out),
            RecordOut::Samples(samples) => {
                if let Recording::Writing {
                    id,
                    failure: failure @ None,
                } = &mut self.recording
                    && out.around.recorder.push(*id, samples).is_err()
                {
                    metrics::counter!("axbridge_queue_dropped_total", "queue" => "recording")
                        .increment(1);
                    *failure = Some("the disk does not keep up".into());
                }
            }
            RecordOut::End { complete, .. } => {
                if let Recording::Writing { id, failure } =
                    std::mem::replace(&mut self.recording, Recording::None)
                {
                    let missing = || (!complete).then(|| "samples were lost".to_owned());
                    out.finishes.push_back((id, failure.or_else(missing)));
                }
            }
            RecordOut::Discarded { stem, .. } => {
                let event = Event::Recording(RecordingEvent::Discarded { stem });
                out.tell(self.shard, (self.key, event));
            }
        }
    }

    fn begin_recording(&mut self, stem: Arc<str>, channels: u16, out: &mut Outbox) {
        let (news, key) = (out.around.news.get(self.shard).cloned(), self.key);
        let named = Arc::clone(&stem);
        let on_outcome = Box::new(move |outcome| {
            let event = match outcome {
                Outcome::Published { length_ms, bytes } => RecordingEvent::Kept {
                    stem: named,
                    duration_ms: length_ms,
                    bytes,
                },
                Outcome::Failed(reason) => RecordingEvent::Failed {
                    stem: named,
                    reason,
                },
            };
            // Called by a writer thread, which may wait; the shard has left when this fails.
            let _ = news.map(|news| news.blocking_send((key, Event::Recording(event))));
        });
        let name = RecordingName::from_stem(&stem);
        let event = match out.around.recorder.begin(name, channels, on_outcome) {
            Ok(id) => {
                self.recording = Recording::Writing { id, failure: None };
                RecordingEvent::Begun { stem }
            }
            Err(error) => {
                metrics::counter!("axbridge_recordings_failed_total").increment(1);
                RecordingEvent::Failed {
                    stem,
                    reason: error.to_string(),
                }
            }
        };
        out.tell(self.shard, (self.key, Event::Recording(event)));
    }
}

fn count(sent: io::Result<usize>, counts: &mut Counts) {
    if sent.is_err() {
        counts.send_failures += 1;
    }
}
