//! What a session does by the clock: its own packets, reports, silence.

use std::time::Instant;

use super::leg::Path;
use super::packet::{TRANSMIT_LEN_MAX, Transmit, TransmitKind};
use super::playout::{FRAME, Tick};
use super::{Event, PlayEnd, Session, relay};
use crate::leg::Side;
use crate::rtcp::RTCP_LEN_MAX;
use crate::rtp::{HEADER_LEN, OutHeader};

/// Packets kept for an owner that does not fetch them.
const OUTBOX_MAX: usize = 32;

const _: () = assert!(RTCP_LEN_MAX <= TRANSMIT_LEN_MAX);

impl Session {
    pub(super) fn playout(&mut self, side: Side, now: Instant) {
        loop {
            let leg = &mut self.legs[side.index()];
            let Some(path) = &leg.path else { return };
            match leg.playout.tick(now, path, &leg.stream) {
                Tick::NotYet => return,
                Tick::Silent => {}
                Tick::Done(token) => {
                    let spoken = path.law.is_some();
                    self.play_ended(
                        side,
                        Some(token),
                        if spoken {
                            PlayEnd::Finished
                        } else {
                            PlayEnd::Skipped
                        },
                    );
                }
                Tick::Event(header, payload) if path.sends => {
                    self.send_own(side, now, &header, &payload, 0)
                }
                Tick::Audio(header, frame, law) if path.sends => {
                    self.send_own(side, now, &header, &frame, FRAME as u32);
                    if let Some(recorder) = &mut self.recorder {
                        relay::tap(recorder, side.other(), now, header.timestamp, &frame, law);
                    }
                }
                Tick::Event(..) | Tick::Audio(..) => {}
            }
        }
    }

    fn send_own(
        &mut self,
        to: Side,
        now: Instant,
        header: &OutHeader,
        payload: &[u8],
        length: u32,
    ) {
        self.leg_mut(to)
            .stream
            .sent(now, header, length, payload.len());
        let mut buf = [0; TRANSMIT_LEN_MAX];
        let (head, rest) = buf.split_at_mut(HEADER_LEN);
        if let (Some(head), Some(body)) = (head.first_chunk_mut(), rest.get_mut(..payload.len())) {
            header.write(head);
            body.copy_from_slice(payload);
            self.post(Transmit {
                to,
                kind: TransmitKind::Rtp,
                len: (HEADER_LEN + payload.len()) as u8,
                buf,
            });
        }
    }

    fn post(&mut self, transmit: Transmit) {
        if self.outbox.len() >= OUTBOX_MAX {
            self.outbox.pop_front();
        }
        self.outbox.push_back(transmit);
    }

    pub(super) fn lost_digit_ends(&mut self, side: Side, now: Instant) {
        let leg = self.leg_mut(side);
        let clock = leg.clock();
        if let Some(pressed) = leg.dtmf.handle_timeout(now, clock) {
            self.tell(Event::Digit {
                side,
                digit: pressed.digit,
                duration_ms: pressed.duration_ms,
            });
        }
    }

    pub(super) fn report_if_due(&mut self, side: Side, now: Instant) {
        if self.leg(side).reports.due_at.is_some_and(|due| due <= now) {
            self.report(side, now, false);
            let Self { legs, rng, .. } = self;
            legs[side.index()].reports.schedule(now, rng);
        }
    }

    pub(super) fn report(&mut self, to: Side, now: Instant, bye: bool) {
        let ntp = self.ntp(now);
        let leg = self.leg_mut(to);
        if !leg.path.as_ref().is_some_and(Path::rtcp_allowed) {
            return;
        }
        let mut report = [0; RTCP_LEN_MAX];
        let len = leg.write_report(now, ntp, bye, &mut report);
        let mut buf = [0; TRANSMIT_LEN_MAX];
        buf[..RTCP_LEN_MAX].copy_from_slice(&report);
        self.post(Transmit {
            to,
            kind: TransmitKind::Rtcp,
            len: len as u8,
            buf,
        });
    }

    pub(super) fn note_silence(&mut self, side: Side, now: Instant) {
        let after = self.config.no_media_after;
        if !self.watched
            || self
                .leg(side)
                .silence_deadline(after)
                .is_none_or(|at| at > now)
        {
            return;
        }
        self.leg_mut(side).silence_told = true;
        self.tell(Event::NoMedia { side });
    }

    pub(super) fn renew_deadline(&mut self) {
        let after = self.watched.then_some(self.config.no_media_after);
        let legs = self.legs.iter().flat_map(|leg| {
            let silence = after.and_then(|after| leg.silence_deadline(after));
            [
                leg.playout.deadline(),
                leg.dtmf.deadline(),
                leg.reports.due_at,
                silence,
            ]
        });
        let recorder = self.recorder.as_ref().map(|recorder| recorder.deadline());
        self.deadline = legs.chain([recorder]).flatten().min();
    }
}
