//! What was promised, held against what the two phones, the customer's server and the recording show.

use std::time::{Duration, Instant};

use anyhow::Result;
use axbridge_numbering::Number;
use axbridge_sip::{Name, NameAddr};
use serde_json::Value;

use super::hearing::{Hearing, Tone, one_stream};
use super::hook::Notices;
use super::identity::{Identity, found_in};
use super::phone::Talk;
use super::provision::{LAST_MINUTE_MS, MAX_MINUTES, NOTICE_MS, PRE_CALL_MS};
use super::recording::Recording;
use super::scribe::Numbers;
use super::wire::number;

/// How far the cut and the warning may be off.
const CUT_TOLERANCE: Duration = Duration::from_secs(1);
/// How far the recording's length may be off.
const LENGTH_TOLERANCE_MS: i64 = 40;
/// A prompt counts as heard when that much of it was.
const HEARD_SHARE: f64 = 0.95;
/// Blocks of 20 ms that hold the seam of two sounds, and what comes before the first packet of a voice.
const SEAMS_MS: u64 = 200;

/// One promise.
pub struct Check {
    /// What was promised.
    pub promise: &'static str,
    /// Whether it was kept.
    pub kept: bool,
    /// What was measured.
    pub measured: String,
}

/// All that a call left behind.
pub struct Evidence {
    /// The caller's phone.
    pub a: Talk,
    /// The callee's phone.
    pub b: Talk,
    /// Who they are.
    pub identities: [Identity; 2],
    /// Their numbers.
    pub numbers: Numbers,
    /// What the customer's server got.
    pub notices: Notices,
    /// Call records that the operator's API lists.
    pub records: u64,
    /// Live calls afterwards.
    pub live_calls: u64,
    /// The recording.
    pub recording: Result<Recording>,
    /// Length of `maxDuration`.
    pub limit: Duration,
}

impl Evidence {
    /// What each party heard.
    pub fn hearings(&self) -> [Hearing; 2] {
        let for_a = [
            Tone::B,
            Tone::PreCall,
            Tone::Notice,
            Tone::LastMinute,
            Tone::RingBack,
        ];
        let for_b = [Tone::A, Tone::PreCall, Tone::Notice, Tone::LastMinute];
        [
            Hearing::of(&self.a.heard.packets, &for_a),
            Hearing::of(&self.b.heard.packets, &for_b),
        ]
    }

    /// Every check.
    pub fn checks(&self) -> Vec<Check> {
        let [a, b] = self.hearings();
        let mut checks = vec![
            self.shown_number(),
            self.no_leak(
                "nothing of A reaches B",
                &self.identities[0],
                &self.a,
                &self.b,
            ),
            self.no_leak(
                "nothing of B reaches A",
                &self.identities[1],
                &self.b,
                &self.a,
            ),
            self.pre_call(&a),
            both(
                "both heard the record notice",
                Tone::Notice,
                NOTICE_MS,
                &a,
                &b,
            ),
            both(
                "both heard the last-minute voice",
                Tone::LastMinute,
                LAST_MINUTE_MS,
                &a,
                &b,
            ),
            self.warned_in_time(&a, &b),
            self.heard_each_other(&a, &b),
            self.cut_in_time(),
            stream("A gets one continuous RTP stream", &self.a),
            stream("B gets one continuous RTP stream", &self.b),
        ];
        checks.extend(self.recorded(&a, &b));
        checks.extend([self.one_record(), self.events(), self.signatures()]);
        checks.push(check(
            "no live calls are left",
            self.live_calls == 0,
            self.live_calls.to_string(),
        ));
        checks
    }

    fn shown_number(&self) -> Check {
        let invite = &self.b.first;
        let shown = |value: Option<&[u8]>| {
            let user = value
                .and_then(|v| NameAddr::parse(v).ok())
                .and_then(|a| a.uri().user().and_then(number));
            user.map_or("none".to_owned(), |n: Number| self.numbers.name(n))
        };
        let from = shown(invite.header(Name::From));
        let asserted = shown(invite.other("P-Asserted-Identity"));
        let kept = from == "X" && (asserted == "X" || asserted == "none");
        check(
            "B is shown X only",
            kept,
            format!("From {from}, P-Asserted-Identity {asserted}"),
        )
    }

