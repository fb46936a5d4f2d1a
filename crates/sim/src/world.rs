//! One simulated world: our switch in the middle, telephones around it, a network between, a clock over all.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axbridge_binding::{AppId, Axb, NumberInfo, Policy, SubscriptionId, Table, TrunkId};
use axbridge_call::{
    App, AppPrompts, CallKey, Directory, Fact, FactKind, Listen, Snapshot, StoppedBy, Switch,
    SwitchConfig, Trunk,
};
use axbridge_media::{Prompt, Side, tone};
use axbridge_numbering::{Number, NumberRules};
use axbridge_sip::{EndpointConfig, Hop, Transport};
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::check;
use crate::clock::{Clock, Queue, WALL_START_MS};
use crate::ladder::Ladder;
use crate::leaks::Leaks;
use crate::net::{Arrivals, Link};
use crate::phone::{Phone, Setup, Timer};
use crate::plan::{Act, Bound, Story, TrunkPlan};
use crate::plane::{PlaneTimer, SimPlane, media_ip};

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
    /// When a disconnect was told.
    pub ended_at: Option<Instant>,
    links: [[Link; 2]; 2],
    leaks: Leaks,
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
}

/// Our address.
#[must_use]
pub fn switch_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5060))
}

fn prompt(ms: u32) -> Arc<Prompt> {
    let samples = tone::sine(440.0, ms, 8000);
    Prompt::from_linear(&samples).map_or_else(|_| Arc::new(tone::ring_back()), Arc::new)
}

struct Prompts {
    pre_voice: Arc<Prompt>,
    hint: Arc<Prompt>,
    last: Arc<Prompt>,
    refusal: Arc<Prompt>,
    ring_back: Arc<Prompt>,
}

