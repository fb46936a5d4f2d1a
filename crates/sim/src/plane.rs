//! The media side of the simulation: for some calls real media sessions, for the rest a stand-in that only keeps
//! the rules and answers in time, late, or never.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_call::{CallKey, MediaPlane, NoPorts};
use axbridge_media::{
    Command, Event, Negotiated, PlayEnd, RecordOut, RecordingEvent, Session, SessionConfig, Side,
    Stats,
};
use bytes::Bytes;

use crate::plan::MediaPlan;

/// Something that the media side does by its own clock.
#[derive(Clone, Debug)]
pub enum PlaneTimer {
    /// A prompt is over.
    Played {
        /// Who heard it.
        side: Side,
        /// Which.
        token: u32,
        /// How it ended.
        end: PlayEnd,
    },
    /// An event is told as it is.
    Tell(Event),
    /// A leg has been silent for a minute.
    Silence(Side),
}

enum Kind {
    StandIn {
        playing: [Option<u32>; 2],
        recording: Option<(Arc<str>, Instant)>,
    },
    Real(Box<Session>),
}

struct Open {
    pair: usize,
    kind: Kind,
    connected: [Option<Negotiated>; 2],
    watched: bool,
    closed: bool,
}

/// An RTP packet of ours.
pub struct RtpOut {
    /// Whose call.
    pub pair: usize,
    /// Who gets it.
    pub side: Side,
    /// Where it goes.
    pub to: Option<SocketAddr>,
    /// The packet.
    pub bytes: Bytes,
}

/// See the module.
pub struct SimPlane {
    /// The moment; the world sets it before each step.
    pub now: Instant,
    /// The wall clock at that moment.
    pub wall_ms: u64,
    /// Rules broken by those who give commands.
    pub wrong: Vec<String>,
    /// Timers that the world has still to take.
    pub timers: Vec<(Instant, CallKey, PlaneTimer)>,
    /// Commands that the world has still to look at.
    pub commands: Vec<(usize, Command)>,
    /// Packets that the world has still to look at.
    pub rtp: Vec<RtpOut>,
    plans: Vec<MediaPlan>,
    sessions: HashMap<CallKey, Open>,
}

/// Where our RTP for a call comes from: 10.0.(100 + n).1 towards A, .2 towards B.
#[must_use]
pub fn media_ip(pair: usize, side: Side) -> IpAddr {
    IpAddr::from([10, 0, 100 + pair as u8, 1 + side.index() as u8])
}

/// A recording below this length is not kept.
const RECORD_MINIMUM: Duration = Duration::from_secs(3);

impl SimPlane {
    /// A media side without sessions.
    #[must_use]
    pub fn new(now: Instant, plans: Vec<MediaPlan>) -> Self {
        SimPlane {
            now,
            wall_ms: 0,
            wrong: Vec::new(),
            timers: Vec::new(),
            commands: Vec::new(),
            rtp: Vec::new(),
            plans,
            sessions: HashMap::new(),
        }
    }

    fn at(&mut self, wait: Duration, key: CallKey, timer: PlaneTimer) {
        self.timers.push((self.now + wait, key, timer));
    }

