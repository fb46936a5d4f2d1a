//! Stories drawn from a seed.

use std::time::Duration;

use axbridge_call::{Prack, RecordLayout, StoppedBy};
use axbridge_numbering::OutFormat;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::kinds::{Customer, EXTENSION, Kind, Y};
use crate::net::LinkPlan;
use crate::phone::sdp::{AMR, Codec, G729, PCMA, PCMU};
use crate::plan::{
    Act, Bound, CalleePlan, CallerPlan, Identity, MediaPlan, OnCancel, OnReinvite, Party, Reliable,
    Rules, Step, Story, TrunkPlan,
};

fn ms(random: &mut SmallRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.random_range(from..to))
}

/// The calls of one seed: mostly one, sometimes several at once in the same switch.
#[must_use]
pub fn stories(random: &mut SmallRng) -> Vec<Story> {
    let count = match random.random_range(0..20) {
        0 => random.random_range(2..5),
        _ => 1,
    };
    let minute = *[60_000, 10_000, 4_000].choose(random).unwrap_or(&60_000);
    (0..count)
        .map(|_| {
            let mut story = story(random);
            story.rules.minute = Duration::from_millis(minute);
            story
        })
        .collect()
}

/// One call: anything that parties and networks do.
#[must_use]
pub fn story(random: &mut SmallRng) -> Story {
    let story = Story {
        starts: ms(random, 0, 2_000),
        caller: caller(random),
        callee: callee(random),
        bound: bound(random),
        kind: Kind::Axb,
        rules: rules(random),
        media: media(random),
        a_trunk: trunk(random),
        b_trunk: trunk(random),
        a_link: link(random),
        b_link: link(random),
        stopped: random.random_bool(0.06).then(|| {
            let by = match random.random_bool(0.7) {
                true => StoppedBy::Application,
                false => StoppedBy::Operator,
            };
            (ms(random, 0, 40_000), by)
        }),
        noisy: random.random_bool(0.03),
    };
    let mut story = story.ends(random);
    if random.random_bool(0.15) {
        story.squeeze();
    }
    if random.random_bool(0.45) {
        story.of_kind(kind(random), random);
    }
    story
}

fn kind(random: &mut SmallRng) -> Kind {
    // Now and then too late: the call waits three seconds.
    let wait = random.random_range(0..3_300);
    match random.random_range(0..9) {
        0..2 => Kind::Ax,
        2..5 => Kind::Axe {
            answers: random.random_bool(0.7),
        },
        5..7 => Kind::Axyb(match random.random_range(0..6) {
            0..2 => Y::Bound,
            2..4 => Y::Given(wait / 20),
            4 => Y::NoneFree(wait / 20),
            _ => Y::Silent,
        }),
        _ => Kind::X(match random.random_range(0..10) {
            0 => Customer::Closes(wait, random.random_bool(0.5)),
            1 => Customer::Babbles(wait),
            2 => Customer::NoFile(wait),
            3 => Customer::Silent,
            _ => Customer::Connects(wait, random.random_bool(0.4)),
        }),
    }
}

impl Story {
    /// Everything after the answer happens at once.
    fn squeeze(&mut self) {
        for party in [&mut self.caller.party, &mut self.callee.party] {
            for (at, _) in &mut party.talk {
                *at /= 50;
            }
        }
    }

    /// Turns it into a story of another kind, with what a caller does at a menu.
    fn of_kind(&mut self, kind: Kind, random: &mut SmallRng) {
        self.kind = kind;
        if matches!(self.bound, Bound::ExpiresIn(_)) {
            self.bound = Bound::Yes { caller_is_a: false };
        }
        let Kind::Axe { answers } = kind else { return };
        let keyed = match random.random_range(0..12) {
            0 => "",
            1 => "12#",
            2 => "9911",
            3 => "99113517",
            4 => "9*3517",
            5 => "12#12#12#",
            _ => EXTENSION,
        };
        let party = &mut self.caller.party;
        let acts = if answers {
            &mut party.talk
        } else {
            &mut party.early
        };
        let mut at = ms(random, 0, 4_000);
        for digit in keyed.chars() {
            acts.push((at, Act::Digit(digit)));
            at += ms(random, 100, 900);
        }
    }

