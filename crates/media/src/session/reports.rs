//! RTCP of one leg: when to report, what to say, what was heard.

use std::time::{Duration, Instant};

use super::leg::Leg;
use crate::rng::Rng;
use crate::rtcp::{Cname, Incoming, NtpTime, RTCP_LEN_MAX, Report, ReportBlock, SenderInfo};

/// RFC 3550 §6.2: five seconds, for two members always the minimum.
const INTERVAL: Duration = Duration::from_secs(5);
/// A round trip above this is a broken report.
const ROUND_TRIP_MAX: u32 = 10 << 16;

#[derive(Clone, Debug)]
pub(super) struct Reports {
    cname: Cname,
    pub due_at: Option<Instant>,
    /// Whether anything was ever sent to this leg: only then is there something to say goodbye to.
    pub spoken: bool,
    packets_reported: u32,
    /// Last SR of the party: its source, middle of its NTP time, when it came.
    last_sr: Option<(u32, u32, Instant)>,
    pub lost_by_peer: u32,
    pub round_trip_us: Option<u32>,
}

impl Reports {
    pub fn new(rng: &mut Rng) -> Self {
        Self {
            cname: Cname::from_random(rng.next_u64()),
            due_at: None,
            spoken: false,
            packets_reported: 0,
            last_sr: None,
            lost_by_peer: 0,
            round_trip_us: None,
        }
    }

    /// Half to one and a half times the interval, so that reports of many calls do not march in step; the first one earlier.
    pub fn schedule(&mut self, now: Instant, rng: &mut Rng) {
        let interval = if self.due_at.is_none() {
            INTERVAL / 2
        } else {
            INTERVAL
        };
        let spread_ms = rng.below(interval.as_millis() as u32);
        self.due_at = Some(now + interval / 2 + Duration::from_millis(u64::from(spread_ms)));
    }

    pub fn receive(&mut self, now: Instant, now_ntp: NtpTime, incoming: &Incoming) {
        if let Some((ssrc, middle)) = incoming.sender_report {
            self.last_sr = Some((ssrc, middle, now));
        }
        let Some(block) = &incoming.about_us else {
            return;
        };
        self.lost_by_peer = block.cumulative_lost.max(0) as u32;
        if block.last_sr == 0 {
            return;
        }
        let trip = now_ntp
            .middle()
            .wrapping_sub(block.last_sr)
            .wrapping_sub(block.delay_since_last_sr);
        if trip <= ROUND_TRIP_MAX {
            self.round_trip_us = Some(((u64::from(trip) * 1_000_000) >> 16) as u32);
        }
    }
}

impl Leg {
    /// Writes a report about this leg's two streams.
    pub fn write_report(
        &mut self,
        now: Instant,
        ntp: NtpTime,
        bye: bool,
        into: &mut [u8; RTCP_LEN_MAX],
    ) -> usize {
        let clock = self.clock();
        let sends = self.stream.packets != self.reports.packets_reported;
        self.reports.packets_reported = self.stream.packets;
        self.reports.spoken = true;
        let sender = sends.then(|| SenderInfo {
            ntp,
            rtp_timestamp: self.stream.clock_at(now, clock),
            packets: self.stream.packets,
            octets: self.stream.octets as u32,
        });
        let block = self.report_block(now);
        Report {
            ssrc: self.stream.ssrc,
            sender,
            block,
            cname: &self.reports.cname,
            bye,
        }
        .write(into)
    }

    fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let ssrc = self.receiver.source()?;
        let (last_sr, delay) = match self.reports.last_sr {
            Some((from, middle, at)) if from == ssrc => {
                let delay_us = now.saturating_duration_since(at).as_micros() as u64;
                (middle, ((delay_us << 16) / 1_000_000) as u32)
            }
            _ => (0, 0),
        };
        Some(ReportBlock {
            ssrc,
            fraction_lost: self.receiver.take_fraction_lost(),
            cumulative_lost: i32::try_from(self.receiver.lost()).unwrap_or(i32::MAX),
            highest: self.receiver.extended_newest(),
            jitter: self.receiver.jitter(),
            last_sr,
            delay_since_last_sr: delay,
        })
    }
}
