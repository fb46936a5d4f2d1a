//! Questions to the outside that decide where a call goes, and what their answers mean. The call waits for an answer
//! no longer than its own deadline; what comes later finds a call that no longer waits.

use std::sync::Arc;
use std::time::Duration;

use axbridge_binding::{AppId, Policy, Route, SubscriptionId};
use axbridge_media::Prompt;
use axbridge_numbering::Number;

use crate::call::{Call, Phase};
use crate::core::Ctx;
use crate::outcome::Ending;
use crate::plan::{self, Next, Way};
use crate::plane::CallKey;
use crate::trace::Note;

/// Somebody outside is asked what becomes of a call.
#[derive(Clone, Debug)]
pub struct Question {
    /// The call, for [`Switch::answer`](crate::Switch::answer).
    pub call: CallKey,
    /// The same call towards the customer.
    pub session_id: Arc<str>,
    /// When it reached us, Unix milliseconds.
    pub at_ms: u64,
    /// What is asked.
    pub kind: QuestionKind,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuestionKind {
    /// AXYB: a stranger has dialled X; the store is to give it a Y and to publish that, then to answer
    /// [`Answer::Allocated`].
    AllocateY {
        /// The application.
        app: AppId,
        /// The binding of A and X.
        subscription: SubscriptionId,
        /// The number dialled.
        x: Number,
        /// The stranger.
        caller: Number,
    },
    /// X mode: the customer's server is to say where the call goes.
    CallIn {
        /// The application.
        app: AppId,
        /// The number dialled.
        x: Number,
        /// The caller.
        caller: Number,
    },
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A Y is allocated and published.
    Allocated,
    /// No number is free (8031).
    NoneFree,
    /// The customer wants the call connected.
    Connect(Box<ConnectTo>),
    /// The customer does not want the call (8017).
    Close {
        /// A file that the caller hears before.
        prompt: Option<Arc<str>>,
        /// The customer's own text.
        user_data: Option<Arc<str>>,
    },
    /// The customer's answer names a prompt file that does not exist (8006).
    NoFile,
    /// The customer's answer cannot be understood (8014).
    Invalid,
    /// There was no answer (8020).
    Failed,
}

/// How the customer wants a call connected (`connectInfo` of X mode). Files are named as they were uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// The real callee.
    pub callee: Number,
    /// What the callee sees: X (also when absent), the real caller, or another number of the application.
    pub display: Option<Number>,
    /// Whether the call is recorded (if the application allows it).
    pub record: bool,
    /// Notice of the recording.
    pub record_hint_tone: Option<Arc<str>>,
    /// The call is cut this many minutes after the answer; 0 = never.
    pub max_duration_min: u16,
    /// Played to both before the cut.
    pub last_min_voice: Option<Arc<str>>,
    /// How long before the cut, in seconds.
    pub warn_before_s: u16,
    /// Heard by the caller instead of ring-back.
    pub wait_voice: Option<Arc<str>>,
    /// Heard by the callee before it hears the caller.
    pub callee_hint_voice: Option<Arc<str>>,
    /// The customer's own text, for every event from here on.
    pub user_data: Option<Arc<str>>,
}

impl ConnectTo {
    /// A plain call to `callee`, everything else as when absent.
    pub fn new(callee: Number) -> Self {
        ConnectTo {
            callee,
            display: None,
            record: false,
            record_hint_tone: None,
            max_duration_min: 0,
            last_min_voice: None,
            warn_before_s: 60,
            wait_voice: None,
            callee_hint_voice: None,
            user_data: None,
        }
    }
}

/// `maxDuration` ends here.
const MAX_DURATION_MIN: u16 = 1_440;
/// The store answers in milliseconds or is out of order.
const ALLOCATION_PATIENCE: Duration = Duration::from_secs(3);

/// An answer, for the trace.
fn told(answer: &Answer) -> Note {
    Note::said(match answer {
        Answer::Allocated => "A number to show the caller as is allocated.",
        Answer::NoneFree => "No number is free to show the caller as.",
        Answer::Connect(_) => {
            return Note::Bound {
                kind: "X".into(),
                caller_is_a: false,
            };
        }
        Answer::Close { .. } => "The application does not want the call.",
        Answer::NoFile => "The application's answer names a prompt file that does not exist.",
        Answer::Invalid => "The application's answer cannot be understood.",
        Answer::Failed => "No usable answer came in time.",
    })
}

