//! Key presses as telephone-events (RFC 4733): received with losses, sent as a phone would.

use std::fmt;
use std::time::{Duration, Instant};

mod send;

pub use send::{DtmfSender, EventPacket};

/// An event without an end packet is over after this silence; phones repeat it every 20 to 50 ms.
const LOST_END_AFTER: Duration = Duration::from_millis(200);
/// A segment of a long event (RFC 4733 §2.5.1.3) ends where the 16-bit duration does.
const SEGMENT: u32 = 0xFFFF;
/// Bytes of a telephone-event payload.
pub const EVENT_LEN: usize = 4;

/// A key of the telephone: 0-9, *, #, A-D.
#[derive(Copy, Clone, Eq, PartialEq, Hash)]
pub struct Digit(u8);

const KEYS: &[u8; 16] = b"0123456789*#ABCD";

impl Digit {
    /// From its character; lower-case letters are taken too.
    #[must_use]
    pub fn from_char(key: char) -> Option<Digit> {
        let upper = u8::try_from(key).ok()?.to_ascii_uppercase();
        let code = KEYS.iter().position(|&known| known == upper)?;
        Some(Digit(code as u8))
    }

    /// From its event code, 0 to 15.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Digit> {
        if code < 16 { Some(Digit(code)) } else { None }
    }

    /// Its event code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Its character.
    #[must_use]
    pub fn as_char(self) -> char {
        KEYS.get(usize::from(self.0))
            .copied()
            .map_or('?', char::from)
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

/// Hidden: digits may be a PIN.
impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digit(*)")
    }
}

/// The four bytes of a telephone-event.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct TelephoneEvent {
    /// Event code: 0 to 15 are keys.
    pub code: u8,
    /// Last packets of the event.
    pub end: bool,
    /// Power in -dBm0, 0 to 63.
    pub volume: u8,
    /// Length so far, in timestamp units.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload; RFC 2198 or several events in one packet are not agreed by us, so only the first counts.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<TelephoneEvent> {
        let &[code, flags, high, low] = payload.first_chunk::<EVENT_LEN>()?;
        Some(TelephoneEvent {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3F,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The payload.
    #[must_use]
    pub fn to_bytes(self) -> [u8; EVENT_LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [
            self.code,
            (u8::from(self.end) << 7) | (self.volume & 0x3F),
            high,
            low,
        ]
    }
}

/// A key press that was received.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Pressed {
    /// The key.
    pub digit: Digit,
    /// How long.
    pub duration_ms: u16,
}

#[derive(Copy, Clone, Debug)]
struct Current {
    code: u8,
    /// Timestamp of the first segment.
    since: u32,
    /// Timestamp of this segment.
    timestamp: u32,
    /// Longest duration seen of this segment.
    duration: u16,
    seen_at: Instant,
}

impl Current {
    fn pressed(&self, clock: u32) -> Option<Pressed> {
        let units = u64::from(self.timestamp.wrapping_sub(self.since)) + u64::from(self.duration);
        let duration_ms = units * 1_000 / u64::from(clock.max(1));
        Some(Pressed {
            digit: Digit::from_code(self.code)?,
            duration_ms: duration_ms.min(u64::from(u16::MAX)) as u16,
        })
    }
}

/// Turns event packets into key presses: each press once, whichever of its packets are lost, doubled or late.
#[derive(Clone, Debug, Default)]
pub struct DtmfReceiver {
    current: Option<Current>,
    /// Timestamp of the last event that is done with.
    done: Option<u32>,
}

