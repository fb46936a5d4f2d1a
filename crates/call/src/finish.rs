//! How a call ends: each leg by its own means, then the record, exactly once.

use axbridge_media::{RecordingEvent, Side, Stats};
use axbridge_sip::{ClientTx, Message, Name};

use crate::call::{Call, Phase};
use crate::compose;
use crate::core::Ctx;
use crate::fact::LegQuality;
use crate::leg::State;
use crate::outcome::Ending;
use crate::sound::Recording;
use crate::trace::Note;

impl Call {
    /// Ends the call. The first reason counts; a call ends once.
    pub fn end(&mut self, ctx: &mut Ctx<'_>, ending: Ending) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.phase = Phase::Ended;
        self.deadlines = Default::default();
        self.joining = false;
        self.occupied = None;
        if let Some(exchange) = self.exchange.take()
            && let Some(leg) = self.leg(exchange.from)
        {
            leg.respond(ctx, exchange.tx, leg.plain(487));
        }
        self.answer_owed = false;
        self.note_end(ctx, ending);
        self.close_media(ctx);
        self.release(ctx, Side::A, ending);
        self.release(ctx, Side::B, ending);
        let fact = self.story.disconnect(ctx.now.wall_ms, ending);
        if let (Some(caller), Some(ended)) = (self.arrived.caller, self.story.put_through()) {
            let counts = &ctx.core.directory.counts;
            counts.note(&self.arrived.app, caller, ctx.now.wall_ms, ended);
        }
        ctx.core.tell(fact);
        self.record_if_complete(ctx);
    }

    fn note_end(&self, ctx: &mut Ctx<'_>, ending: Ending) {
        let outcome = ending.outcome();
        ctx.note(Note::Ended {
            state_code: outcome.state_code,
            text: outcome.state_desc.into(),
            status: matches!(self.a.state, State::Invited { .. }).then_some(outcome.sip_status),
            q850: outcome.q850,
        });
    }

    /// Ends what is left of a leg.
    fn release(&mut self, ctx: &mut Ctx<'_>, side: Side, ending: Ending) {
        let outcome = ending.outcome();
        let Some(leg) = self.leg(side) else { return };
        if let Some(reliable) = &mut leg.reliable {
            reliable.stop();
        }
        if let Some(offering) = &leg.offering {
            // An INVITE that only got provisional answers would wait for ever.
            ctx.cancel(side, offering.tx);
        }
        match leg.state {
            State::Invited { tx, .. } => {
                let mut response = leg
                    .plain(outcome.sip_status)
                    .header(Name::Reason, compose::q850_reason(outcome.q850));
                if outcome.sip_status == 503 {
                    response = response.header(Name::RetryAfter, "5");
                }
                leg.respond(ctx, tx, response);
                leg.state = State::Gone;
            }
            State::Calling {
                tx,
                cancelled: false,
            } => {
                leg.state = State::Calling {
                    tx,
                    cancelled: true,
                };
                ctx.cancel(side, tx);
            }
            State::Up => leg.bye(ctx, outcome.q850),
            State::Calling { .. } | State::Leaving { .. } | State::Gone => {}
        }
    }

    /// Closes the media session. What it still owes (recording, statistics) is awaited for a while.
    fn close_media(&mut self, ctx: &mut Ctx<'_>) {
        if !self.sound.open {
            return;
        }
        self.sound.close(ctx);
        self.deadlines.record = Some(ctx.now.mono + ctx.core.config.closing_max);
    }

    /// The recording has come to its end, or has failed on the way.
    pub fn recording_ended(&mut self, ctx: &mut Ctx<'_>, event: RecordingEvent) {
        if matches!(self.sound.recording, Recording::Off | Recording::Closed) {
            return;
        }
        match event {
            RecordingEvent::Begun { .. } => return,
            RecordingEvent::Kept {
                duration_ms, bytes, ..
            } => {
                ctx.note(Note::Recorded {
                    length_ms: duration_ms,
                });
                self.story.recording_kept(duration_ms, bytes);
            }
            RecordingEvent::Discarded { .. } => {
                ctx.note(Note::NotRecorded { why: None });
                self.story.recording_dropped(None);
            }
            RecordingEvent::Failed { reason, .. } => {
                // Its text may name a file of ours; the record has it.
                let why = "it could not be written".into();
                ctx.note(Note::NotRecorded { why: Some(why) });
                self.story.recording_dropped(Some(reason));
            }
        }
        self.sound.recording = Recording::Closed;
        self.record_if_complete(ctx);
    }

    /// The session is closed and has told its statistics.
    pub fn media_closed(&mut self, ctx: &mut Ctx<'_>, stats: &Stats) {
        let quality = |s: &axbridge_media::LegStats| LegQuality {
            packets: u64::from(s.received),
            lost: u64::from(s.lost),
            reordered: u64::from(s.late),
            jitter_ms: s.jitter_us as f32 / 1000.0,
            mos: f32::from(s.mos_x100) / 100.0,
        };
        self.story.quality(quality(&stats.a), quality(&stats.b));
        self.sound.owes_statistics = false;
        self.record_if_complete(ctx);
    }

    fn record_if_complete(&mut self, ctx: &mut Ctx<'_>) {
        if matches!(self.phase, Phase::Ended) && !self.sound.owes() {
            self.deadlines.record = None;
            self.tell_record(ctx);
        }
    }

    /// The media side did not close in time: the record says so instead of waiting for ever.
    pub fn record_without_media(&mut self, ctx: &mut Ctx<'_>) {
        self.sound.owes_statistics = false;
        if self.sound.recording == Recording::Closing {
            self.sound.recording = Recording::Closed;
            let failure = "the recorder did not finish in time".to_owned();
            self.story.recording_dropped(Some(failure));
        }
        self.tell_record(ctx);
    }

    fn tell_record(&mut self, ctx: &mut Ctx<'_>) {
        self.story.take(&mut ctx.core.pending);
        let trace = self.story.told_trace(ctx.now.wall_ms);
        ctx.core.tell(trace);
        let fact = self.story.record(ctx.now.wall_ms);
        ctx.core.tell(fact);
    }

    /// The answer to our BYE. Whatever it says, the dialog is over (RFC 3261 §15.1.1).
    pub fn bye_response(
        &mut self,
        _ctx: &mut Ctx<'_>,
        side: Side,
        tx: ClientTx,
        message: &Message,
    ) {
        let is_final = message.status().is_some_and(|s| s >= 200);
        let Some(leg) = self.leg(side) else { return };
        if is_final && matches!(leg.state, State::Leaving { tx: bye } if bye == tx) {
            leg.state = State::Gone;
        }
    }
}
