//! What a shard drives and where its facts go, as traits: the real ones are `axbridge_call::Switch` and
//! `axbridge_store::JournalWriter`, tests put their own in.

use std::io;
use std::time::Instant;

use axbridge_call::{
    Answer, CallKey, Fact, Limit, LimitChange, MediaPlane, Now, Question, StoppedBy, Switch,
    TextAnswer, TextIn, TextKey, TextOut, TextSent, Trace,
};
use axbridge_media as media;
use axbridge_sip::{Hop, Transmit};
use axbridge_store::JournalWriter;
use bytes::Bytes;

/// All calls of one shard. Time and bytes go in; bytes, facts and media commands come out.
pub trait Calls: Send {
    /// A SIP message came.
    fn receive(&mut self, now: Now, hop: Hop, bytes: Bytes, plane: &mut dyn MediaPlane);
    /// The media side reports.
    fn media_event(
        &mut self,
        now: Now,
        call: CallKey,
        event: media::Event,
        plane: &mut dyn MediaPlane,
    );
    /// Ends a call; false when there is none of this name.
    fn stop_call(
        &mut self,
        now: Now,
        session_id: &str,
        by: StoppedBy,
        plane: &mut dyn MediaPlane,
    ) -> bool;
    /// Changes how long a call may last; none when there is no such call.
    fn change_limit(
        &mut self,
        _now: Now,
        _session_id: &str,
        _change: LimitChange,
        _plane: &mut dyn MediaPlane,
    ) -> Option<Limit> {
        None
    }
    /// What was decided in a call so far; none when there is no such call, or it is not traced.
    fn trace(&mut self, _session_id: &str) -> Option<Trace> {
        None
    }
    /// The next question to the outside.
    fn poll_question(&mut self) -> Option<Question> {
        None
    }
    /// The answer to a call's question.
    fn answer(&mut self, _now: Now, _call: CallKey, _answer: Answer, _plane: &mut dyn MediaPlane) {}
    /// The next text that came in.
    fn poll_text(&mut self) -> Option<TextIn> {
        None
    }
    /// The answer to a text that came in.
    fn answer_text(&mut self, _now: Now, _key: TextKey, _answer: TextAnswer) {}
    /// Sends a text.
    fn send_text(&mut self, _now: Now, _text: TextOut) {}
    /// The next text of which it is known what became of it.
    fn poll_text_sent(&mut self) -> Option<TextSent> {
        None
    }
    /// The deadline has come.
    fn handle_timeout(&mut self, now: Now, plane: &mut dyn MediaPlane);
    /// When `handle_timeout` is wanted next.
    fn next_deadline(&self) -> Option<Instant>;
    /// A message could not be sent.
    fn transport_failed(&mut self, now: Now, hop: Hop, plane: &mut dyn MediaPlane);
    /// The next message to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;
    /// The next thing to tell.
    fn poll_fact(&mut self) -> Option<Fact>;
    /// Refuses new calls with 503 for ever.
    fn drain(&mut self);
    /// Refuses new calls with 503 while true.
    fn set_overloaded(&mut self, overloaded: bool);
    /// Calls that are not over.
    fn live_calls(&self) -> usize;
    /// Publishes what has been counted; called about once a second.
    fn publish_metrics(&self, _shard: usize) {}
}

/// Where facts become durable.
pub trait Journal: Send {
    /// Appends the facts of one turn with one write; when it returns they survive the end of the process.
    fn append(&mut self, facts: &[Fact]) -> io::Result<()>;
    /// False when so much waits that new calls should be refused.
    fn accepting(&self) -> bool {
        true
    }
}

impl Journal for JournalWriter {
    fn append(&mut self, facts: &[Fact]) -> io::Result<()> {
        Self::append(self, facts)
    }

    fn accepting(&self) -> bool {
        Self::accepting(self)
    }
}

impl Calls for Switch {
    fn receive(&mut self, now: Now, hop: Hop, bytes: Bytes, plane: &mut dyn MediaPlane) {
        Self::receive(self, now, hop, bytes, plane);
    }

    fn media_event(
        &mut self,
        now: Now,
        call: CallKey,
        event: media::Event,
        plane: &mut dyn MediaPlane,
    ) {
        Self::media_event(self, now, call, event, plane);
    }

    fn stop_call(
        &mut self,
        now: Now,
        session_id: &str,
        by: StoppedBy,
        plane: &mut dyn MediaPlane,
    ) -> bool {
        Self::stop_call(self, now, session_id, by, plane)
    }

    fn change_limit(
        &mut self,
        now: Now,
        session_id: &str,
        change: LimitChange,
        plane: &mut dyn MediaPlane,
    ) -> Option<Limit> {
        Self::change_limit(self, now, session_id, change, plane)
    }

    fn trace(&mut self, session_id: &str) -> Option<Trace> {
        Self::trace(self, session_id)
    }

    fn poll_question(&mut self) -> Option<Question> {
        Self::poll_question(self)
    }

    fn answer(&mut self, now: Now, call: CallKey, answer: Answer, plane: &mut dyn MediaPlane) {
        Self::answer(self, now, call, answer, plane);
    }

    fn poll_text(&mut self) -> Option<TextIn> {
        Self::poll_text(self)
    }

    fn answer_text(&mut self, now: Now, key: TextKey, answer: TextAnswer) {
        Self::answer_text(self, now, key, answer);
    }

    fn send_text(&mut self, now: Now, text: TextOut) {
        Self::send_text(self, now, text);
    }

    fn poll_text_sent(&mut self) -> Option<TextSent> {
        Self::poll_text_sent(self)
    }

    fn handle_timeout(&mut self, now: Now, plane: &mut dyn MediaPlane) {
        Self::handle_timeout(self, now, plane);
    }

    fn next_deadline(&self) -> Option<Instant> {
        Self::next_deadline(self)
    }

    fn transport_failed(&mut self, now: Now, hop: Hop, plane: &mut dyn MediaPlane) {
        Self::transport_failed(self, now, hop, plane);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        Self::poll_transmit(self)
    }

    fn poll_fact(&mut self) -> Option<Fact> {
        Self::poll_fact(self)
    }

    fn drain(&mut self) {
        Self::drain(self);
    }

    fn set_overloaded(&mut self, overloaded: bool) {
        Self::set_overloaded(self, overloaded);
    }

    fn live_calls(&self) -> usize {
        Self::live_calls(self)
    }
    fn publish_metrics(&self, shard: usize) {
        let shard = shard.to_string();
        let publish = |name: &'static str, count: u64| {
            metrics::counter!(name, "shard" => shard.clone()).absolute(count);
        };
        let counters = self.counters();
        publish("axbridge_calls_taken_total", counters.calls);
        publish("axbridge_calls_refused_total", counters.refused);
        let sip = self.sip_counters();
        publish("axbridge_sip_strangers_total", sip.strangers);
        publish("axbridge_sip_unanswered_total", sip.unanswered);
        metrics::gauge!("axbridge_sip_transactions_live", "shard" => shard.clone())
            .set(self.live_transactions() as f64);
    }
}
