//! Many calls at once over a link that loses, duplicates and reorders, from a seed: whatever happens, each request is told once,
//! each transaction has one end, and nothing lives on.
mod pair;

use axbridge_sip::{ClientTx, Event, Message, Method, ResponseBuilder, ServerTx, Transport};
use bytes::Bytes;
use pair::{Link, Pair, Side, hop_from, request};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

const CALLS: u64 = 40;
const ACTIONS_MAX: u64 = 200_000;

enum Action {
    Call(u64),
    Cancel(ClientTx),
    Bye(String),
    Answer(ServerTx, u16),
    Repeat(ServerTx, u64),
}

/// What became of one of A's transactions.
#[derive(Default, Debug)]
struct Outcome {
    finals: u32,
    failures: u32,
    accepted: bool,
}

struct World {
    pair: Pair,
    actions: BTreeMap<(Instant, u64), Action>,
    scheduled: u64,
    clients: HashMap<ClientTx, Outcome>,
    /// Bytes of the ACK for each call that was accepted.
    acks: HashMap<String, Bytes>,
    /// (Call-ID, CSeq, method) told at B.
    told: HashSet<(Vec<u8>, u32, String)>,
    cancelled: HashSet<ServerTx>,
    answered: HashSet<ServerTx>,
    /// INVITE server transactions that wait for an ACK of a 2xx, by Call-ID.
    accepted: HashMap<Vec<u8>, ServerTx>,
    acked: HashSet<ServerTx>,
    /// INVITE server transactions by Call-ID, and those whose ACK never came in time.
    invites: HashMap<Vec<u8>, ServerTx>,
    gave_up: HashSet<ServerTx>,
    transport: Transport,
}

impl World {
    fn new(seed: u64, link: Link, transport: Transport) -> World {
        let mut world = World {
            pair: Pair::new(seed, link),
            actions: BTreeMap::new(),
            scheduled: 0,
            clients: HashMap::new(),
            acks: HashMap::new(),
            told: HashSet::new(),
            cancelled: HashSet::new(),
            answered: HashSet::new(),
            accepted: HashMap::new(),
            acked: HashSet::new(),
            invites: HashMap::new(),
            gave_up: HashSet::new(),
            transport,
        };
        for call in 0..CALLS {
            let after = world.pair.rng.below(20_000);
            world.schedule(after, Action::Call(call));
        }
        world
    }

    fn schedule(&mut self, ms: u64, action: Action) {
        self.scheduled += 1;
        assert!(self.scheduled < ACTIONS_MAX, "runs away");
        let at = self.pair.now + Duration::from_millis(ms);
        self.actions.insert((at, self.scheduled), action);
    }

