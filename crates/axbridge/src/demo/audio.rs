//! The voice of a simulated phone: it speaks a tone in 20 ms packets of A-law and keeps all that it hears.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axbridge_media::{g711, tone};
use bytes::Bytes;
use parking_lot::Mutex;
use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::identity::Identity;

const PCMA: u8 = 8;
const SAMPLES: usize = 160;
const PACKET: Duration = Duration::from_millis(20);
const DATAGRAM_MAX: usize = 2048;
/// Packets kept; more than an hour.
const HEARD_MAX: usize = 200_000;
/// Level of the voices.
const LEVEL_DBM0: i8 = -10;

/// One RTP packet as it came.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When.
    pub at: Instant,
    /// The whole datagram.
    pub datagram: Bytes,
    /// SSRC.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Audio.
    pub payload: Bytes,
}

/// What came in.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// RTP.
    pub packets: Vec<Packet>,
    /// RTCP, and whatever else is not RTP.
    pub other: Vec<Bytes>,
}

/// The two sockets of one call, open until dropped.
pub struct Audio {
    rtp: Arc<UdpSocket>,
    rtcp: Arc<UdpSocket>,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    heard: Arc<Mutex<Heard>>,
    tasks: Vec<JoinHandle<()>>,
    speaking: bool,
}

impl Audio {
    /// Opens an even port and the one above it, and listens.
    pub async fn open(ip: IpAddr) -> Result<Audio> {
        for _ in 0..100 {
            let rtp = UdpSocket::bind((ip, 0))
                .await
                .with_context(|| format!("opening a socket on {ip}"))?;
            let local = rtp.local_addr()?;
            if local.port() % 2 == 1 {
                continue;
            }
            let Ok(rtcp) = UdpSocket::bind((ip, local.port() + 1)).await else {
                continue;
            };
            let heard = Arc::new(Mutex::new(Heard::default()));
            let (rtp, rtcp) = (Arc::new(rtp), Arc::new(rtcp));
            let tasks = vec![
                tokio::spawn(listen(Arc::clone(&rtp), Arc::clone(&heard))),
                tokio::spawn(listen(Arc::clone(&rtcp), Arc::clone(&heard))),
            ];
            return Ok(Audio {
                rtp,
                rtcp,
                local,
                remote: None,
                heard,
                tasks,
                speaking: false,
            });
        }
        bail!("no even port is free on {ip}")
    }

    /// Where it listens.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Where the other end listens.
    pub fn connect(&mut self, remote: SocketAddr) {
        self.remote = Some(remote);
    }

    /// Begins to speak; once.
    pub fn speak(&mut self, identity: &Identity) {
        let Some(remote) = self.remote.filter(|_| !self.speaking) else {
            return;
        };
        self.speaking = true;
        let voice = Voice::of(identity);
        self.tasks.push(tokio::spawn(
            voice.clone().packets(Arc::clone(&self.rtp), remote),
        ));
        let rtcp_remote = SocketAddr::new(remote.ip(), remote.port().saturating_add(1));
        self.tasks.push(tokio::spawn(
            voice.reports(Arc::clone(&self.rtcp), rtcp_remote),
        ));
    }

