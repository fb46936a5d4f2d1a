//! What the call tells its media session, and what the session tells the call.

use std::sync::Arc;

use crate::dtmf::Digit;
use crate::leg::{Negotiated, Side};
use crate::prompt::Prompt;
use crate::stats::Stats;

/// How the two voices are laid out in a recording.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub enum Layout {
    /// One channel, both voices added.
    #[default]
    Mono,
    /// Left: what the callee heard (the caller's voice). Right: what the caller heard (the callee's voice).
    Stereo,
}

impl Layout {
    /// Channels of the file.
    #[must_use]
    pub const fn channels(self) -> u16 {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// A command to one call's media session.
#[derive(Clone, Debug)]
pub enum Command {
    /// Sets or changes a leg. With `learn_source` the address that media really comes from is taken from the first
    /// valid packet and held until the next `Connect`; without it only packets from `negotiated.remote` count.
    Connect {
        /// The leg.
        side: Side,
        /// What its offer/answer settled.
        negotiated: Negotiated,
        /// Trunk setting for peers behind NAT.
        learn_source: bool,
    },
    /// Relays the voice of each leg to the other, or stops to. Off at the beginning.
    Bridge(bool),
    /// Watches for silence: [`Event::NoMedia`] of a leg that may send and does not. Off at the beginning, because a caller
    /// need not send before the answer; switch it on when the call is answered.
    WatchMedia(bool),
    /// Plays a prompt to a leg in place of the other party's voice. What played before ends.
    /// A ring-back tone is a prompt that repeats: [`crate::tone::ring_back`].
    Play {
        /// Who hears it.
        side: Side,
        /// What.
        prompt: Arc<Prompt>,
        /// From the beginning again until stopped.
        repeat: bool,
        /// Given back in [`Event::PlayDone`].
        token: u32,
    },
    /// Ends the prompt of a leg; its `PlayDone` says `Stopped`.
    StopPlay {
        /// The leg.
        side: Side,
    },
    /// Sends a digit to a leg as telephone-event (RFC 4733), after those that wait already. Without effect if the leg has no
    /// telephone-event or 32 digits wait.
    SendDigit {
        /// The leg.
        side: Side,
        /// The digit.
        digit: Digit,
        /// How long the key is held; made 40 to 6,000 ms.
        duration_ms: u16,
    },
    /// Begins the recording. Its length is the time until `StopRecord` or the end of the session. Without effect while one runs.
    StartRecord {
        /// Name of the recording, for whoever writes it; opaque here.
        stem: Arc<str>,
        /// Channels.
        layout: Layout,
    },
    /// Ends the recording.
    StopRecord,
}

/// How a prompt ended.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum PlayEnd {
    /// Played to its end.
    Finished,
    /// Stopped or replaced by another.
    Stopped,
    /// Not played: the leg is not connected or its codec is not G.711.
    Skipped,
}

/// What a media session tells its call.
#[derive(Clone, Debug)]
pub enum Event {
    /// A party pressed a key: telephone-event, or in-band tones where telephone-event was not agreed. Once per key press.
    Digit {
        /// Who pressed.
        side: Side,
        /// What.
        digit: Digit,
        /// How long, as far as known.
        duration_ms: u16,
    },
    /// A prompt is over. Comes once per `Play`, except when the session is closed first.
    PlayDone {
        /// The leg.
        side: Side,
        /// Of the `Play`.
        token: u32,
        /// How it ended.
        end: PlayEnd,
    },
    /// Nothing came from a leg for the configured time although it may send. Once per silence.
    NoMedia {
        /// The silent leg.
        side: Side,
    },
    /// About the recording. Never from the session itself: who writes the samples says this.
    Recording(RecordingEvent),
    /// The last event of a session.
    Final(Box<Stats>),
}

/// What became of a recording; made by whoever writes the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordingEvent {
    /// Talk has outlasted the minimum, the file is begun.
    Begun {
        /// Name of the recording.
        stem: Arc<str>,
    },
    /// The file is complete and published.
    Kept {
        /// Name of the recording.
        stem: Arc<str>,
        /// Length.
        duration_ms: u64,
        /// Size of the file.
        bytes: u64,
    },
    /// Shorter than the minimum: no file.
    Discarded {
        /// Name of the recording.
        stem: Arc<str>,
    },
    /// It could not be written (disk full, slow, read-only). The call goes on.
    Failed {
        /// Name of the recording.
        stem: Arc<str>,
        /// Why, in plain words.
        reason: String,
    },
}