fn prompts() -> &'static Prompts {
    static PROMPTS: OnceLock<Prompts> = OnceLock::new();
    PROMPTS.get_or_init(|| Prompts {
        pre_voice: prompt(2_500),
        hint: prompt(1_200),
        last: prompt(2_000),
        refusal: prompt(3_000),
        ring_back: Arc::new(tone::ring_back()),
    })
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
        let ip = |side: u8| IpAddr::from([10, 1 + side, 100 + index as u8, 117]);
        let setup = |side: u8, seed: u64, number: &str| Setup {
            seed,
            address: SocketAddr::new(ip(side), 5060),
            media: SocketAddr::new(ip(side), 40_000),
            switch: switch_address(),
            number: number.to_owned(),
            x: x.clone(),
        };
        let caller = Phone::caller(setup(0, numbers.random(), &a), story.caller.clone());
        let callee = Phone::callee(setup(1, numbers.random(), &b), story.callee.clone());
        for side in [Side::A, Side::B] {
            self.by_ip.insert(ip(side.index() as u8), (index, side));
        }
        self.by_x.insert(x.clone(), index);
        for (number, name) in [(&a, "<A>"), (&b, "<B>"), (&x, "<X>")] {
            self.ladder.mask(number, name);
        }
        install(index, &story, [&a, &b, &x], directory, snapshot);
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
            ended_at: None,
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
            Happening::Rtp {
                pair,
                side,
                sequence,
            } => self.rtp(now, pair, side, sequence),
        }
    }

    fn phone_timer(&mut self, now: Instant, pair: usize, side: Side, timer: Timer) {
        if matches!(timer, Timer::Talk(Act::Bye, 0)) {
            let wrong = check::agreement(now, &self.pairs[pair]);
            self.breaks.extend(wrong);
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
            for what in std::mem::take(&mut phone.wrong) {
                self.breaks.push(format!("{side:?} of call {pair}: {what}"));
            }
            let Some(transmit) = phone.poll_transmit() else {
                break;
            };
            self.pairs[pair].leaks.learn(side, &transmit.bytes);
            let arrivals = self.carry(pair, side, 0, &transmit.bytes);
            let bytes = transmit.bytes;
            self.ladder
                .sip(at, (pair, side), true, bytes.clone(), fate(&arrivals));
            for wait in arrivals.into_iter().flatten() {
                let bytes = bytes.clone();
                self.queue.push(
                    self.clock.now() + wait,
                    Happening::ToSwitch { pair, side, bytes },
                );
            }
        }
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
        let pair = match &fact.kind {
            FactKind::CallIn { called, .. } => {
                let pair = self.by_x.get(called).copied();
                if let Some(pair) = pair {
                    let known = self.by_session.insert(fact.session_id.clone(), pair);
                    if known.is_some() || !self.pairs[pair].facts.is_empty() {
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
        for (at, key, timer) in std::mem::take(&mut self.plane.timers) {
            self.queue.push(at, Happening::Plane { key, timer });
        }
        let wrong = std::mem::take(&mut self.plane.wrong);
        self.breaks.extend(wrong);
        for packet in std::mem::take(&mut self.plane.rtp) {
            let phone = &self.pairs[packet.pair].phones[packet.side.index()];
            if phone.is_done() && !phone.vanished {
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

fn config(stories: &[Story]) -> SwitchConfig {
    SwitchConfig {
        node: "sim".into(),
        host: "axbridge.example".into(),
        shard: 0,
        shards: 1,
        listen: vec![Listen {
            transport: Transport::Udp,
            local: switch_address(),
            advertised: switch_address(),
        }],
        calls_max: 1000,
        minute: stories
            .first()
            .map_or(Duration::from_secs(60), |s| s.rules.minute),
        closing_max: Duration::from_secs(5),
        ring_back: prompts().ring_back.clone(),
        sip: EndpointConfig {
            user_agent: "axbridge".into(),
            ..EndpointConfig::default()
        },
    }
}

fn trunk(id: u16, peer: SocketAddr, plan: &TrunkPlan, media: IpAddr) -> Arc<Trunk> {
    Arc::new(Trunk {
        id: TrunkId(id),
        name: format!("trunk {id}"),
        peers: vec![peer],
        sources: Vec::new(),
        transport: Default::default(),
        local: None,
        domain: None,
        numbers: NumberRules {
            out: plan.out,
            ..NumberRules::default()
        },
        caller_from: vec![
            axbridge_call::CallerHeader::PAssertedIdentity,
            axbridge_call::CallerHeader::From,
        ],
        media_ip: Some(media),
        prack: plan.prack,
        learn_media_source: false,
        user_phone: plan.user_phone,
        asserted_identity: plan.asserted_identity,
    })
}

/// Puts trunks, application, number and binding of a story where the switch finds them.
fn install(
    index: usize,
    story: &Story,
    [a, b, x]: [&str; 3],
    directory: &Directory,
    snapshot: &mut Snapshot,
) {
    let [a_trunk, b_trunk] = [index as u16 * 2 + 1, index as u16 * 2 + 2];
    let peer = |side: u8| SocketAddr::from(([10, 1 + side, 100 + index as u8, 117], 5060));
    let made = [
        trunk(a_trunk, peer(0), &story.a_trunk, media_ip(index, Side::A)),
        trunk(b_trunk, peer(1), &story.b_trunk, media_ip(index, Side::B)),
    ];
    for t in made {
        snapshot.trunks.insert(t.id, t);
    }
    let app = AppId(index as u32 + 1);
    snapshot.apps.insert(app, application(app, story));
    let number = |text: &str| Number::parse_global(text).unwrap_or_else(|_| unreachable!("{text}"));
    let (a, b, x) = (number(a), number(b), number(x));
    if story.bound == Bound::NoSuchX {
        return;
    }
    directory.table.set_number(
        x,
        NumberInfo {
            app,
            status: story.bound.status(),
            trunk: TrunkId(b_trunk),
            mode: axbridge_binding::RouteKind::Axb,
            area: None,
        },
    );
    let caller_is_a = !matches!(story.bound, Bound::Yes { caller_is_a: false });
    let (first, second) = if caller_is_a { (a, b) } else { (b, a) };
    let someone = number("+8613900099999");
    let axb = Axb {
        subscription: SubscriptionId(index as u128 + 77),
        app,
        x,
        a: if story.bound == Bound::Others {
            someone
        } else {
            first
        },
        b: second,
        direction: story.bound.direction(),
        expires_at_ms: match story.bound {
            Bound::ExpiresIn(ms) => {
                let arrives = story.starts + story.a_link.delay;
                let at = WALL_START_MS + arrives.as_millis() as u64;
                Some(at.saturating_add_signed(ms))
            }
            _ => None,
        },
        policy: policy(story),
        user_data: Some("order 4711".into()),
    };
    if directory.table.publish_axb(&axb).is_err() {
        unreachable!("a binding that the table takes");
    }
}

fn policy(story: &Story) -> Policy {
    let rules = &story.rules;
    let name = |on: bool, name: &str| on.then(|| Arc::from(name));
    Policy {
        max_duration_min: rules.minutes,
        last_min_voice: name(rules.last_minute_voice, "last.wav"),
        record: rules.record,
        record_hint_tone: name(rules.record_hint, "hint.wav"),
        pre_voice_caller: name(rules.pre_voice, "pre.wav"),
        pre_voice_callee: name(rules.pre_voice, "pre.wav"),
        warn_before_s: 60,
        private_sms: true,
    }
}

fn application(id: AppId, story: &Story) -> Arc<App> {
    let p = prompts();
    let refusal = story.rules.refusal_prompts.then(|| p.refusal.clone());
    Arc::new(App {
        id,
        key: "simulated".into(),
        recording: true,
        layout: story.rules.layout,
        refusals: AppPrompts {
            no_permission: refusal.clone(),
            service_abnormal: refusal.clone(),
            no_binding: refusal,
        },
        prompts: [
            ("last.wav", &p.last),
            ("hint.wav", &p.hint),
            ("pre.wav", &p.pre_voice),
        ]
        .into_iter()
        .map(|(name, prompt)| (Arc::from(name), prompt.clone()))
        .collect(),
        answer_timeout_ms: story.rules.answer_timeout.as_millis() as u64,
        active: story.bound != Bound::AppSuspended,
    })
}
