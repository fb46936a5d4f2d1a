//! One simulated world: our switch in the middle, telephones around it, a network between, a clock over all.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axbridge_binding::{AppId, Table};
use axbridge_call::{Answer, CallKey, Directory, Fact, FactKind, Snapshot, StoppedBy, Switch};
use axbridge_media::{Command, Side};
use axbridge_sip::{Hop, Transport};
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::check;
use crate::clock::{Clock, Queue};
use crate::install::{config, install, policy};
use crate::kinds::{self, Cast};
use crate::ladder::Ladder;
use crate::leaks::Leaks;
use crate::net::{Arrivals, Link};
use crate::noise;
use crate::phone::{Phone, Setup, Timer};
use crate::plan::{Act, Story};
use crate::plane::{PlaneTimer, SimPlane};

/// A world that is not at rest after this long never will be.
const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// Most calls in one world.
pub const PAIRS_MAX: usize = 100;

enum Happening {
    ToSwitch {
        pair: usize,
        side: Side,
        bytes: Bytes,
    },
    ToPhone {
        pair: usize,
        side: Side,
        bytes: Bytes,
    },
    Phone {
        pair: usize,
        side: Side,
        timer: Timer,
    },
    Plane {
        key: CallKey,
        timer: PlaneTimer,
    },
    Stop {
        pair: usize,
        by: StoppedBy,
    },
    /// The customer or the store answers a question of ours.
    Reply {
        pair: usize,
        key: CallKey,
        answer: Answer,
    },
    Silence {
        pair: usize,
        side: Side,
    },
    Rtp {
        pair: usize,
        side: Side,
        sequence: u16,
    },
}

/// A caller, a callee, and all that is known of their call.
pub struct Pair {
    /// What was to happen.
    pub story: Story,
    /// The caller and the callee.
    pub phones: [Phone; 2],
    /// Facts of the call in the order told.
    pub facts: Vec<Fact>,
    /// When we first sent a BYE to each.
    pub bye_sent: [Option<Instant>; 2],
    /// When `maxDuration` is over, by the monotonic clock.
    pub cut_at: Option<Instant>,
    /// When the ACK of each one's first INVITE (CSeq 1) reached us.
    pub acked_at: [Option<Instant>; 2],
    /// When a disconnect was told.
    pub ended_at: Option<Instant>,
    links: [[Link; 2]; 2],
    leaks: Leaks,
    cast: Cast,
}

impl Pair {
    /// The callee answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let answer = |f: &Fact| matches!(f.kind, FactKind::Answer { .. });
        self.facts.iter().any(answer)
    }
}

/// See the module.
pub struct World {
    clock: Clock,
    queue: Queue<Happening>,
    directory: Arc<Directory>,
    switch: Switch,
    plane: SimPlane,
    /// The calls.
    pub pairs: Vec<Pair>,
    by_ip: HashMap<IpAddr, (usize, Side)>,
    by_x: HashMap<String, usize>,
    by_session: HashMap<Arc<str>, usize>,
    network: SmallRng,
    /// What went over the wires.
    pub ladder: Ladder,
    /// Invariants broken.
    pub breaks: Vec<String>,
    /// Messages that we sent.
    pub messages: u64,
    /// Commands to the media side, when notes are kept: when, in which call, what.
    pub commands: Vec<(Duration, usize, Command)>,
}

/// Our address.
#[must_use]
pub fn switch_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5060))
}

/// The secret that a world's randomness is drawn from is its seed.
fn stream(seed: u64, part: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part)
}

impl World {
    /// A world in which these calls are made.
    #[must_use]
    pub fn new(seed: u64, stories: Vec<Story>) -> World {
        let mut numbers = stream(seed, 1);
        let clock = Clock::new(epoch());
        let table = Arc::new(Table::with_seed(64, seed));
        let directory = Arc::new(Directory::new(table));
        let mut snapshot = Snapshot::default();
        let mut world = World {
            clock,
            queue: Queue::default(),
            directory: directory.clone(),
            switch: Switch::new(config(&stories), directory.clone(), numbers.random()),
            plane: SimPlane::new(clock.now(), stories.iter().map(|s| s.media).collect()),
            pairs: Vec::new(),
            by_ip: HashMap::new(),
            by_x: HashMap::new(),
            by_session: HashMap::new(),
            network: stream(seed, 2),
            ladder: Ladder::default(),
            breaks: Vec::new(),
            messages: 0,
            commands: Vec::new(),
        };
        for (index, story) in stories.into_iter().enumerate() {
            world.add(index, story, &mut numbers, &directory, &mut snapshot);
        }
        directory.publish(snapshot);
        world
    }

