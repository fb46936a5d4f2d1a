//! A trace in words.

use serde::Serialize;

use super::{Note, SipMessage, Trace, TracedParty};
use crate::directory::CallerHeader;
use crate::fact::LegQuality;
use crate::utc;

/// A trace as it is shown, in the names of the customer API. Made by [`Trace::told`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceText {
    /// The call.
    pub session_id: String,
    /// The call goes on: more will follow.
    pub running: bool,
    /// When the call came in, UTC `yyyy-MM-dd HH:mm:ss.SSS`, as every time here.
    pub begin_time: String,
    /// The caller, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The number dialled, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_num: Option<String>,
    /// The number shown to the callee, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_num: Option<String>,
    /// The callee, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee: Option<String>,
    /// What was decided and why.
    pub steps: Vec<TracedStep>,
    /// The SIP messages of both legs.
    pub messages: Vec<TracedMessage>,
    /// What came in as audio, known at the end of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<TracedMedia>,
    /// What was left out, if anything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TracedStep {
    /// When.
    pub time: String,
    /// What, in a sentence.
    pub text: String,
}

/// One SIP message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TracedMessage {
    /// When.
    pub time: String,
    /// Whose leg.
    pub leg: TracedParty,
    /// `received` or `sent`.
    pub direction: &'static str,
    /// Method of the request, or of the one that is answered.
    pub method: &'static str,
    /// Status of a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// What came in as audio.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TracedMedia {
    /// From the caller's side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<TracedLeg>,
    /// From the callee's side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee: Option<TracedLeg>,
}

/// The audio of one side (RFC 3550).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TracedLeg {
    /// Packets that came.
    pub packets: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Packets that came out of order.
    pub reordered: u64,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: f32,
    /// Estimated mean opinion score, 1.0 to 4.5.
    pub mos: f32,
}

impl Trace {
    /// The trace in words.
    pub fn told(&self, session_id: &str, running: bool) -> TraceText {
        let time = |after_ms: u32| moment(self.began_ms + u64::from(after_ms));
        let steps = self.steps.iter().map(|step| TracedStep {
            time: time(step.after_ms),
            text: sentence(self, &step.note),
        });
        let message = |m: &SipMessage| TracedMessage {
            time: time(m.after_ms),
            leg: m.party,
            direction: if m.sent { "sent" } else { "received" },
            method: m.kind.method(),
            status: m.kind.status(),
        };
        let (caller, callee) = (self.caller_media.map(leg), self.callee_media.map(leg));
        TraceText {
            session_id: session_id.to_owned(),
            running,
            begin_time: moment(self.began_ms),
            caller: self.caller.clone(),
            private_num: self.x.clone(),
            shown_num: self.shown.clone(),
            callee: self.callee.clone(),
            steps: steps.collect(),
            messages: self.messages.iter().map(message).collect(),
            media: (caller.is_some() || callee.is_some()).then_some(TracedMedia { caller, callee }),
            cut: (self.steps_cut + self.messages_cut > 0).then(|| {
                format!(
                    "{} steps and {} messages in the middle were left out.",
                    self.steps_cut, self.messages_cut
                )
            }),
        }
    }
}

fn moment(at_ms: u64) -> String {
    format!("{}.{:03}", utc::text(at_ms), at_ms % 1000)
}

fn leg(q: LegQuality) -> TracedLeg {
    TracedLeg {
        packets: q.packets,
        lost: q.lost,
        reordered: q.reordered,
        jitter_ms: q.jitter_ms,
        mos: q.mos,
    }
}

fn header(header: CallerHeader) -> &'static str {
    match header {
        CallerHeader::PAssertedIdentity => "P-Asserted-Identity",
        CallerHeader::From => "From",
    }
}

fn party(party: TracedParty) -> &'static str {
    match party {
        TracedParty::Caller => "caller",
        TracedParty::Callee => "callee",
    }
}

fn sentence(trace: &Trace, note: &Note) -> String {
    let or_none = |number: &Option<String>| number.clone().unwrap_or_else(|| "none".into());
    match note {
        Note::Arrived { trunk } => match &trace.x {
            Some(x) => format!("The call came in by the trunk {trunk} for the private number {x}."),
            None => {
                format!("The call came in by the trunk {trunk} for a number that cannot be read.")
            }
        },
        Note::CallerFrom(from) => format!(
            "The caller's number {} was read from the header {}.",
            or_none(&trace.caller),
            header(*from)
        ),
        Note::CallerMissing(tried) => {
            let tried: Vec<_> = tried.iter().map(|h| header(*h)).collect();
            format!(
                "No usable number of the caller in the headers that this trunk is trusted with ({}).",
                tried.join(", ")
            )
        }
        Note::Bound { kind, caller_is_a } => {
            let who = match (&**kind, caller_is_a) {
                ("X", _) => return "The application's answer says whom to call.".into(),
                ("AXB", true) => "the caller is A, so B is called",
                ("AXB", false) => "the caller is B, so A is called",
                (_, true) => "the caller is A, so the other party is called",
                (_, false) => "the caller is not A, so A is called",
            };
            format!("A binding of the kind {kind} was found: {who}.")
        }
        Note::Trunk { name, caller_shown } => format!(
            "The callee {} is called by the trunk {name} and sees {} {}.",
            or_none(&trace.callee),
            if *caller_shown {
                "the real caller"
            } else {
                "the number"
            },
            or_none(&trace.shown),
        ),
        Note::Playing { to, what } => format!("The {} hears {what}.", party(*to)),
        Note::Heard { by, what } => format!("The {} has heard {what} to its end.", party(*by)),
        Note::Keyed { digits: 0 } => "The caller has keyed nothing.".into(),
        Note::Keyed { digits } => format!("The caller has keyed {digits} digits."),
        Note::Recorded { length_ms } => {
            format!("The recording is kept; it lasts {length_ms} ms.")
        }
        Note::NotRecorded { why: Some(why) } => format!("There is no recording: {why}."),
        Note::NotRecorded { why: None } => {
            "There is no recording: it would be shorter than is kept.".into()
        }
        Note::Said(text) => text.clone().into_owned(),
        Note::Ended {
            state_code,
            text,
            status,
            q850,
        } => match status {
            Some(status) => format!(
                "The call ended before it was answered: {text} (stateCode {state_code}; the caller got {status}, Q.850 cause {q850})"
            ),
            None => {
                format!("The call ended: {text} (stateCode {state_code}, Q.850 cause {q850})")
            }
        },
    }
}
