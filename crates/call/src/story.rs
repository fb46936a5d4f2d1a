//! The story of one call: what has been told so far, and the record at its end.

use std::sync::Arc;

use axbridge_binding::{AreaCode, SubscriptionId};
use axbridge_numbering::Number;

use crate::directory::App;
use crate::fact::{CallRecord, Fact, FactKind, LegQuality};
use crate::outcome::Ending;
use crate::rules::Ended;
use crate::trace::{Pending, Trace};

/// Collects what happens and turns it into facts. Without an application there is nobody to tell.
pub(crate) struct Story {
    app: Option<Arc<App>>,
    session: Arc<str>,
    seq: u32,
    subscription: Option<Arc<str>>,
    user_data: Option<Arc<str>>,
    record: CallRecord,
    ending: Option<Ending>,
    recorded: bool,
    /// None while traces are off.
    trace: Option<Box<Trace>>,
}

impl Story {
    /// A call that reached `x` at `at_ms`; `caller` is empty when the carrier gave no number.
    pub fn new(
        app: Option<Arc<App>>,
        session: Arc<str>,
        icid: String,
        caller: String,
        x: String,
        at_ms: u64,
    ) -> Self {
        let record = CallRecord {
            direction: 2,
            icid,
            bind_num: x.clone(),
            caller_num: caller,
            callee_num: x,
            call_in_ms: at_ms,
            ..CallRecord::default()
        };
        Story {
            app,
            session,
            seq: 0,
            subscription: None,
            user_data: None,
            record,
            ending: None,
            recorded: false,
            trace: None,
        }
    }

    /// From here on the call is traced.
    pub fn traced(&mut self, trace: Trace) {
        self.trace = Some(Box::new(trace));
    }

    /// The trace so far.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// Takes what the turn has brought for the trace.
    pub fn take(&mut self, pending: &mut Pending) {
        match &mut self.trace {
            Some(trace) => trace.take(pending),
            None => pending.clear(),
        }
    }

    /// The binding that was found; from here on every fact names it.
    pub fn bound(&mut self, subscription: SubscriptionId, user_data: Option<Arc<str>>) {
        self.subscription = Some(subscription.to_string().into());
        self.user_data = user_data;
    }

    /// The customer has said what becomes of the call, and what its events are to carry.
    pub fn instructed(&mut self, user_data: Option<Arc<str>>) {
        self.user_data = user_data;
    }

    /// The way that was found.
    pub fn routed(&mut self, direction: u8, display: Number, callee: Number) {
        self.record.direction = direction;
        self.record.fwd_display_num = display.to_global();
        self.record.fwd_dst_num = callee.to_global();
        if let Some(trace) = &mut self.trace {
            trace.routed(display, callee);
        }
    }

    /// The extension by which A was reached.
    pub fn extended(&mut self, extension: String) {
        self.record.extend_num = Some(extension);
    }

    /// The city of X.
    pub fn at_home(&mut self, area: Option<AreaCode>) {
        self.record.area_code = area.map(|a| a.to_string());
    }

    /// `asked`: the customer decides, and hears of the call by being asked. `named`: the binding is told of; at an X
    /// with extensions it is not, since most callers have not said yet whom they want.
    pub fn call_in(&mut self, at_ms: u64, asked: bool, named: bool) -> Option<Fact> {
        self.record.asked = asked;
        let kind = FactKind::CallIn {
            caller: self.record.caller_num.clone(),
            called: self.record.bind_num.clone(),
            asked,
        };
        let mut fact = self.fact(at_ms, kind)?;
        fact.subscription_id = fact.subscription_id.filter(|_| named);
        Some(fact)
    }

    pub fn collected(&mut self, at_ms: u64, digits: String) -> Option<Fact> {
        self.fact(at_ms, FactKind::CollectInfo { digits })
    }

    /// A is called by the other party.
    pub fn reached(&mut self, at_ms: u64) -> Option<Fact> {
        let caller = self.record.caller_num.clone();
        self.fact(at_ms, FactKind::Reached { caller })
    }

    pub fn call_out(&mut self, at_ms: u64) -> Option<Fact> {
        self.record.fwd_start_ms = Some(at_ms);
        let (caller, called) = self.second_leg();
        self.fact(at_ms, FactKind::CallOut { caller, called })
    }

