//! What is going to happen in one simulated call: everything that is not the network's or our own doing is decided
//! here beforehand, so that a story can be written by hand for a test or drawn from a seed.

use std::time::Duration;

use axbridge_binding::{CallDirection, NumberStatus};
use axbridge_call::{Prack, RecordLayout, StoppedBy};
use axbridge_media::Side;
use axbridge_numbering::OutFormat;

use crate::kinds::Kind;
use crate::net::LinkPlan;
use crate::phone::sdp::{Codec, PCMA, PCMU};

/// Use of 100rel (RFC 3262) by a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliable {
    /// Knows nothing of it.
    No,
    /// Says Supported.
    Supported,
    /// Says Require.
    Required,
}

/// Something that a party does inside a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Hangs up.
    Bye,
    /// re-INVITE with `sendonly`.
    Hold,
    /// re-INVITE with the address 0.0.0.0, as RFC 2543 did.
    HoldOld,
    /// re-INVITE with `sendrecv`.
    Resume,
    /// re-INVITE that offers only the other G.711 law.
    OtherLaw,
    /// re-INVITE that changes nothing.
    Refresh,
    /// re-INVITE without an offer.
    Offerless,
    /// re-INVITE for hold, cancelled this many milliseconds later.
    HoldCancelled(u16),
    /// UPDATE with `sendonly`.
    UpdateHold,
    /// UPDATE with `sendrecv`.
    UpdateResume,
    /// UPDATE without a body.
    UpdateEmpty,
    /// INFO with a digit.
    Digit(char),
    /// OPTIONS.
    Options,
    /// REFER, which is to be refused.
    Refer,
    /// A method that nobody knows.
    Unknown,
    /// A new offer, `sendonly`, in the PRACK of the response that answered the first.
    PrackOffer,
    /// Falls silent for ever.
    Vanish,
}

/// What a party does with our re-INVITEs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReinvite {
    /// Answers at once.
    Accept,
    /// Answers after so many milliseconds.
    Later(u16),
    /// Refuses with this status.
    Refuse(u16),
    /// Says 100 and nothing else until it is cancelled.
    Stall,
}

/// Where the caller writes its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// P-Asserted-Identity; From is anonymous.
    Asserted,
    /// Only From.
    From,
    /// Nowhere.
    Hidden,
}

/// What both parties have in common.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its codecs, best first.
    pub codecs: Vec<Codec>,
    /// Its number for telephone-event.
    pub dtmf: Option<u8>,
    /// Its use of 100rel.
    pub reliable: Reliable,
    /// What it does before the answer, by the time since the INVITE.
    pub early: Vec<(Duration, Act)>,
    /// What it does after the answer, by the time since then.
    pub talk: Vec<(Duration, Act)>,
    /// What it does with our re-INVITEs.
    pub on_reinvite: OnReinvite,
    /// ACKs of its own that never get out: so many of the first.
    pub acks_lost: u8,
    /// When it falls silent, by the time since the INVITE.
    pub vanishes: Option<Duration>,
    /// Names its host in Via and Call-ID instead of its address.
    pub host_names: bool,
    /// The caller's PRACKs bring new offers where they may (RFC 3262 §5).
    pub prack_offers: bool,
    /// Writes everything that must not cross into headers of its own.
    pub chatty: bool,
}

impl Default for Party {
    fn default() -> Self {
        Party {
            codecs: vec![PCMA, PCMU],
            dtmf: Some(101),
            reliable: Reliable::No,
            early: Vec::new(),
            talk: Vec::new(),
            on_reinvite: OnReinvite::Accept,
            acks_lost: 0,
            vanishes: None,
            host_names: false,
            prack_offers: false,
            chatty: true,
        }
    }
}

/// The caller.
#[derive(Clone, Debug)]
pub struct CallerPlan {
    /// What it has in common with a callee.
    pub party: Party,
    /// The INVITE carries an offer.
    pub offers: bool,
    /// Where its number stands.
    pub identity: Identity,
    /// Gives up, by the time since the INVITE.
    pub cancels: Option<Duration>,
    /// Its Max-Forwards.
    pub max_forwards: u8,
}

impl Default for CallerPlan {
    fn default() -> Self {
        CallerPlan {
            party: Party::default(),
            offers: true,
            identity: Identity::Asserted,
            cancels: None,
            max_forwards: 70,
        }
    }
}

/// A step of the callee towards an answer or a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A provisional response.
    Progress {
        /// 100 to 199.
        status: u16,
        /// Which of its forks says it.
        fork: usize,
        /// With a session description.
        sdp: bool,
        /// Reliably, if we can.
        reliable: bool,
    },
    /// 200 from a fork.
    Answer {
        /// Which.
        fork: usize,
    },
    /// A refusal, perhaps with a Q.850 cause.
    Reject(u16, Option<u8>),
}

/// What the callee does when it is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCancel {
    /// Answers 487.
    Obey,
    /// Answers 200 all the same.
    Answer,
    /// Answers the CANCEL, and the INVITE a minute later.
    Ignore,
}

/// The callee.
#[derive(Clone, Debug)]
pub struct CalleePlan {
    /// What it has in common with a caller.
    pub party: Party,
    /// Its way to an answer, by the time since the INVITE.
    pub steps: Vec<(Duration, Step)>,
    /// What it does when it is cancelled.
    pub on_cancel: OnCancel,
    /// Never says a word.
    pub silent: bool,
}

