//! While two people talk: the notice of the recording, the recording, the warning, the end.

use std::time::Duration;

use axbridge_media::{Command, Layout, Side};
use axbridge_sip::{Message, Method};

use crate::call::{Call, Phase};
use crate::core::Ctx;
use crate::directory::RecordLayout;
use crate::sound::{Purpose, Recording};
use crate::trace::Note;

/// How often the parties are asked whether they are still there. Silence of RTP tells it sooner, except on hold,
/// where a party that is gone would otherwise keep a call for ever.
const PROBE_EVERY: Duration = Duration::from_secs(300);
/// A BYE that was lost comes again within this time.
const PROBE_AGAIN: Duration = Duration::from_secs(8);

impl Call {
    /// Asks both parties for a sign of life.
    pub fn probe(&mut self, ctx: &mut Ctx<'_>) {
        self.deadlines.probe = Some(ctx.now.mono + PROBE_EVERY);
        for side in [Side::A, Side::B] {
            if let Some(leg) = self.leg(side).filter(|l| l.is_up()) {
                leg.probe = leg.request(ctx, Method::Options, |r| r);
            }
        }
    }

    /// A final response to a request of ours that changes nothing.
    pub fn sign_of_life(&mut self, ctx: &mut Ctx<'_>, side: Side, message: &Message) {
        match message.status().unwrap_or(0) {
            0..200 => {}
            481 => self.dialog_unknown(ctx, side),
            408 => {
                if self.leg(side).is_some_and(|l| l.is_up()) {
                    self.lost(ctx, side);
                }
            }
            _ => {
                if let Some(leg) = self.leg(side) {
                    leg.suspect = false;
                }
            }
        }
    }

    /// The peer does not know the dialog (RFC 3261 §12.2.1.2). Most likely it has just hung up and its BYE is still
    /// on the way; so it is asked again before the call is given up.
    pub fn dialog_unknown(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let Some(leg) = self.leg(side).filter(|l| l.is_up()) else {
            return;
        };
        if std::mem::replace(&mut leg.suspect, true) {
            return self.lost(ctx, side);
        }
        self.deadlines.probe = Some(ctx.now.mono + PROBE_AGAIN);
    }

    /// The callee has answered: time counts from here.
    pub fn talk_begins(&mut self, ctx: &mut Ctx<'_>) {
        if !matches!(self.phase, Phase::Talking) {
            return;
        }
        self.sound.command(ctx, Command::WatchMedia(true));
        self.deadlines.probe = Some(ctx.now.mono + PROBE_EVERY);
        if self.joining {
            // The callee is listening to a notice: the caller hears that it still waits.
            self.sound.ring_back(ctx, Side::A);
        } else {
            self.speak_begins(ctx);
        }
        self.start_clock(ctx);
    }

    /// The callee has heard what it was to hear alone: now the two are joined.
    fn join(&mut self, ctx: &mut Ctx<'_>) {
        if !std::mem::take(&mut self.joining) || !matches!(self.phase, Phase::Talking) {
            return;
        }
        if !self.sound.has(Purpose::LastMinute) {
            self.sound.stop(ctx, Side::A);
        }
        self.sound.command(ctx, Command::Bridge(true));
        self.speak_begins(ctx);
    }

    /// The parties hear each other from here.
    fn speak_begins(&mut self, ctx: &mut Ctx<'_>) {
        if self.plan.as_ref().is_some_and(|plan| self.records(plan)) {
            self.announce_recording(ctx);
        }
    }

    /// The notice comes first, to both; recording begins when both have heard it.
    fn announce_recording(&mut self, ctx: &mut Ctx<'_>) {
        let name = self
            .plan
            .as_ref()
            .and_then(|p| p.policy.record_hint_tone.clone());
        let Some(prompt) = self.prompt(name.as_ref()) else {
            return self.start_recording(ctx);
        };
        self.sound.recording = Recording::AfterHint;
        for side in [Side::A, Side::B] {
            self.sound
                .play(ctx, side, prompt.clone(), Purpose::RecordHint);
        }
    }

    fn start_recording(&mut self, ctx: &mut Ctx<'_>) {
        let Some(plan) = &self.plan else { return };
        let object = ctx.core.ids.recording(ctx.now);
        let stem = format!("{}/{object}", plan.app.id.0).into();
        let layout = match plan.app.layout {
            RecordLayout::Mono => Layout::Mono,
            RecordLayout::Stereo => Layout::Stereo,
        };
        self.sound.recording = Recording::Running;
        ctx.note(Note::said("The recording begins."));
        let fact = self.story.recording_started(ctx.now.wall_ms, object);
        ctx.core.tell(fact);
        self.sound
            .command(ctx, Command::StartRecord { stem, layout });
    }

    /// A prompt is over.
    pub fn play_done(&mut self, ctx: &mut Ctx<'_>, side: Side, token: u32) {
        match self.sound.done(ctx, side, token) {
            Some(Purpose::Refusal) => {
                if let Phase::Refusing(ending) = self.phase {
                    self.end(ctx, ending);
                }
            }
            Some(Purpose::PreVoice) => self.ring_back_if_silent(ctx),
            Some(Purpose::Menu) => self.menu_played(ctx),
            Some(Purpose::CalleeHint) => self.join(ctx),
            Some(Purpose::RecordHint) => {
                let heard = !self.sound.has(Purpose::RecordHint);
                if heard && self.sound.recording == Recording::AfterHint {
                    self.start_recording(ctx);
                }
            }
            Some(Purpose::LastMinute) | None => {}
        }
    }
}