    fn add(
        &mut self,
        index: usize,
        story: Story,
        numbers: &mut SmallRng,
        directory: &Directory,
        snapshot: &mut Snapshot,
    ) {
        // Distinct in every world: the pair's index is in the middle digits.
        let mut number = |prefix: &str, kind: u32| {
            format!(
                "+86{prefix}{:05}",
                numbers.random_range(0..300) * 300 + index as u32 * 3 + kind
            )
        };
        let (a, b, x) = (
            number("139000", 0),
            number("139000", 1),
            number("170000", 2),
        );
        let other = beside(&x);
        let shown = if story.kind.shows_other() { &other } else { &x };
        let ip = |side: u8| IpAddr::from([10, 1 + side, 100 + index as u8, 117]);
        let setup = |side: u8, seed: u64, number: &str| Setup {
            seed,
            address: SocketAddr::new(ip(side), 5060),
            media: SocketAddr::new(ip(side), 40_000),
            switch: switch_address(),
            number: number.to_owned(),
            x: if side == 0 { x.clone() } else { shown.clone() },
        };
        let caller = Phone::caller(setup(0, numbers.random(), &a), story.caller.clone());
        let callee = Phone::callee(setup(1, numbers.random(), &b), story.callee.clone());
        for side in [Side::A, Side::B] {
            self.by_ip.insert(ip(side.index() as u8), (index, side));
        }
        self.by_x.insert(x.clone(), index);
        for (number, name) in [(&a, "<A>"), (&b, "<B>"), (&x, "<X>"), (&other, "<Y>")] {
            self.ladder.mask(number, name);
        }
        let cast = install(index, &story, [&a, &b, &x, &other], directory, snapshot);
        let start = self.clock.now() + story.starts;
        self.queue.push(
            start,
            Happening::Phone {
                pair: index,
                side: Side::A,
                timer: Timer::Dial,
            },
        );
        if let Some((wait, by)) = story.stopped {
            self.queue
                .push(start + wait, Happening::Stop { pair: index, by });
        }
        if let Some((wait, side)) = story.media.silence {
            let silence = Happening::Silence { pair: index, side };
            self.queue.push(start + wait, silence);
        }
        if story.media.real {
            for side in [Side::A, Side::B] {
                let rtp = Happening::Rtp {
                    pair: index,
                    side,
                    sequence: 1,
                };
                self.queue.push(start + Duration::from_secs(1), rtp);
            }
        }
        let link = |plan| [Link::new(plan), Link::new(plan)];
        self.pairs.push(Pair {
            links: [link(story.a_link), link(story.b_link)],
            leaks: Leaks::new([&caller.secrets, &callee.secrets]),
            phones: [caller, callee],
            facts: Vec::new(),
            bye_sent: [None; 2],
            cut_at: None,
            acked_at: [None; 2],
            ended_at: None,
            cast,
            story,
        });
    }

    /// Lets everything happen, until nothing is left that could.
    pub fn run(&mut self) {
        while let Some(at) = self.next_at() {
            if self.clock.since_start(at) > LONGEST {
                self.breaks.push("the world does not come to rest".into());
                break;
            }
            self.clock.advance(at);
            self.step();
            if self.breaks.len() > 8 {
                break;
            }
        }
        self.at_rest();
    }

    fn next_at(&self) -> Option<Instant> {
        let phones = self.pairs.iter().flat_map(|p| &p.phones);
        let deadlines = phones
            .filter_map(Phone::next_deadline)
            .chain(self.switch.next_deadline())
            .chain(self.plane.next_deadline());
        self.queue.next_at().into_iter().chain(deadlines).min()
    }

    fn step(&mut self) {
        let now = self.clock.now();
        self.plane.now = now;
        self.plane.wall_ms = self.clock.wall_ms();
        if self.switch.next_deadline().is_some_and(|at| at <= now) {
            self.switch
                .handle_timeout(self.clock.both(), &mut self.plane);
            self.after_switch();
        }
        if self.plane.next_deadline().is_some_and(|at| at <= now) {
            self.plane.handle_timeout();
            self.after_plane();
        }
        for pair in 0..self.pairs.len() {
            for side in [Side::A, Side::B] {
                let phone = &mut self.pairs[pair].phones[side.index()];
                if phone.next_deadline().is_some_and(|at| at <= now) {
                    phone.handle_timeout(now);
                    self.after_phone(pair, side);
                }
            }
        }
        while let Some(happening) = self.queue.pop_due(now) {
            self.happen(now, happening);
        }
    }