    fn run(&mut self) {
        loop {
            self.users();
            self.pair.collect();
            let action = self.actions.keys().next().map(|(at, _)| *at);
            let Some(at) = [action, self.pair.next()].into_iter().flatten().min() else {
                break;
            };
            self.pair.advance(at);
            while let Some(entry) = self.actions.first_entry().filter(|e| e.key().0 <= at) {
                let action = entry.remove();
                self.act(action);
            }
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.pair.now;
        let hop = hop_from(Side::A, self.transport);
        match action {
            Action::Call(n) => {
                let invite = request(Method::Invite, &format!("call-{n}"));
                let tx = self.pair.a.request(now, hop, invite);
                self.clients.insert(tx, Outcome::default());
                // Proceeding ends by the user's patience only.
                self.schedule(90_000, Action::Cancel(tx));
                if self.pair.rng.percent(30) {
                    let after = self.pair.rng.below(6_000);
                    self.schedule(after, Action::Cancel(tx));
                }
            }
            Action::Cancel(tx) => self.pair.a.cancel(now, tx),
            Action::Bye(call) => {
                let bye = request(Method::Bye, &call)
                    .cseq(2)
                    .to("<sip:b@x>;tag=b-tag");
                let tx = self.pair.a.request(now, hop, bye);
                self.clients.insert(tx, Outcome::default());
            }
            Action::Answer(tx, status) => self.answer(tx, status),
            Action::Repeat(tx, interval_ms) => {
                // RFC 3261 §13.3.1.4: by the user, until the ACK or for 64*T1.
                if !self.acked.contains(&tx) {
                    self.pair.b.resend(now, tx);
                    if self.pair.b.live() > 0 {
                        let next = (interval_ms * 2).min(4_000);
                        self.schedule(next, Action::Repeat(tx, next));
                    }
                }
            }
        }
    }

    fn answer(&mut self, tx: ServerTx, status: u16) {
        if self.answered.contains(&tx) {
            return;
        }
        let now = self.pair.now;
        let call_id = match self.pair.b.server_request(tx) {
            Some(request) => request.call_id().to_vec(),
            None => panic!("an unanswered transaction is gone"),
        };
        let is_invite =
            self.pair.b.server_request(tx).and_then(Message::method) == Some(&Method::Invite);
        let r = ResponseBuilder::new(status).to_tag("b-tag");
        self.pair.b.respond(now, tx, r).expect("open");
        if status >= 200 {
            self.answered.insert(tx);
        }
        if is_invite && (200..300).contains(&status) {
            self.accepted.insert(call_id, tx);
            self.schedule(500, Action::Repeat(tx, 500));
        }
    }

    fn users(&mut self) {
        for event in self.pair.events(Side::B) {
            self.callee(event);
        }
        for event in self.pair.events(Side::A) {
            self.caller(event);
        }
    }

    fn callee(&mut self, event: Event) {
        match event {
            Event::Request { tx, message, .. } => {
                let method = message.cseq_method().as_str().to_owned();
                let once = (message.call_id().to_vec(), message.cseq().seq, method);
                assert!(self.told.insert(once), "told twice: {message:?}");
                self.plan(tx, &message);
            }
            Event::Cancel { invite, .. } => {
                assert!(self.cancelled.insert(invite), "a CANCEL told twice");
                assert!(!self.answered.contains(&invite), "a CANCEL told too late");
                self.answer(invite, 487);
            }
            Event::Ack { message, .. } => match self.accepted.get(message.call_id()) {
                Some(tx) => {
                    self.acked.insert(*tx);
                }
                // It crossed timer H.
                None => assert!(self.gave_up.contains(&self.invites[message.call_id()])),
            },
            Event::ServerTimeout { tx } => {
                assert!(self.answered.contains(&tx));
                assert!(self.gave_up.insert(tx));
            }
            other => panic!("not for a callee: {other:?}"),
        }
    }

    fn plan(&mut self, tx: ServerTx, message: &Message) {
        if message.cseq_method() == &Method::Bye {
            let after = self.pair.rng.below(700);
            return self.schedule(after, Action::Answer(tx, 200));
        }
        self.invites.insert(message.call_id().to_vec(), tx);
        if self.pair.rng.percent(70) {
            let after = self.pair.rng.below(1_000);
            self.schedule(after, Action::Answer(tx, 180));
        }
        let status = [200, 200, 200, 486, 404, 603, 503][self.pair.rng.below(7) as usize];
        let after = self.pair.rng.below(8_000);
        self.schedule(after, Action::Answer(tx, status));
    }

    fn caller(&mut self, event: Event) {
        match event {
            Event::Response { tx, message, .. } => {
                let status = message.status().expect("a response");
                let outcome = self.clients.get_mut(&tx).expect("of ours");
                if status < 200 {
                    assert_eq!(
                        outcome.finals + outcome.failures,
                        0,
                        "provisional after the end"
                    );
                    return;
                }
                let again = outcome.accepted && status < 300;
                outcome.finals += u32::from(!again);
                outcome.accepted |= status < 300 && message.cseq_method() == &Method::Invite;
                if outcome.accepted {
                    self.acknowledge(&message);
                }
            }
            Event::ClientTimeout { tx } => {
                self.clients.get_mut(&tx).expect("of ours").failures += 1;
            }
            other => panic!("not for a caller: {other:?}"),
        }
    }

    fn acknowledge(&mut self, response: &Message) {
        let call = String::from_utf8_lossy(response.call_id()).into_owned();
        let hop = hop_from(Side::A, self.transport);
        if let Some(bytes) = self.acks.get(&call) {
            return self.pair.a.send(hop, bytes.clone());
        }
        let ack = request(Method::Ack, &call).to("<sip:b@x>;tag=b-tag");
        let bytes = self.pair.a.send_ack(hop, ack);
        self.acks.insert(call.clone(), bytes);
        let after = self.pair.rng.below(10_000);
        self.schedule(after, Action::Bye(call));
    }

    fn check(&self, seed: u64) {
        assert_eq!(
            (self.pair.a.live(), self.pair.b.live()),
            (0, 0),
            "live, seed {seed}"
        );
        for outcome in self.clients.values() {
            assert_eq!(
                outcome.finals + outcome.failures,
                1,
                "{outcome:?}, seed {seed}"
            );
        }
        assert!(self.clients.len() as u64 >= CALLS);
    }
}

fn simulate(seed: u64, link: Link, transport: Transport) -> World {
    let mut world = World::new(seed, link, transport);
    world.run();
    world.check(seed);
    world
}

#[test]
fn bad_links_break_no_invariant() {
    let (mut transactions, mut failures) = (0, 0);
    for seed in 1..=150 {
        let link = Link {
            loss_percent: [0, 5, 30, 60][seed as usize % 4],
            duplicate_percent: [0, 20, 50][seed as usize % 3],
            delay_ms_max: [1, 40, 700][seed as usize / 4 % 3],
        };
        let world = simulate(seed, link, Transport::Udp);
        transactions += world.clients.len();
        failures += world.clients.values().filter(|o| o.failures > 0).count();
        if link.loss_percent == 0 {
            assert!(
                world.clients.values().all(|o| o.failures == 0),
                "a timeout without loss, seed {seed}"
            );
            assert_eq!(world.acked.len(), world.accepted.len(), "seed {seed}");
        }
    }
    println!("{transactions} client transactions over 150 seeds, {failures} timed out");
    assert!(failures > 0, "60 % loss that loses nothing tests nothing");
}

#[test]
fn streams_need_no_repetition() {
    for seed in 1..=20 {
        let link = Link {
            loss_percent: 50,
            duplicate_percent: 50,
            delay_ms_max: 1,
        };
        let world = simulate(seed, link, Transport::Tcp);
        assert!(
            world.clients.values().all(|o| o.failures == 0),
            "seed {seed}"
        );
        assert_eq!(world.pair.a.counters().retransmitted, 0, "seed {seed}");
        assert_eq!(world.pair.b.counters().repeated, 0, "seed {seed}");
    }
}

#[test]
fn a_seed_repeats_its_run() {
    let link = Link {
        loss_percent: 20,
        duplicate_percent: 20,
        delay_ms_max: 300,
    };
    let log = |seed| simulate(seed, link, Transport::Udp).pair.log;
    assert_eq!(log(7), log(7));
    assert_ne!(log(7), log(8));
}