impl DtmfReceiver {
    /// Takes one event packet. A press is given when its end comes, or when the next event shows that the end was lost.
    pub fn receive(
        &mut self,
        now: Instant,
        timestamp: u32,
        event: TelephoneEvent,
        clock: u32,
    ) -> Option<Pressed> {
        if self
            .done
            .is_some_and(|done| timestamp.wrapping_sub(done) as i32 <= 0)
        {
            return None;
        }
        match &mut self.current {
            Some(current) if current.timestamp == timestamp => {
                current.duration = current.duration.max(event.duration);
                current.seen_at = now;
                if event.end { self.finish(clock) } else { None }
            }
            Some(current) if (timestamp.wrapping_sub(current.timestamp) as i32) < 0 => None,
            Some(current)
                if current.code == event.code
                    && timestamp.wrapping_sub(current.timestamp) == SEGMENT =>
            {
                current.timestamp = timestamp;
                current.duration = event.duration;
                current.seen_at = now;
                if event.end { self.finish(clock) } else { None }
            }
            Some(_) => {
                let lost_end = self.finish(clock);
                self.begin(now, timestamp, event);
                if event.end && lost_end.is_none() {
                    self.finish(clock)
                } else {
                    lost_end
                }
            }
            None => {
                self.begin(now, timestamp, event);
                if event.end { self.finish(clock) } else { None }
            }
        }
    }

    fn begin(&mut self, now: Instant, timestamp: u32, event: TelephoneEvent) {
        self.current = Some(Current {
            code: event.code,
            since: timestamp,
            timestamp,
            duration: event.duration,
            seen_at: now,
        });
    }

    fn finish(&mut self, clock: u32) -> Option<Pressed> {
        let current = self.current.take()?;
        self.done = Some(current.timestamp);
        current.pressed(clock)
    }

    /// When an event whose end does not come is taken as over.
    pub fn deadline(&self) -> Option<Instant> {
        self.current
            .as_ref()
            .map(|current| current.seen_at + LOST_END_AFTER)
    }

    /// Gives the press whose end was lost, once its deadline is over.
    pub fn handle_timeout(&mut self, now: Instant, clock: u32) -> Option<Pressed> {
        if self.deadline()? > now {
            return None;
        }
        self.finish(clock)
    }