    fn happen(&mut self, now: Instant, happening: Happening) {
        match happening {
            Happening::ToSwitch { pair, side, bytes } => {
                // Of the first INVITE: the ACK of a refused re-INVITE does not let us leave (RFC 3261 §15).
                if bytes.starts_with(b"ACK ") && bytes.windows(13).any(|w| w == b"CSeq: 1 ACK\r\n")
                {
                    self.pairs[pair].acked_at[side.index()].get_or_insert(now);
                }
                let hop = Hop {
                    transport: Transport::Udp,
                    local: switch_address(),
                    remote: self.pairs[pair].phones[side.index()].address,
                    conn: None,
                };
                self.switch
                    .receive(self.clock.both(), hop, bytes, &mut self.plane);
                self.after_switch();
            }
            Happening::ToPhone { pair, side, bytes } => {
                self.pairs[pair].phones[side.index()].receive(now, bytes);
                self.after_phone(pair, side);
            }
            Happening::Phone { pair, side, timer } => self.phone_timer(now, pair, side, timer),
            Happening::Plane { key, timer } => {
                if let Some(event) = self.plane.fire(key, timer) {
                    self.switch
                        .media_event(self.clock.both(), key, event, &mut self.plane);
                    self.after_switch();
                }
            }
            Happening::Stop { pair, by } => {
                let session = self.pairs[pair].facts.first().map(|f| f.session_id.clone());
                if let Some(session) = session {
                    let now = self.clock.both();
                    self.switch.stop_call(now, &session, by, &mut self.plane);
                    self.after_switch();
                }
            }
            Happening::Reply { pair, key, answer } => {
                let Pair { story, cast, .. } = &self.pairs[pair];
                kinds::before_reply(&self.directory.table, story, cast, policy(story), &answer);
                self.ladder.note(self.clock.elapsed(), pair, || {
                    "the question is answered".into()
                });
                self.switch
                    .answer(self.clock.both(), key, answer, &mut self.plane);
                self.after_switch();
            }
            Happening::Silence { pair, side } => {
                if let Some(key) = self.plane.key_of(pair) {
                    let timer = PlaneTimer::Silence(side);
                    self.queue.push(now, Happening::Plane { key, timer });
                }
            }
            Happening::Rtp {
                pair,
                side,
                sequence,
            } => self.rtp(now, pair, side, sequence),
        }
    }

    fn phone_timer(&mut self, now: Instant, pair: usize, side: Side, timer: Timer) {
        if matches!(timer, Timer::Talk(Act::Bye, 0)) {
            self.agreement(now, pair);
        }
        let phone = &mut self.pairs[pair].phones[side.index()];
        let was = phone.vanished;
        phone.timer(now, timer);
        if phone.vanished && !was {
            let at = self.clock.elapsed();
            self.ladder
                .note(at, pair, || format!("{side:?} falls silent"));
            self.goes_silent(now, pair, side);
        }
        self.after_phone(pair, side);
    }

    /// Both parties and the media side have to have the same in mind.
    fn agreement(&mut self, now: Instant, pair: usize) {
        if self.pairs[pair].story.noisy {
            return;
        }
        let media = self.plane.connected(pair);
        let wrong = check::agreement(now, &self.pairs[pair], media);
        self.breaks.extend(wrong);
    }

    /// A party that is gone sends no RTP either; a stand-in has to be told.
    fn goes_silent(&mut self, now: Instant, pair: usize, side: Side) {
        if let Some(key) = self
            .plane
            .key_of(pair)
            .filter(|_| !self.pairs[pair].story.media.real)
        {
            let timer = PlaneTimer::Silence(side);
            self.queue.push(
                now + Duration::from_secs(60),
                Happening::Plane { key, timer },
            );
        }
    }

    fn rtp(&mut self, now: Instant, pair: usize, side: Side, sequence: u16) {
        let phone = &self.pairs[pair].phones[side.index()];
        if phone.vanished || phone.is_done() || self.clock.elapsed() > Duration::from_secs(3600) {
            return;
        }
        if let Some(pt) = phone.sends_rtp() {
            let packet = rtp_packet(side, sequence, pt);
            self.plane.receive(pair, side, phone.media, packet);
            self.after_plane();
        }
        let next = Happening::Rtp {
            pair,
            side,
            sequence: sequence.wrapping_add(1),
        };
        self.queue.push(now + Duration::from_millis(500), next);
    }