    /// The first ringing is told, later ones are not.
    pub fn alerting(&mut self, at_ms: u64) -> Option<Fact> {
        if self.record.fwd_alerting_ms.is_some() {
            return None;
        }
        self.record.fwd_alerting_ms = Some(at_ms);
        let (caller, called) = self.second_leg();
        self.fact(at_ms, FactKind::Alerting { caller, called })
    }

    pub fn answer(&mut self, at_ms: u64) -> Option<Fact> {
        self.record.fwd_answer_ms = Some(at_ms);
        let (caller, called) = self.second_leg();
        self.fact(at_ms, FactKind::Answer { caller, called })
    }

    pub fn rang(&self) -> bool {
        self.record.fwd_alerting_ms.is_some()
    }

    pub fn is_answered(&self) -> bool {
        self.record.fwd_answer_ms.is_some()
    }

    pub fn recording_started(&mut self, at_ms: u64, object: String) -> Option<Fact> {
        self.record.record_start_ms = Some(at_ms);
        self.record.record_object = Some(object.clone());
        self.fact(at_ms, FactKind::RecordingStarted { object })
    }

    /// The recording is on disk under the name it was begun with, for `length_ms`, as a file of `bytes`.
    pub fn recording_kept(&mut self, length_ms: u64, bytes: u64) {
        self.record.record_flag = 1;
        self.record.record_length_ms = length_ms;
        self.record.record_bytes = bytes;
    }

    /// There is no recording: it was too short (no failure), or `failure` says why.
    pub fn recording_dropped(&mut self, failure: Option<String>) {
        self.record.record_failure = failure;
        self.record.record_object = None;
        self.record.record_start_ms = None;
    }

    pub fn quality(&mut self, a: LegQuality, b: LegQuality) {
        if let Some(trace) = &mut self.trace {
            (trace.caller_media, trace.callee_media) = (Some(a), Some(b));
        }
        self.record.a_quality = Some(a);
        self.record.b_quality = Some(b);
    }

    /// The call is over.
    pub fn disconnect(&mut self, at_ms: u64, ending: Ending) -> Option<Fact> {
        let outcome = ending.outcome();
        self.ending = Some(ending);
        let record = &mut self.record;
        record.call_end_ms = at_ms;
        record.state_code = outcome.state_code;
        record.ul_fail_reason = outcome.ul_fail_reason;
        record.released_by = outcome.released_by;
        if record.fwd_start_ms.is_some() && record.fwd_answer_ms.is_none() {
            let unanswered = ending.unanswered();
            record.fwd_unasw_rsn = unanswered.q850;
            record.sip_status_code = unanswered.sip_status;
        }
        let (caller, called) = if record.fwd_start_ms.is_some() {
            self.second_leg()
        } else {
            (self.record.caller_num.clone(), self.record.bind_num.clone())
        };
        let kind = FactKind::Disconnect {
            caller,
            called,
            state_code: outcome.state_code,
            state_desc: outcome.state_desc.to_owned(),
            released_by: outcome.released_by,
        };
        self.fact(at_ms, kind)
    }

    /// How the call went, if anybody was called. Only after the disconnect.
    pub fn put_through(&self) -> Option<Ended> {
        let record = &self.record;
        record.fwd_start_ms?;
        let talked = |answered_ms| record.call_end_ms.saturating_sub(answered_ms);
        Some(Ended {
            talked_ms: record.fwd_answer_ms.map(talked),
        })
    }

    /// The whole trace, once: it goes before the record.
    pub fn told_trace(&mut self, at_ms: u64) -> Option<Fact> {
        if self.recorded {
            return None;
        }
        let trace = self.trace.take()?;
        self.fact(at_ms, FactKind::Trace(trace))
    }

    /// The record, once.
    pub fn record(&mut self, at_ms: u64) -> Option<Fact> {
        if self.recorded {
            return None;
        }
        self.recorded = true;
        let record = Box::new(self.record.clone());
        self.fact(at_ms, FactKind::Record(record))
    }

    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    fn second_leg(&self) -> (String, String) {
        (
            self.record.fwd_display_num.clone(),
            self.record.fwd_dst_num.clone(),
        )
    }

    fn fact(&mut self, at_ms: u64, kind: FactKind) -> Option<Fact> {
        let app = self.app.as_ref()?;
        let fact = Fact {
            app: app.id,
            app_key: app.key.clone(),
            session_id: self.session.clone(),
            seq: self.seq,
            at_ms,
            subscription_id: self.subscription.clone(),
            user_data: self.user_data.clone(),
            kind,
        };
        self.seq += 1;
        Some(fact)
    }
}
