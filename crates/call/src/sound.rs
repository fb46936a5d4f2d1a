//! What the parties hear besides each other: prompts in order, ring-back, and the recording.

use std::collections::VecDeque;
use std::sync::Arc;

use axbridge_media::{Command, Prompt, Side};

use crate::core::Ctx;
use crate::plane::CallKey;
use crate::trace::Note;

/// Why a prompt is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Instead of ring-back, to the caller.
    PreVoice,
    /// Why the call is refused.
    Refusal,
    /// That an extension is to be keyed.
    Menu,
    /// To the callee alone, before it hears the caller.
    CalleeHint,
    /// That the call is recorded.
    RecordHint,
    /// That a minute is left.
    LastMinute,
}

impl Purpose {
    /// For the trace.
    fn words(self) -> &'static str {
        match self {
            Purpose::PreVoice => "the application's waiting tone",
            Purpose::Refusal => "the prompt that says why the call is refused",
            Purpose::Menu => "the prompt of the menu",
            Purpose::CalleeHint => "the notice before the parties are joined",
            Purpose::RecordHint => "the notice that the call is recorded",
            Purpose::LastMinute => "the warning that the call will end soon",
        }
    }
}

/// How far the recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    /// None is wanted.
    Off,
    /// It begins when the notice has been heard.
    AfterHint,
    /// It runs.
    Running,
    /// It was stopped; its outcome is awaited.
    Closing,
    /// Its outcome is known.
    Closed,
}

#[derive(Default)]
struct Channel {
    playing: Option<(u32, Purpose)>,
    queue: VecDeque<(Arc<Prompt>, Purpose)>,
    ring_back: bool,
}

/// See the module.
pub(crate) struct Sound {
    call: CallKey,
    /// Ports are open and not yet closed.
    pub open: bool,
    /// Closed, but the statistics have not come yet.
    pub owes_statistics: bool,
    pub recording: Recording,
    channels: [Channel; 2],
    next_token: u32,
}

impl Sound {
    pub fn new(call: CallKey) -> Self {
        Sound {
            call,
            open: false,
            owes_statistics: false,
            recording: Recording::Off,
            channels: Default::default(),
            next_token: 0,
        }
    }

    pub fn command(&self, ctx: &mut Ctx<'_>, command: Command) {
        if self.open {
            ctx.plane.command(self.call, command);
        }
    }

    /// Plays after whatever that side is hearing now. A ring-back tone gives way.
    pub fn play(&mut self, ctx: &mut Ctx<'_>, side: Side, prompt: Arc<Prompt>, purpose: Purpose) {
        let channel = &mut self.channels[side.index()];
        channel.queue.push_back((prompt, purpose));
        if channel.playing.is_none() {
            self.play_next(ctx, side);
        }
    }

    fn play_next(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let token = self.token();
        let channel = &mut self.channels[side.index()];
        let Some((prompt, purpose)) = channel.queue.pop_front() else {
            return;
        };
        channel.ring_back = false;
        channel.playing = Some((token, purpose));
        ctx.note(Note::Playing {
            to: side.into(),
            what: purpose.words().into(),
        });
        self.command(
            ctx,
            Command::Play {
                side,
                prompt,
                repeat: false,
                token,
            },
        );
    }

    /// A prompt has been heard whole. Returns what it was, and starts the next.
    pub fn done(&mut self, ctx: &mut Ctx<'_>, side: Side, token: u32) -> Option<Purpose> {
        let channel = &mut self.channels[side.index()];
        let (playing, purpose) = channel.playing?;
        if playing != token {
            return None;
        }
        channel.playing = None;
        ctx.note(Note::Heard {
            by: side.into(),
            what: purpose.words().into(),
        });
        self.play_next(ctx, side);
        Some(purpose)
    }

    /// True while a prompt for this purpose is playing or waiting on either side.
    pub fn has(&self, purpose: Purpose) -> bool {
        self.channels.iter().any(|c| {
            c.playing.is_some_and(|(_, p)| p == purpose)
                || c.queue.iter().any(|(_, p)| *p == purpose)
        })
    }

    /// Ring-back to a side that hears nothing else.
    pub fn ring_back(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let prompt = ctx.core.config.ring_back.clone();
        let channel = &mut self.channels[side.index()];
        if channel.playing.is_some() || channel.ring_back {
            return;
        }
        channel.ring_back = true;
        ctx.note(Note::Playing {
            to: side.into(),
            what: "ring-back from us".into(),
        });
        let token = self.token();
        self.command(
            ctx,
            Command::Play {
                side,
                prompt,
                repeat: true,
                token,
            },
        );
    }

    fn token(&mut self) -> u32 {
        self.next_token = self.next_token.wrapping_add(1);
        self.next_token
    }

    /// Silence for everything we play on a side.
    pub fn stop(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let channel = &mut self.channels[side.index()];
        let sounding = channel.playing.is_some() || channel.ring_back;
        *channel = Channel::default();
        if sounding {
            self.command(ctx, Command::StopPlay { side });
        }
    }

    /// Ends a ring-back tone but not a prompt.
    pub fn stop_ring_back(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let channel = &mut self.channels[side.index()];
        if std::mem::take(&mut channel.ring_back) {
            self.command(ctx, Command::StopPlay { side });
        }
    }

    /// True while the media side still has something to say for the record.
    pub fn owes(&self) -> bool {
        self.owes_statistics || self.recording == Recording::Closing
    }

    /// Closes the session; nothing is sent any more.
    pub fn close(&mut self, ctx: &mut Ctx<'_>) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.channels = Default::default();
        self.owes_statistics = true;
        self.recording = match self.recording {
            Recording::Running => Recording::Closing,
            Recording::AfterHint => Recording::Off,
            other => other,
        };
        ctx.plane.close(self.call);
    }
}