    /// Sessions that are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.sessions.values().filter(|s| !s.closed).count()
    }

    /// The call of a pair, while its session is open.
    #[must_use]
    pub fn key_of(&self, pair: usize) -> Option<CallKey> {
        let mut open = self.sessions.iter().filter(|(_, s)| !s.closed);
        open.find(|(_, s)| s.pair == pair).map(|(key, _)| *key)
    }

    /// What both legs of a call are connected to, while its session is open.
    #[must_use]
    pub fn connected(&self, pair: usize) -> Option<[&Negotiated; 2]> {
        let open = self.sessions.get(&self.key_of(pair)?)?;
        let [a, b] = &open.connected;
        Some([a.as_ref()?, b.as_ref()?])
    }

    /// A timer has run out: what the call is to be told.
    pub fn fire(&mut self, key: CallKey, timer: PlaneTimer) -> Option<Event> {
        match timer {
            PlaneTimer::Tell(event) => Some(event),
            PlaneTimer::Silence(side) => {
                let open = self.sessions.get(&key)?;
                (open.watched && !open.closed).then_some(Event::NoMedia { side })
            }
            PlaneTimer::Played { side, token, end } => {
                let open = self.sessions.get_mut(&key)?;
                let Kind::StandIn { playing, .. } = &mut open.kind else {
                    return None;
                };
                let slot = &mut playing[side.index()];
                let current = !open.closed && *slot == Some(token);
                slot.take_if(|_| current);
                (current || end != PlayEnd::Finished).then_some(Event::PlayDone {
                    side,
                    token,
                    end,
                })
            }
        }
    }

    /// When a real session wants to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let real = self.sessions.values().filter_map(|s| match &s.kind {
            Kind::Real(session) if !s.closed => session.next_deadline(),
            _ => None,
        });
        real.min()
    }

    /// Lets real sessions do what is due.
    pub fn handle_timeout(&mut self) {
        let now = self.now;
        let mut keys: Vec<CallKey> = self.sessions.keys().copied().collect();
        keys.sort();
        for key in keys {
            let Some(open) = self.sessions.get_mut(&key) else {
                continue;
            };
            if let Kind::Real(session) = &mut open.kind
                && session.next_deadline().is_some_and(|at| at <= now)
            {
                session.handle_timeout(now);
                self.fetch(key);
            }
        }
    }

    /// RTP from a party of a call with a real session.
    pub fn receive(&mut self, pair: usize, side: Side, from: SocketAddr, mut packet: Vec<u8>) {
        let Some(key) = self.key_of(pair) else { return };
        let now = self.now;
        let Some(open) = self.sessions.get_mut(&key) else {
            return;
        };
        let Kind::Real(session) = &mut open.kind else {
            return;
        };
        if let Some(out) = session.rtp(side, now, from, &mut packet) {
            let to = session.remote(out.to);
            self.rtp.push(RtpOut {
                pair,
                side: out.to,
                to,
                bytes: Bytes::from(packet).slice(out.range),
            });
        }
        self.fetch(key);
    }

    /// Takes out of a real session what it has to send and to tell.
    fn fetch(&mut self, key: CallKey) {
        let Some(open) = self.sessions.get_mut(&key) else {
            return;
        };
        let plan = self.plans[open.pair];
        let Kind::Real(session) = &mut open.kind else {
            return;
        };
        let mut told = Vec::new();
        while let Some(packet) = session.poll_transmit() {
            self.rtp.push(RtpOut {
                pair: open.pair,
                side: packet.to,
                to: match packet.kind {
                    axbridge_media::TransmitKind::Rtp => session.remote(packet.to),
                    axbridge_media::TransmitKind::Rtcp => session.remote_rtcp(packet.to),
                },
                bytes: Bytes::copy_from_slice(packet.bytes()),
            });
        }
        while let Some(event) = session.poll_event() {
            let wait = match event {
                Event::Final(_) => plan.statistics,
                _ => Some(Duration::ZERO),
            };
            told.extend(wait.map(|wait| (wait, event)));
        }
        while let Some(part) = session.poll_record() {
            let stem: Arc<str> = "".into();
            let event = match part {
                RecordOut::Samples(_) => continue,
                RecordOut::Begin { stem, .. } => RecordingEvent::Begun { stem },
                RecordOut::End { samples, .. } => RecordingEvent::Kept {
                    stem,
                    duration_ms: samples / 8,
                    bytes: 44 + samples * 4,
                },
                RecordOut::Discarded { stem, .. } => RecordingEvent::Discarded { stem },
            };
            told.extend(plan.recorder.map(|wait| (wait, Event::Recording(event))));
        }
        for (wait, event) in told {
            self.at(wait, key, PlaneTimer::Tell(event));
        }
    }

    fn stand_in(&mut self, key: CallKey, command: Command) {
        let now = self.now;
        let Some(open) = self.sessions.get_mut(&key) else {
            return;
        };
        let plan = self.plans[open.pair];
        let Kind::StandIn { playing, recording } = &mut open.kind else {
            return;
        };
        let mut timers = Vec::new();
        let mut stop = |side: Side, playing: &mut [Option<u32>; 2]| {
            if let Some(token) = playing[side.index()].take() {
                let end = PlayEnd::Stopped;
                timers.push((Duration::ZERO, PlaneTimer::Played { side, token, end }));
            }
        };
        match command {
            Command::StopPlay { side } => stop(side, playing),
            Command::Play {
                side,
                prompt,
                repeat,
                token,
            } => {
                stop(side, playing);
                let speaks = open.connected[side.index()]
                    .as_ref()
                    .is_some_and(|n| n.codec.is_spoken());
                if speaks {
                    playing[side.index()] = Some(token);
                    let end = PlayEnd::Finished;
                    let length = Duration::from_millis(prompt.duration_ms());
                    if !repeat {
                        timers.push((length, PlaneTimer::Played { side, token, end }));
                    }
                } else {
                    let end = PlayEnd::Skipped;
                    timers.push((Duration::ZERO, PlaneTimer::Played { side, token, end }));
                }
            }
            Command::StartRecord { stem, .. } => {
                if plan.recorder_fails {
                    let reason = "no space left on device".to_owned();
                    let failed = RecordingEvent::Failed { stem, reason };
                    let event = Event::Recording(failed);
                    timers.push((Duration::from_millis(700), PlaneTimer::Tell(event)));
                } else {
                    *recording = Some((stem, now));
                }
            }
            Command::StopRecord => timers.extend(ended(recording.take(), now, plan)),
            _ => {}
        }
        for (wait, timer) in timers {
            self.at(wait, key, timer);
        }
    }
}