    fn after_phone(&mut self, pair: usize, side: Side) {
        let at = self.clock.elapsed();
        loop {
            let phone = &mut self.pairs[pair].phones[side.index()];
            for (at, timer) in std::mem::take(&mut phone.timers) {
                self.queue.push(at, Happening::Phone { pair, side, timer });
            }
            let wrong = std::mem::take(&mut phone.wrong);
            if !self.pairs[pair].story.noisy {
                let named = |what| format!("{side:?} of call {pair}: {what}");
                self.breaks.extend(wrong.into_iter().map(named));
            }
            let phone = &mut self.pairs[pair].phones[side.index()];
            let Some(transmit) = phone.poll_transmit() else {
                break;
            };
            self.pairs[pair].leaks.learn(side, &transmit.bytes);
            let arrivals = self.carry(pair, side, 0, &transmit.bytes);
            let bytes = transmit.bytes;
            self.ladder
                .sip(at, (pair, side), true, bytes.clone(), fate(&arrivals));
            self.spoil(at, pair, side, &bytes);
            for wait in arrivals.into_iter().flatten() {
                let bytes = bytes.clone();
                self.queue.push(
                    self.clock.now() + wait,
                    Happening::ToSwitch { pair, side, bytes },
                );
            }
        }
    }

    /// On a noisy line a spoilt copy of a message comes, too.
    fn spoil(&mut self, at: Duration, pair: usize, side: Side, bytes: &Bytes) {
        if !self.pairs[pair].story.noisy || !self.network.random_bool(0.2) {
            return;
        }
        let bytes = noise::spoilt(&mut self.network, bytes);
        self.ladder
            .sip(at, (pair, side), true, bytes.clone(), "(spoilt)");
        let wait = Duration::from_micros(self.network.random_range(0..300_000));
        self.queue.push(
            self.clock.now() + wait,
            Happening::ToSwitch { pair, side, bytes },
        );
    }

    fn carry(&mut self, pair: usize, side: Side, way: usize, bytes: &[u8]) -> Arrivals {
        self.pairs[pair].links[side.index()][way].carry(&mut self.network, bytes)
    }

    fn after_switch(&mut self) {
        let now = self.clock.now();
        let at = self.clock.elapsed();
        while let Some(fact) = self.switch.poll_fact() {
            self.take_fact(fact);
        }
        while let Some(question) = self.switch.poll_question() {
            // Of a call that has told its beginning.
            let Some(&pair) = self.by_session.get(&question.session_id) else {
                self.breaks.push("a question about no call".into());
                continue;
            };
            let Pair { story, cast, .. } = &self.pairs[pair];
            if let Some((wait, answer)) = kinds::reply(story, cast) {
                let key = question.call;
                self.queue
                    .push(now + wait, Happening::Reply { pair, key, answer });
            }
        }
        while let Some(transmit) = self.switch.poll_transmit() {
            self.messages += 1;
            let Some(&(pair, side)) = self.by_ip.get(&transmit.hop.remote.ip()) else {
                self.breaks.push("a message to nobody".into());
                continue;
            };
            let bytes = transmit.bytes;
            let leaked = self.pairs[pair].leaks.search(side, &bytes);
            let arrivals = self.carry(pair, side, 1, &bytes);
            self.ladder
                .sip(at, (pair, side), false, bytes.clone(), fate(&arrivals));
            if let Some(what) = leaked {
                let what = format!("leak to {side:?} of call {pair}: {what}");
                self.breaks.push(what);
            }
            if bytes.starts_with(b"BYE ") {
                self.pairs[pair].bye_sent[side.index()].get_or_insert(now);
            }
            for wait in arrivals.into_iter().flatten() {
                let bytes = bytes.clone();
                self.queue
                    .push(now + wait, Happening::ToPhone { pair, side, bytes });
            }
        }
        self.after_plane();
    }