    fn no_leak(&self, promise: &'static str, of: &Identity, theirs: &Talk, seen: &Talk) -> Check {
        let mut traces = of.traces(&theirs.addresses);
        traces.extend(
            theirs
                .words
                .iter()
                .map(|w| ("Call-ID, tag or branch".to_owned(), w.clone().into_bytes())),
        );
        let rtp = seen.heard.packets.iter().map(|p| &p.datagram);
        let all: Vec<_> = seen
            .datagrams
            .iter()
            .chain(rtp)
            .chain(&seen.heard.other)
            .collect();
        let bytes: usize = all.iter().map(|d| d.len()).sum();
        let hits: Vec<_> = all.iter().filter_map(|d| found_in(&traces, d)).collect();
        let found = match hits.first() {
            Some(first) => format!("{} datagrams hold it, first: {first}", hits.len()),
            None => "none found".to_owned(),
        };
        let searched = format!(
            "searched {} SIP, {} RTP, {} RTCP datagrams, {bytes} bytes, for {} traces: {found}",
            seen.datagrams.len(),
            seen.heard.packets.len(),
            seen.heard.other.len(),
            traces.len()
        );
        check(
            promise,
            hits.is_empty() && !seen.datagrams.is_empty(),
            searched,
        )
    }

    fn pre_call(&self, a: &Hearing) -> Check {
        let (ms, ring_back) = (a.length_ms(Tone::PreCall), a.length_ms(Tone::RingBack));
        let before = a
            .end(Tone::PreCall)
            .is_some_and(|end| end <= self.a.answered);
        let measured = format!(
            "{ms} of {PRE_CALL_MS} ms, {} the answer, then {ring_back} ms of ring-back",
            if before { "before" } else { "NOT before" }
        );
        check(
            "A heard the pre-call prompt",
            whole(ms, PRE_CALL_MS) && before,
            measured,
        )
    }

    fn warned_in_time(&self, a: &Hearing, b: &Hearing) -> Check {
        let wanted = self.limit * (MAX_MINUTES - 1) / MAX_MINUTES;
        let after = |h: &Hearing, talk: &Talk| {
            h.first(Tone::LastMinute)
                .map(|at| at.saturating_duration_since(talk.answered))
        };
        let times = [after(a, &self.a), after(b, &self.b)];
        let kept = times
            .iter()
            .all(|t| t.is_some_and(|t| t.abs_diff(wanted) <= CUT_TOLERANCE));
        let said = times.map(|t| t.map_or("never".to_owned(), seconds));
        let measured = format!(
            "{} and {} after the answer, wanted {}",
            said[0],
            said[1],
            seconds(wanted)
        );
        check("it comes a minute before the end", kept, measured)
    }

    fn heard_each_other(&self, a: &Hearing, b: &Hearing) -> Check {
        let talk = self
            .b
            .ended
            .saturating_duration_since(self.b.answered)
            .as_millis() as u64;
        let wanted = talk.saturating_sub(u64::from(NOTICE_MS + LAST_MINUTE_MS) + SEAMS_MS);
        let (b_voice, a_voice) = (a.length_ms(Tone::B), b.length_ms(Tone::A));
        let measured = format!(
            "A heard B {b_voice} ms, B heard A {a_voice} ms, of {talk} ms with two prompts in them"
        );
        check(
            "both heard each other",
            a_voice.min(b_voice) >= wanted && wanted > 0,
            measured,
        )
    }

    fn cut_in_time(&self) -> Check {
        let lengths = [&self.a, &self.b].map(|t| t.ended.saturating_duration_since(t.answered));
        let kept = lengths
            .iter()
            .all(|l| l.abs_diff(self.limit) <= CUT_TOLERANCE);
        let measured = format!(
            "BYE to A after {}, to B after {}, wanted {}",
            seconds(lengths[0]),
            seconds(lengths[1]),
            seconds(self.limit)
        );
        check("the call is cut at maxDuration", kept, measured)
    }

    fn recorded(&self, a: &Hearing, b: &Hearing) -> Vec<Check> {
        let recording = match &self.recording {
            Ok(recording) => recording,
            Err(error) => {
                return vec![check(
                    "the recording is downloaded",
                    false,
                    format!("{error:#}"),
                )];
            }
        };
        let form = format!(
            "301, then {} channels at {} Hz",
            recording.channels, recording.sample_rate
        );
        let kept = recording.channels == 2 && recording.sample_rate == 8000;
        vec![
            check("the recording is downloaded", kept, form),
            self.recorded_channels(recording),
            self.recorded_length(recording, a, b),
        ]
    }