fn ended(
    recording: Option<(Arc<str>, Instant)>,
    now: Instant,
    plan: MediaPlan,
) -> Option<(Duration, PlaneTimer)> {
    let (stem, since) = recording?;
    let length = now - since;
    let event = if length < RECORD_MINIMUM {
        RecordingEvent::Discarded { stem }
    } else {
        RecordingEvent::Kept {
            stem,
            duration_ms: length.as_millis() as u64,
            bytes: 44 + length.as_millis() as u64 * 32,
        }
    };
    Some((plan.recorder?, PlaneTimer::Tell(Event::Recording(event))))
}

impl MediaPlane for SimPlane {
    fn open(
        &mut self,
        call: CallKey,
        a_local: IpAddr,
        b_local: IpAddr,
    ) -> Result<[SocketAddr; 2], NoPorts> {
        let IpAddr::V4(ip) = a_local else {
            return Err(NoPorts);
        };
        let pair = usize::from(ip.octets()[2]) - 100;
        let plan = self.plans[pair];
        if plan.no_ports {
            return Err(NoPorts);
        }
        let kind = match plan.real {
            true => {
                let config = SessionConfig {
                    record_minimum: RECORD_MINIMUM,
                    ..SessionConfig::default()
                };
                let session = Session::new(config, self.now, self.wall_ms, pair as u64 + 7);
                Kind::Real(Box::new(session))
            }
            false => Kind::StandIn {
                playing: [None; 2],
                recording: None,
            },
        };
        let open = Open {
            pair,
            kind,
            connected: [None, None],
            watched: false,
            closed: false,
        };
        if self.sessions.insert(call, open).is_some() {
            self.wrong.push("a session opened twice".into());
        }
        Ok([
            SocketAddr::new(a_local, 20_000),
            SocketAddr::new(b_local, 30_000),
        ])
    }

    fn command(&mut self, call: CallKey, command: Command) {
        let now = self.now;
        let Some(open) = self.sessions.get_mut(&call).filter(|s| !s.closed) else {
            self.wrong
                .push(format!("{} without a session", name(&command)));
            return;
        };
        self.commands.push((open.pair, command.clone()));
        match &command {
            Command::Connect {
                side, negotiated, ..
            } => open.connected[side.index()] = Some(negotiated.clone()),
            Command::WatchMedia(on) => open.watched = *on,
            _ => {}
        }
        if let Kind::Real(session) = &mut open.kind {
            session.command(now, command);
            return self.fetch(call);
        }
        self.stand_in(call, command);
    }

    fn close(&mut self, call: CallKey) {
        let now = self.now;
        let Some(open) = self.sessions.get_mut(&call).filter(|s| !s.closed) else {
            self.wrong.push("a session closed that is not open".into());
            return;
        };
        let plan = self.plans[open.pair];
        match &mut open.kind {
            Kind::Real(session) => {
                session.close(now);
                self.fetch(call);
            }
            Kind::StandIn { recording, .. } => {
                let told = ended(recording.take(), now, plan);
                let stats = Event::Final(Box::<Stats>::default());
                let statistics = plan.statistics.map(|wait| (wait, PlaneTimer::Tell(stats)));
                for (wait, timer) in told.into_iter().chain(statistics) {
                    self.at(wait, call, timer);
                }
            }
        }
        if let Some(open) = self.sessions.get_mut(&call) {
            open.closed = true;
        }
    }
}

/// A command as a line of a ladder.
#[must_use]
pub fn note(command: &Command) -> String {
    let what = name(command);
    match command {
        Command::Connect {
            side, negotiated, ..
        } => format!(
            "{what} {side:?}: {} {}",
            negotiated.codec.name(),
            negotiated.direction.as_str()
        ),
        Command::Bridge(on) | Command::WatchMedia(on) => format!("{what} {on}"),
        Command::Play {
            side,
            prompt,
            repeat,
            ..
        } => format!("{what} to {side:?}: {prompt:?} repeat={repeat}"),
        Command::StopPlay { side } | Command::SendDigit { side, .. } => format!("{what} {side:?}"),
        Command::StartRecord { layout, .. } => format!("{what} {layout:?}"),
        Command::StopRecord => what.to_owned(),
    }
}

/// What a command is called.
#[must_use]
pub fn name(command: &Command) -> &'static str {
    match command {
        Command::Connect { .. } => "Connect",
        Command::Bridge(_) => "Bridge",
        Command::WatchMedia(_) => "WatchMedia",
        Command::Play { .. } => "Play",
        Command::StopPlay { .. } => "StopPlay",
        Command::SendDigit { .. } => "SendDigit",
        Command::StartRecord { .. } => "StartRecord",
        Command::StopRecord => "StopRecord",
    }
}