impl Default for CalleePlan {
    fn default() -> Self {
        CalleePlan {
            party: Party::default(),
            steps: vec![
                (Duration::from_millis(50), Step::ringing()),
                (Duration::from_millis(1500), Step::Answer { fork: 0 }),
            ],
            on_cancel: OnCancel::Obey,
            silent: false,
        }
    }
}

impl Step {
    /// A plain 180.
    #[must_use]
    pub const fn ringing() -> Step {
        Step::Progress {
            status: 180,
            fork: 0,
            sdp: false,
            reliable: false,
        }
    }
}

/// Why there is no route, if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The caller is A of the binding, or B.
    Yes {
        /// Which.
        caller_is_a: bool,
    },
    /// X belongs to nobody.
    NoSuchX,
    /// X is bound for others.
    Others,
    /// The caller may only be called.
    WrongDirection,
    /// The binding ends so many milliseconds after the INVITE has reached us; 0 = at that very one, so it is over.
    ExpiresIn(i64),
    /// X is suspended.
    Suspended,
    /// The application is suspended.
    AppSuspended,
}

/// The media side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MediaPlan {
    /// Real media sessions, with RTP from both parties.
    pub real: bool,
    /// No ports are left.
    pub no_ports: bool,
    /// How long the recorder takes to say what became of the recording; none: for ever.
    pub recorder: Option<Duration>,
    /// How long the statistics take; none: for ever.
    pub statistics: Option<Duration>,
    /// A party falls silent so long after the INVITE, for a stand-in.
    pub silence: Option<(Duration, Side)>,
    /// The recorder fails in the middle of the call.
    pub recorder_fails: bool,
}

impl Default for MediaPlan {
    fn default() -> Self {
        MediaPlan {
            real: false,
            no_ports: false,
            recorder: Some(Duration::from_millis(20)),
            statistics: Some(Duration::from_millis(1)),
            silence: None,
            recorder_fails: false,
        }
    }
}

/// The rules of the binding and of the application.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// `maxDuration` in minutes of the test clock; 0: none.
    pub minutes: u16,
    /// Length of a minute.
    pub minute: Duration,
    /// With the last-minute voice.
    pub last_minute_voice: bool,
    /// With a waiting tone.
    pub pre_voice: bool,
    /// The call is recorded.
    pub record: bool,
    /// With a notice before.
    pub record_hint: bool,
    /// The layout of the recording.
    pub layout: RecordLayout,
    /// Refused callers hear why.
    pub refusal_prompts: bool,
    /// How long the callee may ring.
    pub answer_timeout: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            minutes: 0,
            minute: Duration::from_secs(60),
            last_minute_voice: false,
            pre_voice: false,
            record: false,
            record_hint: false,
            layout: RecordLayout::Mono,
            refusal_prompts: false,
            answer_timeout: Duration::from_secs(90),
        }
    }
}

/// A trunk's settings, as far as they matter here.
#[derive(Clone, Debug)]
pub struct TrunkPlan {
    /// Use of 100rel.
    pub prack: Prack,
    /// How numbers are written.
    pub out: OutFormat,
    /// `;user=phone`
    pub user_phone: bool,
    /// P-Asserted-Identity.
    pub asserted_identity: bool,
}

impl Default for TrunkPlan {
    fn default() -> Self {
        TrunkPlan {
            prack: Prack::Supported,
            out: OutFormat::Plus,
            user_phone: false,
            asserted_identity: true,
        }
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct Story {
    /// When the INVITE is sent, since the beginning.
    pub starts: Duration,
    /// The caller.
    pub caller: CallerPlan,
    /// The callee.
    pub callee: CalleePlan,
    /// Where X leads.
    pub bound: Bound,
    /// What kind of binding that is.
    pub kind: Kind,
    /// How it may be used.
    pub rules: Rules,
    /// The media side.
    pub media: MediaPlan,
    /// The caller's trunk and link.
    pub a_trunk: TrunkPlan,
    /// The callee's trunk.
    pub b_trunk: TrunkPlan,
    /// The caller's network.
    pub a_link: LinkPlan,
    /// The callee's network.
    pub b_link: LinkPlan,
    /// The call is ended from outside, by the time since the INVITE.
    pub stopped: Option<(Duration, StoppedBy)>,
    /// Spoilt copies of messages reach us, too: anything may come of them but a panic, a leak or a remainder.
    pub noisy: bool,
}

impl Default for Story {
    fn default() -> Self {
        Story {
            starts: Duration::ZERO,
            caller: CallerPlan::default(),
            callee: CalleePlan::default(),
            bound: Bound::Yes { caller_is_a: true },
            kind: Kind::Axb,
            rules: Rules::default(),
            media: MediaPlan::default(),
            a_trunk: TrunkPlan::default(),
            b_trunk: TrunkPlan::default(),
            a_link: LinkPlan::CLEAN,
            b_link: LinkPlan::CLEAN,
            stopped: None,
            noisy: false,
        }
    }
}

impl Bound {
    /// The direction that the binding allows.
    #[must_use]
    pub fn direction(self) -> CallDirection {
        match self {
            Bound::WrongDirection => CallDirection::CalleeOnly,
            _ => CallDirection::Both,
        }
    }

    /// The state of X.
    #[must_use]
    pub fn status(self) -> NumberStatus {
        match self {
            Bound::Suspended => NumberStatus::Suspended,
            _ => NumberStatus::Normal,
        }
    }
}