    fn recorded_channels(&self, recording: &Recording) -> Check {
        let own = [
            recording.length_of(0, Tone::A),
            recording.length_of(1, Tone::B),
        ];
        let other = [
            recording.length_of(0, Tone::B),
            recording.length_of(1, Tone::A),
        ];
        let wanted = recording
            .length_ms
            .saturating_sub(u64::from(LAST_MINUTE_MS) + SEAMS_MS);
        let measured = format!(
            "left: A {} ms, B {} ms; right: B {} ms, A {} ms; both: last-minute voice {} and {} ms",
            own[0],
            other[0],
            own[1],
            other[1],
            recording.length_of(0, Tone::LastMinute),
            recording.length_of(1, Tone::LastMinute)
        );
        let kept = wanted > 0 && own.iter().all(|ms| *ms >= wanted) && other == [0, 0];
        check("each voice is on its own channel", kept, measured)
    }

    /// Recording begins when both have heard the notice and ends with the call.
    fn recorded_length(&self, recording: &Recording, a: &Hearing, b: &Hearing) -> Check {
        let promise = "it is as long as the talk after the notice";
        let begin = a
            .end(Tone::Notice)
            .zip(b.end(Tone::Notice))
            .map(|(a, b)| a.max(b));
        let Some(begin) = begin else {
            return check(promise, false, "the notice was not heard".to_owned());
        };
        let end: Instant = self.a.ended.min(self.b.ended);
        let talk_ms = end.saturating_duration_since(begin).as_millis() as i64;
        let off = recording.length_ms as i64 - talk_ms;
        let measured = format!(
            "{} ms, the phones measured {talk_ms} ms: {off:+} ms",
            recording.length_ms
        );
        check(promise, off.abs() <= LENGTH_TOLERANCE_MS, measured)
    }

    fn one_record(&self) -> Check {
        let fees: Vec<&Value> = self.notices.fees().collect();
        let fee = fees.first().copied().unwrap_or(&Value::Null);
        let is = |name: &str, number: Number| fee[name] == Value::String(number.to_global());
        let right = is("callerNum", self.numbers.a)
            && is("bindNum", self.numbers.x)
            && is("fwdDisplayNum", self.numbers.x)
            && is("fwdDstNum", self.numbers.b)
            && fee["recordFlag"] == 1;
        let measured = format!(
            "{} by webhook, {} in the operator's list, A, X and B in it: {right}, ulFailReason {}",
            fees.len(),
            self.records,
            fee["ulFailReason"]
        );
        check(
            "there is exactly one call record",
            fees.len() == 1 && self.records == 1 && right,
            measured,
        )
    }

    fn events(&self) -> Check {
        let kinds: Vec<_> = self
            .notices
            .events
            .iter()
            .map(|n| n.body["eventType"].as_str().unwrap_or("?"))
            .collect();
        let kept = kinds == ["callin", "callout", "alerting", "answer", "disconnect"];
        check("events come in order, none twice", kept, kinds.join(", "))
    }

    fn signatures(&self) -> Check {
        let all: Vec<_> = self
            .notices
            .events
            .iter()
            .chain(&self.notices.records)
            .collect();
        let bad: Vec<_> = all.iter().filter_map(|n| n.fault.as_deref()).collect();
        let measured = match bad.first() {
            None => format!("{} of {}", all.len(), all.len()),
            Some(fault) => format!("{} of {} are not: {fault}", bad.len(), all.len()),
        };
        check(
            "webhook signatures are valid",
            bad.is_empty() && !all.is_empty(),
            measured,
        )
    }
}

fn check(promise: &'static str, kept: bool, measured: String) -> Check {
    Check {
        promise,
        kept,
        measured,
    }
}

fn both(promise: &'static str, tone: Tone, length_ms: u32, a: &Hearing, b: &Hearing) -> Check {
    let heard = [a.length_ms(tone), b.length_ms(tone)];
    let measured = format!("A {} ms, B {} ms, of {length_ms} ms", heard[0], heard[1]);
    check(
        promise,
        heard.iter().all(|ms| whole(*ms, length_ms)),
        measured,
    )
}

/// Whether a prompt of that length was heard once and whole, as far as blocks of 20 ms can tell.
fn whole(heard_ms: u64, length_ms: u32) -> bool {
    let (heard, length) = (heard_ms as f64, f64::from(length_ms));
    (length * HEARD_SHARE..=length / HEARD_SHARE).contains(&heard)
}

fn stream(promise: &'static str, talk: &Talk) -> Check {
    match one_stream(&talk.heard.packets) {
        Ok(measured) => check(promise, true, measured),
        Err(measured) => check(promise, false, measured),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