    /// Sees to it that somebody ends the call.
    fn ends(mut self, random: &mut SmallRng) -> Story {
        let ends = |p: &Party| {
            p.vanishes.is_some()
                || p.talk
                    .iter()
                    .any(|(_, a)| matches!(a, Act::Bye | Act::Vanish))
        };
        let by_itself = self.rules.minutes > 0
            || ends(&self.caller.party)
            || ends(&self.callee.party)
            || self.stopped.is_some();
        if !by_itself {
            let bye = (ms(random, 200, 90_000), Act::Bye);
            match random.random_bool(0.5) {
                true => self.caller.party.talk.push(bye),
                false => self.callee.party.talk.push(bye),
            }
        }
        // A story that is stopped from outside before the answer still needs an end after it.
        if self.stopped.is_some() || self.caller.party.vanishes.is_some() {
            let bye = (ms(random, 30_000, 90_000), Act::Bye);
            self.caller.party.talk.push(bye);
            self.callee
                .party
                .talk
                .push((bye.0 + Duration::from_secs(3), Act::Bye));
        }
        self
    }
}

fn link(random: &mut SmallRng) -> LinkPlan {
    let delay = ms(random, 1, 80);
    LinkPlan::bad(delay, ms(random, 0, 60))
}

fn trunk(random: &mut SmallRng) -> TrunkPlan {
    let prack = match random.random_range(0..10) {
        0 => Prack::Never,
        1 => Prack::Required,
        _ => Prack::Supported,
    };
    let out = match random.random_range(0..4) {
        0 => OutFormat::International,
        1 => OutFormat::National,
        2 => OutFormat::NationalWithTrunkPrefix,
        _ => OutFormat::Plus,
    };
    TrunkPlan {
        prack,
        out,
        user_phone: random.random_bool(0.3),
        asserted_identity: random.random_bool(0.8),
    }
}

fn codecs(random: &mut SmallRng) -> Vec<Codec> {
    let mut all = vec![PCMA, PCMU, G729, AMR];
    all.shuffle(random);
    let keep = random.random_range(1..=4);
    all.truncate(keep);
    // Most telephones speak G.711.
    if random.random_bool(0.85) && !all.contains(&PCMA) {
        all.push(PCMA);
    }
    all
}

fn party(random: &mut SmallRng) -> Party {
    let reliable = match random.random_range(0..10) {
        0..4 => Reliable::No,
        4..8 => Reliable::Supported,
        _ => Reliable::Required,
    };
    let on_reinvite = match random.random_range(0..20) {
        0 => OnReinvite::Refuse(*[488, 491, 500, 403, 481].choose(random).unwrap_or(&488)),
        1 => OnReinvite::Stall,
        2..6 => OnReinvite::Later(random.random_range(1..6_000)),
        _ => OnReinvite::Accept,
    };
    Party {
        codecs: codecs(random),
        dtmf: random
            .random_bool(0.8)
            .then(|| random.random_range(96..112)),
        reliable,
        early: early(random),
        talk: talk(random),
        on_reinvite,
        acks_lost: match random.random_range(0..10) {
            0 => random.random_range(1..4),
            _ => 0,
        },
        vanishes: random.random_bool(0.03).then(|| ms(random, 0, 30_000)),
        host_names: random.random_bool(0.5),
        prack_offers: random.random_bool(0.1),
        chatty: random.random_bool(0.7),
    }
}

fn early(random: &mut SmallRng) -> Vec<(Duration, Act)> {
    let mut acts = Vec::new();
    if random.random_bool(0.15) {
        let kinds = [
            Act::UpdateHold,
            Act::UpdateResume,
            Act::UpdateEmpty,
            Act::Options,
            Act::Digit('1'),
            Act::Bye,
            Act::Refer,
        ];
        for _ in 0..random.random_range(1..3) {
            let act = *kinds.choose(random).unwrap_or(&Act::Options);
            acts.push((ms(random, 0, 5_000), act));
        }
    }
    acts
}

fn talk(random: &mut SmallRng) -> Vec<(Duration, Act)> {
    let mut acts = Vec::new();
    if random.random_bool(0.5) {
        for _ in 0..random.random_range(1..6) {
            let act = match random.random_range(0..16) {
                0..3 => Act::Hold,
                3..5 => Act::Resume,
                5 => Act::HoldOld,
                6 => Act::OtherLaw,
                7 => Act::Refresh,
                8 => Act::Offerless,
                9 => Act::HoldCancelled(random.random_range(0..600)),
                10 => Act::UpdateHold,
                11 => Act::UpdateResume,
                12 => Act::UpdateEmpty,
                13 => Act::Digit(*['0', '5', '#', '*'].choose(random).unwrap_or(&'5')),
                14 => Act::Options,
                _ => *[Act::Refer, Act::Unknown]
                    .choose(random)
                    .unwrap_or(&Act::Refer),
            };
            // Often at the same moment as the other party: glare.
            let at = match random.random_bool(0.4) {
                true => Duration::from_secs(random.random_range(1..5)),
                false => ms(random, 0, 30_000),
            };
            acts.push((at, act));
        }
    }
    match random.random_range(0..10) {
        0..5 => acts.push((ms(random, 0, 60_000), Act::Bye)),
        5 => acts.push((ms(random, 0, 10_000), Act::Vanish)),
        _ => {}
    }
    acts
}