    /// The peer began a new stream: its timestamps say nothing about the old ones.
    pub fn restart(&mut self, clock: u32) -> Option<Pressed> {
        let open = self.finish(clock);
        self.done = None;
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLOCK: u32 = 8_000;

    fn digit(key: char) -> Digit {
        Digit::from_char(key).expect("a key")
    }

    /// The packets of a press: (timestamp, event).
    fn press(key: char, timestamp: u32, ms: u16) -> Vec<(u32, TelephoneEvent)> {
        let mut sender = DtmfSender::default();
        sender.push(digit(key), ms);
        let mut packets = Vec::new();
        while let Some(packet) = sender.tick(160, CLOCK) {
            packets.push((timestamp, packet.event));
        }
        packets
    }

    fn feed(
        receiver: &mut DtmfReceiver,
        now: &mut Instant,
        packets: &[(u32, TelephoneEvent)],
    ) -> Vec<Pressed> {
        let mut pressed = Vec::new();
        for (timestamp, event) in packets {
            *now += Duration::from_millis(20);
            pressed.extend(receiver.receive(*now, *timestamp, *event, CLOCK));
        }
        pressed
    }

    #[test]
    fn a_press_is_sent_with_growing_duration_and_three_ends() {
        let packets = press('5', 0, 100);
        let durations: Vec<_> = packets
            .iter()
            .map(|(_, event)| (event.duration, event.end))
            .collect();
        assert_eq!(
            durations,
            [
                (160, false),
                (320, false),
                (480, false),
                (640, false),
                (800, true),
                (800, true),
                (800, true)
            ]
        );
        assert!(packets.iter().all(|(_, event)| event.code == 5));
    }

    #[test]
    fn digits_are_apart_and_in_order() {
        let mut sender = DtmfSender::default();
        sender.push(digit('1'), 40);
        sender.push(digit('#'), 40);
        let ticks: Vec<_> = (0..14)
            .map(|_| sender.tick(160, CLOCK).map(|p| (p.event.code, p.first)))
            .collect();
        let (one, hash) = (Some((1, false)), Some((11, false)));
        assert_eq!(
            ticks[..7],
            [Some((1, true)), one, one, one, None, None, None]
        );
        assert_eq!(
            ticks[7..],
            [Some((11, true)), hash, hash, hash, None, None, None]
        );
        assert!(sender.is_idle());
    }

    #[test]
    fn three_ends_are_one_digit() {
        let (mut receiver, mut now) = (DtmfReceiver::default(), Instant::now());
        let pressed = feed(&mut receiver, &mut now, &press('7', 4_000, 120));
        assert_eq!(
            pressed,
            [Pressed {
                digit: digit('7'),
                duration_ms: 120
            }]
        );
        assert_eq!(receiver.deadline(), None);
    }

    #[test]
    fn lost_ends_are_made_good_by_time() {
        let (mut receiver, mut now) = (DtmfReceiver::default(), Instant::now());
        let packets = press('*', 4_000, 100);
        assert!(feed(&mut receiver, &mut now, &packets[..4]).is_empty());
        assert_eq!(
            receiver.handle_timeout(now + Duration::from_millis(199), CLOCK),
            None
        );
        let pressed = receiver.handle_timeout(now + Duration::from_millis(200), CLOCK);
        assert_eq!(
            pressed,
            Some(Pressed {
                digit: digit('*'),
                duration_ms: 80
            })
        );
        assert!(
            feed(&mut receiver, &mut now, &packets[4..]).is_empty(),
            "a late end is no second digit"
        );
    }

    #[test]
    fn lost_ends_are_made_good_by_the_next_digit() {
        let (mut receiver, mut now) = (DtmfReceiver::default(), Instant::now());
        let mut packets = press('1', 4_000, 60);
        packets.truncate(2);
        packets.extend(press('1', 8_000, 60));
        let pressed = feed(&mut receiver, &mut now, &packets);
        assert_eq!(pressed.len(), 2);
    }

    #[test]
    fn a_single_end_packet_is_enough() {
        let (mut receiver, mut now) = (DtmfReceiver::default(), Instant::now());
        let packets = press('9', 4_000, 60);
        assert_eq!(
            feed(&mut receiver, &mut now, &packets[packets.len() - 1..]).len(),
            1
        );
    }

    #[test]
    fn segments_of_a_long_press_are_one_digit() {
        let (mut receiver, mut now) = (DtmfReceiver::default(), Instant::now());
        let part = |duration, end| TelephoneEvent {
            code: 3,
            end,
            volume: 10,
            duration,
        };
        let packets = [
            (0, part(60_000, false)),
            (0, part(0xFFFF, false)),
            (0xFFFF, part(400, false)),
            (0xFFFF, part(800, true)),
        ];
        let pressed = feed(&mut receiver, &mut now, &packets);
        assert_eq!(
            pressed,
            [Pressed {
                digit: digit('3'),
                duration_ms: 8_291
            }]
        );
    }

    #[test]
    fn events_that_are_no_keys_give_nothing() {
        let (mut receiver, mut now) = (DtmfReceiver::default(), Instant::now());
        let flash = TelephoneEvent {
            code: 16,
            end: true,
            volume: 0,
            duration: 800,
        };
        assert!(feed(&mut receiver, &mut now, &[(9, flash)]).is_empty());
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
    }

    #[test]
    fn digits_are_hidden_in_debug() {
        assert!(!format!("{:?}", digit('7')).contains('7'));
        assert_eq!(digit('d').to_string(), "D");
        assert_eq!(Digit::from_char('x'), None);
    }

    proptest! {
        /// At least one packet of a press arrives: exactly one digit comes out, whatever else is lost or doubled.
        #[test]
        fn one_press_is_one_digit(keep in proptest::collection::vec(0u8..3, 10), at in any::<u32>()) {
            let (mut receiver, mut now) = (DtmfReceiver::default(), Instant::now());
            let mut pressed = Vec::new();
            let mut arrived = 0;
            for press_no in 0..3u32 {
                let mut any = false;
                for (place, packet) in press('8', at.wrapping_add(press_no * 4_000), 160).into_iter().enumerate() {
                    for _ in 0..keep[place] {
                        any = true;
                        pressed.extend(feed(&mut receiver, &mut now, &[packet]));
                    }
                }
                arrived += usize::from(any);
                now += Duration::from_millis(300);
                pressed.extend(receiver.handle_timeout(now, CLOCK));
            }
            prop_assert_eq!(pressed.len(), arrived);
        }
    }
}