    fn take_fact(&mut self, fact: Fact) {
        if fact.app == AppId(0) {
            // Refused for a number that nobody owns: of no call, for the operator only.
            return;
        }
        let pair = match &fact.kind {
            FactKind::CallIn { called, .. } => {
                let pair = self.by_x.get(called).copied();
                if let Some(pair) = pair {
                    let known = self.by_session.insert(fact.session_id.clone(), pair);
                    let first = known.is_none() && self.pairs[pair].facts.is_empty();
                    if !first && !self.pairs[pair].story.noisy {
                        self.breaks.push("a second call for one INVITE".into());
                    }
                }
                pair
            }
            _ => self.by_session.get(&fact.session_id).copied(),
        };
        let Some(pair) = pair else {
            return self.breaks.push("a fact about no call".into());
        };
        let at = self.clock.elapsed();
        self.ladder.note(at, pair, || {
            format!("fact #{} {}", fact.seq, fact.kind.name())
        });
        let now = self.clock.now();
        let p = &mut self.pairs[pair];
        if p.facts
            .first()
            .is_some_and(|f| f.session_id != fact.session_id)
        {
            // A spoilt INVITE has made a call of its own.
            return;
        }
        match fact.kind {
            FactKind::Answer { .. } if p.story.rules.minutes > 0 => {
                let length = p.story.rules.minute * u32::from(p.story.rules.minutes);
                p.cut_at = Some(now + length);
            }
            FactKind::Disconnect { .. } => p.ended_at = Some(now),
            _ => {}
        }
        p.facts.push(fact);
    }

    fn after_plane(&mut self) {
        let at = self.clock.elapsed();
        for (pair, command) in std::mem::take(&mut self.plane.commands) {
            self.ladder.note(at, pair, || crate::plane::note(&command));
            if self.ladder.notes {
                self.commands.push((at, pair, command));
            }
        }
        for (at, key, timer) in std::mem::take(&mut self.plane.timers) {
            self.queue.push(at, Happening::Plane { key, timer });
        }
        let wrong = std::mem::take(&mut self.plane.wrong);
        self.breaks.extend(wrong);
        for packet in std::mem::take(&mut self.plane.rtp) {
            let phone = &self.pairs[packet.pair].phones[packet.side.index()];
            let noisy = self.pairs[packet.pair].story.noisy;
            if phone.is_done() && !phone.vanished && !noisy {
                let since = phone.done_since();
                // What was under way when the BYE came is the network's affair: nothing is, here.
                if since.is_some_and(|at| self.clock.now() > at + Duration::from_secs(2)) {
                    self.breaks
                        .push(format!("RTP to {:?} after its BYE", packet.side));
                }
            }
            if packet
                .bytes
                .windows(4)
                .any(|w| w == ssrc(packet.side.other()))
            {
                self.breaks
                    .push(format!("an SSRC of {:?} crossed", packet.side.other()));
            }
        }
    }

    fn at_rest(&mut self) {
        let left = (
            self.switch.live_calls(),
            self.switch.live_transactions(),
            self.switch.live_references(),
            self.plane.open_sessions(),
        );
        if left != (0, 0, 0, 0) && self.breaks.is_empty() {
            self.breaks.push(format!(
                "at rest, but {} calls, {} transactions, {} references, {} media sessions are left",
                left.0, left.1, left.2, left.3
            ));
        }
        for index in 0..self.pairs.len() {
            let wrong = check::call(&self.pairs[index]);
            let wrong = wrong.into_iter().map(|w| format!("call {index}: {w}"));
            self.breaks.extend(wrong);
        }
    }

    /// Virtual time that has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

/// Another private number: the middle digits are those of the pair, the last place is taken by nobody's number.
fn beside(x: &str) -> String {
    let (head, tail) = x.split_at(x.len() - 5);
    let number: u32 = tail.parse().unwrap_or(1);
    format!("{head}{:05}", number.saturating_sub(1))
}

/// Only differences of instants are used, so any moment will do; one for the whole process.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn fate(arrivals: &Arrivals) -> &'static str {
    match arrivals {
        [None, _] => "✗ lost",
        [Some(_), Some(_)] => "(twice)",
        [Some(_), None] => "",
    }
}

fn ssrc(side: Side) -> [u8; 4] {
    match side {
        Side::A => [0xa1, 0xc5, 0x5c, 0x07],
        Side::B => [0xb2, 0xd6, 0x6d, 0x18],
    }
}

fn rtp_packet(side: Side, sequence: u16, pt: u8) -> Vec<u8> {
    let mut packet = vec![0x80, pt];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 4_000).to_be_bytes());
    packet.extend(ssrc(side));
    packet.extend([0x55; 160]);
    packet
}