    /// What was heard until now.
    pub fn heard(&self) -> Heard {
        self.heard.lock().clone()
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn listen(socket: Arc<UdpSocket>, heard: Arc<Mutex<Heard>>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    // A refused datagram (ICMP) shows as an error here and is no reason to stop.
    loop {
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let datagram = Bytes::copy_from_slice(&buffer[..length]);
        let mut heard = heard.lock();
        if heard.packets.len() + heard.other.len() >= HEARD_MAX {
            continue;
        }
        match packet(datagram.clone()) {
            Some(packet) => heard.packets.push(packet),
            None => heard.other.push(datagram),
        }
    }
}

/// None for RTCP, whose types lie where RTP has payload types 64 to 95 (RFC 5761 §4).
fn packet(datagram: Bytes) -> Option<Packet> {
    let reader = RtpReader::new(&datagram).ok()?;
    if (64..96).contains(&reader.payload_type()) {
        return None;
    }
    Some(Packet {
        at: Instant::now(),
        ssrc: reader.ssrc(),
        sequence: reader.sequence_number().into(),
        timestamp: reader.timestamp(),
        payload_type: reader.payload_type(),
        payload: Bytes::copy_from_slice(reader.payload()),
        datagram,
    })
}

/// A tone, its SSRC, and the name in its RTCP.
#[derive(Clone)]
struct Voice {
    second: Arc<Vec<u8>>,
    ssrc: u32,
    name: String,
}

impl Voice {
    fn of(identity: &Identity) -> Voice {
        // A whole second holds whole periods, so that it can be repeated.
        let linear = tone::sine(
            f64::from(identity.tone_hz),
            1000,
            tone::amplitude(LEVEL_DBM0),
        );
        let second = linear.iter().map(|s| g711::linear_to_alaw(*s)).collect();
        Voice {
            second: Arc::new(second),
            ssrc: identity.ssrc,
            name: identity.canary.clone(),
        }
    }

    async fn packets(self, socket: Arc<UdpSocket>, remote: SocketAddr) {
        let mut clock = tokio::time::interval(PACKET);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut sequence, mut timestamp) = (rand::random::<u16>(), rand::random::<u32>());
        for chunk in self.second.chunks_exact(SAMPLES).cycle() {
            clock.tick().await;
            let packet = RtpPacketBuilder::new()
                .payload_type(PCMA)
                .ssrc(self.ssrc)
                .sequence(Seq::from(sequence))
                .timestamp(timestamp)
                .payload(chunk)
                .build();
            if let Ok(packet) = packet {
                let _ = socket.send_to(&packet, remote).await;
            }
            sequence = sequence.wrapping_add(1);
            timestamp = timestamp.wrapping_add(SAMPLES as u32);
        }
    }

    /// An empty receiver report and an SDES that names the speaker, now and then.
    async fn reports(self, socket: Arc<UdpSocket>, remote: SocketAddr) {
        let mut clock = tokio::time::interval(Duration::from_secs(2));
        let report = rtcp(self.ssrc, &self.name);
        loop {
            clock.tick().await;
            let _ = socket.send_to(&report, remote).await;
        }
    }
}

/// RR without blocks, then SDES with CNAME and NAME (RFC 3550 §6.4.2, §6.5).
fn rtcp(ssrc: u32, name: &str) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    let mut chunk = ssrc.to_be_bytes().to_vec();
    for kind in [1, 2] {
        chunk.extend([kind, name.len() as u8]);
        chunk.extend(name.as_bytes());
    }
    // At least one zero ends the list, and the chunk ends on a multiple of four.
    chunk.resize((chunk.len() / 4 + 1) * 4, 0);
    packet.extend([0x81, 202, 0, (chunk.len() / 4) as u8]);
    packet.extend(chunk);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtcp_is_whole_words_and_is_not_taken_for_rtp() {
        let report = rtcp(7, "canary");
        assert_eq!(report.len() % 4, 0);
        assert_eq!(usize::from(report[11]) * 4 + 12, report.len());
        assert!(packet(Bytes::from(report)).is_none());
    }

    #[tokio::test]
    async fn one_phone_hears_the_other() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let (mut speaker, listener) = (
            Audio::open(ip).await.unwrap(),
            Audio::open(ip).await.unwrap(),
        );
        let number = axbridge_numbering::Number::from_digits(b"8613900000001").unwrap();
        let identity = Identity::new(super::super::scribe::Party::A, number, 440);
        speaker.connect(listener.local());
        speaker.speak(&identity);
        let enough = async {
            while listener.heard().packets.len() < 10 || listener.heard().other.is_empty() {
                tokio::time::sleep(PACKET).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), enough)
            .await
            .unwrap();
        let packets = listener.heard().packets;
        assert!(
            packets
                .iter()
                .all(|p| p.ssrc == identity.ssrc && p.payload.len() == SAMPLES)
        );
        assert!(
            packets
                .windows(2)
                .all(|w| w[1].sequence == w[0].sequence.wrapping_add(1))
        );
    }
}