impl Call {
    /// Asks; the call waits for the answer.
    pub fn ask(&mut self, ctx: &mut Ctx<'_>, kind: QuestionKind) {
        let patience = match kind {
            QuestionKind::AllocateY { .. } => ALLOCATION_PATIENCE,
            QuestionKind::CallIn { .. } => {
                Duration::from_millis(self.arrived.app.callin_timeout_ms)
            }
        };
        self.phase = Phase::Asking(kind);
        self.deadlines.question = Some(ctx.now.mono + patience);
        ctx.core.questions.push_back(Question {
            call: self.key,
            session_id: self.session.clone(),
            at_ms: ctx.now.wall_ms,
            kind,
        });
    }

    /// The answer has come, or its time is over.
    pub fn asked(&mut self, ctx: &mut Ctx<'_>, answer: Answer) {
        let Phase::Asking(kind) = self.phase else {
            return;
        };
        self.deadlines.question = None;
        self.phase = Phase::Calling;
        ctx.note(told(&answer));
        let next = match kind {
            QuestionKind::AllocateY { .. } => self.allocated(ctx, &answer),
            QuestionKind::CallIn { x, caller, .. } => self.instructed(ctx, x, caller, answer),
        };
        self.go(ctx, next);
    }

    fn allocated(&mut self, ctx: &mut Ctx<'_>, answer: &Answer) -> Next {
        if *answer != Answer::Allocated {
            return Next::Refuse(Ending::NoFreeY);
        }
        match plan::decide(ctx, &self.arrived, &mut self.story) {
            // Taken away again before we could look: asking for ever would be no better.
            Next::Ask(_) => Next::Refuse(Ending::NoFreeY),
            next => next,
        }
    }

    fn instructed(&mut self, ctx: &Ctx<'_>, x: Number, caller: Number, answer: Answer) -> Next {
        match answer {
            Answer::Connect(to) => {
                self.story.instructed(to.user_data.clone());
                match self.way_to(ctx, x, caller, *to) {
                    Ok(way) => Next::Connect(Box::new(way)),
                    Err(ending) => Next::Refuse(ending),
                }
            }
            Answer::Close { prompt, user_data } => {
                self.story.instructed(user_data);
                match self.file(prompt.as_ref()) {
                    Ok(prompt) => Next::Announce(prompt, Ending::ClosedByCustomer),
                    Err(ending) => Next::Refuse(ending),
                }
            }
            Answer::NoFile => Next::Refuse(Ending::PromptMissing),
            Answer::Invalid => Next::Refuse(Ending::BadAnswer),
            Answer::Failed | Answer::Allocated | Answer::NoneFree => {
                Next::Refuse(Ending::CustomerSilent)
            }
        }
    }

    /// What the customer's instruction means; 8014 or 8006 where it cannot be carried out.
    fn way_to(
        &self,
        ctx: &Ctx<'_>,
        x: Number,
        caller: Number,
        to: ConnectTo,
    ) -> Result<Way, Ending> {
        let table = &ctx.core.directory.table;
        let number = table.number(x).ok_or(Ending::NumberUnusable)?;
        let display = to.display.unwrap_or(x);
        let own = || table.number(display).is_some_and(|n| n.app == number.app);
        if to.max_duration_min > MAX_DURATION_MIN || !(display == x || display == caller || own()) {
            return Err(Ending::BadAnswer);
        }
        let waiting = self.file(to.wait_voice.as_ref())?;
        let callee_hint = self.file(to.callee_hint_voice.as_ref())?;
        // A file that would not be played is not looked for.
        let record_hint_tone = to.record_hint_tone.filter(|_| to.record);
        let last_min_voice = to.last_min_voice.filter(|_| to.max_duration_min > 0);
        self.file(record_hint_tone.as_ref())?;
        self.file(last_min_voice.as_ref())?;
        let policy = Policy {
            max_duration_min: to.max_duration_min,
            last_min_voice,
            record: to.record,
            record_hint_tone,
            warn_before_s: to.warn_before_s,
            ..Policy::default()
        };
        let mut route = Route::of_answer(number.app, number.trunk, display, to.callee);
        route.user_data = to.user_data;
        Ok(Way {
            route,
            policy: Arc::new(policy),
            waiting,
            callee_hint,
        })
    }

    /// A prompt file that the customer has named.
    fn file(&self, name: Option<&Arc<str>>) -> Result<Option<Arc<Prompt>>, Ending> {
        let Some(name) = name.filter(|n| !n.is_empty()) else {
            return Ok(None);
        };
        let prompt = self.arrived.app.prompts.get(name).cloned();
        prompt.map(Some).ok_or(Ending::PromptMissing)
    }
}