fn caller(random: &mut SmallRng) -> CallerPlan {
    CallerPlan {
        party: party(random),
        offers: random.random_bool(0.85),
        identity: match random.random_range(0..20) {
            0 => Identity::Hidden,
            1..6 => Identity::From,
            _ => Identity::Asserted,
        },
        cancels: random
            .random_bool(0.15)
            .then(|| match random.random_bool(0.5) {
                true => ms(random, 0, 3_000),
                false => ms(random, 0, 100_000),
            }),
        max_forwards: *[70, 69, 2, 1].choose(random).unwrap_or(&70),
    }
}

fn callee(random: &mut SmallRng) -> CalleePlan {
    let forks = match random.random_range(0..8) {
        0 => random.random_range(2..5),
        _ => 1,
    };
    let mut steps = Vec::new();
    let mut at = ms(random, 0, 800);
    for _ in 0..random.random_range(0..5) {
        let status = *[100, 180, 180, 183, 183, 181, 182, 199]
            .choose(random)
            .unwrap_or(&180);
        let step = Step::Progress {
            status,
            fork: random.random_range(0..forks),
            sdp: random.random_bool(0.4),
            reliable: random.random_bool(0.5),
        };
        steps.push((at, step));
        at += ms(random, 0, 2_500);
    }
    match random.random_range(0..20) {
        // Nobody answers.
        0 => {}
        1..5 => {
            let statuses = [
                486, 404, 480, 503, 603, 302, 401, 408, 487, 488, 500, 410, 600, 604, 606, 403,
            ];
            let status = *statuses.choose(random).unwrap_or(&486);
            let q850 = random
                .random_bool(0.2)
                .then(|| *[1, 16, 17, 19, 21, 31, 127].choose(random).unwrap_or(&17));
            steps.push((at, Step::Reject(status, q850)));
        }
        _ => {
            let fork = random.random_range(0..forks);
            let answers = if forks > 1 {
                random.random_range(1..=forks)
            } else {
                1
            };
            for n in 0..answers {
                let fork = (fork + n) % forks;
                steps.push((at, Step::Answer { fork }));
                at += ms(random, 0, 500);
            }
        }
    }
    CalleePlan {
        party: party(random),
        steps,
        on_cancel: match random.random_range(0..10) {
            0 => OnCancel::Answer,
            1 => OnCancel::Ignore,
            _ => OnCancel::Obey,
        },
        silent: random.random_bool(0.02),
    }
}

fn bound(random: &mut SmallRng) -> Bound {
    match random.random_range(0..40) {
        0 => Bound::NoSuchX,
        1 => Bound::Others,
        2 => Bound::WrongDirection,
        3 => Bound::ExpiresIn(random.random_range(-10..=0)),
        4 => Bound::ExpiresIn(random.random_range(1..60_000)),
        5 => Bound::Suspended,
        6 => Bound::AppSuspended,
        n => Bound::Yes {
            caller_is_a: n % 2 == 0,
        },
    }
}

fn rules(random: &mut SmallRng) -> Rules {
    Rules {
        minutes: match random.random_range(0..4) {
            0 => random.random_range(1..4),
            _ => 0,
        },
        minute: Duration::from_secs(60),
        last_minute_voice: random.random_bool(0.7),
        pre_voice: random.random_bool(0.25),
        record: random.random_bool(0.5),
        record_hint: random.random_bool(0.4),
        layout: match random.random_bool(0.5) {
            true => RecordLayout::Mono,
            false => RecordLayout::Stereo,
        },
        refusal_prompts: random.random_bool(0.5),
        answer_timeout: Duration::from_millis(*[90_000, 5_000].choose(random).unwrap_or(&90_000)),
    }
}

fn media(random: &mut SmallRng) -> MediaPlan {
    MediaPlan {
        real: random.random_bool(0.04),
        no_ports: random.random_bool(0.02),
        recorder: match random.random_range(0..20) {
            0 => None,
            1 => Some(ms(random, 4_000, 8_000)),
            _ => Some(ms(random, 0, 300)),
        },
        statistics: match random.random_range(0..20) {
            0 => None,
            1 => Some(ms(random, 4_000, 8_000)),
            _ => Some(ms(random, 0, 50)),
        },
        silence: None,
        recorder_fails: random.random_bool(0.04),
    }
}
