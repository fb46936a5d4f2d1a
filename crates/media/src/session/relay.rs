//! The path of one packet, from one leg into our stream towards the other, in place.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use super::leg::{Content, Law, Leg, Path};
use super::{RelayOut, Session};
use crate::dtmf::{EVENT_LEN, Pressed, TelephoneEvent};
use crate::leg::Side;
use crate::recorder::Recorder;
use crate::rtp::{OutHeader, RtpHeader};
use crate::stats::Arrival;

/// A packet that was accepted from a leg.
struct Accepted {
    packet: RtpHeader,
    content: Content,
    arrival: Arrival,
}

impl Session {
    /// Takes a datagram that came to the RTP socket of `side`. If it is to be passed on, it has been rewritten in place
    /// and `datagram[range]` is to be sent from the RTP socket of `to` to [`Session::remote`] of it.
    ///
    /// No allocation unless a recording runs.
    pub fn rtp(
        &mut self,
        side: Side,
        now: Instant,
        source: SocketAddr,
        datagram: &mut [u8],
    ) -> Option<RelayOut> {
        if self.closed {
            return None;
        }
        let accepted = self.leg_mut(side).accept(now, source, datagram)?;
        let payload = accepted.packet.payload.clone();
        self.listen(
            side,
            now,
            &accepted,
            datagram.get(payload).unwrap_or_default(),
        );
        let range = self.relay(side, now, accepted, datagram)?;
        Some(RelayOut {
            to: side.other(),
            range,
        })
    }

    /// Everything that is learned from a packet, whether or not it is passed on.
    fn listen(&mut self, side: Side, now: Instant, accepted: &Accepted, payload: &[u8]) {
        let started = self.started;
        let leg = self.leg_mut(side);
        let clock = leg.clock();
        if accepted.arrival == Arrival::Restart
            && let Some(pressed) = leg.dtmf.restart(clock)
        {
            self.pressed(side, pressed);
        }
        let leg = self.leg_mut(side);
        let timestamp = accepted.packet.timestamp;
        let pressed = match accepted.content {
            Content::Event => {
                let pressed = TelephoneEvent::parse(payload)
                    .and_then(|event| leg.dtmf.receive(now, timestamp, event, clock));
                self.renew_deadline();
                pressed
            }
            Content::Spoken(law) => {
                leg.take_time(started, now, accepted);
                leg.hear_tones(accepted, law, payload)
            }
            Content::Opaque => {
                leg.take_time(started, now, accepted);
                None
            }
        };
        if let Some(pressed) = pressed {
            self.pressed(side, pressed);
        }
    }

