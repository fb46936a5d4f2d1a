//! What is told about a call: facts, in order, durable as JSON.
//!
//! A fact is made once, by the call that it is about, and is identified for ever by its session and its
//! sequence number. It goes to the journal on disk, from there to the outbox and the call records, and from
//! the outbox to the customer's application.

use std::fmt;
use std::sync::Arc;

use axbridge_binding::AppId;
use serde::{Deserialize, Serialize};

use crate::trace::Trace;

/// One thing that happened in a call. Numbers inside are whole (`+8613900000001`); `Debug` does not show them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The application that owns the private number.
    pub app: AppId,
    /// Its key, as it stands in the call record.
    pub app_key: Arc<str>,
    /// The call, unique for ever on every node.
    pub session_id: Arc<str>,
    /// Order within the call, from 0 without gaps.
    pub seq: u32,
    /// Unix milliseconds, UTC.
    pub at_ms: u64,
    /// The binding that decided the route; none when no binding matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<Arc<str>>,
    /// What the application attached to the binding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Arc<str>>,
    /// What happened.
    pub kind: FactKind,
}

/// What happened. `caller` and `called` follow the PrivateNumber event page: `CallIn` carries the real caller
/// and X; from `CallOut` on they are X and the real callee.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FactKind {
    /// A call reached X.
    CallIn {
        /// The real caller.
        caller: String,
        /// X.
        called: String,
        /// The customer was asked what becomes of the call (X mode) and has heard of it by that; it is not told again.
        #[serde(default, skip_serializing_if = "is_false")]
        asked: bool,
    },
    /// The caller has keyed something at the menu (AXE), right or wrong.
    CollectInfo {
        /// What was keyed, without `#`.
        digits: String,
    },
    /// The second leg was started.
    CallOut {
        /// X, the number displayed.
        caller: String,
        /// The real callee.
        called: String,
    },
    /// The second leg rings.
    Alerting {
        /// X, the number displayed.
        caller: String,
        /// The real callee.
        called: String,
    },
    /// The callee answered.
    Answer {
        /// X, the number displayed.
        caller: String,
        /// The real callee.
        called: String,
    },
    /// A recording was begun. Not for the customer: after a crash it joins the file to its call.
    RecordingStarted {
        /// Object name of the recording.
        object: String,
    },
    /// Another party was put through towards A of the binding that this fact names (AX, AXE). Not for the
    /// customer: it is whom A reaches when A calls back.
    Reached {
        /// The other party.
        caller: String,
    },
    /// The status of a number X changed. Not of a call and made by the store: the session names the number's
    /// own row of notices.
    NumberStatus {
        /// X.
        number: String,
        /// `status` of the PrivateNumber API: 5 normal, 9 suspended, 10 unavailable, 11 frozen.
        status: u8,
        /// Why it is unavailable (`cause`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<u8>,
    },
    /// What became of a text. Not of a call and made by the store: the session names the text.
    Text(Box<TextReport>),
    /// The call ended.
    Disconnect {
        /// As in the last event before.
        caller: String,
        /// As in the last event before.
        called: String,
        /// Hang-up cause of the PrivateNumber appendix.
        state_code: u32,
        /// Its text.
        state_desc: String,
        /// 1 the caller hung up, 2 the callee; none when the platform did.
        released_by: Option<u8>,
    },
    /// What was decided in the call and why; told just before the record. Not for the outbox. Alone, without an
    /// application, where an INVITE was refused because nobody owns the number it was for.
    Trace(Box<Trace>),
    /// The call record: always last, exactly one for each call.
    Record(Box<CallRecord>),
}

fn is_false(value: &bool) -> bool {
    !value
}

impl FactKind {
    /// A short name for logs and tests.
    pub fn name(&self) -> &'static str {
        match self {
            FactKind::CallIn { .. } => "callin",
            FactKind::CollectInfo { .. } => "collectInfo",
            FactKind::CallOut { .. } => "callout",
            FactKind::Alerting { .. } => "alerting",
            FactKind::Answer { .. } => "answer",
            FactKind::RecordingStarted { .. } => "recording",
            FactKind::Reached { .. } => "reached",
            FactKind::NumberStatus { .. } => "numStatus",
            FactKind::Text(_) => "text",
            FactKind::Disconnect { .. } => "disconnect",
            FactKind::Trace(_) => "trace",
            FactKind::Record(_) => "fee",
        }
    }
}

impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Fact({} #{} {})",
            self.session_id,
            self.seq,
            self.kind.name()
        )
    }
}

impl fmt::Debug for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of a text (`smsEvent` of the PrivateNumber API). Numbers are `+86...`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextReport {
    /// `smsIdentifier`.
    pub id: String,
    /// Who wrote.
    pub calling: String,
    /// Who was sent it; only where something was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// X.
    pub virtual_number: String,
    /// 0 to A, 1 from A (in X mode always), 2 nothing bound.
    pub direction: u8,
    /// `splitNum`: parts that there were to send, 0 when there was nobody to send them to.
    pub parts: u32,
    /// `sendResult`.
    pub result: u8,
    /// What was written, where the application is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// City code of X.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
}

impl fmt::Debug for TextReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextReport({} result={})", self.id, self.result)
    }
}

/// The call record (`FeeInfo` of the PrivateNumber API). Times are Unix milliseconds; numbers `+86...`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallRecord {
    /// 0 the other party called A (of AXB: B), 1 A called the other party, 2 nothing bound.
    pub direction: u8,
    /// Unique id of this record (UUID v7).
    pub icid: String,
    /// X.
    pub bind_num: String,
    /// The real caller, empty when the carrier gave none.
    pub caller_num: String,
    /// The number dialled: X.
    pub callee_num: String,
    /// City of X (`areaCode`), where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_code: Option<String>,
    /// What the caller keyed at the menu and was put through by (AXE).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend_num: Option<String>,
    /// The customer was asked what becomes of the call (X mode, `notifyMode` `Block`).
    #[serde(skip_serializing_if = "is_false")]
    pub asked: bool,
    /// The number displayed to the callee.
    pub fwd_display_num: String,
    /// The real callee.
    pub fwd_dst_num: String,
    /// The call reached X.
    pub call_in_ms: u64,
    /// The second leg was started.
    pub fwd_start_ms: Option<u64>,
    /// The second leg rang.
    pub fwd_alerting_ms: Option<u64>,
    /// The callee answered.
    pub fwd_answer_ms: Option<u64>,
    /// The call was over.
    pub call_end_ms: u64,
    /// Q.850 value of a second leg that was not answered, otherwise 0.
    pub fwd_unasw_rsn: u16,
    /// Release point of the appendix.
    pub ul_fail_reason: u32,
    /// Hang-up cause of the appendix (as in the disconnect event).
    pub state_code: u32,
    /// Final SIP status of the second leg when it was not answered, otherwise 0.
    pub sip_status_code: u16,
    /// 1 when a recording exists.
    pub record_flag: u8,
    /// When recording began.
    pub record_start_ms: Option<u64>,
    /// Object name of the recording.
    pub record_object: Option<String>,
    /// Length of the recording in milliseconds.
    pub record_length_ms: u64,
    /// Size of its file in bytes, 0 where unknown.
    pub record_bytes: u64,
    /// Why there is no recording although one was wanted.
    pub record_failure: Option<String>,
    /// 1 the caller hung up, 2 the callee; none when the platform did.
    pub released_by: Option<u8>,
    /// Quality of what the caller's side sent to us.
    pub a_quality: Option<LegQuality>,
    /// Quality of what the callee's side sent to us.
    pub b_quality: Option<LegQuality>,
}

impl fmt::Debug for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CallRecord({} direction={} state={} record={})",
            self.icid, self.direction, self.state_code, self.record_flag
        )
    }
}

/// Statistics of the RTP received on one leg (RFC 3550).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LegQuality {
    /// Packets received.
    pub packets: u64,
    /// Packets that were expected and did not come.
    pub lost: u64,
    /// Packets that came out of order.
    pub reordered: u64,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: f32,
    /// Estimated mean opinion score, 1.0 to 4.5.
    pub mos: f32,
}
