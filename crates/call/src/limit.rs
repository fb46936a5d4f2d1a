//! The longest a call may last, the warning before, and their change while it goes on.

use std::time::{Duration, Instant};

use axbridge_binding::Policy;
use axbridge_media::Side;

use crate::call::{Call, Phase};
use crate::core::Ctx;
use crate::outcome::Ending;
use crate::sound::Purpose;
use crate::trace::Note;

/// A wish to change the limit of a call; what is absent stays. Seconds are those of the switch's clock: a sixtieth of
/// [`SwitchConfig::minute`](crate::SwitchConfig::minute).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitChange {
    /// The new limit.
    pub length: Option<NewLength>,
    /// How long before the limit the warning is played, in seconds; 0: it is not.
    pub warn_before_s: Option<u16>,
}

/// A new limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewLength {
    /// Seconds from the callee's answer; a limit that has passed ends the call. 0 = no limit.
    FromAnswer(u32),
    /// So many seconds later than now set; a call without a limit stays without.
    Later(u32),
}

/// The limit of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// When the call will be cut, Unix milliseconds; none: not answered yet, or no limit.
    pub ends_at_ms: Option<u64>,
}

/// The limit of a call and how far it has come.
#[derive(Default)]
pub(crate) struct Clock {
    /// None: no limit.
    length: Option<Duration>,
    warn_before: Duration,
    answered_at: Option<Instant>,
    warned: bool,
}

impl Clock {
    /// The limit of a binding.
    pub fn of(policy: &Policy, minute: Duration) -> Clock {
        let minutes = u32::from(policy.max_duration_min);
        Clock {
            length: (minutes > 0).then(|| minute * minutes),
            warn_before: minute * u32::from(policy.warn_before_s) / 60,
            ..Clock::default()
        }
    }
}

impl Call {
    /// Changes the limit. None when nobody is being called yet, or the call is over.
    pub fn change_limit(&mut self, ctx: &mut Ctx<'_>, change: LimitChange) -> Option<Limit> {
        if !matches!(self.phase, Phase::Calling | Phase::Talking) || self.plan.is_none() {
            return None;
        }
        let minute = ctx.core.config.minute;
        let seconds = |s: u32| minute.saturating_mul(s) / 60;
        match change.length {
            Some(NewLength::FromAnswer(0)) => self.clock.length = None,
            Some(NewLength::FromAnswer(s)) => self.clock.length = Some(seconds(s)),
            Some(NewLength::Later(s)) => {
                self.clock.length = self.clock.length.map(|l| l.saturating_add(seconds(s)));
            }
            None => {}
        }
        ctx.note(Note::said(
            "The limit of the call, or its warning, was changed by the application.",
        ));
        if let Some(s) = change.warn_before_s {
            self.clock.warn_before = seconds(u32::from(s));
        }
        self.arm_limit(ctx);
        let left = self.deadlines.cut.map(|at| at - ctx.now.mono);
        let ends_at = |left: Duration| {
            let ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            ctx.now.wall_ms.saturating_add(ms)
        };
        Some(Limit {
            ends_at_ms: left.map(ends_at),
        })
    }

    /// The callee has answered: time counts from here.
    pub fn start_clock(&mut self, ctx: &mut Ctx<'_>) {
        self.clock.answered_at = Some(ctx.now.mono);
        self.arm_limit(ctx);
    }

    /// Sets the moments of the warning and of the cut; one that has passed happens now.
    fn arm_limit(&mut self, ctx: &mut Ctx<'_>) {
        (self.deadlines.cut, self.deadlines.warn) = (None, None);
        let clock = &mut self.clock;
        let (Some(answered_at), Some(length)) = (clock.answered_at, clock.length) else {
            return;
        };
        let now = ctx.now.mono;
        // A limit beyond the end of time is none.
        let Some(cut) = answered_at.checked_add(length) else {
            return;
        };
        if cut <= now {
            return self.end(ctx, Ending::MaxDuration);
        }
        self.deadlines.cut = Some(cut);
        let warn = answered_at + length.saturating_sub(clock.warn_before);
        if warn > now {
            // A call that was extended is warned again.
            clock.warned = false;
            self.deadlines.warn = Some(warn).filter(|_| !clock.warn_before.is_zero());
        } else if !clock.warned {
            self.warn(ctx);
        }
    }

    /// Plays the last-minute voice to both.
    pub fn warn(&mut self, ctx: &mut Ctx<'_>) {
        self.clock.warned = true;
        let name = self
            .plan
            .as_ref()
            .and_then(|p| p.policy.last_min_voice.clone());
        let Some(prompt) = self.prompt(name.as_ref()) else {
            return;
        };
        for side in [Side::A, Side::B] {
            self.sound
                .play(ctx, side, prompt.clone(), Purpose::LastMinute);
        }
    }
}