    fn relay(
        &mut self,
        side: Side,
        now: Instant,
        accepted: Accepted,
        datagram: &mut [u8],
    ) -> Option<Range<usize>> {
        let (bridged, bridgeable) = (self.bridged, self.bridgeable);
        let [a, b] = &mut self.legs;
        let (from, to) = match side {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        let Some(path) = to.path.as_ref().filter(|path| bridged && path.sends) else {
            // What was not passed on is a pause in our stream, not a loss.
            to.splice.cut();
            from.dropped.unwanted += 1;
            return None;
        };
        if to.playout.is_active() {
            return None;
        }
        let Some(out) = Outgoing::decide(accepted.content, path).filter(|_| bridgeable) else {
            to.splice.skip(accepted.packet.sequence, accepted.arrival);
            from.dropped.unwanted += 1;
            return None;
        };
        let packet = accepted.packet;
        let is_event = accepted.content == Content::Event;
        let (sequence, timestamp, begins) = to.splice.place(
            &to.stream,
            now,
            accepted.arrival,
            &packet,
            is_event,
            path.clock,
        )?;
        let payload = out.payload(&packet, datagram)?;
        let header = OutHeader {
            marker: packet.marker || begins,
            payload_type: out.payload_type,
            sequence,
            timestamp,
            ssrc: to.stream.ssrc,
        };
        let range = header.write_before(datagram, payload.clone())?;
        to.stream.sent(
            now,
            &header,
            out.length(payload.len(), path.clock),
            payload.len(),
        );
        if let (Some(recorder), Some((_, law))) = (self.recorder.as_deref_mut(), out.laws) {
            tap(
                recorder,
                side,
                now,
                timestamp,
                datagram.get(payload).unwrap_or_default(),
                law,
            );
        }
        Some(range)
    }

    fn pressed(&mut self, side: Side, pressed: Pressed) {
        let Pressed { digit, duration_ms } = pressed;
        self.tell(super::Event::Digit {
            side,
            digit,
            duration_ms,
        });
    }
}

/// The recording hears what the party hears: our stream towards it.
pub(super) fn tap(
    recorder: &mut Recorder,
    speaker: Side,
    now: Instant,
    timestamp: u32,
    codes: &[u8],
    law: Law,
) {
    recorder.tap(speaker, now, timestamp, codes, law.decode());
}

/// How a packet goes on.
struct Outgoing {
    payload_type: u8,
    /// From law, to law; `None` if the bytes are not ours to read.
    laws: Option<(Law, Law)>,
    is_event: bool,
}

impl Outgoing {
    fn decide(content: Content, path: &Path) -> Option<Outgoing> {
        let (payload_type, laws) = match content {
            Content::Event => (path.dtmf_send?, None),
            Content::Spoken(law) => (path.pt_send, Some((law, path.law?))),
            Content::Opaque => (path.pt_send, None),
        };
        Some(Outgoing {
            payload_type,
            laws,
            is_event: content == Content::Event,
        })
    }

    /// Where the payload lies, after conversion. Of an event only the four bytes that it is made of go on.
    fn payload(&self, packet: &RtpHeader, datagram: &mut [u8]) -> Option<Range<usize>> {
        let mut place = packet.payload.clone();
        if self.is_event {
            if place.len() < EVENT_LEN {
                return None;
            }
            place.end = place.start + EVENT_LEN;
        }
        if let Some((from, to)) = self.laws {
            from.convert(to, datagram.get_mut(place.clone())?);
        }
        Some(place)
    }

    /// Audio of a packet in timestamp units.
    fn length(&self, octets: usize, clock: u32) -> u32 {
        match self.laws {
            Some(_) => octets as u32,
            None if self.is_event => 0,
            None => clock / 50,
        }
    }
}

impl Leg {
    /// Checks source, form, payload type, direction and sequence of a datagram, and counts it.
    fn accept(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) -> Option<Accepted> {
        let Some(path) = &mut self.path else {
            self.dropped.unwanted += 1;
            return None;
        };
        if !path.learning && source != path.remote {
            self.dropped.wrong_source += 1;
            return None;
        }
        let parsed = RtpHeader::parse(datagram)
            .ok()
            .filter(|packet| !packet.payload.is_empty());
        let Some((packet, content)) = parsed.and_then(|packet| {
            path.content(packet.payload_type)
                .map(|content| (packet, content))
        }) else {
            self.dropped.invalid += 1;
            return None;
        };
        let receives = path.receives;
        if receives && path.learning {
            path.learn(source);
        }
        let arrival = self.receiver.arrive(packet.ssrc, packet.sequence);
        if !receives {
            self.dropped.unwanted += 1;
            return None;
        }
        self.heard_at = now;
        self.silence_told = false;
        if matches!(arrival, Arrival::Duplicate | Arrival::Stray) {
            return None;
        }
        self.received_bytes += packet.payload.len() as u64;
        Some(Accepted {
            packet,
            content,
            arrival,
        })
    }

    fn take_time(&mut self, started: Instant, now: Instant, accepted: &Accepted) {
        if accepted.arrival != Arrival::Late {
            self.time(started, now, accepted.packet.timestamp);
        }
    }

    fn hear_tones(&mut self, accepted: &Accepted, law: Law, payload: &[u8]) -> Option<Pressed> {
        if accepted.arrival == Arrival::Late {
            return None;
        }
        self.inband.as_mut()?.listen(payload, law.decode())
    }
}
